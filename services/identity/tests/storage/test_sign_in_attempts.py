"""Guessing at passwords: how often, from where, and for how long it is refused then."""

import asyncio
import threading
from dataclasses import replace
from typing import Any
from unicodedata import category

import pytest

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.errors import LumiError, ResourceExhausted, Unauthenticated
from lumi_common.principal import Principal
from lumi_identity.domain.lockout import Keys
from lumi_identity.domain.passwords import Passwords
from lumi_identity.domain.user import User
from lumi_identity.storage import sign_in_attempts
from lumi_identity.storage.sign_in_attempts import forget_old, unlock
from lumi_identity.storage.users import UserRepository
from lumi_identity.threads import Threads
from lumi_identity.workflows.attempts import Attempts
from lumi_identity.workflows.sign_in import SignIn
from services.identity.tests.kit import LOCKOUT, PASSWORD, Doors, a_user, an_email, doors_of, security_events_of

_KEYS = Keys(b"a key for tries")


def at(ip: str) -> Context:
    return Context("AuthService/SignIn", Principal("anonymous", ""), ip=ip, user_agent="a browser")


class Door:
    """Signing in from here, and how many passwords that took to be hashed."""

    def __init__(self, db: Database, doors: Doors, *, waiting: int = 64, **limits: Any) -> None:
        self.hashed = 0
        passwords = Passwords({1: b"one", 2: b"two"}, current=1, cost=4)
        verify = passwords.verify

        def counted(password: str, stored: str) -> bool:
            self.hashed += 1
            return verify(password, stored)

        passwords.verify = counted  # type: ignore[method-assign]
        self.threads = Threads("passwords", threads=2, waiting=waiting)
        self._sign_in = SignIn(
            db,
            passwords=passwords,
            threads=self.threads,
            sessions=doors.sessions,
            attempts=Attempts(db, keys=_KEYS, lockout=replace(LOCKOUT, **limits)),
            two_factor=doors.two_factor,
            challenge_life=LOCKOUT.window,
        )

    async def tried(self, email: str, password: str = "wrong", ip: str = "192.0.2.7") -> str:
        """The reason of a refusal, or `in`."""
        try:
            await self._sign_in.sign_in(at(ip), email=email, password=password, fingerprint=None)
        except LumiError as refusal:
            return refusal.reason
        return "in"

    async def waits(self, email: str, ip: str = "192.0.2.7") -> int:
        with pytest.raises(ResourceExhausted) as refusal:
            await self._sign_in.sign_in(at(ip), email=email, password=PASSWORD, fingerprint=None)
        return int(str(refusal.value.facts["seconds"]))


@pytest.fixture
async def doors(db: Database) -> Doors:
    return await doors_of(db)


@pytest.fixture
async def ada(doors: Doors, context: Context) -> User:
    return await a_user(doors, context)


async def later(db: Database, email: str, seconds: int) -> None:
    """Time goes by for the tries at one address."""
    await db.pool.execute(
        "update sign_in_attempts set blocked_until = blocked_until - make_interval(secs => $2), "
        "counts_until = counts_until - make_interval(secs => $2), "
        "known_until = known_until - make_interval(secs => $2), expires_at = expires_at - make_interval(secs => $2) "
        "where account_key = $1",
        _KEYS.account(email),
        seconds,
    )


async def counted(db: Database, user: User) -> Any:
    return await db.pool.fetchrow("select failed_login_count, lockout_until from users where id = $1", user.id)


async def test_after_five_wrong_tries_the_right_password_waits_too(db: Database, doors: Doors, ada: User) -> None:
    door = Door(db, doors)

    reasons = [await door.tried(ada.email) for _ in range(6)]
    assert reasons == ["CREDENTIALS_INVALID"] * 5 + ["TOO_MANY_ATTEMPTS"]
    assert await door.tried(ada.email, PASSWORD) == "TOO_MANY_ATTEMPTS"
    assert door.hashed == 5
    assert await door.tried(ada.email, PASSWORD, "192.0.2.8") == "in"  # from elsewhere


async def test_an_address_without_an_account_waits_alike(db: Database, doors: Doors, ada: User) -> None:
    door, nobody = Door(db, doors), an_email()

    told = []
    for email in (ada.email, nobody):
        refusals = []
        for _ in range(8):
            with pytest.raises(LumiError) as refusal:
                await door._sign_in.sign_in(at("192.0.2.7"), email=email, password="wrong", fingerprint=None)
            refusals.append((type(refusal.value), str(refusal.value)))
        told.append(refusals)
    assert told[0] == told[1]


