"""Settings of the local stack, from the environment (prefix `LUMI_`)."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lumi_local.topology import SERVICES

CHECKOUT = Path(__file__).resolve().parents[4]

# Settings of the services that whoever runs the stack may choose; handed on as they are.
FOR_SERVICES = (
    "LUMI_BCRYPT_COST",
    "LUMI_CART_EXPIRY_SECONDS",
    "LUMI_CRASH_AT",
    "LUMI_GUEST_SECONDS",
    "LUMI_INVARIANTS_SECONDS",
    "LUMI_LOG_LEVEL",
    "LUMI_MANUAL_PAYMENTS",
    "LUMI_ORDER_EXPIRY_SECONDS",
    "LUMI_OTLP_ENDPOINT",
    "LUMI_POOL_SECONDS",
    "LUMI_RESERVATION_SECONDS",
    "LUMI_RETRY_SECONDS",
    "LUMI_SHIPPING_RATES",
    "LUMI_SWEEP_SECONDS",
    "LUMI_TAX_RATES",
    "LUMI_TRACE_RATIO",
)
# The demo, the tests and the benchmark are many people at one address.
RATES = dict.fromkeys(
    (
        "LUMI_CALLS_PER_CLIENT",
        "LUMI_CALLS_PER_USER",
        "LUMI_SESSIONS_PER_CLIENT",
        "LUMI_TRIES_PER_CLIENT",
        "LUMI_TRIES_PER_USER",
    ),
    "1000000",
)
# What the gateway is told of what was chosen.
FOR_GATEWAY = ("LUMI_OTLP_ENDPOINT", "LUMI_TRACE_RATIO", *RATES)


class Settings(BaseSettings):
    """Where the stack lives and which ports and programs it uses."""

    model_config = SettingsConfigDict(env_prefix="LUMI_", frozen=True)

    home: Path = Field(default=CHECKOUT / ".lumi", description="data and runtime files")
    port_base: int = Field(default=7000, ge=1024, le=64000, description="first of the stack's ports")
    gateway_port: int = Field(default=8080, ge=1024, le=65535, description="where clients come in")
    postgres_bin: Path | None = Field(default=None, description="folder with PostgreSQL's programs")
    postgres_settings: dict[str, str] = Field(
        default={}, description="what PostgreSQL is told beside the usual, as JSON"
    )
    nats_bin: Path | None = Field(default=None, description="the nats-server program")
    envoy_bin: Path | None = Field(default=None, description="the envoy program")

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        # Relative to the checkout and not to wherever the command was typed: there is one stack per checkout.
        return (CHECKOUT / value).absolute()

    @property
    def postgres_port(self) -> int:
        return self.port_base + 432

    @property
    def nats_port(self) -> int:
        return self.port_base + 422

    @property
    def envoy_admin_port(self) -> int:
        return self.port_base + 901

    def public_port(self, service: str) -> int:
        """Port of a service for the gateway."""
        return self.port_base + 201 + SERVICES.index(service)

    def internal_port(self, service: str) -> int:
        """Port of a service for its peers, mutual TLS only."""
        return self.port_base + 301 + SERVICES.index(service)

    def ports(self) -> list[int]:
        """Every port that the stack listens on."""
        services = [port(name) for name in SERVICES for port in (self.public_port, self.internal_port)]
        return [self.gateway_port, self.envoy_admin_port, self.postgres_port, self.nats_port, *services]

    def for_gateway(self) -> dict[str, str]:
        """Environment for what makes the gateway's configuration."""
        return RATES | {name: os.environ[name] for name in FOR_GATEWAY if name in os.environ}

    def for_services(self) -> dict[str, str]:
        """Environment for the services: what was chosen, and manual payments that settle at once, as suits a demo."""
        chosen = {name: os.environ[name] for name in FOR_SERVICES if name in os.environ}
        return {"LUMI_MANUAL_PAYMENTS": "settle"} | chosen
