"""Whose books are checked."""

import json
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from lumi_local.settings import Settings as LocalSettings


class NoStack(Exception):
    """There is no stack whose books could be checked."""


class Settings(BaseSettings):
    """Where the books are; the running stack's, unless said otherwise."""

    model_config = SettingsConfigDict(env_prefix="LUMI_", frozen=True)

    auditor_dsn: str = Field(default="", repr=False, description="PostgreSQL as lumi_auditor, outside of `make up`")

    @property
    def home(self) -> Path:
        return LocalSettings().home

    def dsn(self) -> str:
        """The address of the books; NoStack when no stack is up and no address is given."""
        if self.auditor_dsn:
            return self.auditor_dsn
        try:
            told: dict[str, Any] = json.loads((self.home / "stack.json").read_text())
        except FileNotFoundError:
            raise NoStack(f"no stack runs in {self.home}: `make up` starts one") from None
        return str(told["postgres"])
