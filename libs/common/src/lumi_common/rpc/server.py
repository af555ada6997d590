"""A service's two gRPC servers: the public port, which the gateway routes to, and the internal one for its peers."""

import asyncio
from collections.abc import Callable
from importlib import import_module
from logging import getLogger
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import descriptor_pool

from lumi_common.rpc.access import ContractError, MethodPolicy, service_policies
from lumi_common.rpc.auth import TokenVerifier
from lumi_common.rpc.caller import Caller, ServiceCaller, TokenCaller
from lumi_common.rpc.certificates import Certificate
from lumi_common.rpc.health import Health
from lumi_common.rpc.refused import RefusedCalls
from lumi_common.rpc.stages import Limits, Stages
from lumi_common.settings import Settings

if TYPE_CHECKING:
    from lumi_common.telemetry import Telemetry

AddToServer = Callable[[Any, Any], None]
Options = list[tuple[str, int | str]]

_log = getLogger(__name__)


class PortTaken(Exception):
    """An address cannot be bound."""


class _Methods(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Every method of a port in one table, found in one look-up; what is not in it is UNIMPLEMENTED."""

    def __init__(self) -> None:
        self.by_path: dict[str, Any] = {}

    def service(self, details: Any) -> Any:
        return self.by_path.get(details.method)


class _Registrar:
    """Stands in for a server where generated code registers a servicer."""

    def __init__(self) -> None:
        self.handlers: dict[str, dict[str, Any]] = {}

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """Generated code registers in two ways; the other one is enough."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        self.handlers[service] = handlers


class RpcServer:
    """Both ports of one service, built from its settings; add servicers, then `start`, then `drain`."""

    def __init__(
        self, service: str, settings: Settings, verifier: TokenVerifier, telemetry: "Telemetry | None" = None
    ) -> None:
        self._settings = settings
        self.health = Health()
        self.limits = Limits(settings.request_seconds, settings.stream_seconds, settings.max_requests)
        self.refused = RefusedCalls(service)
        self._services: list[str] = []
        self._public_methods, self._internal_methods = _Methods(), _Methods()
        self._servers: list[Any] = []
        self.public_port = self.internal_port = 0

        def stages(caller: Caller, *, needs_request_id: bool) -> Stages:
            return Stages(
                service,
                caller,
                limits=self.limits,
                refused=self.refused,
                telemetry=telemetry,
                needs_request_id=needs_request_id,
            )

        plaintext = settings.internal_tls is None
        self._public = stages(TokenCaller(verifier), needs_request_id=False)
        self._internal = stages(ServiceCaller(plaintext=plaintext), needs_request_id=True)

    def add(self, add_to_server: AddToServer, servicer: Any) -> None:
        """Serve a servicer; `add_to_server` is the generated `add_..._to_server`.

        Raises ContractError for a method without access, request id or implementation.
        """
        # Generated code imports the files of a service's messages, of which the service's own need not be one.
        import_module(add_to_server.__module__.removesuffix("_grpc"))
        registrar = _Registrar()
        add_to_server(servicer, registrar)
        for service, handlers in registrar.handlers.items():
            policies = service_policies(descriptor_pool.Default().FindServiceByName(service))
            for method, handler in handlers.items():
                _check_implemented(servicer, policies[method], method)
                self._register(policies[method], handler)
            self._services.append(service)

    def _register(self, policy: MethodPolicy, handler: Any) -> None:
        path = f"/{policy.name}"
        if policy.on_public_port:
            self._public_methods.by_path[path] = self._public.wrap(policy, handler)
        if policy.on_internal_port:
            self._internal_methods.by_path[path] = self._internal.wrap(policy, handler)

    async def start(self) -> None:
        """Bind both ports and serve; raises PortTaken."""
        settings = self._settings
        options = _options(settings)
        public = grpc.aio.server(handlers=(self._public_methods,), options=options)
        internal = grpc.aio.server(handlers=(self._internal_methods,), options=options)
        await self.health.register(public)
        if settings.reflection:
            _reflect(self._services, public)
        self.public_port = _bind(public, settings.public_address, _public_credentials(settings))
        self.internal_port = _bind(internal, settings.internal_address, _internal_credentials(settings))
        self._servers = [public, internal]
        for server in self._servers:
            await server.start()

    async def drain(self) -> None:
        """Say not ready, take no new calls, and let those in flight finish within the drain time."""
        await self.health.drain()
        grace = self._settings.drain_seconds
        await asyncio.gather(*(server.stop(grace) for server in self._servers))
        self._servers = []


def _check_implemented(servicer: Any, policy: MethodPolicy, method: str) -> None:
    module = getattr(getattr(servicer, method), "__module__", "")
    if module.endswith("_pb2_grpc"):
        raise ContractError(f"{policy.name} is in the protos and {type(servicer).__name__} does not answer it")


def _options(settings: Settings) -> Options:
    age = int(settings.connection_age_seconds * 1000)
    return [
        ("grpc.so_reuseport", 0),  # two processes on one port would share its calls in silence
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.max_metadata_size", 16 * 1024),
        ("grpc.max_concurrent_streams", settings.max_requests),
        ("grpc.max_connection_age_ms", age),  # so that new instances get their share of load
        ("grpc.max_connection_age_grace_ms", int(settings.stream_seconds * 1000)),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]


def _bind(server: Any, address: str, credentials: Any) -> int:
    try:
        if credentials is None:
            return int(server.add_insecure_port(address))
        return int(server.add_secure_port(address, credentials))
    except RuntimeError as error:
        raise PortTaken(f"{address} cannot be bound: another process may hold the port") from error


def _public_credentials(settings: Settings) -> Any:
    if not (settings.public_tls_cert and settings.public_tls_key):
        return None
    return Certificate(settings.public_tls_cert, settings.public_tls_key).for_server()


def _internal_credentials(settings: Settings) -> Any:
    return None if settings.internal_tls is None else Certificate.of(settings.internal_tls).for_server()


def _reflect(services: list[str], server: Any) -> None:
    from grpc_reflection.v1alpha import reflection

    reflection.enable_server_reflection((*services, reflection.SERVICE_NAME), server)
