from pathlib import Path

import pytest
from lumi_demo.real_year import Plan, plan
from lumi_demo.source import data_folder


@pytest.fixture(scope="session")
def data() -> Path:
    return data_folder()


@pytest.fixture(scope="session")
def plan_of_300(data: Path) -> Plan:
    return plan(data, 300)