async def test_each_further_try_makes_the_wait_twice_as_long_up_to_the_longest(
    db: Database, doors: Doors, ada: User
) -> None:
    door = Door(db, doors)
    for _ in range(5):
        await door.tried(ada.email)

    waits = [await door.waits(ada.email)]
    for _ in range(9):
        await later(db, ada.email, waits[-1] + 1)
        assert await door.tried(ada.email) == "CREDENTIALS_INVALID"
        waits.append(await door.waits(ada.email))

    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


async def test_a_window_after_the_last_one_all_is_forgotten(db: Database, doors: Doors, ada: User) -> None:
    door = Door(db, doors)
    for _ in range(4):
        await door.tried(ada.email)
    await later(db, ada.email, 901)

    assert [await door.tried(ada.email) for _ in range(5)] == ["CREDENTIALS_INVALID"] * 5
    assert await door.tried(ada.email) == "TOO_MANY_ATTEMPTS"


async def test_a_right_password_forgets_the_wrong_ones(db: Database, doors: Doors, ada: User) -> None:
    door = Door(db, doors)
    for _ in range(3):
        for _ in range(4):
            assert await door.tried(ada.email) == "CREDENTIALS_INVALID"
        assert await door.tried(ada.email, PASSWORD) == "in"

    assert (await counted(db, ada))["failed_login_count"] == 0


async def test_of_fifty_wrong_tries_at_once_five_are_hashed_and_counted(db: Database, doors: Doors, ada: User) -> None:
    for email in (ada.email, an_email()):
        door = Door(db, doors)

        reasons = await asyncio.gather(*(door.tried(email) for _ in range(50)))

        assert (reasons.count("CREDENTIALS_INVALID"), reasons.count("TOO_MANY_ATTEMPTS")) == (5, 45)
        assert door.hashed == 5
    assert (await counted(db, ada))["failed_login_count"] == 5
    events = await security_events_of(db, ada.id)
    assert (events.count("sign_in_failed"), events.count("locked_out")) == (5, 1)


async def test_of_thirty_right_ones_at_once_none_is_refused(db: Database, doors: Doors, ada: User) -> None:
    door = Door(db, doors)

    reasons = await asyncio.gather(*(door.tried(ada.email, PASSWORD) for _ in range(30)))

    assert set(reasons) == {"in"}


async def test_staff_unlock_while_it_is_tried_from_everywhere(
    db: Database, doors: Doors, ada: User, context: Context
) -> None:
    door = Door(db, doors)

    async def unlocking() -> None:
        for _ in range(20):
            async with db.transaction(context) as tx:
                await unlock(tx, ada.id, _KEYS.account(ada.email), context)

    tries = (door.tried(ada.email, ip=f"198.51.100.{n % 15}") for n in range(90))
    reasons, *_ = await asyncio.gather(asyncio.gather(*tries), unlocking(), unlocking())

    assert set(reasons) <= {"CREDENTIALS_INVALID", "TOO_MANY_ATTEMPTS"}


async def test_failures_from_many_sources_at_once_are_counted_exactly(db: Database, doors: Doors, ada: User) -> None:
    door = Door(db, doors)

    await asyncio.gather(*(door.tried(ada.email, ip=f"198.51.100.{n % 20}") for n in range(60)))

    assert (await counted(db, ada))["failed_login_count"] == 60
    assert (await security_events_of(db, ada.id)).count("sign_in_failed") == 60


async def test_an_attacker_with_many_sources_is_kept_out_and_the_owner_is_not(
    db: Database, doors: Doors, ada: User
) -> None:
    door = Door(db, doors, account_tries=10)
    assert await door.tried(ada.email, PASSWORD, "203.0.113.1") == "in"  # where ada lives

    answers = [await door.tried(ada.email, ip=f"198.51.100.{n}") for n in range(12)]

    assert answers == ["CREDENTIALS_INVALID"] * 10 + ["TOO_MANY_ATTEMPTS"] * 2
    assert (await counted(db, ada))["lockout_until"] is not None
    assert await door.tried(ada.email, PASSWORD, "198.51.100.77") == "TOO_MANY_ATTEMPTS"
    assert await door.tried(ada.email, PASSWORD, "203.0.113.1") == "in"
    assert await door.tried(ada.email, PASSWORD, "198.51.100.77") == "TOO_MANY_ATTEMPTS"  # that changed nothing there
    await later(db, ada.email, 31)
    assert await door.tried(ada.email, PASSWORD, "198.51.100.77") == "in"


