"""What a run does is decided by its seed, and nothing is left out of it."""

from itertools import islice

from lumi_common.events.streams import CONTEXTS
from lumi_faults.plan import Kind, Plan
from lumi_faults.trips import Then, trips

PARTS = {*CONTEXTS, "nats", "envoy"}


def test_the_same_seed_plans_the_same_and_another_does_not() -> None:
    first, again, other = Plan.of(7, 300), Plan.of(7, 300), Plan.of(8, 300)

    assert first == again and str(first) == str(again)
    assert first.faults != other.faults
    for shopper, same in zip(first.shoppers, again.shoppers, strict=True):
        wanted, again_wanted = islice(trips(shopper), 50), islice(trips(same), 50)
        assert [(each, each.request_id()) for each in wanted] == [(each, each.request_id()) for each in again_wanted]


def test_a_longer_plan_begins_like_a_shorter_one() -> None:
    short, long = Plan.of(7, 90), Plan.of(7, 300)

    assert long.faults[: len(short.faults)] == short.faults
    assert long.shoppers == short.shoppers
    assert all(each.at < 90 for each in short.faults)


def test_every_part_is_killed_and_paused_within_a_minute_and_a_half() -> None:
    for seed in range(20):
        faults = Plan.of(seed, 90).faults

        assert {each.target for each in faults if each.kind is Kind.KILL} == PARTS
        assert {each.target for each in faults if each.kind is Kind.STOP} == {"postgres"}
        assert {each.target for each in faults if each.kind is Kind.PAUSE} == {*PARTS, "postgres"}
        assert {each.kind for each in faults} == set(Kind)


def test_shoppers_are_guests_and_users_and_come_to_want_everything() -> None:
    for seed in range(20):
        shoppers = Plan.of(seed, 1).shoppers

        assert {each.is_guest for each in shoppers} == {True, False}
        assert {each.then for each in islice(trips(shoppers[0]), 200)} == set(Then)
