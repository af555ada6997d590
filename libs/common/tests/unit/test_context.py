import json
from time import monotonic

from lumi_common.context import Actor, Context
from lumi_common.principal import Principal
from lumi_common.tracing import kept_traceparent

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_the_actor_is_the_principal_unless_a_peer_forwards_another():
    user = Principal.user("cuser")
    assert Context("m", user).actor == Actor("user", "cuser")

    orders = Principal.service("orders")
    assert Context("m", orders, actor=Actor("user", "cuser")).actor == Actor("user", "cuser")


def test_the_headers_of_a_call_are_json_with_nulls_for_what_is_not_known():
    context = Context("m", Principal.user("cuser"), ip="192.0.2.7")

    assert json.loads(context.headers) == {
        "actor_type": "user",
        "actor_id": "cuser",
        "ip_address": "192.0.2.7",
        "user_agent": None,
        "traceparent": None,
    }


def test_background_work_has_a_context_with_a_trace_and_a_deadline_of_its_own():
    context = Context.system("orders.sweeper", timeout=5)

    assert context.principal.key == "service:orders.sweeper"
    assert 4 < context.remaining() <= 5
    assert len(context.trace_id) == 32
    assert Context.system("orders.sweeper").trace_id != context.trace_id


def test_no_time_remains_after_the_deadline():
    assert Context("m", Principal.user("cuser"), deadline=monotonic() - 1).remaining() == 0


def test_a_well_formed_traceparent_is_kept_and_any_other_replaced():
    assert kept_traceparent(GIVEN) == GIVEN
    for bad in (None, "", "garbage", GIVEN[:-1], GIVEN.upper(), GIVEN.replace("4bf9", "zzzz"), GIVEN + "-more"):
        made = kept_traceparent(bad)
        assert made != bad
        assert kept_traceparent(made) == made
        assert made.endswith("-00")
