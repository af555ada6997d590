import time

from lumi_demo.pace import Pace


def test_nothing_bought_has_no_pace() -> None:
    pace = Pace()

    assert (len(pace), pace.milliseconds(50), pace.per_second) == (0, 0.0, 0.0)


def test_percentiles_are_latencies_that_happened() -> None:
    pace = Pace()
    now = time.perf_counter()
    for tenths in range(1, 11):
        pace.record(now - tenths / 10)

    assert 500 <= pace.milliseconds(50) < 600
    assert 1000 <= pace.milliseconds(99) < 1100
