"""The gateway as clients meet it: the typed client, and JSON over HTTP."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx
from lumi_client import Lumi, Session

PASSWORD = "correct horse battery staple"
PATIENCE = 30.0


class Door:
    """A running stack's gateway; `description` is its stack.json."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self.address = description["gateway"]
        self.admin = description["admin"]
        self.http = httpx.AsyncClient(base_url=self.address, timeout=20)
        self.shop = Lumi(self.address, timeout=PATIENCE)

    async def staff(self) -> Session:
        """The admin."""
        return await self.shop.sign_in(self.admin["email"], self.admin["password"])

    async def customer(self) -> Session:
        """Somebody new, signed in."""
        email = f"{uuid4().hex}@example.com"
        await self.shop.auth.sign_up(email=email, password=PASSWORD)
        return await self.shop.sign_in(email, PASSWORD)

    async def close(self) -> None:
        """Hang up."""
        await self.http.aclose()
        await self.shop.close()
