"""Bugs of signing in: guessing at passwords, and the second factor."""

from lumi_mutants.mutation import Mutation

_IDENTITY = "services/identity/src/lumi_identity"
_GUESSING = "services/identity/tests/storage/test_sign_in_attempts.py"
_SECOND = "services/identity/tests/rpc/test_two_factor.py"

SIGNING_IN = (
    Mutation(
        "guesses-never-wait",
        f"{_IDENTITY}/storage/sign_in_attempts.py",
        "            where=or_(_t.blocked_until.is_(None), not_(_blocked)),",
        "",
        (f"{_GUESSING}::test_of_fifty_wrong_tries_at_once_five_are_hashed_and_counted",),
        "Passwords are guessed at as fast as they are hashed.",
    ),
    Mutation(
        "owner-locked-out",
        f"{_IDENTITY}/storage/sign_in_attempts.py",
        "    _first(_SOURCE, or_(not_(_account_is_blocked), _is_known)),",
        "    _first(_SOURCE, not_(_account_is_blocked)),",
        (f"{_GUESSING}::test_an_attacker_with_many_sources_is_kept_out_and_the_owner_is_not",),
        "Whoever guesses long enough keeps somebody out of their account.",
    ),
    Mutation(
        "password-forgives-codes",
        f"{_IDENTITY}/workflows/sign_in.py",
        "                await attempt.release()\n                return await self._challenge(user)",
        "                await attempt.succeeded()\n                return await self._challenge(user)",
        (f"{_SECOND}::test_wrong_codes_and_wrong_passwords_are_counted_together",),
        "Who knows the password tries codes without end, signing in between them.",
    ),
    Mutation(
        "code-good-twice",
        f"{_IDENTITY}/storage/two_factor.py",
        "    .where(_ID, _SEALED, _STEP_IS_NEW, users.c.two_factor_enabled)",
        "    .where(_ID, _SEALED, users.c.two_factor_enabled)",
        (f"{_SECOND}::test_of_twenty_at_once_on_two_servers_one_gets_in",),
        "Who looks over a shoulder signs in with the same code.",
    ),
    Mutation(
        "recovery-code-good-twice",
        f"{_IDENTITY}/storage/two_factor.py",
        '    .where(_OF_USER, _codes.code_hash == bindparam("digest", type_=Text), _codes.used_at.is_(None))',
        '    .where(_OF_USER, _codes.code_hash == bindparam("digest", type_=Text))',
        (f"{_SECOND}::test_a_recovery_code_stands_in_once",),
        "A recovery code is as good as a password for ever.",
    ),
    Mutation(
        "challenge-outlives-sessions",
        f"{_IDENTITY}/storage/two_factor.py",
        "        func.coalesce(_tokens.created_at > users.c.not_before, true()),",
        "",
        (f"{_SECOND}::test_a_challenge_that_is_over_takes_no_code",),
        "A challenge for a password that was reset since still begins a session.",
    ),
)
