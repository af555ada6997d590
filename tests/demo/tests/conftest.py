from pathlib import Path
from typing import Any

import pytest

from lumi_demo.expected import Figures
from lumi_demo.lines import read_transactions
from lumi_demo.real_year import Plan, plan
from lumi_demo.source import data_folder


@pytest.fixture(scope="session")
def data() -> Path:
    return data_folder()


@pytest.fixture(scope="session")
def transactions(data: Path) -> Any:
    return read_transactions(data)


@pytest.fixture(scope="session")
def plan_of_300(data: Path) -> Plan:
    return plan(data, 300)


@pytest.fixture(scope="session")
def table() -> dict[int | None, Figures]:
    """The table that the project was given, by number of baskets (None for all), in cents."""
    return {
        10: Figures(10, 21, 23, 4_404, 0, 4_404, 0, 21, 20, 0, 0),
        300: Figures(300, 3_134, 3_960, 889_918, 2_065, 887_853, 12, 2_511, 2_290, 15, 0),
        3000: Figures(2_992, 31_679, 40_292, 9_437_649, 27_767, 9_409_882, 128, 15_507, 12_008, 159, 8),
        None: Figures(
            orders=155_368,
            order_lines=1_458_032,
            units=1_859_057,
            subtotal=460_056_671,
            discount=2_432_726,
            total=457_623_945,
            coupons=8_103,
            variants_sold=205_701,
            products_sold=68_192,
            lines_left_out=11_275,
            baskets_left_out=480,
        ),
    }
