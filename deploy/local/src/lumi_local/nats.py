"""A NATS server of our own: one account, an admin, and one user per service with allow-lists."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nats import connect
from nats.errors import Error as NatsError

from lumi_common.events.streams import permissions
from lumi_local.process import LOOPBACK, Spec, write_private
from lumi_local.topology import SERVICES

ADMIN = "admin"
USERS = (ADMIN, *SERVICES)


@dataclass(frozen=True)
class NatsServer:
    """A running server as its clients see it; users are `admin` and the services by name."""

    port: int
    passwords: Mapping[str, str] = field(repr=False)
    host: str = LOOPBACK

    @property
    def url_admin(self) -> str:
        """`nats://` address of the user that makes streams and consumers."""
        return self.url(ADMIN)

    def url(self, user: str) -> str:
        """`nats://` address of a service's user."""
        return f"nats://{user}:{self.passwords[user]}@{self.host}:{self.port}"


def new_passwords() -> dict[str, str]:
    """A fresh password for each user."""
    return {user: secrets.token_hex(24) for user in USERS}


def spec(program: Path, folder: Path, server: NatsServer, *, durable: bool = True) -> Spec:
    """How to start the server; writes its configuration, which holds the passwords, into `folder` (mode 0600)."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = folder / "nats.json"
    text = json.dumps(_configuration(server, durable=durable), indent=1)
    write_private(configuration, text)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]  # so that another configuration is another spec
    return Spec([str(program), "--config", str(configuration)], cwd=folder, env={"LUMI_CONFIGURATION": digest})


def accepts(server: NatsServer) -> bool:
    """Whether the server answers clients: it greets each connection with its INFO line."""
    try:
        with socket.create_connection((server.host, server.port), timeout=1) as connection:
            return connection.recv(4) == b"INFO"
    except OSError:
        return False


def admits(server: NatsServer) -> bool:
    """Whether the server knows the admin's password."""

    async def greeted() -> None:
        client = await connect(server.url_admin, allow_reconnect=False, connect_timeout=2, error_cb=unheard)
        await client.close()

    async def unheard(_error: Exception) -> None:
        """It is raised as well."""

    try:
        asyncio.run(greeted())
    except (NatsError, OSError):
        return False
    return True


def _configuration(server: NatsServer, *, durable: bool) -> dict[str, object]:
    users: list[dict[str, object]] = [{"user": ADMIN, "password": server.passwords[ADMIN]}]
    users += [
        {"user": service, "password": server.passwords[service], "permissions": permissions(service)}
        for service in SERVICES
    ]
    # Acknowledged means on the disk; tests that throw everything away may do without.
    sync = "always" if durable else "2m"
    return {
        "server_name": "lumi",
        "listen": f"{server.host}:{server.port}",
        # Beside the configuration, where the server is started: its parser does not read every path.
        "jetstream": {"store_dir": ".", "sync_interval": sync},
        "accounts": {"LUMI": {"jetstream": "enabled", "users": users}},
        "max_payload": 8 * 1024 * 1024,
    }
