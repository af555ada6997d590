"""The folder that holds everything of one stack, and the secrets in it."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
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

    def with_new_passwords(self) -> Secrets:
        """The same, but for what lets into PostgreSQL and NATS."""
        return replace(self, postgres=postgres.new_passwords(), nats=nats.new_passwords())


class Home:
    """`LUMI_HOME`: folders of mode 0711 that PostgreSQL's account can pass through, files with secrets of mode 0600."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.postgres = root / "postgres"
        self.nats = root / "nats"
        self.certificates = root / "certificates"
        self.told = root / "secrets"
        self.mails = root / "mails"
        self.logs = root / "logs"
        self.run = root / "run"
        self.gateway = self.run / "envoy.yaml"
        self.page = self.run / "docs"
        self.prepared = self.run / "prepared"
        self.stack_file = root / "stack.json"
        self._secrets, self._next_secrets = root / "secrets.json", root / "secrets.next.json"
        self.spare = postgres.spare_folder(root)

    def make(self) -> None:
        """Make the folders."""
        _make(self.root, 0o711)
        for folder in (self.nats, self.certificates, self.told, self.mails, self.logs, self.run, self.socket.parent):
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
        return _kept(self._secrets, Secrets.new)

    def next_secrets(self) -> Secrets:
        """Those that are about to take their place; the same ones until they have, whatever was cut off."""
        return _kept(self._next_secrets, self.secrets().with_new_passwords)

    def adopt_next_secrets(self) -> None:
        """They are the stack's secrets from now on."""
        self._next_secrets.replace(self._secrets)

    @property
    def is_between_secrets(self) -> bool:
        """Whether changing the passwords was begun and not ended."""
        return self._next_secrets.exists()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One command at a time changes the stack; a second one waits."""
        _make(self.root, 0o711)
        with (self.root / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _kept(path: Path, new: Callable[[], Secrets]) -> Secrets:
    if path.exists():
        return Secrets(**json.loads(path.read_text()))
    made = new()
    write_private(path, json.dumps(asdict(made), indent=1))
    return made


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
