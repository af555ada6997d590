"""(k) Signing in: passwords hashed at production's cost, beside bcrypt alone on as many threads."""

import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import bcrypt
from lumi.identity.v1.auth_pb2 import SignInRequest

from lumi_bench import goods
from lumi_bench.load import Call, Client, Load
from lumi_bench.measure import Budget, Result, Round
from lumi_bench.stack import BenchStack
from lumi_bench.start import launched
from lumi_local.process import LOOPBACK, free_port

METHOD = "/lumi.identity.v1.AuthService/SignIn"
IN_FLIGHT = (2, 8)
STEPS_A_ROUND = len(IN_FLIGHT) + 1
COST, _THREADS = 12, 2
# Each of another account, so that no two tries at one are under way at once.
_SIGN_INS = 16
BUDGET = Budget("ratio", at_least=0.75)


class SignIns:
    """Sign-ins per second of an identity beside the stack's own, which hashes as in earnest."""

    def __init__(self, stack: BenchStack, client: Client) -> None:
        self._stack, self._client = stack, client
        self._calls = [
            Call(SignInRequest(email=email, password=goods.PASSWORD).SerializeToString())
            for email in goods.EMAILS[:_SIGN_INS]
        ]

    def rounds(self, count: int, step: Callable[[], None]) -> list[Result]:
        """Measure; `step` is called after each of STEPS_A_ROUND measurements."""
        taken: dict[int, list[Round]] = defaultdict(list)
        address = f"{LOOPBACK}:{free_port()}"
        told = {
            "LUMI_PUBLIC_ADDRESS": address,
            "LUMI_INTERNAL_ADDRESS": f"{LOOPBACK}:{free_port()}",
            "LUMI_BCRYPT_COST": str(COST),
            "LUMI_PASSWORD_THREADS": str(_THREADS),
        }
        with launched(self._stack, "identity", **told) as pid:
            # The first of each stores its password anew, at this cost.
            self._client.answers(Load(address, METHOD, self._calls, _THREADS))
            for _ in range(count):
                alone = _hashes_a_second()
                step()
                for number in IN_FLIGHT:
                    sample = self._client.run(Load(address, METHOD, self._calls, number, None, (pid,)))
                    taken[number].append(
                        Round(
                            ceiling=alone,
                            lumi=sample.rate,
                            cpu_ms=sample.cpu_seconds / sample.calls * 1e3,
                            p50_ms=sample.p50_ms,
                            p99_ms=sample.p99_ms,
                        )
                    )
                    step()
        name = f"sign-ins per second at bcrypt's cost {COST}, beside bcrypt alone"
        return [Result(name, number, taken[number], BUDGET) for number in IN_FLIGHT]


def _hashes_a_second() -> float:
    stored = bcrypt.hashpw(b"a password", bcrypt.gensalt(COST))
    with ThreadPoolExecutor(_THREADS) as threads:
        began = time.perf_counter()
        assert all(threads.map(lambda _: bcrypt.checkpw(b"a password", stored), range(_SIGN_INS)))
        return _SIGN_INS / (time.perf_counter() - began)
