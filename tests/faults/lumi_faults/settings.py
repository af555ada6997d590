"""How long, and which run."""

import random

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """`fault_seconds`: for how long there are faults; `seed`: what everything random derives from, a new one if none
    is given.
    """

    model_config = SettingsConfigDict(env_prefix="LUMI_", env_ignore_empty=True, frozen=True)

    fault_seconds: float = Field(default=90, gt=0)
    seed: int = Field(default_factory=lambda: random.SystemRandom().randrange(1 << 32), ge=0)
