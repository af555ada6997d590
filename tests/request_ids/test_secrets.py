"""Methods whose calls hold secrets are exempt from request ids, and what they hold is found nowhere in the books."""

from base64 import b32decode
from collections.abc import Awaitable, Callable, Iterable
from uuid import uuid4

import pytest
from lumi.identity.v1 import auth_pb2 as pb
from lumi.identity.v1 import two_factor_pb2
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub
from lumi.identity.v1.two_factor_pb2_grpc import TwoFactorServiceStub

from lumi_common.clock import utc_now
from lumi_common.cuid import cuid
from lumi_identity.domain import totp
from tests.kit.buying import request_id
from tests.kit.shop import SERVICES
from tests.kit.waiting import until
from tests.request_ids import callers
from tests.request_ids.callers import send
from tests.request_ids.scenes import CASES, EXEMPT
from tests.request_ids.world import World, under

# Calls an exempt method and tells the secrets of the call; by the name of the method.
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


async def _token(world: World, email: str, purpose: str) -> str:
    """A token as a mail would have brought it."""
    token = uuid4().hex
    await world.books.execute(
        "insert into identity.one_time_tokens (id, user_id, purpose, token_hash, expires_at) "
        "select $1, id, $3, encode(sha256($4), 'hex'), now() + interval '1 hour' from identity.users where email = $2",
        *(cuid(), email, purpose, token.encode()),
    )
    return token


async def _verify_email(world: World) -> list[str]:
    email, _ = await _account(world)
    token = await _token(world, email, "verify_email")
    await world.shop.stub(AuthServiceStub).VerifyEmail(pb.VerifyEmailRequest(token=token))
    return [token]


async def _request_reset(world: World) -> list[str]:
    email = f"{uuid4().hex}@example.com"  # nobody's
    await world.shop.stub(AuthServiceStub).RequestPasswordReset(pb.RequestPasswordResetRequest(email=email))
    return [email]


async def _reset(world: World) -> list[str]:
    email, old = await _account(world)
    token, password = await _token(world, email, "reset_password"), f"planted {uuid4().hex}"
    await world.shop.stub(AuthServiceStub).ResetPassword(pb.ResetPasswordRequest(token=token, new_password=password))
    return [old, token, password]


async def _change(world: World) -> list[str]:
    tokens, old = await _signed_in(world)
    password = f"planted {uuid4().hex}"
    await world.shop.stub(AuthServiceStub, tokens.access_token).ChangePassword(
        pb.ChangePasswordRequest(current_password=old, new_password=password)
    )
    return [old, password]


async def _step_up(world: World) -> list[str]:
    tokens, password = await _signed_in(world)
    answer = await world.shop.stub(AuthServiceStub, tokens.access_token).StepUp(pb.StepUpRequest(password=password))
    return [password, answer.access_token]


class _Guarded:
    """Somebody who enrols an authenticator, and what was told to them alone."""

    def __init__(self, world: World, email: str, password: str, token: str) -> None:
        self._world, self._email, self._password = world, email, password
        self.stub = world.shop.stub(TwoFactorServiceStub, token)
        self._secret, self._step = b"", totp.step_at(utc_now())
        self.secrets: list[str] = []

    @classmethod
    async def come(cls, world: World) -> "_Guarded":
        email, password = await _account(world)
        auth = world.shop.stub(AuthServiceStub)
        tokens = (await auth.SignIn(pb.SignInRequest(email=email, password=password))).tokens
        proven = world.shop.stub(AuthServiceStub, tokens.access_token)
        return cls(world, email, password, (await proven.StepUp(pb.StepUpRequest(password=password))).access_token)

    async def enrol(self) -> "_Guarded":
        answer = await self.stub.EnrollTotp(two_factor_pb2.EnrollTotpRequest())
        self._secret = b32decode(answer.secret)
        self.secrets += [answer.secret, answer.otpauth_uri, self._secret.hex()]
        return self

    async def confirm(self) -> "_Guarded":
        answer = await self.stub.ConfirmTotp(two_factor_pb2.ConfirmTotpRequest(code=self.code()))
        return self.told(answer.recovery_codes)

    def told(self, recovery_codes: Iterable[str]) -> "_Guarded":
        self.secrets += [way for code in recovery_codes for way in (code, code.replace("-", ""))]
        return self

    async def challenge(self) -> str:
        signing_in = pb.SignInRequest(email=self._email, password=self._password)
        token = (await self._world.shop.stub(AuthServiceStub).SignIn(signing_in)).two_factor_challenge.token
        self.secrets.append(token)
        return token

    def code(self) -> str:
        """The next one; so short that it would be found by chance, so nobody looks for it."""
        self._step += 1
        return totp.code(self._secret, self._step - 1)


