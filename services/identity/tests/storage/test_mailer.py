"""Sending what waits in the queue, whoever else does and whatever goes wrong, against a real database."""

import asyncio
import logging
from collections import Counter
from datetime import timedelta
from statistics import median
from time import perf_counter
from typing import Any

import pytest

from lumi_common.clock import utc_now
from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_identity.clients.post import Undeliverable
from lumi_identity.domain.cipher import Cipher
from lumi_identity.domain.mails import Letter, Template, Texts
from lumi_identity.domain.one_time_token import Purpose, digest
from lumi_identity.domain.user import User
from lumi_identity.storage import mails, one_time_tokens
from lumi_identity.storage.users import UserRepository
from lumi_identity.workflows.mailer import Mailer, Shop, pause_after
from services.identity.tests.kit import KEY_FOR_KEYS, a_user, an_email, doors_of, security_events_of

DAY = timedelta(days=1)


class Fake:
    """Takes mails and counts how often each is under way at once; raises what it is told to."""

    def __init__(self, error: Exception | None = None, *, seconds: float = 0.0) -> None:
        self.error, self.seconds = error, seconds
        self.letters: list[Letter] = []
        self.under_way: Counter[str] = Counter()
        self.most_at_once = 0

    async def send(self, letter: Letter) -> None:
        self.under_way[letter.id] += 1
        self.most_at_once = max(self.most_at_once, self.under_way[letter.id])
        self.letters.append(letter)
        await asyncio.sleep(self.seconds)
        self.under_way[letter.id] -= 1
        if self.error is not None:
            raise self.error

    def to(self, address: str) -> list[Letter]:
        return [letter for letter in self.letters if letter.recipient == address]


def a_mailer(db: Database, post: Fake, *, keys: dict[int, bytes] | None = None, limit: int = 5) -> Mailer:
    keys = keys or {1: KEY_FOR_KEYS.encode()}
    return Mailer(
        db,
        post,
        utc_now,
        cipher=Cipher(keys, current=max(keys), use="mails"),
        texts=Texts("en"),
        shop=Shop("Corner Store", "https://corner.example"),
        lives={Purpose.VERIFY_EMAIL: DAY, Purpose.RESET_PASSWORD: timedelta(hours=1)},
        limit=limit,
    )


@pytest.fixture(autouse=True)
async def _nothing_waits(db: Database) -> None:
    await db.pool.execute("delete from mails")


@pytest.fixture
async def user(db: Database, context: Context) -> User:
    return await a_user(await doors_of(db), context)


async def queued(db: Database) -> list[Any]:
    return list(await db.pool.fetch("select * from mails order by id"))


async def due_again(db: Database) -> None:
    await db.pool.execute("update mails set next_attempt_at = now()")


async def notice(db: Database, user: User) -> None:
    await mails.queue(db, user.email, Template.PASSWORD_CHANGED, {"user_id": user.id})


async def test_a_mail_is_written_by_the_statement_that_makes_the_account(db: Database, user: User) -> None:
    [mail] = await queued(db)
    post = Fake()

    await a_mailer(db, post).send_due()

    assert (mail["recipient"], mail["template"], mail["payload"]) == (user.email, "verify_email", {"user_id": user.id})
    [letter] = post.letters
    assert (letter.id, letter.recipient) == (mail["id"], user.email)
    assert letter.subject == "Confirm your e-mail address for Corner Store"
    assert "https://corner.example/verify-email#token=" in letter.body
    assert await queued(db) == []


async def test_no_mail_is_sent_by_two_at_once(db: Database, user: User) -> None:
    for _ in range(30):
        await notice(db, user)
    post = Fake(seconds=0.02)

    await asyncio.gather(*(a_mailer(db, post).send_due() for _ in range(4)))

    assert len(post.letters) == len({letter.id for letter in post.letters}) == 31
    assert post.most_at_once == 1
    assert await queued(db) == []


