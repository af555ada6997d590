"""supervisord, which keeps the parts of a stack running: its configuration and its control socket.

It starts every part from its one main thread, as Envoy needs (Envoy dies with the thread that started it), restarts
what dies, rotates the logs, and is told what to do over a unix socket that only its owner can open.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from lumi_local.home import Home
from lumi_local.process import CHILD, StackError, wait_until, write_private

# Of supervisor.xmlrpc.Faults, which has no names for a typed reader.
ALREADY_STARTED, NOT_RUNNING = 60, 70
SECONDS_TO_STOP = 30


@dataclass(frozen=True)
class Program:
    """A part as the supervisor sees it; a whole tier stops together, before the tier below it."""

    name: str
    tier: int
    stop_signal: str


@dataclass(frozen=True)
class State:
    """How a program is doing: supervisord's own word (`RUNNING`, `BACKOFF`, …) and the seconds it has been up."""

    word: str
    pid: int
    seconds: int


class Supervisor:
    """The supervisord of one home."""

    def __init__(self, home: Home) -> None:
        self._home = home

    @property
    def pid(self) -> int | None:
        """Its process id, or None when it is not running."""
        try:
            answer = self._call("getPID")
        except (OSError, HTTPException):
            return None
        return int(answer)

    def start(self, programs: Sequence[Program]) -> None:
        """Start it in the background, with every program still stopped."""
        write_private(self._home.run / "supervisord.conf", self._render(programs))
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", "supervisord.conf"]
        environment = os.environ | {"LUMI_PYTHON": sys.executable, "LUMI_CHILD": str(CHILD)}
        done = subprocess.run(command, cwd=self._home.run, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise StackError(f"supervisord did not start:\n{done.stdout.strip()} {done.stderr.strip()}")
        wait_until(lambda: self.pid is not None, "supervisord did not answer", seconds=10)

    def stop(self) -> None:
        """Stop every program, then supervisord itself; return when all are gone."""
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)

        def gone() -> bool:
            with suppress(Fault):
                self.pid  # noqa: B018  # supervisord looks about once a second; a question makes it look at once
            return not _alive(pid)

        wait_until(gone, "the stack did not stop", seconds=3 * SECONDS_TO_STOP)

    def states(self) -> dict[str, State]:
        """Every program's state, by name; empty when supervisord is not running."""
        try:
            infos = self._call("getAllProcessInfo")
        except (OSError, HTTPException):
            return {}
        return {
            info["name"]: State(info["statename"], info["pid"], info["now"] - info["start"] if info["pid"] else 0)
            for info in infos
        }

    def start_program(self, program: Program) -> None:
        """Start a program unless it runs; does not wait for it."""
        self._tolerating(ALREADY_STARTED, "startProcess", f"{_group(program.tier)}:{program.name}", False)

    def stop_program(self, program: Program) -> None:
        """Stop a program and wait until it is gone."""
        self._tolerating(NOT_RUNNING, "stopProcess", f"{_group(program.tier)}:{program.name}", True)

    def signal_program(self, program: Program, signal_name: str) -> None:
        """Send a running program a signal, such as `HUP`."""
        self._tolerating(NOT_RUNNING, "signalProcess", f"{_group(program.tier)}:{program.name}", signal_name)

    def _tolerating(self, fault: int, method: str, *arguments: Any) -> None:
        try:
            self._call(method, *arguments)
        except Fault as error:
            if error.faultCode != fault:
                raise StackError(f"supervisord: {method} {arguments[0]}: {error.faultString}") from error

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._home.socket}")
        try:
            return getattr(ServerProxy("http://localhost", transport).supervisor, method)(*arguments)
        finally:
            transport.close()

    def _render(self, programs: Sequence[Program]) -> str:
        # Paths are relative to the run folder and the interpreter comes by environment, because the configuration's
        # grammar has its own idea of spaces, `%`, `;` and `#`, and a checkout may be called anything.
        lines = [
            "[supervisord]",
            "logfile=../logs/supervisord.log",
            "logfile_maxbytes=5MB",
            "logfile_backups=1",
            "pidfile=supervisord.pid",
            "umask=077",
            *(["user=root"] if os.getuid() == 0 else []),  # meant so: the part that must not be root gives it up
            "[unix_http_server]",
            f"file={self._socket_name()}",
            "chmod=0700",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        ]
        for program in programs:
            lines += [
                f"[program:{program.name}]",
                f'command="%(ENV_LUMI_PYTHON)s" -I -S "%(ENV_LUMI_CHILD)s" {program.name}.json',
                "autostart=false",
                "autorestart=true",
                "startsecs=1",
                "startretries=60",
                f"stopsignal={program.stop_signal}",
                f"stopwaitsecs={SECONDS_TO_STOP}",
                "redirect_stderr=true",
                f"stdout_logfile=../logs/{program.name}.log",
                "stdout_logfile_maxbytes=10MB",
                "stdout_logfile_backups=2",
            ]
        for tier in sorted({program.tier for program in programs}):
            names = ",".join(program.name for program in programs if program.tier == tier)
            lines += [f"[group:{_group(tier)}]", f"programs={names}", f"priority={tier}"]
        return "\n".join(lines) + "\n"

    def _socket_name(self) -> str:
        socket = self._home.socket
        return socket.name if socket.parent == self._home.run else str(socket)


def _group(tier: int) -> str:
    return f"tier{tier}"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
