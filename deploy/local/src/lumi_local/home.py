"""The folder that holds everything of one stack, and the secrets in it."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lumi_local import nats, postgres
from lumi_local.process import StackError, write_private

ADMIN_EMAIL = "admin@lumi.example"
# A unix socket's path has 107 bytes at most, and the supervisor appends its process id while it makes one.
LONGEST_SOCKET_PATH = 95


@dataclass(frozen=True)
class Secrets:
    """Passwords and keys that the stack made for itself."""

    postgres: dict[str, str]
    nats: dict[str, str]
    token_pepper: str
    key_encryption_key: str
    admin_password: str

    @classmethod
    def new(cls) -> Secrets:
        return cls(
            postgres=postgres.new_passwords(),
            nats=nats.new_passwords(),
            token_pepper=_key(),
            key_encryption_key=_key(),
            admin_password=secrets.token_urlsafe(18),
        )


class Home:
    """`LUMI_HOME`: folders of mode 0711 that PostgreSQL's account can pass through, files with secrets of mode 0600."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.postgres = root / "postgres"
        self.nats = root / "nats"
        self.certificates = root / "certificates"
        self.logs = root / "logs"
        self.run = root / "run"
        self.gateway = self.run / "envoy.yaml"
        self.page = self.run / "docs"
        self.prepared = self.run / "prepared"
        self.stack_file = root / "stack.json"
        self.spare = postgres.spare_folder(root)

    def make(self) -> None:
        """Make the folders."""
        _make(self.root, 0o711)
        for folder in (self.nats, self.certificates, self.logs, self.run, self.socket.parent):
            _make(folder, 0o700)

    @cached_property
    def socket(self) -> Path:
        """The supervisor's control socket, in a short folder of its own where the path would be too long."""
        path = self.run / "supervisor.sock"
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            return path
        name = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
        return Path("/tmp") / f"lumi-{os.getuid()}-{name}" / "supervisor.sock"

    def log(self, part: str) -> Path:
        """A part's log, where the supervisor writes it."""
        return self.logs / f"{part}.log"

    def spec(self, part: str) -> Path:
        """A part's spec file."""
        return self.run / f"{part}.json"

    def secrets(self) -> Secrets:
        """The stack's secrets, made the first time they are asked for."""
        path = self.root / "secrets.json"
        if path.exists():
            return Secrets(**json.loads(path.read_text()))
        made = Secrets.new()
        write_private(path, json.dumps(made.__dict__, indent=1))
        return made

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One command at a time changes the stack; a second one waits."""
        _make(self.root, 0o711)
        with (self.root / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _make(folder: Path, mode: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ours = folder.stat().st_uid == os.getuid()
    except PermissionError:
        ours = False
    if not ours:
        raise StackError(f"{folder} is somebody else's: be the user who made it, or name another LUMI_HOME")
    folder.chmod(mode)


def _key() -> str:
    return base64.b64encode(os.urandom(32)).decode()
