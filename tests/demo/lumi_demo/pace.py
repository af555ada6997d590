"""How fast the buying went."""

import time


class Pace:
    """Latencies of placing an order, and orders a second from first to last."""

    def __init__(self) -> None:
        self._seconds: list[float] = []
        self._first = 0.0
        self._last = 0.0

    def __len__(self) -> int:
        return len(self._seconds)

    def record(self, started: float) -> None:
        """Note an order that was placed between `started` and now (`time.perf_counter`)."""
        self._last = time.perf_counter()
        self._first = min(self._first, started) if self._seconds else started
        self._seconds.append(self._last - started)

    def milliseconds(self, percentile: int) -> float:
        """The latency that so many percent of the orders stayed within; 0 without any order."""
        if not self._seconds:
            return 0.0
        place = -(-len(self._seconds) * percentile // 100)
        return sorted(self._seconds)[place - 1] * 1000

    @property
    def per_second(self) -> float:
        return len(self._seconds) / (self._last - self._first) if self._seconds else 0.0
