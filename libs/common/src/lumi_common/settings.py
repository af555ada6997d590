"""Settings from the environment, prefix LUMI_; what is dangerous is refused at start unless LUMI_ENV is local."""

import ipaddress
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, DirectoryPath, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from lumi_common.secret import Secret

_SECRETS_DIR = "LUMI_SECRETS_DIR"


@dataclass(frozen=True)
class OnlyLocal:
    """Marks a setting whose dangerous values are refused outside the local profile.

    Used as `Annotated[int, OnlyLocal(lambda cost: cost < 12, "a bcrypt cost below 12")]`.
    """

    dangerous: Callable[[Any], bool]
    what: str


_HOST = re.compile(r"[\w.:-]+")


def _otlp_endpoint(given: str) -> str:
    if not given:
        return ""
    parts = urlsplit(given if "://" in given else f"http://{given}")
    name = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(name) or parts.path.strip("/") or parts.username:
        raise ValueError("an OTLP endpoint is http://host:port, or https://host:port")
    host = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{host}:{parts.port or 4317}"


OtlpEndpoint = Annotated[str, AfterValidator(_otlp_endpoint)]
"""Where OTLP over gRPC is taken, as `http://host:port` (or `https`); empty for nowhere."""


@dataclass(frozen=True)
class TlsFiles:
    """Paths of PEM files: the authority that signs our services, and this service's certificate and key."""

    ca: Path
    cert: Path
    key: Path


class Settings(BaseSettings):
    """What every service is told by its environment; a service adds its own in a subclass.

    Addresses are `host:port`; durations are seconds; sizes are bytes. What the environment does not say is looked for
    in `secrets_dir`, where a file has the name of the setting (`LUMI_POSTGRES_DSN`) and holds its value.
    """

    model_config = SettingsConfigDict(
        env_prefix="LUMI_", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    env: Literal["production", "local"] = "production"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    secrets_dir: DirectoryPath | None = None
    postgres_dsn: SecretStr
    owner_dsn: SecretStr | None = None
    pool_min: int = Field(default=2, ge=0)
    pool_max: int = Field(default=12, ge=1)
    pool_seconds: float = Field(default=1800.0, gt=0)
    nats_url: SecretStr = SecretStr("")

    public_address: str = "127.0.0.1:7200"
    internal_address: str = "127.0.0.1:7300"
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    public_tls_cert: Path | None = None
    public_tls_key: Path | None = None
    plaintext_internal: Annotated[bool, OnlyLocal(bool, "an internal port without TLS")] = False
    reflection: Annotated[bool, OnlyLocal(bool, "server reflection")] = False
    peers: dict[str, str] = {}

    token_issuer: str = "lumi"
    token_audience: str = "lumi"

    request_seconds: float = Field(default=10.0, gt=0)
    stream_seconds: float = Field(default=900.0, gt=0)
    drain_seconds: float = Field(default=20.0, ge=0)
    connection_age_seconds: float = Field(default=300.0, gt=0)
    max_message_bytes: int = Field(default=4 * 1024 * 1024, gt=0)
    max_requests: int = Field(default=512, gt=0)

    sweep_seconds: float = Field(default=15.0, gt=0)
    otlp_endpoint: OtlpEndpoint = ""
    invariants_seconds: float = Field(default=300.0, gt=0)
    trace_ratio: float = Field(default=0.0, ge=0, le=1)
    crash_at: Annotated[str, Field(pattern=r"^(/.+|[\w. -]+(:[1-9]\d*)?)?$"), OnlyLocal(bool, "a crash point")] = ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        folder = os.environ.get(_SECRETS_DIR) or None
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, folder)

    def secret(self, name: str) -> Secret:
        """A secret for whoever connects with it: read anew each time where it is in `secrets_dir`.

        While it is being replaced its file has two lines, the new one and the old.
        """
        variable, file = f"LUMI_{name.upper()}", None
        if self.secrets_dir is not None and not os.environ.get(variable):
            file = SecretsSettingsSource.find_case_path(self.secrets_dir, variable, case_sensitive=False)
        if file is None:
            told: str = getattr(self, name).get_secret_value()
            return told
        return partial(_lines, file)

    @classmethod
    def load(cls) -> Self:
        """The settings of this process; exits with status 2 and a line per fault if they are not right."""
        try:
            return cls()  # type: ignore[call-arg]  # the environment gives them
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                name = "_".join(("LUMI", *map(str, fault["loc"]))).upper() if fault["loc"] else "settings"
                print(f"{name}: {fault['msg']}", file=sys.stderr)
            raise SystemExit(2) from None
        except SettingsError as error:  # what should be JSON cannot be read at all
            name = str(error).split('"')[1]
            print(f"LUMI_{name.upper()}: is no JSON", file=sys.stderr)
            raise SystemExit(2) from None

    @model_validator(mode="after")
    def _refuse_danger(self) -> Self:
        if self.env == "local":
            for name in ("public_address", "internal_address"):
                if not _is_loopback(getattr(self, name)):
                    raise ValueError(f"LUMI_ENV=local binds loopback only, not LUMI_{name.upper()}")
        elif dangers := list(self._dangers()):
            raise ValueError(f"refused unless LUMI_ENV=local: {', '.join(dangers)}")
        if self.internal_tls is None and not self.plaintext_internal:
            raise ValueError("LUMI_TLS_CA, LUMI_TLS_CERT and LUMI_TLS_KEY are needed for the internal port")
        return self

    def _dangers(self) -> Iterator[str]:
        for name, info in type(self).model_fields.items():
            for mark in info.metadata:
                if isinstance(mark, OnlyLocal) and mark.dangerous(getattr(self, name)):
                    yield f"{mark.what} (LUMI_{name.upper()})"

    @property
    def internal_tls(self) -> TlsFiles | None:
        """The files of the mutual TLS between services, or None where the internal port is plaintext."""
        if self.tls_ca and self.tls_cert and self.tls_key:
            return TlsFiles(self.tls_ca, self.tls_cert, self.tls_key)
        return None

    @property
    def is_local(self) -> bool:
        """Whether this is the stack on somebody's own machine."""
        return self.env == "local"


def _lines(file: Path) -> list[str]:
    if not (lines := file.read_text(encoding="utf-8").split()):
        raise OSError(f"{file} is empty")
    return lines


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
