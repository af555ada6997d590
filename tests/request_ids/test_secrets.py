"""Methods whose calls hold secrets are exempt from request ids, and what they hold is found nowhere in the books."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from lumi.identity.v1 import auth_pb2 as pb
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub

from tests.kit.buying import request_id
from tests.kit.shop import SERVICES
from tests.kit.waiting import until
from tests.request_ids import callers
from tests.request_ids.callers import send
from tests.request_ids.scenes import CASES, EXEMPT
from tests.request_ids.world import World, under

# Calls an exempt method and tells the secrets of the call; by the method's name in AuthService.
Plant = Callable[[World], Awaitable[list[str]]]


async def _account(world: World) -> tuple[str, str]:
    email, password = f"{uuid4().hex}@example.com", f"planted {uuid4().hex}"
    await world.shop.stub(AuthServiceStub).SignUp(pb.SignUpRequest(email=email, password=password))
    return email, password


async def _signed_in(world: World) -> tuple[pb.Tokens, str]:
    email, password = await _account(world)
    answer = await world.shop.stub(AuthServiceStub).SignIn(pb.SignInRequest(email=email, password=password))
    return answer.tokens, password


async def _sign_up(world: World) -> list[str]:
    return [(await _account(world))[1]]


async def _sign_in(world: World) -> list[str]:
    tokens, password = await _signed_in(world)
    return [password, tokens.access_token, tokens.refresh_token]


async def _refresh(world: World) -> list[str]:
    first, _ = await _signed_in(world)
    answer = await world.shop.stub(AuthServiceStub).RefreshToken(
        pb.RefreshTokenRequest(refresh_token=first.refresh_token)
    )
    return [token for each in (first, answer.tokens) for token in (each.access_token, each.refresh_token)]


async def _guest(world: World) -> list[str]:
    return [(await callers.guest(world.shop)).token]


PLANTED: dict[str, Plant] = {
    "lumi.identity.v1.AuthService.SignUp": _sign_up,
    "lumi.identity.v1.AuthService.SignIn": _sign_in,
    "lumi.identity.v1.AuthService.RefreshToken": _refresh,
    "lumi.identity.v1.AuthService.CreateGuestSession": _guest,
}


async def _tables(world: World) -> list[str]:
    """Every table of the five services, with its schema."""
    rows = await world.books.fetch(
        "select schemaname || '.' || tablename as name from pg_tables where schemaname = any($1)", list(SERVICES)
    )
    return [row["name"] for row in rows]


async def _found(world: World, secret: str) -> list[str]:
    """The tables that have a secret in one of their rows, as text or as bytes."""
    tables = await _tables(world)
    assert {f"{schema}.request_ids" for schema in SERVICES} < set(tables)
    each = " union all ".join(
        f"select '{name}' as name where exists (select from {name} row where row::text like any($1))" for name in tables
    )
    wanted = [f"%{secret}%", f"%{secret.encode().hex()}%"]
    return [row["name"] for row in await world.books.fetch(each, wanted)]


async def _drained(world: World) -> None:
    """Wait until what happened has been told to those who file it."""

    async def told() -> bool:
        waiting = " union all ".join(
            f"select 1 as one from {schema}.outbox_events where published_at is null" for schema in SERVICES
        )
        return await world.books.fetchval(f"select count(*) from ({waiting}) as row") == 0

    await until(told, "every outbox row is published")


def test_every_exempt_method_has_its_secrets_planted() -> None:
    assert {method.full_name for method in EXEMPT} == PLANTED.keys()


async def test_what_is_looked_for_is_found_where_it_is(world: World) -> None:
    text = f"planted {uuid4().hex}"
    case = next(case for case in CASES if case.name.endswith("CategoryService.CreateCategory"))
    request = under(request_id(), (await world.play(case, world.staff)).request)
    request.category.description = text

    await send(world.shop, case.method, world.staff, request)

    # `response` holds it as bytes.
    assert {"catalogue.categories", "catalogue.request_ids"} <= set(await _found(world, text))


@pytest.mark.parametrize("name", sorted(PLANTED), ids=lambda name: name.rpartition(".")[2])
async def test_a_secret_is_kept_nowhere(world: World, name: str) -> None:
    secrets = await PLANTED[name](world)
    await _drained(world)

    assert secrets
    for secret in secrets:
        assert await _found(world, secret) == []


async def test_the_token_of_a_guest_is_not_kept_with_the_merge(world: World) -> None:
    case = next(case for case in CASES if case.name.endswith("CartService.MergeGuestCart"))
    caller = await world.caller(case)
    request = under(request_id(), (await world.play(case, caller)).request)
    assert not (await world.tell(case, caller, request)).refusal
    await _drained(world)

    assert await _found(world, request.guest_token) == []
