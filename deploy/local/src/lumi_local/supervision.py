"""supervisord, which keeps the parts of a stack running: its configuration and its control socket.

It starts every part from its one main thread, as Envoy needs (Envoy dies with the thread that started it), restarts
what dies, rotates the logs, and is told what to do over a unix socket that only its owner can open.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from lumi_local.home import Home
from lumi_local.process import StackError, launch_command, wait_until

# Of supervisor.xmlrpc.Faults, which has no names for a typed reader.
NO_SUCH_NAME, ALREADY_STARTED, NOT_RUNNING = 10, 60, 70
SECONDS_TO_STOP = 30


@dataclass(frozen=True)
class Program:
    """A part as the supervisor sees it: parts of a lower priority start earlier and stop later."""

    name: str
    priority: int
    stop_signal: str


@dataclass(frozen=True)
class State:
    """How a program is doing: supervisord's own words, `RUNNING` among them, and the seconds it has been up."""

    name: str
    word: str
    pid: int
    seconds: int


class Supervisor:
    """The supervisord of one home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._configuration = home.run / "supervisord.conf"
        self._pid_file = home.run / "supervisord.pid"

    @property
    def pid(self) -> int | None:
        """Its process id, or None when it is not running."""
        try:
            answer = self._call("getPID")
        except (OSError, HTTPException):
            return None
        return int(answer)

    def start(self, programs: Iterable[Program]) -> None:
        """Start it in the background, with every program still stopped."""
        self._configuration.write_text(self._render(programs))
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._configuration)]
        done = subprocess.run(command, cwd=self._home.run, capture_output=True, text=True)
        if done.returncode:
            raise StackError(f"supervisord did not start:\n{done.stdout.strip()} {done.stderr.strip()}")
        wait_until(lambda: self.pid is not None, "supervisord did not answer", seconds=10)

    def stop(self) -> None:
        """Stop every program, then supervisord itself; return when all are gone."""
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not _alive(pid), "the stack did not stop", seconds=3 * SECONDS_TO_STOP)

    def states(self) -> dict[str, State]:
        """Every program's state, by name; empty when supervisord is not running."""
        try:
            infos = self._call("getAllProcessInfo")
        except (OSError, HTTPException):
            return {}
        return {
            info["name"]: State(
                info["name"], info["statename"], info["pid"], info["now"] - info["start"] if info["pid"] else 0
            )
            for info in infos
        }

    def start_program(self, name: str) -> None:
        """Start a program unless it runs; does not wait for it."""
        self._tolerating(ALREADY_STARTED, "startProcess", f"{name}:{name}", False)

    def stop_program(self, name: str) -> None:
        """Stop a program and wait until it is gone."""
        self._tolerating(NOT_RUNNING, "stopProcess", f"{name}:{name}", True)

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

    def _render(self, programs: Iterable[Program]) -> str:
        home = self._home
        lines = [
            "[supervisord]",
            f"logfile={_text(home.log('supervisord'))}",
            "logfile_maxbytes=5MB",
            "logfile_backups=1",
            f"pidfile={_text(self._pid_file)}",
            "umask=077",
            *(["user=root"] if os.getuid() == 0 else []),  # meant so: the parts that must not be root give it up
            "[unix_http_server]",
            f"file={_text(home.socket)}",
            "chmod=0700",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        ]
        for program in programs:
            command = " ".join(f'"{_text(word)}"' for word in launch_command(home.spec(program.name)))
            lines += [
                f"[program:{program.name}]",
                f"command={command}",
                f"priority={program.priority}",
                "autostart=false",
                "autorestart=true",
                "startsecs=1",
                "startretries=60",
                f"stopsignal={program.stop_signal}",
                f"stopwaitsecs={SECONDS_TO_STOP}",
                "redirect_stderr=true",
                f"stdout_logfile={_text(home.log(program.name))}",
                "stdout_logfile_maxbytes=10MB",
                "stdout_logfile_backups=2",
            ]
        return "\n".join(lines) + "\n"


def _text(value: object) -> str:
    return str(value).replace("%", "%%")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
