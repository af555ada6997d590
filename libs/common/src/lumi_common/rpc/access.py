"""Who may call a method: read off the `access` option in the protos when the service starts, deny by default.

A service does not start with a method that declares no access, or that changes something without a `request_id`
field and without saying why it is exempt.
"""

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from lumi.common.v1 import options_pb2

from lumi_common.errors import PermissionDenied, Reason, Unauthenticated
from lumi_common.principal import Principal

# To read and validate megabytes of small things takes seconds, in which nobody is served.
MAX_REQUEST_BYTES = 256 * 1024


class ContractError(Exception):
    """A service's protos do not say what they must; the message names the method."""


@dataclass(frozen=True, slots=True)
class MethodPolicy:
    """What a method's options demand; `name` is `lumi.orders.v1.OrderService/CancelOrder`."""

    name: str
    public: bool = False
    guest: bool = False
    user: bool = False
    owner: bool = False
    permission: str = ""
    services: frozenset[str] = frozenset()
    step_up: bool = False
    mutating: bool = False
    takes_request_id: bool = False
    allowed_seconds: float = 0.0
    """What the method asks for beyond the server's own limit; 0 for nothing."""
    max_bytes: int = MAX_REQUEST_BYTES
    """Of one request, where they are no stream."""

    @property
    def on_public_port(self) -> bool:
        """Whether the gateway may route to it; if not, the public port knows no such method."""
        return self.public or self.guest or self.user or bool(self.permission)

    @property
    def on_internal_port(self) -> bool:
        """Whether services may call it."""
        return self.public or bool(self.services)

    def admit(self, caller: Principal, now: float) -> bool:
        """Decide by token; True means: only rows of their own (the servicer's SQL holds them to it).

        Asked on the public port only, which has no internal methods; `now` is in Unix seconds. Raises Unauthenticated
        without a token, PermissionDenied without the right.
        """
        if caller.kind == "anonymous" and not self.public:
            raise Unauthenticated(Reason.TOKEN_MISSING, "this method needs an access token")
        if self.user and caller.kind != "user":
            raise PermissionDenied(Reason.USER_REQUIRED, "this method needs a signed-in user")
        permitted = bool(self.permission) and caller.may(self.permission)
        if self.permission and not permitted and not self.owner:
            raise PermissionDenied(
                Reason.PERMISSION_MISSING,
                f"this method needs the permission {self.permission}",
                permission=self.permission,
            )
        if self.step_up and caller.stepped_up_until <= now:
            raise PermissionDenied(Reason.STEP_UP_REQUIRED, "this method needs a fresh second factor")
        return self.owner and not permitted

    def admit_service(self, caller: Principal) -> None:
        """Decide by certificate; raises PermissionDenied for a service that the method does not name."""
        if not self.public and caller.id not in self.services:
            raise PermissionDenied(
                Reason.SERVICE_NOT_ALLOWED, "this method does not serve this service", service=caller.id
            )


def service_policies(service: ServiceDescriptor) -> dict[str, MethodPolicy]:
    """The policy of each method by its bare name; raises ContractError that lists all that is wrong."""
    policies: dict[str, MethodPolicy] = {}
    faults: list[str] = []
    for method in service.methods:
        try:
            policies[method.name] = read_policy(method)
        except ContractError as fault:
            faults.append(str(fault))
    if faults:
        raise ContractError("; ".join(faults))
    return policies


def read_policy(method: MethodDescriptor) -> MethodPolicy:
    """The policy that a method's options declare; raises ContractError if they leave something open."""
    options: Any = method.GetOptions()
    name = f"{method.containing_service.full_name}/{method.name}"
    if not options.HasExtension(options_pb2.access):
        raise ContractError(f"{name} declares no access")
    access = options.Extensions[options_pb2.access]
    policy = MethodPolicy(
        name=name,
        public=access.public,
        guest=access.guest,
        user=access.user,
        owner=access.owner,
        permission=access.permission,
        services=frozenset(access.service),
        step_up=access.step_up,
        mutating=options.idempotency_level != MethodOptions.NO_SIDE_EFFECTS,
        takes_request_id=_takes_request_id(method),
        allowed_seconds=options.Extensions[options_pb2.deadline_ms] / 1000,
        max_bytes=options.Extensions[options_pb2.max_request_bytes] or MAX_REQUEST_BYTES,
    )
    if not (policy.on_public_port or policy.on_internal_port):
        raise ContractError(f"{name} declares an access that admits nobody")
    if sum(map(bool, (policy.public, policy.guest, policy.user, policy.permission))) > 1:
        raise ContractError(f"{name} declares more than one of public, guest, user and permission")
    exempt = options.Extensions[options_pb2.request_id_exempt]
    if policy.mutating and not policy.takes_request_id and not exempt:
        raise ContractError(f"{name} changes something and takes no request_id")
    return policy


def _takes_request_id(method: MethodDescriptor) -> bool:
    field = method.input_type.fields_by_name.get("request_id")
    return field is not None and field.type == field.TYPE_STRING
