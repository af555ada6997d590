"""Texts that mean something to SQL, LIKE, regular expressions, JSON or a terminal mean only themselves here."""

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from lumi.identity.v1 import privacy_pb2, user_pb2
from lumi.identity.v1.user_pb2_grpc import UserServiceStub

from lumi_common.db.page import sealed
from lumi_common.errors import LumiError
from lumi_common.rpc.access import MethodPolicy, read_policy
from lumi_envoy.contract import all_methods
from tests.abuse.conftest import Senders
from tests.fuzz.making import Making, is_output_only, rules_of
from tests.fuzz.patterns import NASTY
from tests.fuzz.pool import Pool
from tests.kit.buying import request_id
from tests.request_ids import callers
from tests.request_ids.callers import Caller, send
from tests.request_ids.scenes import CASES, Case
from tests.request_ids.world import World, new_trace, under

# None of them sleeps: `pg_sleep(3)` is among the texts.
SECONDS = 2.0
READS = [(method, policy) for method in all_methods() if not (policy := read_policy(method)).mutating]
QUIET = {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"}


def is_free(field: FieldDescriptor) -> bool:
    """Whether a field takes any text."""
    rules = rules_of(field).string
    return field.type == field.TYPE_STRING and not (rules.pattern or rules.uuid or rules.email or field.is_repeated)


ASKING = [(method, policy, field) for method, policy in READS for field in method.input_type.fields if is_free(field)]
PATTERNED = [
    (method, policy, field) for method, policy in READS for field in method.input_type.fields
    if field.type == field.TYPE_STRING and not field.is_repeated and not is_free(field)
]  # fmt: skip
PAGED = [(method, policy) for method, policy in READS if "page_token" in method.input_type.fields_by_name]


def ids(cases: list[Any]) -> list[str]:
    return [
        f"{case[0].full_name.removeprefix('lumi.')}" + "".join(f"-{each.name}" for each in case[2:]) for case in cases
    ]


async def told(world: World, method: MethodDescriptor, caller: Caller, request: Message) -> tuple[str, Any]:
    """The code and the answer or refusal, within the seconds that there are."""
    begun = time.monotonic()
    try:
        code, found = "OK", await send(world.shop, method, caller, request)
    except LumiError as refusal:
        code, found = refusal.code, refusal
    assert time.monotonic() - begun < SECONDS, request
    return code, found


@pytest.mark.parametrize(("method", "policy", "field"), ASKING, ids=ids(ASKING))
async def test_a_question_with_any_text_in_it_is_only_a_question(
    world: World, senders: Senders, method: MethodDescriptor, policy: MethodPolicy, field: FieldDescriptor
) -> None:
    caller = senders.of(policy)
    request: Any = Making(Random(1), Pool(), "nobody").request(method)
    before = {name: await world.books.fetchval(f"select count(*) from {name}") for name in COUNTED}

    for text in NASTY:
        setattr(request, field.name, text)
        code, found = await told(world, method, caller, request)
        assert code == "OK" or code in QUIET, (text, found)
        if field.name == "page_token":
            assert code != "OK", text

    after = {name: await world.books.fetchval(f"select count(*) from {name}") for name in COUNTED}
    assert {name for name in COUNTED if after[name] < before[name]} == set()


COUNTED = ("identity.users", "catalogue.products", "catalogue.product_variants", "orders.orders", "payments.payments")


@pytest.mark.parametrize(("method", "policy", "field"), PATTERNED, ids=ids(PATTERNED))
async def test_an_id_or_a_code_is_nothing_but_that(
    world: World, senders: Senders, method: MethodDescriptor, policy: MethodPolicy, field: FieldDescriptor
) -> None:
    caller = senders.of(policy)
    request: Any = Making(Random(1), Pool(), "nobody").request(method)
    right = getattr(request, field.name) or "c" + "0" * 24

    for text in (*NASTY, f"{right}\n", f" {right}", f"{right}\x00", f"{right}'", f"{right} or 1=1", right * 40):
        setattr(request, field.name, text)
        code, found = await told(world, method, caller, request)
        if code == "OK" or code == "NOT_FOUND":
            assert text.replace("_", "a").replace("-", "a").isalnum() and text.isascii(), (text, found)
        else:
            assert code == "INVALID_ARGUMENT", (text, found)


@pytest.mark.parametrize("sign", ["%", "_", "\\", "%%", "a%", "\\%", "*", ".*", "^", "[a-z]", "%' or '1'='1"])
async def test_signs_of_patterns_find_only_themselves(world: World, sign: str) -> None:
    mark = uuid4().hex
    emails = [f"{mark}{name}@example.com" for name in ("", "%x", "_x", "*x", "^x", "{x")]
    users = (await callers.staff(world.shop, "users.read", "users.write")).client(world.shop, UserServiceStub)
    for email in emails:
        await users.CreateUser(user_pb2.CreateUserRequest(user=user_pb2.User(email=email), request_id=request_id()))

    found = await users.ListUsers(user_pb2.ListUsersRequest(email_prefix=f"{mark}{sign}", page_size=1000))
    alone = await users.ListUsers(user_pb2.ListUsersRequest(email_prefix=sign, page_size=1000))

    assert sorted(user.email for user in found.users) == sorted(e for e in emails if e.startswith(f"{mark}{sign}"))
    assert [user.email for user in alone.users if not user.email.startswith(sign)] == []


@pytest.mark.parametrize(("method", "policy"), PAGED, ids=ids(PAGED))
async def test_a_page_token_that_was_changed_is_refused_or_is_another_place(
    world: World, senders: Senders, method: MethodDescriptor, policy: MethodPolicy
) -> None:
    caller, random = senders.of(policy), Random(1)
    request: Any = Making(random, Pool(), "nobody").request(method)
    request.page_token = ""
    token = await token_of(world, method, caller, request)
    marked = urlsafe_b64decode((token or sealed("")) + "===")[:12]
    places = (
        b"", b"\x00", b"c\x00", b"\xff", b"'", b"%", b"-1", b"9" * 30, b"-9223372036854775809", b"NaN", b"0x10", b"1e9",
        b"[]", b'{"a":1}', b"|", b"..", b"2001-01-01|c", b"infinity", "İ".encode(), b"\xed\xa0\x80", b"z" * 300,
    )  # fmt: skip

    for place in places:
        request.page_token = urlsafe_b64encode(marked + place).decode().rstrip("=")
        code, found = await told(world, method, caller, request)
        assert code == "OK" or code in QUIET, (place, found)
    for _ in range(20):
        changed = bytearray(token.encode() or b"MDAwMDAwMDAwMDAwYw")
        changed[random.randrange(len(changed))] = random.choice(b"ABCxyz019-_=+/ .")
        request.page_token = changed.decode()
        code, found = await told(world, method, caller, request)
        assert code == "OK" or code in QUIET, (changed, found)


async def token_of(world: World, method: MethodDescriptor, caller: Caller, request: Any) -> str:
    """The token of the next page, where there is more than one."""
    for name in ("page_size", "limit"):
        if name in method.input_type.fields_by_name:
            setattr(request, name, 1)
    code, found = await told(world, method, caller, request)
    return str(found.next_page_token) if code == "OK" else ""


def free_texts(message: Message, above: str = "") -> list[tuple[str, int]]:
    """The free texts that a request has set, by path, with the most characters that each takes."""
    found = []
    for field, value in message.ListFields():
        path = f"{above}{field.name}"
        if (
            field.type == field.TYPE_MESSAGE
            and not field.is_repeated
            and field.message_type.full_name.startswith("lumi")
        ):
            found += free_texts(value, f"{path}.")
        elif is_free(field) and not is_output_only(field) and field.name not in ("etag", "guest_token"):
            found.append((path, int(rules_of(field).string.max_len)))
    return found


STORING = [
    case for case in CASES
    if case.kind in ("staff", "shopper") and case.method.name.startswith(("Create", "Update", "SetCart", "Adjust"))
]  # fmt: skip


@pytest.mark.parametrize("case", STORING, ids=lambda case: case.id)
async def test_what_is_kept_is_kept_as_it_was_written(world: World, case: Case) -> None:
    texts = [text for text in NASTY if text.strip() == text]
    for text in Random(case.name).sample(texts, 6):
        caller = await world.caller(case)
        request = under(request_id(), (await world.play(case, caller)).request)
        written = [path for path, most in free_texts(request) if len(text) <= most]
        for path in written:
            put(request, path, text)
        trace = new_trace()
        outcome = await world.tell(case, caller, request, trace)
        if outcome.refusal is not None:
            assert outcome.refusal.code in QUIET, (text, outcome.refusal)
            assert not await world.written(trace)
            continue
        answer: Any = await send(world.shop, case.method, caller, request)
        for path in written:
            said = answer
            for name in path.split(".")[1:]:
                said = getattr(said, name, None)
            if isinstance(said, str):
                assert said == text, path


def put(message: Any, path: str, text: str) -> None:
    *above, last = path.split(".")
    for name in above:
        message = getattr(message, name)
    setattr(message, last, text)


@pytest.mark.parametrize(
    "place",
    [
        "", "\n", "\n\n", "nobody\n\n", "nobody\nusers\nx", "identity\nno_such_table\nx", "identity\nusers'; --\nx",
        "identity\nusers\n'", "identity\nusers\n[1]", "catalogue\nno_such_table\nx", "catalogue\nA B\nx",
        "catalogue\n\nx", "orders\n' or 1=1\n'", f"orders\norders\n{'z' * 250}", "payments\npayments\n{}",
        "marketing\n\n\n\n",
    ],
)  # fmt: skip
async def test_a_page_of_ones_own_data_begins_where_there_is_something(world: World, place: str) -> None:
    user = await world.shop.user()
    caller = Caller("shopper", user.token, user)
    method, _ = next(each for each in READS if each[0].name == "ExportUserData")
    request = privacy_pb2.ExportUserDataRequest(id=user.id, page_token=sealed(place, user=user.id))

    code, found = await told(world, method, caller, request)

    assert code == "OK" or code == "INVALID_ARGUMENT", found
