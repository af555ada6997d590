"""What must be true of users and sessions, as far as this schema can tell, and what every schema must keep."""

from lumi_common.db.invariants import Invariant, of_every_schema
from lumi_identity.storage.tables import metadata

_LIVE = "s.revoked_at is null and s.expires_at > now()"

INVARIANTS = (
    # One session's row holds one good token; the one before it is told apart by its own hash.
    Invariant(
        "I1",
        "C",
        "identity",
        "at most one live refresh token per session family, and a used one is told from the good one",
        f"""
        select s.family_id, count(*) as live, null as session_id, null as generation
        from identity.user_sessions s where {_LIVE} group by 1 having count(*) > 1
        union all
        select family_id, null, id, generation from identity.user_sessions
        where (generation > 1) <> (previous_token_hash is not null) or (generation > 1) <> (rotated_at is not null)
            or previous_token_hash = refresh_token_hash or generation < 1
        union all
        select min(family_id), count(*), min(id), null from identity.user_sessions
        group by refresh_token_hash having count(*) > 1
        """,
    ),
    Invariant(
        "I2",
        "Q",
        "identity",
        "no live session of a SUSPENDED or DELETED user",
        f"""
        select s.id as session_id, u.id as user_id, u.status, u.deleted_at
        from identity.user_sessions s join identity.users u on u.id = s.user_id
        where {_LIVE} and (u.status <> 'ACTIVE' or u.deleted_at is not null)
        """,
    ),
    # A try and a sign-in at once may be counted either way, so what came within a minute of the last sign-in, longer
    # than any of them takes, may be in the count or not. All else is counted exactly.
    Invariant(
        "I3",
        "C",
        "identity",
        "the failed sign-ins that are counted are those that were written down since the last that succeeded, and of "
        "the codes of a second factor each was taken once, the youngest last",
        """
        with last as (
            select user_id, max(created_at) as at from identity.security_events
            where type in ('signed_in', 'account_unlocked') and user_id is not null group by 1
        ), failed as (
            select user_id,
                count(*) filter (where last.at is null or created_at > last.at + interval '1 minute') as at_least,
                count(*) filter (where last.at is null or created_at > last.at - interval '1 minute') as at_most
            from identity.security_events left join last using (user_id)
            where type in ('sign_in_failed', 'two_factor_failed') and user_id is not null group by 1
        ), taken as (
            select user_id, (payload ->> 'step')::bigint as step, count(*) as times
            from identity.security_events
            where type in ('two_factor_enabled', 'two_factor_passed') and user_id is not null group by 1, 2
        )
        select u.id as user_id, failed_login_count as counted, at_least, at_most, null as step, null as times
        from identity.users u left join failed on failed.user_id = u.id
        where failed_login_count not between coalesce(at_least, 0) and coalesce(at_most, 0)
        union all
        select user_id, null, null, null, step, times from taken where times > 1
        union all
        select u.id, null, null, null, u.last_totp_step, null
        from identity.users u left join (select user_id, max(step) as last from taken group by 1) t on t.user_id = u.id
        where u.last_totp_step is distinct from t.last
        """,
    ),
    Invariant(
        "I4",
        "C",
        "identity",
        "e-mail unique after case folding",
        """
        select min(id) as user_id, max(id) as other, count(*) as users from identity.users
        group by lower(email::text) having count(*) > 1
        """,
    ),
    Invariant(
        "X6",
        "Q",
        "identity",
        "an erasure comes to its end within a day, and its subject has no account then",
        """
        select e.id as erasure_id, e.step, null as user_id from identity.erasures e
        where e.step <> 'COMPLETE' and e.created_at < now() - interval '1 day'
        union all
        select e.id, e.step, u.id from identity.erasures e join identity.users u on u.id = e.subject_id
        where e.step <> 'COUNT'
        """,
    ),
    *of_every_schema(metadata),
)