async def test_the_brake_of_an_account_holds_however_many_sources_try_at_once(
    db: Database, doors: Doors, ada: User
) -> None:
    for email in (ada.email, an_email()):
        door = Door(db, doors, account_tries=10)

        reasons = await asyncio.gather(*(door.tried(email, ip=f"198.51.100.{n}") for n in range(40)))

        assert (reasons.count("CREDENTIALS_INVALID"), door.hashed) == (10, 10)


async def test_one_source_alone_does_not_brake_the_account(db: Database, doors: Doors, ada: User) -> None:
    door = Door(db, doors, account_tries=10)

    for _ in range(60):
        await door.tried(ada.email)

    assert await door.tried(ada.email, PASSWORD, "192.0.2.8") == "in"
    assert (await counted(db, ada))["lockout_until"] is None


async def test_what_an_owner_gets_wrong_at_home_brakes_nobody_elsewhere(db: Database, doors: Doors, ada: User) -> None:
    door = Door(db, doors, account_tries=10)
    for _ in range(4):
        assert await door.tried(ada.email, PASSWORD, "203.0.113.1") == "in"
        assert [await door.tried(ada.email, ip="203.0.113.1") for _ in range(4)] == ["CREDENTIALS_INVALID"] * 4

    assert await door.tried(ada.email, PASSWORD, "198.51.100.1") == "in"


async def test_sources_of_one_ipv6_network_are_one(db: Database, doors: Doors, ada: User) -> None:
    door = Door(db, doors)
    for n in range(5):
        await door.tried(ada.email, ip=f"2001:db8:1:2::{n}")

    assert await door.tried(ada.email, PASSWORD, "2001:db8:1:2:ffff::1") == "TOO_MANY_ATTEMPTS"
    assert await door.tried(ada.email, PASSWORD, "2001:db8:1:3::1") == "in"


async def test_whoever_finds_no_room_has_not_tried(db: Database, doors: Doors, ada: User) -> None:
    door, done = Door(db, doors, waiting=0, tries=50), threading.Event()
    for _ in range(3):
        await door.tried(ada.email)

    async with asyncio.TaskGroup() as others:
        for _ in range(2):
            others.create_task(door.threads.run(done.wait))
        await asyncio.sleep(0)
        reasons = await asyncio.gather(*(door.tried(ada.email) for _ in range(20)))
        done.set()

    assert reasons == ["OVERLOADED"] * 20
    failures = "select failures from sign_in_attempts where account_key = $1"
    assert [row[0] for row in await db.pool.fetch(failures, _KEYS.account(ada.email))] == [3, 3]
    assert (await counted(db, ada))["failed_login_count"] == 3


async def test_unlocking_lets_everybody_try_again(db: Database, doors: Doors, ada: User, context: Context) -> None:
    door = Door(db, doors, account_tries=10)
    for n in range(12):
        await door.tried(ada.email, ip=f"198.51.100.{n}")
    for _ in range(6):
        await door.tried(ada.email)

    async with db.transaction(context) as tx:
        await unlock(tx, ada.id, _KEYS.account(ada.email), context)

    assert tuple(await counted(db, ada)) == (0, None)
    assert "account_unlocked" in await security_events_of(db, ada.id)
    assert await door.tried(ada.email, PASSWORD) == "in"


async def test_staff_who_unlock_an_account_let_it_be_tried_again(
    db: Database, doors: Doors, ada: User, context: Context
) -> None:
    door = Door(db, doors)
    for _ in range(6):
        await door.tried(ada.email)

    async with db.transaction(context) as tx:
        users = UserRepository(tx)
        await users.unlock(await users.hold(ada.id), _KEYS.account(ada.email), context)

    assert await door.tried(ada.email, PASSWORD) == "in"


