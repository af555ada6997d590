from pathlib import Path

import pytest

from lumi_demo.expected import Figures, expected_figures


@pytest.mark.parametrize("baskets", [10, 300, 3000, None])
def test_the_year_comes_to_the_committed_table(
    data: Path, table: dict[int | None, Figures], baskets: int | None
) -> None:
    assert expected_figures(data, baskets) == table[baskets]
