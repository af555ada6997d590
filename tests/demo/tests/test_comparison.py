import json
from io import StringIO
from pathlib import Path

from rich.console import Console

from lumi_demo.comparison import Row, as_table, compare, is_right, save


def test_equal_figures_are_right() -> None:
    assert is_right(compare({"orders": 300, "total": 887_853}, {"total": 887_853, "orders": 300}))


def test_one_wrong_cent_is_off() -> None:
    rows = compare({"orders": 300, "total": 887_853}, {"orders": 300, "total": 887_854})

    assert not is_right(rows)
    assert [row.figure for row in rows if row.is_off] == ["total"]


def test_what_was_found_and_not_expected_is_off() -> None:
    assert compare({}, {"audit order.deleted": 1}) == [Row("audit order.deleted", 0, 1)]
    assert not is_right(compare({}, {"audit order.deleted": 1}))


def test_what_was_expected_and_not_found_is_off() -> None:
    assert not is_right(compare({"coupons": 12}, {}))


def test_the_table_marks_a_difference_with_its_sign() -> None:
    console = Console(width=100, file=StringIO(), record=True)
    console.print(as_table(compare({"total": 887_853}, {"total": 887_852})))

    assert "✗ -1" in console.export_text()


def test_rows_are_saved_by_their_names(tmp_path: Path) -> None:
    save([Row("orders", 300, 299)], tmp_path / "demo.json")

    assert json.loads((tmp_path / "demo.json").read_text()) == [{"figure": "orders", "expected": 300, "found": 299}]
