"""Bringing the stack up and down."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress

from lumi_local import prepare
from lumi_local.home import ADMIN_EMAIL, Home
from lumi_local.parts import GATEWAY, NAMES, STORES, Blueprint, Part
from lumi_local.postgres import SUPERUSER
from lumi_local.process import LOOPBACK, StackError, port_is_free, wait_until, write_private
from lumi_local.rotation import Progress, ensure_certificates, rotate_certificates, rotate_passwords
from lumi_local.settings import Settings
from lumi_local.supervision import State, Supervisor
from lumi_local.topology import SERVICES

SECONDS_FOR_PORTS = 3.0  # what a killed stack's last processes may take to leave
SECONDS_TO_SETTLE = 8.0
SECONDS_TO_START = 60.0


class Stack:
    """The stack of one `LUMI_HOME`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self.supervisor = Supervisor(self.home)

    def up(self, progress: Progress, only: Sequence[str] = NAMES) -> None:
        """Start what is not running and return when everything is healthy; `only` names a part of the parts.

        `progress` is called with a title and the step to carry out. StackError says what went wrong.
        """
        with self.home.locked():
            self.home.make()
            ensure_certificates(self.home, progress)
            blueprint = Blueprint.of(self.settings, self.home, prepare.code_digest())
            if not self.home.is_between_secrets:
                blueprint.tell_secrets()
            parts = [part for part in blueprint.parts() if part.name in only]
            self._settle(parts, progress)
            if not blueprint.cluster.exists():
                self.home.prepared.unlink(missing_ok=True)
                password = blueprint.secrets.postgres[SUPERUSER]
                progress("a new database", lambda: blueprint.cluster.create(password))
            self._start([part for part in parts if part.name in STORES], progress)
            if self.home.is_between_secrets and set(only).issuperset(STORES):
                blueprint = rotate_passwords(blueprint, self.supervisor, progress)
            self._prepare(blueprint, {part.name for part in parts}, progress)
            self._start([part for part in parts if part.name not in STORES], progress)
            self._describe(blueprint, {part.name for part in parts})

    def down(self) -> bool:
        """Stop everything; False when nothing was running."""
        with self.home.locked():
            was_running = self.supervisor.pid is not None
            self.supervisor.stop()
            self.home.stack_file.unlink(missing_ok=True)
            return was_running

    def clean(self) -> None:
        """Stop everything and remove the data."""
        self.down()
        for folder in (self.home.root, self.home.spare, self.home.socket.parent):
            shutil.rmtree(folder, ignore_errors=True)

    def health(self) -> list[tuple[Part, State, bool]]:
        """Each part that was started, with its state and whether it answers; empty when nothing runs."""
        states = self.supervisor.states()
        if not states:
            return []
        blueprint = Blueprint.of(self.settings, self.home, build="")
        return [(part, states[part.name], part.is_healthy()) for part in blueprint.parts() if part.name in states]

    def rotate(self, what: str, progress: Progress) -> None:
        """New `certificates` or `passwords` for the stack that runs; StackError when it does not."""
        with self.home.locked():
            if self.supervisor.pid is None:
                raise StackError("the stack is not running: `make up` starts it")
            if what == "certificates":
                rotate_certificates(self.home, progress)
                return
            blueprint = Blueprint.of(self.settings, self.home, build="")
            self._describe(rotate_passwords(blueprint, self.supervisor, progress), set(self.supervisor.states()))

    def _settle(self, parts: list[Part], progress: Progress) -> None:
        """Have supervisord run with exactly these parts, stop those whose spec changed, and see their ports free."""
        if self.supervisor.pid is not None and set(self.supervisor.states()) != {part.name for part in parts}:
            progress("stopping what runs", self.supervisor.stop)
        changed = [part for part in parts if part.spec.write(self.home.spec(part.name))]
        if self.supervisor.pid is None:
            check_ports(parts)
            self.supervisor.start([part.program for part in parts])
            return
        for part in changed:
            self.supervisor.stop_program(part.program)
        check_ports(changed)

    def _start(self, parts: list[Part], progress: Progress) -> None:
        for part in parts:
            self.supervisor.start_program(part.program)
        for part in parts:
            progress(f"{part.title} at {part.address}", lambda part=part: self._wait_for(part))  # type: ignore[misc]

    def _wait_for(self, part: Part) -> None:
        started = time.monotonic()

        def settled() -> bool:
            if part.is_healthy():
                return True
            # A part may need a second try (PostgreSQL after a hard kill); one that still cannot stay up has a reason.
            return time.monotonic() - started > SECONDS_TO_SETTLE and self._keeps_dying(part)

        with suppress(StackError):
            wait_until(settled, f"{part.title} is not healthy", seconds=SECONDS_TO_START, pause=0.05)
        if not part.is_healthy():
            raise StackError(f"{part.title} does not become healthy:\n{self._last_words(part)}")

    def _keeps_dying(self, part: Part) -> bool:
        return self.supervisor.states()[part.name].word in ("BACKOFF", "FATAL")

    def _last_words(self, part: Part) -> str:
        log = self.home.log(part.name)
        lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
        return "\n".join([*(f"  {line}" for line in lines), f"  (all of it: {log})"])

    def _prepare(self, blueprint: Blueprint, names: set[str], progress: Progress) -> None:
        """Roles, schemas, streams, the admin and the gateway's configuration; skipped when nothing changed since."""
        stamp = self.home.prepared
        ports, gateway = [self.settings.port_base, self.settings.gateway_port], self.settings.for_gateway()
        done = json.dumps([blueprint.build, sorted(names), *ports, gateway])
        if stamp.exists() and stamp.read_text() == done:
            return
        stamp.unlink(missing_ok=True)
        if "postgres" in names:
            progress("roles and schemas", lambda: blueprint.cluster.bootstrap(blueprint.postgres))
        if names.issuperset(SERVICES):
            progress("migrations", lambda: prepare.migrate(blueprint))
            progress("permissions and the admin", lambda: prepare.make_admin(blueprint))
            progress("event streams", lambda: prepare.make_streams(blueprint))
        if GATEWAY in names:
            progress("gateway configuration", lambda: prepare.make_gateway_configuration(blueprint))
        stamp.write_text(done)

    def _describe(self, blueprint: Blueprint, names: set[str]) -> None:
        """Write `stack.json`, which tells tests and tools where everything is."""
        settings = self.settings
        described = {
            "version": 1,
            "gateway": f"http://{LOOPBACK}:{settings.gateway_port}",
            "postgres": blueprint.postgres.dsn_superuser,
            "nats": blueprint.nats.url_admin,
            "data": str(blueprint.cluster.data),
            "admin": {"email": ADMIN_EMAIL, "password": blueprint.secrets.admin_password},
            "services": {
                service: {
                    "public": f"{LOOPBACK}:{settings.public_port(service)}",
                    "internal": f"{LOOPBACK}:{settings.internal_port(service)}",
                    "postgres": blueprint.postgres.dsn(f"lumi_{service}"),
                }
                for service in SERVICES
                if service in names
            },
        }
        write_private(self.home.stack_file, json.dumps(described, indent=2) + "\n")


def check_ports(parts: Sequence[Part]) -> None:
    """See that every port of these parts is free; StackError names each that is not and the setting that moves it."""
    end = time.monotonic() + SECONDS_FOR_PORTS
    while taken := [
        f"  {port} ({part.title}): {setting} moves it"
        for part in parts
        for port, setting in part.ports.items()
        if not port_is_free(port)
    ]:
        if time.monotonic() > end:
            raise StackError("another program listens on ports that the stack needs:\n" + "\n".join(taken))
        time.sleep(0.1)
