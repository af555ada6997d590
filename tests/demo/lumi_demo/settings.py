"""Settings of the demo, and where its stack is."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

from lumi_local.settings import Settings as LocalSettings


class Settings(BaseSettings):
    """What of the year is bought, and with how much at once."""

    model_config = SettingsConfigDict(env_prefix="LUMI_DEMO_", frozen=True)

    baskets: PositiveInt | Literal["all"] = Field(default=300, description="how many baskets, or all")
    households: int = Field(default=8, ge=1, le=64, description="households that shop at the same time")
    imports: int = Field(default=3, ge=1, le=16, description="import calls in flight")
    patience_seconds: float = Field(default=20, gt=0, description="how long figures may stand still and be off")

    @property
    def count(self) -> int | None:
        return None if self.baskets == "all" else self.baskets


class NoStack(Exception):
    """There is no stack to play on."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The running stack as `stack.json` tells it."""

    home: Path
    gateway: str
    postgres: str
    admin_email: str
    admin_password: str
    services: dict[str, dict[str, str]]

    @classmethod
    def read(cls) -> "Stack":
        """The stack of `LUMI_HOME`; NoStack when it is not up."""
        home = LocalSettings().home
        try:
            told: dict[str, Any] = json.loads((home / "stack.json").read_text())
        except FileNotFoundError:
            raise NoStack(f"no stack runs in {home}: `make up` starts one") from None
        return cls(
            home=home,
            gateway=told["gateway"],
            postgres=told["postgres"],
            admin_email=told["admin"]["email"],
            admin_password=told["admin"]["password"],
            services=told["services"],
        )

    def household_password(self, household: int) -> str:
        """A household's password: nothing to remember, and nobody without the stack's secret can guess it."""
        key = self.admin_password.encode()
        return hmac.new(key, f"household-{household}".encode(), hashlib.sha256).hexdigest()[:40]
