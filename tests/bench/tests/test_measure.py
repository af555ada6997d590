import pytest

from lumi_bench.measure import Budget, Result, Round, Spread, percentile


def test_a_spread_is_the_median_between_lowest_and_highest() -> None:
    spread = Spread.of([5.0, 1.0, 3.0, 100.0, 2.0])

    assert spread == Spread(3.0, 1.0, 100.0)
    assert spread.furthest == 97.0


def test_the_ratio_is_taken_within_each_round() -> None:
    slow, fast = Round(ceiling=100, lumi=50), Round(ceiling=200, lumi=120)

    ratio = Result("reads", 1, [slow, fast, fast]).spreads["ratio"]

    assert ratio == Spread(0.6, 0.5, 0.6)


def test_a_round_without_a_ceiling_has_no_ratio() -> None:
    assert Round(lumi=50).ratio is None
    assert Round(ceiling=0, lumi=50).ratio is None


@pytest.mark.parametrize(("cpu_ms", "kept"), [(8.9, True), (9.0, True), (9.1, False)])
def test_a_budget_holds_the_median_and_not_the_outliers(cpu_ms: float, kept: bool) -> None:
    rounds = [Round(cpu_ms=value) for value in (1.0, cpu_ms, 50.0)]

    assert Result("orders", 16, rounds, Budget("cpu_ms", at_most=9)).kept is kept


@pytest.mark.parametrize(("lumi", "kept"), [(44, False), (45, True), (46, True)])
def test_a_budget_may_be_the_least_that_is_wanted(lumi: float, kept: bool) -> None:
    result = Result("reads", 64, [Round(ceiling=100, lumi=lumi)], Budget("ratio", at_least=0.45))

    assert result.kept is kept


def test_a_budget_for_a_figure_that_was_not_found_is_missed() -> None:
    assert not Result("reads", 1, [Round(ceiling=100)], Budget("ratio", at_least=0.45)).kept


def test_a_row_has_the_medians_under_the_pinned_names() -> None:
    row = Result("reads", 16, [Round(ceiling=100, lumi=50, cpu_ms=0.6)]).row()

    assert row == {
        "case": "reads",
        "in_flight": 16,
        "ceiling": 100,
        "lumi": 50,
        "ratio": 0.5,
        "cpu_ms": 0.6,
        "p50_ms": None,
        "p99_ms": None,
    }


@pytest.mark.parametrize(("part", "value"), [(50, 50), (99, 99), (100, 100), (1, 1)])
def test_a_percentile_is_a_value_that_was_measured(part: float, value: int) -> None:
    assert percentile([float(each) for each in range(1, 101)], part) == value


def test_the_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 50) == percentile([7.0], 99) == 7.0