async def test_unlocking_forgives_what_was_tried_before_there_was_the_account(
    db: Database, doors: Doors, context: Context
) -> None:
    door, email = Door(db, doors, account_tries=10), an_email()
    for n in range(12):
        await door.tried(email, ip=f"198.51.100.{n}")
    for _ in range(6):
        await door.tried(email)
    bob = await a_user(doors, context, email=email)
    assert await door.tried(email, PASSWORD, "203.0.113.1") == "TOO_MANY_ATTEMPTS"

    async with db.transaction(context) as tx:
        users = UserRepository(tx)
        await users.unlock(await users.hold(bob.id), _KEYS.account(email), context)

    assert await door.tried(email, PASSWORD, "203.0.113.1") == "in"
    assert await door.tried(email, PASSWORD) == "in"


async def test_a_suspended_user_is_no_guesser(db: Database, doors: Doors, ada: User) -> None:
    door = Door(db, doors)
    await db.pool.execute("update users set status = 'SUSPENDED' where id = $1", ada.id)

    assert {await door.tried(ada.email, PASSWORD) for _ in range(8)} == {"USER_SUSPENDED"}
    assert (await security_events_of(db, ada.id)).count("sign_in_refused") == 8
    assert (await counted(db, ada))["failed_login_count"] == 0


async def test_what_counts_no_more_is_forgotten_and_the_rest_is_not(db: Database, doors: Doors, ada: User) -> None:
    door, bob = Door(db, doors), an_email()
    await door.tried(ada.email)
    await door.tried(bob)
    await later(db, bob, 901)

    await forget_old(db)

    rows = "select count(*) from sign_in_attempts where account_key = $1"
    assert [await db.pool.fetchval(rows, _KEYS.account(email)) for email in (ada.email, bob)] == [2, 0]


async def test_what_was_tried_at_a_deleted_account_goes_with_it(db: Database, doors: Doors, ada: User) -> None:
    door = Door(db, doors)
    assert await door.tried(ada.email, PASSWORD) == "in"
    await db.pool.execute("update users set status = 'DELETED', deleted_at = now() where id = $1", ada.id)
    assert await door.tried(ada.email, PASSWORD) == "CREDENTIALS_INVALID"

    await db.pool.execute("delete from users where id = $1", ada.id)

    rows = "select count(*) from sign_in_attempts where account_key = $1"
    assert await db.pool.fetchval(rows, _KEYS.account(ada.email)) == 0


async def test_what_is_one_address_to_the_database_is_one_account(db: Database) -> None:
    """Of every letter that Python knows, too: whoever guesses gains no try by writing an address in others."""
    pairs = await db.pool.fetch(
        "select chr(n) as one, lower(chr(n)) as other from generate_series(1, 1114111) n "
        "where n not between 55296 and 57343 and lower(chr(n)) <> chr(n)"
    )

    assert len(pairs) > 1000
    known = [pair for pair in pairs if "Cn" not in map(category, pair)]
    apart = [one for one, other in known if _KEYS.account(f"{one}@x.com") != _KEYS.account(f"{other}@x.com")]
    assert apart == []


async def test_nothing_in_the_table_tells_who_was_tried_for(db: Database, doors: Doors, ada: User) -> None:
    await Door(db, doors).tried(ada.email, ip="203.0.113.99")

    rows = await db.pool.fetch("select sign_in_attempts::text from sign_in_attempts")
    assert not any(ada.email in row[0] or "203.0.113.99" in row[0] for row in rows)


async def test_a_known_and_an_unknown_address_take_the_same_statements(
    db: Database, doors: Doors, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[list[str]] = []
    fetch, fetchrow = Database.fetch, Database.fetchrow

    async def told(self: Database, statement: Any, /, **values: Any) -> Any:
        if self is db:  # other databases of this process are none of this test's
            run[-1].append(statement.sql)
        return await fetch(self, statement, **values)

    async def told_row(self: Database, statement: Any, /, **values: Any) -> Any:
        if self is db:
            run[-1].append(statement.sql)
        return await fetchrow(self, statement, **values)

    monkeypatch.setattr(Database, "fetch", told)
    monkeypatch.setattr(Database, "fetchrow", told_row)
    door = Door(db, doors)
    for email in (ada.email, an_email()):
        run.append([])
        for _ in range(6):
            await door.tried(email)

    assert run[0] == run[1]
    assert sign_in_attempts.RESERVE.sql in run[0]


async def test_a_wrong_password_is_one_refusal_with_an_unknown_address(doors: Doors, context: Context) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        await doors.sign_in(context, email=an_email(), password=PASSWORD, fingerprint=None)

    assert refusal.value.facts == {}
