"""How far an erasure has come, as it is kept."""

from lumi_identity.domain.erasure import Progress, from_json, to_json


def test_what_is_kept_is_what_comes_back() -> None:
    services = {"orders": Progress({"orders.orders": 2}, 3, True, 0, {}, 17, "2026-11-26T12:00:00+00:00")}

    assert from_json(to_json(services)) == services


def test_what_a_later_release_kept_beside_it_is_let_be() -> None:
    assert from_json({"orders": {"asked": 2, "mood": "good"}}) == {"orders": Progress(asked=2)}


def test_a_walk_that_was_cut_off_remembers_what_was_left_before() -> None:
    progress = Progress()

    progress.hear({"a": 1}, {"x": 2}, 7)
    progress.hear({"a": 1}, {}, 0)
    assert (progress.left, progress.rows, progress.asked) == ({"x": 2}, {"a": 2}, 2)

    progress.hear({}, {}, 0)  # from the first on
    assert progress.left == {}
