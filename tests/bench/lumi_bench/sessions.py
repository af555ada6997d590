"""(j) Sessions going on: refresh tokens changed for their successors.

The successors are known beforehand, as they are derived with a key of the stack's own: so the client need not wait to
be told each, and one that identity does not take ends the run.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime

from lumi.identity.v1.auth_pb2 import RefreshTokenRequest

from lumi_bench import goods
from lumi_bench.load import Call, Client, Load, Sample
from lumi_bench.measure import Result, Round
from lumi_bench.stack import BenchStack
from lumi_identity.domain.session import RefreshTokens, Session, Use
from lumi_identity.settings import IdentitySettings

METHOD = "/lumi.identity.v1.AuthService/RefreshToken"
IN_FLIGHT = (1, 16)
STEPS_A_ROUND = len(IN_FLIGHT) + 1
# Between two uses of one session lie all others, so that each is over before the next.
_GENERATIONS = 2
_HASHED = 100


class Refreshes:
    """Refreshes per second of identity's public port, beside the hashing that they take."""

    def __init__(self, stack: BenchStack, client: Client) -> None:
        self._stack, self._client = stack, client
        told = stack.secrets("identity")
        settings = IdentitySettings.model_validate(
            {
                "env": "local",
                "postgres_dsn": "postgresql://",
                "plaintext_internal": True,
                "token_pepper": told["LUMI_TOKEN_PEPPER"],
                "key_encryption_key": told["LUMI_KEY_ENCRYPTION_KEY"],
            }
        )
        self._tokens = RefreshTokens(settings.refresh_key)
        self._sessions: list[str] = []
        self._generation = 1

    def prepare(self) -> None:
        """Begin a session of each buyer."""
        self._sessions = [answer.tokens.session_id for answer in goods.sign_in(self._stack, self._client)]

    def rounds(self, count: int, step: Callable[[], None]) -> list[Result]:
        """Measure; `step` is called after each of STEPS_A_ROUND measurements."""
        refreshed: dict[int, list[Round]] = defaultdict(list)
        for _ in range(count):
            hashing = self._hashing()
            step()
            for number in IN_FLIGHT:
                sample = self._refresh(number)
                refreshed[number].append(
                    Round(
                        ceiling=hashing,
                        lumi=sample.rate,
                        cpu_ms=sample.cpu_seconds / sample.calls * 1e3,
                        p50_ms=sample.p50_ms,
                        p99_ms=sample.p99_ms,
                    )
                )
                step()
        name = "refresh tokens changed, per second, beside their hashing by one thread"
        return [Result(name, number, refreshed[number]) for number in IN_FLIGHT]

    def _refresh(self, in_flight: int) -> Sample:
        generations = range(self._generation, self._generation + _GENERATIONS)
        tokens = [self._tokens.token(session, n) for n in generations for session in self._sessions]
        calls = [Call(RefreshTokenRequest(refresh_token=token).SerializeToString()) for token in tokens]
        pids = (self._stack.pids()["identity"],)
        sample = self._client.run(Load(self._stack.public("identity"), METHOD, calls, in_flight, None, pids))
        self._generation += _GENERATIONS
        return sample

    def _hashing(self) -> float:
        """How often a second one thread judges a token and hashes its successor."""
        id = self._sessions[0]
        session = Session(
            id=id,
            user_id=id,
            family_id=id,
            generation=1,
            refresh_token_hash=self._tokens.hash(id, 1),
            previous_token_hash=None,
            rotated_at=None,
            expires_at=datetime.max.replace(tzinfo=UTC),
            now=datetime.now(UTC),
        )
        secret, began = self._tokens.secret(id, 1), time.perf_counter()
        for _ in range(_HASHED):
            assert self._tokens.judge(session, secret) is Use.CURRENT
            self._tokens.hash(id, 2)
        return _HASHED / (time.perf_counter() - began)
