"""What a refresh token is to its session."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lumi_common.cuid import cuid
from lumi_identity.domain.session import GRACE, RefreshTokens, Session, Use, parse

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
tokens = RefreshTokens(b"a server's key")


def a_session(generation: int) -> Session:
    id = cuid()
    return Session(
        id=id,
        user_id=cuid(),
        family_id=id,
        generation=generation,
        refresh_token_hash=tokens.hash(id, generation),
        previous_token_hash=tokens.hash(id, generation - 1) if generation > 1 else None,
        rotated_at=NOW if generation > 1 else None,
        expires_at=NOW + timedelta(days=30),
        now=NOW,
    )


def test_the_newest_token_is_the_one_that_is_good() -> None:
    session = a_session(1)

    assert tokens.judge(session, tokens.secret(session.id, 1)) is Use.CURRENT


def test_the_one_before_is_a_repeat_for_ten_seconds_and_then_reused() -> None:
    session = a_session(2)
    used = tokens.secret(session.id, 1)

    assert tokens.judge(replace(session, now=NOW + GRACE), used) is Use.REPEATED
    assert tokens.judge(replace(session, now=NOW + GRACE + timedelta(seconds=1)), used) is Use.REUSED


@pytest.mark.parametrize("generation", [1, 5, 8])
def test_any_older_one_is_reused_at_once(generation: int) -> None:
    session = a_session(10)

    assert tokens.judge(session, tokens.secret(session.id, generation)) is Use.REUSED


def test_one_that_was_never_given_is_unknown() -> None:
    session = a_session(3)

    assert tokens.judge(session, tokens.secret(session.id, 4)) is Use.UNKNOWN
    assert tokens.judge(session, tokens.secret(cuid(), 3)) is Use.UNKNOWN


def test_a_token_outlives_a_change_of_the_key() -> None:
    session = a_session(1)

    assert RefreshTokens(b"another key").judge(session, tokens.secret(session.id, 1)) is Use.CURRENT


@pytest.mark.parametrize("generation", [1, 8])
def test_an_older_one_is_reused_whichever_key_it_was_made_with(generation: int) -> None:
    session = a_session(10)
    changed = RefreshTokens(b"another key", retired=(b"an older key", b"a server's key"))

    assert changed.judge(session, tokens.secret(session.id, generation)) is Use.REUSED
    assert changed.judge(session, changed.secret(session.id, generation)) is Use.REUSED
    assert changed.judge(session, tokens.secret(session.id, 11)) is Use.UNKNOWN


def test_a_token_is_the_session_and_a_secret_below_bcrypts_cut() -> None:
    session = a_session(1)
    presented = parse(tokens.token(session.id, 1))

    assert presented is not None
    assert presented.session_id == session.id
    assert len(presented.secret) == 43


@pytest.mark.parametrize("token", ["", ".", "abc", "{id}.short", "{id}." + "x" * 44, "{id}." + "!" * 43])
def test_what_does_not_look_like_a_token_has_no_parts(token: str) -> None:
    assert parse(token.format(id=cuid())) is None
