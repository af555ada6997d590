from pathlib import Path

import pytest
from lumi_demo.expected import Figures, expected_figures

# The table that the project was given, in cents.
TABLE = {
    10: Figures(10, 21, 23, 4_404, 0, 4_404, 0, 21, 20, 0, 0),
    300: Figures(300, 3_134, 3_960, 889_918, 2_065, 887_853, 12, 2_511, 2_290, 15, 0),
    3000: Figures(2_992, 31_679, 40_292, 9_437_649, 27_767, 9_409_882, 128, 15_507, 12_008, 159, 8),
    None: Figures(
        155_368, 1_458_032, 1_859_057, 460_056_671, 2_432_726, 457_623_945, 8_103, 205_701, 68_192, 11_275, 480
    ),
}


@pytest.mark.parametrize("baskets", TABLE)
def test_the_year_comes_to_the_committed_table(data: Path, baskets: int | None) -> None:
    assert expected_figures(data, baskets) == TABLE[baskets]
