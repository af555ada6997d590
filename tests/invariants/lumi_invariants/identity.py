"""Identity: I1, I2 and I4."""

from lumi_invariants.invariant import Invariant

_LIVE = "s.revoked_at is null and s.expires_at > now()"

IDENTITY = (
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
)
