import pytest
from google.protobuf import descriptor_pool

from libs.common.tests.rpc.echo import EchoService, id_of, pb, stubs
from libs.common.tests.rpc.refusals import refused
from lumi_common.principal import Principal
from lumi_common.rpc.access import ContractError, MethodPolicy, read_policy, service_policies


def undeclared(method: str):
    return pb.DESCRIPTOR.services_by_name["UndeclaredService"].methods_by_name[method]


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("Forgotten", "UndeclaredService/Forgotten declares no access"),
        ("NobodyMay", "UndeclaredService/NobodyMay declares an access that admits nobody"),
        ("TwoAtOnce", "UndeclaredService/TwoAtOnce declares more than one of public, guest, user and permission"),
        (
            "ChangeWithoutRequestId",
            "ChangeWithoutRequestId changes something and takes no request_id",
        ),
    ],
)
def test_a_method_that_leaves_something_open_is_named(method, fault):
    with pytest.raises(ContractError, match=fault):
        read_policy(undeclared(method))


def test_a_change_may_be_exempt_from_request_ids_with_a_reason():
    assert read_policy(undeclared("ExemptWithReason")).mutating


async def test_a_service_with_an_undeclared_method_does_not_start(server):
    with pytest.raises(ContractError, match=r"Forgotten.*NobodyMay.*ChangeWithoutRequestId"):
        server.add(stubs.add_UndeclaredServiceServicer_to_server, stubs.UndeclaredServiceServicer())


async def test_a_service_with_a_method_that_nobody_wrote_does_not_start(start_server):
    class Unfinished(EchoService):
        Say = stubs.EchoServiceServicer.Say

    with pytest.raises(ContractError, match="EchoService/Say is in the protos and Unfinished does not answer it"):
        await start_server(Unfinished())


def test_every_method_of_a_declared_service_has_a_policy():
    policies = service_policies(descriptor_pool.Default().FindServiceByName("lumi.echo.v1.EchoService"))

    assert policies["Change"] == MethodPolicy(
        "lumi.echo.v1.EchoService/Change",
        permission="echoes.write",
        services=frozenset({"orders"}),
        mutating=True,
        takes_request_id=True,
    )


async def test_anybody_may_call_a_public_method(ask, bearer):
    assert (await ask("Say"))["principal"] == "anonymous:"
    assert (await ask("Say", metadata=bearer()))["principal"] == f"user:{id_of('user')}"


async def test_a_guest_method_takes_any_token_and_needs_one(ask, bearer):
    assert (await ask("SayAsGuest", metadata=bearer("guest")))["principal"] == f"guest:{id_of('guest')}"
    assert (await ask("SayAsGuest", metadata=bearer()))["principal"] == f"user:{id_of('user')}"
    async with refused("UNAUTHENTICATED", "TOKEN_MISSING"):
        await ask("SayAsGuest")


async def test_a_user_method_refuses_a_guest(ask, bearer):
    await ask("SayAsUser", metadata=bearer())
    async with refused("PERMISSION_DENIED", "USER_REQUIRED"):
        await ask("SayAsUser", metadata=bearer("guest"))


async def test_a_missing_permission_is_named(ask, bearer):
    assert not (await ask("SayWithPermission", metadata=bearer("user", "echoes.read")))["owner_only"]
    async with refused("PERMISSION_DENIED", "PERMISSION_MISSING") as seen:
        await ask("SayWithPermission", metadata=bearer("user", "echoes.write"))
    assert seen.error.facts == {"permission": "echoes.read"}


async def test_beside_owner_who_lacks_the_permission_may_act_on_rows_of_their_own_only(ask, bearer):
    assert not (await ask("SayOwn", metadata=bearer("user", "echoes.read")))["owner_only"]
    assert (await ask("SayOwn", metadata=bearer()))["owner_only"]


def test_a_second_factor_counts_until_it_is_stale():
    policy = MethodPolicy("m", user=True, step_up=True)
    stepped_up = Principal("user", "cuser", stepped_up_until=1_000)

    assert policy.admit(stepped_up, now=999) is False
    with pytest.raises(Exception, match="STEP_UP_REQUIRED"):
        policy.admit(stepped_up, now=1_000)
    with pytest.raises(Exception, match="STEP_UP_REQUIRED"):
        policy.admit(Principal.user("cuser"), now=0)


async def test_an_internal_method_is_unknown_on_the_public_port(channel, bearer):
    answers = []
    for method in ("ChangeInside", "NoSuchMethod"):
        call = channel.unary_unary(f"/lumi.echo.v1.EchoService/{method}")
        async with refused("UNIMPLEMENTED") as seen:
            await call(b"", metadata=bearer("user", "echoes.write"))
        answers.append(seen.details)

    assert answers[0] == answers[1]
