"""Signing up, in, on and out, over the wire."""

import jwt
import pytest
from google.protobuf.json_format import MessageToDict
from lumi.identity.v1.auth_pb2 import (
    GetJwksRequest,
    RefreshTokenRequest,
    SignInRequest,
    SignOutRequest,
    SignUpRequest,
)
from lumi.identity.v1.user_pb2 import GetMeRequest, GetUserRequest, UserStatus

from lumi_common.cuid import cuid
from lumi_common.errors import (
    AlreadyExists,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unauthenticated,
    Unimplemented,
)
from lumi_identity.server import rotate_keys, withdraw_key
from services.identity.tests.kit import PASSWORD, an_email
from services.identity.tests.rpc.clients import Identity


async def test_a_new_user_signs_in_and_reads_their_own_account(identity: Identity) -> None:
    email = an_email()
    made = await identity.anybody.SignUp(
        SignUpRequest(email=f"{email.upper()}", password=PASSWORD, first_name="Ada", phone="+905321234567")
    )
    ada = await identity.signed_in(email, PASSWORD)

    me = await ada.client.GetMe(GetMeRequest())

    assert me == made
    assert (me.email, me.first_name, me.last_name, me.phone) == (email.upper(), "Ada", "", "+905321234567")
    assert (me.status, me.etag) == (UserStatus.USER_STATUS_ACTIVE, "1")


async def test_a_taken_email_is_named_as_the_field_at_fault(identity: Identity) -> None:
    ada = await identity.user()

    with pytest.raises(AlreadyExists) as refusal:
        await identity.anybody.SignUp(SignUpRequest(email=ada.email, password=PASSWORD))
    assert (refusal.value.reason, refusal.value.field, refusal.value.domain) == (
        "EMAIL_TAKEN", "email", "identity.lumi",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [("email", "not an e-mail"), ("email", ""), ("password", "short"), ("password", "x" * 257), ("phone", "0532")],
)
async def test_bad_input_names_its_field_and_makes_no_account(identity: Identity, field: str, value: str) -> None:
    given = {"email": an_email(), "password": PASSWORD, field: value}

    with pytest.raises(InvalidArgument) as refusal:
        await identity.anybody.SignUp(SignUpRequest(**given))
    assert refusal.value.field == field
    assert await identity.db.pool.fetchval("select count(*) from users where email = $1", given["email"]) == 0


async def test_a_wrong_password_and_an_unknown_email_answer_alike(identity: Identity) -> None:
    ada = await identity.user()
    answers = set()
    for email in (ada.email, an_email()):
        with pytest.raises(Unauthenticated) as refusal:
            await identity.anybody.SignIn(SignInRequest(email=email, password="wrong"))
        answers.add((refusal.value.reason, refusal.value.message, str(refusal.value.facts)))

    assert len(answers) == 1


async def test_the_access_token_is_signed_by_a_published_key(identity: Identity) -> None:
    ada = await identity.user()

    jwks = MessageToDict(await identity.anybody.GetJwks(GetJwksRequest()), preserving_proto_field_name=True)
    key = jwt.PyJWKSet.from_dict(jwks)[jwt.get_unverified_header(ada.tokens.access_token)["kid"]]
    claims = jwt.decode(ada.tokens.access_token, key, algorithms=["EdDSA"], audience="lumi", issuer="lumi")

    assert (claims["sub"], claims["sid"], claims["kind"]) == (ada.id, ada.tokens.session_id, "user")
    assert claims["exp"] - claims["iat"] == 600
    assert claims["exp"] == ada.tokens.access_token_expire_time.seconds
    assert set(jwks["keys"][0]) == {"kty", "crv", "x", "kid", "use", "alg"}


async def test_a_refreshed_session_goes_on_and_a_signed_out_one_does_not(identity: Identity) -> None:
    ada = await identity.user()
    answer = await identity.anybody.RefreshToken(RefreshTokenRequest(refresh_token=ada.tokens.refresh_token))
    again = identity.holder_of(answer.tokens.access_token)

    assert (await again.GetMe(GetMeRequest())).id == ada.id
    await again.SignOut(SignOutRequest())

    for call in (again.GetMe(GetMeRequest()), again.SignOut(SignOutRequest()), ada.client.GetMe(GetMeRequest())):
        with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
            await call
    with pytest.raises(Unauthenticated) as refusal:
        await identity.anybody.RefreshToken(RefreshTokenRequest(refresh_token=answer.tokens.refresh_token))
    assert refusal.value.reason == "REFRESH_TOKEN_INVALID"


async def test_accounts_of_others_are_for_staff(identity: Identity) -> None:
    ada, bob, admin = await identity.user(), await identity.user(), await identity.admin()

    with pytest.raises(PermissionDenied):
        await ada.client.GetUser(GetUserRequest(id=bob.id))
    with pytest.raises(Unauthenticated):
        await identity.anybody.GetMe(GetMeRequest())
    with pytest.raises(NotFound):
        await admin.client.GetUser(GetUserRequest(id=cuid()))
    assert (await admin.client.GetUser(GetUserRequest(id=bob.id))).email == bob.email


async def test_another_service_may_ask_for_the_keys_and_for_nothing_of_a_user(identity: Identity) -> None:
    orders = identity.service("orders")

    assert (await orders.GetJwks(GetJwksRequest())).keys
    with pytest.raises(Unimplemented):
        await orders.GetMe(GetMeRequest())


async def test_an_operator_makes_the_next_key_and_is_told_of_one_that_is_not_there(identity: Identity) -> None:
    await identity.db.pool.execute("delete from signing_keys where not_before > now()")
    count = "select count(*) from signing_keys where not_before > now() + interval '1 minute'"

    for _ in range(2):
        await rotate_keys(identity.runtime)

    assert await identity.db.pool.fetchval(count) == 1
    with pytest.raises(SystemExit, match="there is no key unknown"):
        await withdraw_key(identity.runtime, "unknown")
