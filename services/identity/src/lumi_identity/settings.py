"""What identity is told by its environment, beside what every service is."""

import hmac
import re
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from lumi_common.settings import OnlyLocal, Settings
from lumi_identity.domain.lockout import Lockout
from lumi_identity.domain.mails import languages

_SECRET_CHARACTERS = 32
_BCRYPT_COST = 12


def _is_demo(email: str) -> bool:
    """Whether the address is of a name that RFC 2606 keeps out of the world: no mail ever reaches it."""
    return email.rstrip(".").lower().endswith((".example", ".test", ".invalid", ".localhost", "@localhost"))


def _language(given: str) -> str:
    if given not in languages():
        raise ValueError(f"no language of the mails, which are {', '.join(languages())}")
    return given


def _sender(given: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", parseaddr(given)[1]):
        raise ValueError("not an address, such as Shop <no-reply@shop.example>")
    return given


def _secret(value: SecretStr) -> bytes:
    return value.get_secret_value().encode()


def _refresh_key(pepper: SecretStr) -> bytes:
    return hmac.digest(_secret(pepper), b"refresh tokens", "sha256")


class IdentitySettings(Settings):
    """Durations are seconds.

    `token_pepper` is the secret behind password digests and refresh tokens. To change it, raise `pepper_number` and
    keep the old one in `retired_peppers` (JSON, number to secret) until every row has been rehashed by a sign-in.
    """

    token_pepper: SecretStr = Field(min_length=_SECRET_CHARACTERS)
    pepper_number: int = Field(1, ge=1)
    retired_peppers: dict[int, SecretStr] = Field(default_factory=dict)
    key_encryption_key: SecretStr = Field(min_length=_SECRET_CHARACTERS)
    key_encryption_number: int = Field(1, ge=1)
    retired_key_encryption_keys: dict[int, SecretStr] = Field(default_factory=dict)

    bcrypt_cost: Annotated[
        int, Field(ge=4, le=16), OnlyLocal(lambda cost: cost < _BCRYPT_COST, f"a bcrypt cost below {_BCRYPT_COST}")
    ] = _BCRYPT_COST
    password_threads: int = Field(2, ge=1)
    password_queue: int = Field(32, ge=0)

    access_token_seconds: int = Field(600, ge=30, le=3600)
    guest_seconds: int = Field(30 * 24 * 3600, ge=60, le=365 * 24 * 3600)
    session_seconds: int = Field(30 * 24 * 3600, ge=3600)
    signing_key_seconds: int = Field(90 * 24 * 3600, ge=3600)
    max_addresses: int = Field(50, ge=1)
    undelete_days: int = Field(30, ge=0, le=3650)
    erasure_settle_seconds: float = Field(10, ge=0)
    purge_settle_seconds: float = Field(4, ge=0, le=8)

    sign_in_tries: int = Field(5, ge=2, le=100)
    sign_in_account_tries: int = Field(100, ge=10)
    sign_in_wait_seconds: int = Field(30, ge=1, le=3600)
    sign_in_longest_wait_seconds: int = Field(3600, ge=1, le=24 * 3600)
    sign_in_window_seconds: int = Field(900, ge=1, le=24 * 3600)
    two_factor_issuer: str = Field("Lumi", min_length=1, max_length=60, pattern="^[^:]+$")
    two_factor_challenge_seconds: int = Field(300, ge=30, le=900)
    step_up_seconds: int = Field(300, ge=30, le=3600)

    password_profile: Literal["default", "strict"] = "default"
    verification_seconds: int = Field(24 * 3600, ge=60, le=30 * 24 * 3600)
    reset_seconds: int = Field(3600, ge=60, le=24 * 3600)
    links_per_account: int = Field(5, ge=1, le=100)
    phone_region: Annotated[str, Field(pattern="^([A-Z]{2})?$")] = ""

    shop_name: str = Field("Lumi", min_length=1, max_length=60, pattern=r"^[^\r\n]+$")
    shop_url: Annotated[
        str,
        Field(pattern=r"^https?://[^\s#]+[^\s#/]$"),
        OnlyLocal(lambda url: not url.startswith("https://"), "links in mails without TLS"),
    ] = "http://localhost:3000"
    mail_language: Annotated[str, AfterValidator(_language)] = "en"
    mail_from: Annotated[str, AfterValidator(_sender)] = "Lumi <no-reply@localhost.example>"
    mail_seconds: float = Field(2.0, gt=0)
    mail_folder: Annotated[Path | None, OnlyLocal(bool, "mails written to a folder")] = None
    smtp_host: str = ""
    smtp_port: int = Field(587, ge=1, le=65535)
    smtp_security: Annotated[
        Literal["starttls", "tls", "none"], OnlyLocal(lambda security: security == "none", "mails sent without TLS")
    ] = "starttls"
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_ca: Path | None = None

    admin_email: Annotated[str, OnlyLocal(_is_demo, "a demo account")] = ""
    admin_password: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _refuse_one_number_twice(self) -> Self:
        if self.pepper_number in self.retired_peppers:
            raise ValueError("LUMI_RETIRED_PEPPERS holds the number of the present pepper")
        if self.key_encryption_number in self.retired_key_encryption_keys:
            raise ValueError("LUMI_RETIRED_KEY_ENCRYPTION_KEYS holds the number of the present key")
        return self

    @model_validator(mode="after")
    def _expect_a_way_for_mails(self) -> Self:
        if not self.is_local and not self.smtp_host:
            raise ValueError("LUMI_SMTP_HOST is needed: without mails nobody gets their password back")
        return self

    @property
    def peppers(self) -> dict[int, bytes]:
        """Every pepper that a stored password may have been digested with, by number."""
        retired = {number: _secret(pepper) for number, pepper in self.retired_peppers.items()}
        peppers = {self.pepper_number: _secret(self.token_pepper), **retired}
        return {number: hmac.digest(pepper, b"passwords", "sha256") for number, pepper in peppers.items()}

    @property
    def refresh_key(self) -> bytes:
        """What the secrets of refresh tokens are derived with."""
        return _refresh_key(self.token_pepper)

    @property
    def retired_refresh_keys(self) -> list[bytes]:
        """What the secrets of older refresh tokens may have been derived with."""
        return [_refresh_key(pepper) for pepper in self.retired_peppers.values()]

    @property
    def attempts_key(self) -> bytes:
        """What accounts and sources are named with in the table of tries."""
        return hmac.digest(_secret(self.token_pepper), b"sign-in attempts", "sha256")

    @property
    def lockout(self) -> Lockout:
        """The limits of guessing."""
        return Lockout(
            tries=self.sign_in_tries,
            account_tries=self.sign_in_account_tries,
            wait=timedelta(seconds=self.sign_in_wait_seconds),
            longest=timedelta(seconds=self.sign_in_longest_wait_seconds),
            window=timedelta(seconds=self.sign_in_window_seconds),
        )

    @property
    def encryption_keys(self) -> dict[int, bytes]:
        """Every key that something in the database may be encrypted with, by number."""
        retired = {number: _secret(key) for number, key in self.retired_key_encryption_keys.items()}
        return {self.key_encryption_number: _secret(self.key_encryption_key), **retired}
