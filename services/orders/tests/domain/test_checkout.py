"""What a call is told of another one that is in its way."""

import pytest

from lumi_common.errors import InvalidArgument
from lumi_orders.domain.checkout import Origin, Rival, Step


def rival(principal: str = "user:ada", request_id: str = "r-1", body: bytes = b"one", step: Step = Step.PAY) -> Rival:
    return Rival("o-1", step, Origin(principal, request_id, body))


def test_one_request_id_with_two_bodies_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
        rival().expect_other_request(Origin("user:ada", "r-1", b"other"))


@pytest.mark.parametrize(
    ("there", "mine"),
    [
        (rival(), Origin("user:ada", "r-1", b"one")),
        (rival(), Origin("user:ada", "r-2", b"other")),
        (rival(), Origin("user:bob", "r-1", b"other")),
        (rival(request_id=""), Origin("user:ada", "", b"other")),
    ],
    ids=["a repeat", "another id", "somebody else", "no id"],
)
def test_any_other_call_only_has_to_wait(there: Rival, mine: Origin) -> None:
    there.expect_other_request(mine)


def test_it_is_said_what_is_waited_for() -> None:
    reasons = {step: rival(step=step).refusal().reason for step in Step}

    assert reasons.pop(Step.RETRY) == "PAYMENT_BEING_RETRIED"
    assert set(reasons.values()) == {"CART_BEING_PLACED"}
