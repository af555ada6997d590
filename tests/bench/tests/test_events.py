from lumi_bench.events import Applied, _round


def test_the_rate_is_from_the_first_commit_to_the_last_effect() -> None:
    found = _round([Applied(10.0, 10.2), Applied(10.5, 12.0), Applied(11.0, 11.1), Applied(11.5, 11.9)], cpu=0.02)

    assert found.lumi == 4 / 2.0
    assert found.cpu_ms == 5.0
    assert found.p50_ms is not None and round(found.p50_ms) == 200
    assert found.p99_ms == 1500.0