async def test_what_a_crash_leaves_between_sending_and_deleting_is_sent_again_as_the_same_mail(
    db: Database, user: User
) -> None:
    class Crash(BaseException):
        """The process is gone."""

    class Dying(Fake):
        async def send(self, letter: Letter) -> None:
            await super().send(letter)
            raise Crash

    died, lived = Dying(), Fake()
    with pytest.raises(Crash):
        await a_mailer(db, died).send_due()
    await a_mailer(db, lived).send_due()
    assert lived.letters == []  # it is somebody's still
    await due_again(db)
    await a_mailer(db, lived).send_due()

    # Its Message-ID is its id; the link in it is the same one, and good.
    assert lived.letters == died.letters
    token = lived.letters[0].body.partition("#token=")[2].split()[0]
    assert await one_time_tokens.find_holder(db, Purpose.VERIFY_EMAIL, token) == user.id


async def test_what_cannot_be_sent_is_tried_again_later_and_later(db: Database, user: User) -> None:
    failing = a_mailer(db, Fake(ConnectionRefusedError("no server for ada@example.com")))
    pauses = []
    for _ in range(4):
        await due_again(db)
        await failing.send_due()
        [mail] = await db.pool.fetch("select attempts, extract(epoch from next_attempt_at - now()) as pause from mails")
        pauses.append((mail["attempts"], float(mail["pause"])))

    assert [attempts for attempts, _ in pauses] == [1, 2, 3, 4]
    for (_, pause), longest in zip(pauses, (15, 30, 60, 120), strict=True):
        assert longest / 2 - 2 < pause <= longest

    post = Fake()
    await due_again(db)
    await a_mailer(db, post).send_due()
    assert len(post.letters) == 1 and await queued(db) == []


def test_pauses_grow_to_an_hour_and_are_nobody_elses() -> None:
    assert all(timedelta(minutes=30) <= pause_after(attempts) <= timedelta(hours=1) for attempts in range(10, 2000, 7))
    assert len({pause_after(5) for _ in range(20)}) > 10


async def test_what_nobody_takes_for_a_day_is_given_up_and_written_down_without_an_address(
    db: Database, user: User
) -> None:
    failing = a_mailer(db, Fake(TimeoutError()))
    await db.pool.execute("update mails set created_at = now() - interval '23 hours'")
    await failing.send_due()
    assert len(await queued(db)) == 1

    await db.pool.execute("update mails set created_at = now() - interval '25 hours', next_attempt_at = now()")
    await failing.send_due()

    assert await queued(db) == []
    [event] = await db.pool.fetch(
        "select * from security_events where type = 'mail_undelivered' and user_id = $1", user.id
    )
    assert user.email not in str(event)


async def test_an_address_that_is_refused_for_good_is_not_tried_again(db: Database, user: User) -> None:
    post = Fake(Undeliverable())

    await a_mailer(db, post).send_due()

    assert len(post.letters) == 1 and await queued(db) == []
    assert (await security_events_of(db, user.id))[-1] == "mail_undelivered"


async def test_a_mail_about_somebody_who_was_purged_is_given_up_all_the_same(db: Database, user: User) -> None:
    await notice(db, user)
    await db.pool.execute("delete from users where id = $1", user.id)

    await a_mailer(db, Fake(Undeliverable())).send_due()

    assert await queued(db) == []


