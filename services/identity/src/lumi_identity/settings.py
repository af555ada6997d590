"""What identity is told by its environment, beside what every service is."""

import hmac
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from lumi_common.settings import OnlyLocal, Settings

_SECRET_CHARACTERS = 32
_BCRYPT_COST = 12


def _secret(value: SecretStr) -> bytes:
    return value.get_secret_value().encode()


class IdentitySettings(Settings):
    """Durations are seconds.

    `token_pepper` is the secret behind password digests and refresh tokens. To change it, raise `pepper_number` and
    keep the old one in `retired_peppers` (JSON, number to secret) until every row has been rehashed by a sign-in.
    """

    token_pepper: SecretStr = Field(min_length=_SECRET_CHARACTERS)
    pepper_number: int = Field(1, ge=1)
    retired_peppers: dict[int, SecretStr] = Field(default_factory=dict)
    key_encryption_key: SecretStr = Field(min_length=_SECRET_CHARACTERS)

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

    admin_email: str = ""
    admin_password: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _refuse_one_number_twice(self) -> Self:
        if self.pepper_number in self.retired_peppers:
            raise ValueError("LUMI_RETIRED_PEPPERS holds the number of the present pepper")
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
        return hmac.digest(_secret(self.token_pepper), b"refresh tokens", "sha256")

    @property
    def encryption_key(self) -> bytes:
        """What signing keys are encrypted with."""
        return _secret(self.key_encryption_key)
