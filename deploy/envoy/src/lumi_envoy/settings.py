"""Settings of the gateway, from the environment (prefix `LUMI_`)."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import DirectoryPath, Field, FilePath, StringConstraints, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lumi_common.settings import OtlpEndpoint

LOOPBACK = "127.0.0.1"
CONTEXTS = ("identity", "catalogue", "orders", "payments", "marketing")  # their order decides their ports
TLS_FILES = ("tls.crt", "tls.key")  # as Kubernetes and ACME clients name them

Origin = Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]+)?$")]
Rate = Annotated[int, Field(ge=1, le=1_000_000_000)]


class Settings(BaseSettings):
    """Where the gateway listens, where the services are, and whom it trusts."""

    model_config = SettingsConfigDict(env_prefix="LUMI_", extra="ignore", frozen=True)

    env: Literal["production", "local"] = "production"
    port_base: int = Field(default=7000, ge=1024, le=64000, description="first of the stack's ports")
    gateway_host: str = Field(default=LOOPBACK, description="address that clients come in at")
    gateway_port: int = Field(default=8080, ge=1, le=65535, description="port that clients come in at")
    gateway_tls: DirectoryPath | None = Field(
        default=None, description="folder with `tls.crt` and `tls.key`, for HTTPS at that port"
    )
    upstreams: dict[str, str] = Field(
        default={}, description="`host:port` of services' public ports that are elsewhere"
    )
    upstreams_ca: FilePath | None = Field(
        default=None, description="PEM file of who signs the services' certificates; without it they are in the clear"
    )
    allowed_origins: list[Origin] = Field(default=[], description="web origins whose pages may call (CORS)")
    trusted_hops: int = Field(
        default=0, ge=0, le=8, description="proxies of ours in front that tell the client's address"
    )
    max_connections: int = Field(default=10_000, ge=1, description="connections of clients at once")
    headers_seconds: float = Field(default=10, ge=1, le=60, description="until a request's headers are there")
    request_seconds: float = Field(default=30, ge=1, le=600, description="until the whole request is there")
    reading_seconds: float = Field(default=30, ge=1, le=600, description="for a client to take an answer's next part")
    idle_seconds: float = Field(default=300, ge=1, le=3600, description="a connection stays open without a request")
    calls_per_client: Rate = Field(default=3_000, description="calls a minute from one address")
    calls_per_user: Rate = Field(default=1_200, description="calls a minute of one user or guest")
    sessions_per_client: Rate = Field(default=300, description="sessions begun or renewed a minute from one address")
    tries_per_client: Rate = Field(default=30, description="tries a minute, of what can be guessed, from one address")
    tries_per_user: Rate = Field(default=10, description="tries a minute, of what can be guessed, of one user or guest")
    max_heap_mb: int = Field(default=512, ge=128, description="memory at which new requests are refused")
    otlp_endpoint: OtlpEndpoint = Field(default="", description="where spans go; none are made without it")
    otlp_ca: str = Field(
        default="/etc/ssl/certs/ca-certificates.crt", description="PEM file of who signs an https endpoint"
    )
    trace_ratio: float = Field(default=0.0, ge=0, le=1, description="share of the requests that are traced")
    docs: DirectoryPath | None = Field(default=None, description="folder with the API's page, to be served at /docs")
    token_issuer: str = "lumi"
    token_audience: str = "lumi"

    @field_validator("upstreams")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        for context, address in value.items():
            if context not in CONTEXTS or not address.rpartition(":")[2].isdigit():
                raise ValueError(f"{context}={address} is not one of {', '.join(CONTEXTS)} with its host:port")
        return value

    @model_validator(mode="after")
    def _local_is_loopback(self) -> Self:
        if self.env == "local" and not ipaddress.ip_address(self.gateway_host).is_loopback:
            raise ValueError("LUMI_ENV=local binds loopback only")
        return self

    @model_validator(mode="after")
    def _nobody_is_called_in_the_clear(self) -> Self:
        if self.gateway_tls and (missing := [name for name in TLS_FILES if not (self.gateway_tls / name).is_file()]):
            raise ValueError(f"LUMI_GATEWAY_TLS has no {' and no '.join(missing)}")
        if self.env != "local" and not self.gateway_tls and not self.trusted_hops:
            raise ValueError("clients need TLS: set LUMI_GATEWAY_TLS, or LUMI_TRUSTED_HOPS where it ends in front")
        return self

    @property
    def admin_port(self) -> int:
        """Envoy's own port for statistics and health, loopback only."""
        return self.port_base + 901

    def upstream(self, context: str) -> tuple[str, int]:
        """Host and port of a service's public port."""
        if context in self.upstreams:
            host, _, port = self.upstreams[context].rpartition(":")
            return host.strip("[]"), int(port)
        return LOOPBACK, self.port_base + 201 + CONTEXTS.index(context)
