import pytest

from lumi_bench.audit import ALONE, RECORDED, STATEMENTS, _check
from lumi_local.process import StackError


def test_the_statements_differ_by_the_outbox_row_alone() -> None:
    alone, recorded = STATEMENTS[ALONE], STATEMENTS[RECORDED]

    assert recorded.parameters - alone.parameters == {"headers"}
    assert recorded.writes_outbox and not alone.writes_outbox
    [update] = [line for line in alone.sql.splitlines() if line.startswith("UPDATE")]
    assert update in recorded.sql.replace("(UPDATE", "\nUPDATE")


@pytest.mark.parametrize(("kind", "versions", "events"), [(ALONE, 3, 1), (RECORDED, 3, 2), (ALONE, 2, 0)])
def test_a_change_that_left_too_little_or_too_much_ends_the_run(kind: str, versions: int, events: int) -> None:
    _check(ALONE, 3, 3, 0)
    _check(RECORDED, 3, 3, 3)
    with pytest.raises(StackError):
        _check(kind, 3, versions, events)
