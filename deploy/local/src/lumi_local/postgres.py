"""A PostgreSQL server of our own: where its programs and data can live, how it starts, who may log in."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from lumi_local.account import Account, server_account
from lumi_local.process import LOOPBACK, Spec, StackError
from lumi_local.topology import SERVICES

SUPERUSER = "postgres"
DATABASE = "lumi"
LOGIN_ROLES = (*(f"lumi_{service}" for service in SERVICES), "lumi_auditor")
BOOTSTRAP = Path(__file__).resolve().parents[3] / "postgres" / "bootstrap.sql"

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "400",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    # Neither statements nor rows: what a constraint refuses is quoted in the detail of its error.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
}


@dataclass(frozen=True)
class PostgresServer:
    """A running server as its clients see it: one database and the passwords of its roles."""

    port: int
    passwords: Mapping[str, str] = field(repr=False)
    database: str = DATABASE
    host: str = LOOPBACK

    @property
    def dsn_superuser(self) -> str:
        """`postgresql://` address of the superuser, who may also act as every owner."""
        return self.dsn(SUPERUSER)

    def dsn(self, role: str) -> str:
        """`postgresql://` address of a login role, such as `lumi_orders` or `lumi_auditor`."""
        return f"postgresql://{role}:{quote(self.passwords[role])}@{self.host}:{self.port}/{self.database}"

    def within(self, database: str) -> PostgresServer:
        """The same server, seen through another of its databases."""
        return replace(self, database=database)


@dataclass(frozen=True)
class Cluster:
    """A data folder, and the programs and account that serve it."""

    programs: Path
    data: Path
    account: Account | None

    @classmethod
    def placed(cls, wheel: Path, wanted: Path, spare: Path) -> Cluster:
        """Choose where programs and data live.

        They stay where they are (`wheel`, a `bin` folder, and `wanted`, the data folder) unless PostgreSQL's account
        cannot get there, as under a home of mode 0700; then they live under `spare`, which any account can enter.
        """
        account = server_account()
        if account is None:
            return cls(wheel, wanted, None)
        programs = wheel
        if not account.can_run(wheel / "postgres"):
            programs = _copied(wheel, spare)
        data = wanted
        if not wanted.exists() and not account.can_enter(wanted.parent):
            _own(spare)
            data = spare / wanted.name
        return cls(programs, data, account)

    def exists(self) -> bool:
        """Whether the data folder is there."""
        return self.data.exists()

    def create(self, password: str, *, durable: bool = True) -> None:
        """Initialise the data folder, whose superuser gets this password."""
        # Under another name until it is whole, so that a half-made folder is never taken for a database.
        draft = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        read, write = os.pipe()
        if self.account:
            os.chown(draft, self.account.uid, self.account.gid)
            os.fchown(read, self.account.uid, self.account.gid)  # to be opened again, by its name
        os.write(write, password.encode())
        os.close(write)
        command = [
            self._program("initdb"),
            f"--pgdata={draft}",
            f"--username={SUPERUSER}",
            f"--pwfile=/dev/fd/{read}",
            "--auth-local=reject",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C.UTF-8",
            *([] if durable else ["--no-sync"]),
        ]
        try:
            self._run(command, cwd=draft, pass_fds=(read,))
        finally:
            os.close(read)
        draft.rename(self.data)

    def spec(self, port: int, settings: Mapping[str, str] | None = None) -> Spec:
        """How to start the server on a loopback port; SIGINT stops it at once and cleanly."""
        chosen = {**SETTINGS, **(settings or {}), "port": str(port)}
        options = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
        argv = [self._program("postgres"), "-D", str(self.data), *options]
        return Spec(argv, cwd=self.data, account=self.account, death_signal="SIGINT")

    def accepts(self, port: int) -> bool:
        """Whether the server answers clients."""
        command = [self._program("pg_isready"), "-q", "-h", LOOPBACK, "-p", str(port), "-t", "1"]
        return subprocess.run(command, env=_environment()).returncode == 0

    def bootstrap(self, server: PostgresServer) -> None:
        """Make the database with its roles, schemas and extensions, and set the passwords; may be repeated."""
        script = (
            f"select 'create database {server.database} template template0' "
            f"where not exists (select from pg_database where datname = '{server.database}')\n\\gexec\n"
            f"\\connect {server.database}\n"
            f"{BOOTSTRAP.read_text()}\n"
        )
        script += _passwords(server.passwords, LOGIN_ROLES)
        self._as_superuser(server, script)

    def change_passwords(self, server: PostgresServer, new: Mapping[str, str]) -> None:
        """Give every role its new password, all at once; from then on no old one lets anybody in."""
        script = f"begin;\n{_passwords(new, (SUPERUSER, *LOGIN_ROLES))}commit;\n"
        try:
            self._as_superuser(server, script)
        except StackError:
            # What was cut off after this step is done again from the start.
            self._as_superuser(replace(server, passwords=new), script)

    def _as_superuser(self, server: PostgresServer, script: str) -> None:
        command = [self._program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        # By environment and not as an argument, which anybody on the machine can read.
        access = {
            "PGHOST": server.host,
            "PGPORT": str(server.port),
            "PGDATABASE": "postgres",
            "PGUSER": SUPERUSER,
            "PGPASSWORD": server.passwords[SUPERUSER],
        }
        done = subprocess.run(command, env=_environment() | access, input=script, text=True, capture_output=True)
        if done.returncode:
            raise StackError(f"PostgreSQL refused:\n{done.stderr.strip()}")

    def _program(self, name: str) -> str:
        return str(self.programs / name)

    def _run(self, command: Sequence[str], *, cwd: Path, pass_fds: tuple[int, ...]) -> None:
        identity = {"user": self.account.uid, "group": self.account.gid, "extra_groups": []} if self.account else {}
        done = subprocess.run(
            command,
            cwd=cwd,
            env=_environment(),
            pass_fds=pass_fds,
            capture_output=True,
            text=True,
            **identity,  # type: ignore[call-overload]  # a dict of keyword arguments
        )
        if done.returncode:
            raise StackError(f"{Path(command[0]).name} failed:\n{done.stderr.strip()}")


def spare_folder(home: Path) -> Path:
    """Where PostgreSQL lives when its account cannot enter `home`: a folder of ours that anybody may pass through."""
    return Path("/var/tmp") / f"lumi-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"


def new_passwords() -> dict[str, str]:
    """A fresh password for the superuser and each login role."""
    return {role: secrets.token_urlsafe(24) for role in (SUPERUSER, *LOGIN_ROLES)}


def _passwords(passwords: Mapping[str, str], roles: Sequence[str]) -> str:
    return "".join(f"alter role {role} password '{passwords[role]}';\n" for role in roles)


def _environment() -> dict[str, str]:
    # PGSSLMODE and its like are meant for somebody else's server.
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _own(folder: Path) -> None:
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    state = folder.lstat()
    # A name that can be guessed, in a folder that anybody may write to: take nobody else's.
    if state.st_uid != os.getuid() or folder.is_symlink():
        raise StackError(f"{folder} belongs to somebody else; remove it or choose another LUMI_HOME")
    folder.chmod(0o711)


def _copied(wheel: Path, spare: Path) -> Path:
    """A copy of the wheel's programs, with the libraries that it keeps beside its package."""
    package = wheel.parents[1]
    libraries = package.with_name(f"{package.name}.libs")
    if not libraries.exists():
        raise StackError(f"PostgreSQL cannot run as root, and its account cannot enter {wheel} (LUMI_POSTGRES_BIN)")
    _own(spare)
    state = (wheel / "postgres").stat()
    copy = spare / f"programs-{state.st_size}-{int(state.st_mtime)}"
    if not copy.exists():
        draft = spare / "programs.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o755)
        for source in (package, libraries):
            shutil.copytree(source, draft / source.name, ignore=shutil.ignore_patterns("__pycache__", "include"))
        draft.rename(copy)
    return copy / package.name / wheel.relative_to(package)