async def _enrol(world: World) -> list[str]:
    return (await (await _Guarded.come(world)).enrol()).secrets


async def _confirm(world: World) -> list[str]:
    return (await (await (await _Guarded.come(world)).enrol()).confirm()).secrets


async def _verify(world: World) -> list[str]:
    ada = await (await (await _Guarded.come(world)).enrol()).confirm()
    request = pb.VerifyTwoFactorRequest(challenge=await ada.challenge(), code=ada.code())
    tokens = (await world.shop.stub(AuthServiceStub).VerifyTwoFactor(request)).tokens
    return [*ada.secrets, tokens.access_token, tokens.refresh_token]


async def _disable(world: World) -> list[str]:
    ada = await (await (await _Guarded.come(world)).enrol()).confirm()
    await ada.stub.DisableTotp(two_factor_pb2.DisableTotpRequest(recovery_code=ada.secrets[-1]))
    return ada.secrets


async def _regenerate(world: World) -> list[str]:
    ada = await (await (await _Guarded.come(world)).enrol()).confirm()
    answer = await ada.stub.RegenerateRecoveryCodes(two_factor_pb2.RegenerateRecoveryCodesRequest())
    return ada.told(answer.recovery_codes).secrets


async def _guest(world: World) -> list[str]:
    return [(await callers.guest(world.shop)).token]


PLANTED: dict[str, Plant] = {
    "lumi.identity.v1.AuthService.SignUp": _sign_up,
    "lumi.identity.v1.AuthService.SignIn": _sign_in,
    "lumi.identity.v1.AuthService.RefreshToken": _refresh,
    "lumi.identity.v1.AuthService.CreateGuestSession": _guest,
    "lumi.identity.v1.AuthService.VerifyTwoFactor": _verify,
    "lumi.identity.v1.AuthService.StepUp": _step_up,
    "lumi.identity.v1.TwoFactorService.EnrollTotp": _enrol,
    "lumi.identity.v1.TwoFactorService.ConfirmTotp": _confirm,
    "lumi.identity.v1.TwoFactorService.DisableTotp": _disable,
    "lumi.identity.v1.TwoFactorService.RegenerateRecoveryCodes": _regenerate,
    "lumi.identity.v1.AuthService.VerifyEmail": _verify_email,
    "lumi.identity.v1.AuthService.RequestPasswordReset": _request_reset,
    "lumi.identity.v1.AuthService.ResetPassword": _reset,
    "lumi.identity.v1.AuthService.ChangePassword": _change,
}


async def _tables(world: World) -> list[str]:
    """Every table of the five services, with its schema."""
    rows = await world.books.fetch(
        "select schemaname || '.' || tablename as name from pg_tables where schemaname = any($1)", list(SERVICES)
    )
    return [row["name"] for row in rows]


async def _found(world: World, *secrets: str) -> list[str]:
    """The tables that have one of the secrets in one of their rows, as text or as bytes."""
    tables = await _tables(world)
    assert {f"{schema}.request_ids" for schema in SERVICES} < set(tables)
    each = " union all ".join(
        f"select '{name}' as name where exists (select from {name} row where row::text like any($1))" for name in tables
    )
    wanted = [f"%{spelled}%" for secret in secrets for spelled in (secret, secret.encode().hex())]
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
    assert await _found(world, *secrets) == []


async def test_the_token_of_a_guest_is_not_kept_with_the_merge(world: World) -> None:
    case = next(case for case in CASES if case.name.endswith("CartService.MergeGuestCart"))
    caller = await world.caller(case)
    request = under(request_id(), (await world.play(case, caller)).request)
    assert not (await world.tell(case, caller, request)).refusal
    await _drained(world)

    assert await _found(world, request.guest_token) == []