async def test_nothing_of_a_mail_is_in_the_logs(db: Database, user: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await notice(db, user)
    await a_mailer(db, Fake(ValueError(f"refused {user.email}"))).send_due()
    await due_again(db)
    await a_mailer(db, Fake(Undeliverable(user.email))).send_due()

    lines = " ".join(str(record.__dict__) for record in caplog.records if record.name.startswith("lumi_"))
    assert "tried again" in lines and "refused for good" in lines
    assert user.email not in lines


async def test_a_link_goes_to_the_address_that_the_account_has_by_then(db: Database, user: User) -> None:
    moved = an_email()
    await db.pool.execute("update users set email = $1 where id = $2", moved, user.id)
    post = Fake()

    await a_mailer(db, post).send_due()

    assert [letter.recipient for letter in post.letters] == [moved]


async def test_a_mail_whose_link_is_not_good_any_more_is_dropped(db: Database, user: User) -> None:
    post = Fake(TimeoutError())
    await a_mailer(db, post).send_due()
    await one_time_tokens.end(db, user.id, Purpose.VERIFY_EMAIL)
    await due_again(db)

    again = Fake()
    await a_mailer(db, again).send_due()

    assert len(post.letters) == 1
    assert again.letters == [] and await queued(db) == []


async def test_no_account_is_mailed_more_links_than_the_limit(db: Database, user: User) -> None:
    await db.pool.execute("delete from mails")
    for _ in range(12):
        await mails.queue(db, user.email, Template.RESET_PASSWORD, {"user_id": user.id})
    post = Fake(seconds=0.01)

    await asyncio.gather(*(a_mailer(db, post, limit=3).send_due() for _ in range(3)))

    tokens = [letter.body.partition("#token=")[2].split()[0] for letter in post.letters]
    holders = [await one_time_tokens.find_holder(db, Purpose.RESET_PASSWORD, token) for token in tokens]
    assert len(tokens) == 3
    assert sorted(holders, key=str) == [None, None, user.id]


async def test_what_the_old_address_was_mailed_is_not_held_against_the_new_one(
    db: Database, context: Context, user: User
) -> None:
    post = Fake()
    mailer = a_mailer(db, post, limit=1)
    await mailer.send_due()
    async with db.transaction(context) as tx:
        users, old_email = UserRepository(tx), user.email
        held = await users.hold(user.id)
        held.email = an_email()
        moved = await users.save_changed(held, ["email"], context)
        await users.move(moved, old_email, context)
    for _ in range(3):
        await mails.queue(db, moved.email, Template.VERIFY_EMAIL, {"user_id": user.id})

    await mailer.send_due()

    [before] = [letter for letter in post.to(user.email) if "#token=" in letter.body]
    [letter] = post.to(moved.email)
    tokens = [each.body.partition("#token=")[2].split()[0] for each in (before, letter)]
    holders = [await one_time_tokens.find_holder(db, Purpose.VERIFY_EMAIL, token) for token in tokens]
    assert holders == [None, user.id]


async def test_a_token_waits_sealed_and_survives_a_change_of_the_key(db: Database, user: User) -> None:
    old, new = {1: b"the old key"}, {1: b"the old key", 2: b"the new key"}
    first, second = Fake(TimeoutError()), Fake()
    await a_mailer(db, first, keys=old).send_due()
    token = first.letters[0].body.partition("#token=")[2].split()[0]
    [mail] = await queued(db)

    await due_again(db)
    await a_mailer(db, second, keys=new).send_due()

    assert mail["payload"]["token"].startswith("k1.") and token not in str(mail)
    assert await db.pool.fetchval("select count(*) from one_time_tokens where token_hash = $1", digest(token)) == 1
    assert second.letters == first.letters


async def test_the_age_of_the_queue_is_that_of_its_oldest_mail(db: Database, user: User) -> None:
    await db.pool.execute("update mails set created_at = now() - interval '90 seconds'")
    await notice(db, user)
    assert 90 <= await mails.oldest_age(db) < 120

    await a_mailer(db, Fake()).send_due()
    assert await mails.oldest_age(db) == 0


async def test_asking_for_a_reset_takes_as_long_whether_there_is_such_an_account_or_not(
    db: Database, context: Context, user: User
) -> None:
    accounts = (await doors_of(db)).accounts
    took: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(150):
        for known in (True, False):
            email = user.email if known else an_email()
            began = perf_counter()
            await accounts.request_reset(context, email)
            took[known].append(perf_counter() - began)

    somebodys, nobodys = median(took[True]), median(took[False])
    assert abs(somebodys - nobodys) < 0.5 * min(somebodys, nobodys)
    rows = await db.pool.fetch("select recipient, payload from mails where template = 'reset_password'")
    assert len(rows) == 300
    assert {(row["recipient"], row["payload"]["user_id"]) for row in rows} == {(user.email, user.id), ("", None)}


async def test_tokens_that_have_expired_are_forgotten(db: Database, user: User) -> None:
    await one_time_tokens.issue(db, user.id, Purpose.RESET_PASSWORD, "live", DAY)
    await one_time_tokens.issue(db, user.id, Purpose.RESET_PASSWORD, "over", timedelta(seconds=-1))

    await one_time_tokens.forget_expired(db)

    rows = await db.pool.fetch("select token_hash from one_time_tokens where user_id = $1", user.id)
    assert [row["token_hash"] for row in rows] == [digest("live")]
