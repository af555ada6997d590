from lumi_bench.sink import sink
from lumi_bench.stages import STAGES, rounds
from lumi_common.telemetry import Telemetry


def test_every_stage_is_timed_in_every_round() -> None:
    steps = []

    results = rounds(2, lambda: steps.append(1), seconds=0.02)

    assert [result.case for result in results] == [f"{name}, µs" for name in STAGES]
    assert len(steps) == 2 * len(STAGES)
    found = {result.case: result.spreads["lumi"] for result in results}
    for spread in found.values():
        assert spread is not None and 0 < spread.low <= spread.high < 10_000


def test_a_token_that_was_not_seen_before_is_verified_each_time() -> None:
    found = {result.case: result.spreads["lumi"] for result in rounds(1, lambda: None, seconds=0.05)}

    seen, new = (found[f"access checks of a user, token {kind}, µs"] for kind in ("seen before", "new"))
    assert seen is not None and new is not None
    assert new.middle > 10 * seen.middle


def test_the_sink_takes_what_is_exported() -> None:
    with sink() as taker:
        telemetry = Telemetry.over_otlp("bench", taker.endpoint, 1.0)
        _, span = telemetry.start("lumi.bench.v1.Service/Method", None, trusted=True)
        telemetry.finish(span, "lumi.bench.v1.Service/Method", "OK", 0.01)
        telemetry.close()

    assert taker.spans == 1
    assert taker.exports == 2  # the span, and the figures
