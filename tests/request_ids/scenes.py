"""The table of scenes: for each method that takes a request id, somebody's valid request and others beside it.

The files beside this one fill it, one for each service. A method of the contract without a scene makes
`test_coverage` fail by its name.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from lumi_common.rpc.access import MethodPolicy, read_policy
from lumi_envoy.contract import all_methods
from tests.request_ids.callers import Caller, kinds

if TYPE_CHECKING:
    from tests.request_ids.world import World


@dataclass(frozen=True)
class Scene:
    """A request that has its effect once, and `others` with another body; none of them has a request id yet.

    `happened` counts the effect where the outbox does not tell of it.
    """

    request: Message
    others: tuple[Message, ...]
    happened: Callable[[], Awaitable[int]] | None = None


Play = Callable[["World", Caller], Awaitable[Scene]]

SCENES: dict[str, Play] = {}


def scene(full_name: str) -> Callable[[Play], Play]:
    """Say that this is the scene of a method, which is called by its name in the contract without `lumi.`."""

    def put(play: Play) -> Play:
        name = f"lumi.{full_name}"
        assert name not in SCENES, name
        SCENES[name] = play
        return play

    return put


@dataclass(frozen=True)
class Case:
    """One method, called in one of the ways in which it may be."""

    method: MethodDescriptor
    policy: MethodPolicy
    kind: str

    @property
    def name(self) -> str:
        """The method's full name in the contract."""
        return str(self.method.full_name)

    @property
    def schema(self) -> str:
        """Of the service that keeps the answer."""
        return self.name.split(".")[1]

    @property
    def id(self) -> str:
        """What a test is called by."""
        return f"{self.name.removeprefix('lumi.')}-{self.kind}"


MUTATING = [(method, policy) for method in all_methods() if (policy := read_policy(method)).mutating]
EXEMPT = [method for method, policy in MUTATING if not policy.takes_request_id]
# Whoever does these is signed out by them, and a repeat is told so.
_LEAVING = {
    "lumi.identity.v1.AuthService.SignOut",
    "lumi.identity.v1.UserService.DeleteUser",
    "lumi.identity.v1.PrivacyService.EraseUser",
}
_ALL = [Case(method, policy, kind) for method, policy in MUTATING if policy.takes_request_id for kind in kinds(policy)]
LEAVING = [case for case in _ALL if case.kind == "shopper" and case.name in _LEAVING]
CASES = [case for case in _ALL if case not in LEAVING]
