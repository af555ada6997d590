"""The parts of the stack: how each is started, which ports it takes, and how to tell that it is well."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from lumi_local import health, nats, programs
from lumi_local.home import ADMIN_EMAIL, Home, Secrets
from lumi_local.nats import NatsServer
from lumi_local.postgres import Cluster, PostgresServer
from lumi_local.process import LOOPBACK, Spec, write_private
from lumi_local.settings import CHECKOUT, Settings
from lumi_local.supervision import Program
from lumi_local.topology import SERVICES

STORES = ("postgres", "nats")
GATEWAY = "envoy"
NAMES = (*STORES, *SERVICES, GATEWAY)


@dataclass(frozen=True)
class Part:
    """One process of the stack."""

    name: str
    title: str
    spec: Spec
    ports: Mapping[int, str]  # port -> the setting that moves it
    is_healthy: Callable[[], bool]
    program: Program

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"{LOOPBACK}:{next(iter(self.ports))}"


@dataclass(frozen=True)
class Blueprint:
    """Everything that the parts of one stack are made from."""

    settings: Settings
    home: Home
    secrets: Secrets
    cluster: Cluster
    build: str  # changes with the code, and restarts what runs it

    @classmethod
    def of(cls, settings: Settings, home: Home, build: str) -> Blueprint:
        cluster = Cluster.placed(programs.postgres_folder(settings.postgres_bin), home.postgres, home.spare)
        return cls(settings, home, home.secrets(), cluster, build)

    @property
    def postgres(self) -> PostgresServer:
        """The database server as its clients see it."""
        return PostgresServer(self.settings.postgres_port, self.secrets.postgres)

    @property
    def nats(self) -> NatsServer:
        """The broker as its clients see it."""
        return NatsServer(self.settings.nats_port, self.secrets.nats)

    def parts(self) -> list[Part]:
        """Every part, in the order of starting."""
        return [self._postgres(), self._nats(), *(self._service(name) for name in SERVICES), self._envoy()]

    def service_environment(self, service: str) -> dict[str, str]:
        """What a service is told: `libs/common`'s settings and its own."""
        settings, certificates = self.settings, self.home.certificates
        peers = {peer: f"{LOOPBACK}:{settings.internal_port(peer)}" for peer in SERVICES}
        chosen = settings.for_services()
        if service == "identity":
            chosen["LUMI_MAIL_FOLDER"] = str(self.home.mails)
        return chosen | {
            "LUMI_ENV": "local",
            "LUMI_BUILD": self.build,
            "LUMI_SECRETS_DIR": str(self.home.told / service),
            "LUMI_PUBLIC_ADDRESS": f"{LOOPBACK}:{settings.public_port(service)}",
            "LUMI_INTERNAL_ADDRESS": peers[service],
            "LUMI_TLS_CA": str(certificates / "ca.pem"),
            "LUMI_TLS_CERT": str(certificates / f"{service}.pem"),
            "LUMI_TLS_KEY": str(certificates / f"{service}.key"),
            "LUMI_PEERS": json.dumps(peers),
        }

    def service_secrets(self, service: str) -> dict[str, str]:
        """What a service is told by files in its own folder, which it looks into again while it runs."""
        secrets = {"LUMI_POSTGRES_DSN": self.postgres.dsn(f"lumi_{service}"), "LUMI_NATS_URL": self.nats.url(service)}
        if service == "identity":
            secrets |= {
                "LUMI_TOKEN_PEPPER": self.secrets.token_pepper,
                "LUMI_KEY_ENCRYPTION_KEY": self.secrets.key_encryption_key,
            }
        return secrets

    def tell_secrets(self, before: Blueprint | None = None) -> None:
        """Write those files; with both passwords, this one's first, where there is one before it."""
        for service in SERVICES:
            folder = self.home.told / service
            folder.mkdir(mode=0o700, exist_ok=True)
            olds = before.service_secrets(service) if before else {}
            for name, new in self.service_secrets(service).items():
                lines = dict.fromkeys((new, olds.get(name, new)))
                write_private(folder / name, "".join(f"{line}\n" for line in lines))

    def deploy_environment(self, service: str) -> dict[str, str]:
        """What a service's deploy steps (`migrate`, `bootstrap`) are told beside that."""
        return self.service_environment(service) | {
            "LUMI_OWNER_DSN": self.postgres.dsn_superuser,
            "LUMI_ADMIN_EMAIL": ADMIN_EMAIL,
            "LUMI_ADMIN_PASSWORD": self.secrets.admin_password,
        }

    def _postgres(self) -> Part:
        port = self.settings.postgres_port
        return Part(
            "postgres",
            "PostgreSQL",
            self.cluster.spec(port, self.settings.postgres_settings),
            {port: "LUMI_PORT_BASE"},
            partial(self.cluster.accepts, port),
            Program("postgres", tier=1, stop_signal="INT"),
        )

    def _nats(self) -> Part:
        program = programs.nats_server(self.settings.nats_bin)
        return Part(
            "nats",
            "NATS",
            nats.spec(program, self.home.nats, self.nats),
            {self.nats.port: "LUMI_PORT_BASE"},
            partial(nats.accepts, self.nats),
            Program("nats", tier=1, stop_signal="TERM"),
        )

    def _service(self, name: str) -> Part:
        public, internal = self.settings.public_port(name), self.settings.internal_port(name)
        return Part(
            name,
            name,
            Spec([sys.executable, "-m", f"lumi_{name}"], cwd=CHECKOUT, env=self.service_environment(name)),
            {public: "LUMI_PORT_BASE", internal: "LUMI_PORT_BASE"},
            partial(health.service_is_ready, public),
            Program(name, tier=2, stop_signal="TERM"),
        )

    def _envoy(self) -> Part:
        port = self.settings.gateway_port
        # Hot restart is for fleets; without it two checkouts need no ids that differ.
        argv = [
            str(programs.envoy(self.settings.envoy_bin)),
            *("--config-path", str(self.home.gateway)),
            "--disable-hot-restart",
            *("--concurrency", "1"),
            *("--log-level", "warning"),
            *("--file-flush-interval-msec", "1000"),
        ]
        return Part(
            GATEWAY,
            "gateway",
            # It reads none of these: what changes its configuration restarts it.
            Spec(argv, cwd=CHECKOUT, env=self.settings.for_gateway() | {"LUMI_BUILD": self.build}),
            {port: "LUMI_GATEWAY_PORT", self.settings.envoy_admin_port: "LUMI_PORT_BASE"},
            partial(health.gateway_is_ready, port),
            Program(GATEWAY, tier=2, stop_signal="TERM"),
        )
