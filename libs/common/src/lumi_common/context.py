"""What a servicer and the code below it know about the call: who, from where, for how long."""

import random
from collections.abc import Iterable
from json.encoder import encode_basestring_ascii
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from lumi_common.principal import Principal

if TYPE_CHECKING:
    from lumi_common.telemetry import Span


class Actor(NamedTuple):
    """On whose behalf something is done: `type` as in a principal's kind, `id` theirs."""

    type: str
    id: str


class Context:
    """One call, or one run of background work.

    `method` is the full name (`lumi.orders.v1.OrderService/CancelOrder`, or the job's name); `actor` is the end
    user, forwarded where a peer calls on their behalf; `deadline` is on the loop's clock, in seconds;
    `owner_only` says that the caller lacks the method's permission and may act on rows of their own only, and
    `by_permission` that they hold it where an owner could do without; `span` is there only while the call is sampled,
    and has what is done for it below it.
    """

    __slots__ = (
        "_actor",
        "_headers",
        "_request_id",
        "by_permission",
        "deadline",
        "ip",
        "method",
        "owner_only",
        "principal",
        "span",
        "traceparent",
        "user_agent",
    )

    def __init__(
        self,
        method: str,
        principal: Principal,
        *,
        actor: Actor | None = None,
        ip: str = "",
        user_agent: str = "",
        traceparent: str = "",
        deadline: float = float("inf"),
        owner_only: bool = False,
        by_permission: bool = False,
        span: "Span | None" = None,
    ) -> None:
        self.method = method
        self.principal = principal
        self._actor = actor
        self.ip = ip
        self.user_agent = user_agent
        self.traceparent = traceparent
        self.deadline = deadline
        self.owner_only = owner_only
        self.by_permission = by_permission
        self.span = span
        self._headers: str | None = None
        self._request_id = ""

    @classmethod
    def system(cls, name: str, *, timeout: float = 60.0, calls: "Iterable[Context]" = ()) -> "Context":
        """The context of background work such as `orders.sweeper`, with `timeout` seconds to spend.

        `calls` are those that the work is done for at once, if there are some: it goes into the trace of `lead_of`.
        """
        lead = lead_of(calls)
        return cls(
            method=name,
            principal=Principal.service(name),
            traceparent=new_traceparent() if lead is None else lead.traceparent,
            deadline=monotonic() + timeout,
            span=None if lead is None else lead.span,
        )

    @property
    def actor(self) -> Actor:
        """On whose behalf: the end user that a peer forwarded, else the principal."""
        return self._actor or Actor(self.principal.kind, self.principal.id)

    @actor.setter
    def actor(self, actor: Actor) -> None:
        self._actor = actor

    @property
    def owner(self) -> str | None:
        """Whose rows alone the call may touch; None when it may touch every row."""
        return self.principal.id if self.owner_only else None

    def under(self, request_id: str) -> None:
        """Tell from now on, in what the call writes, under which request id it came."""
        self._request_id, self._headers = request_id, None

    def remaining(self) -> float:
        """Seconds left before the deadline, never below zero."""
        return max(0.0, self.deadline - monotonic())

    @property
    def trace_id(self) -> str:
        """The 32 hexadecimal digits that tie logs and traces together, or nothing."""
        return self.traceparent[3:35]

    @property
    def headers(self) -> str:
        """What outbox rows keep about the call, as JSON text; empty values are null."""
        if self._headers is None:
            actor = self.actor
            told = (
                f'"actor_type": {_text(actor.type)}, "actor_id": {_text(actor.id)}, "ip_address": {_text(self.ip)}, '
                f'"user_agent": {_text(self.user_agent)}, "traceparent": {_text(self.traceparent)}'
            )
            if self._request_id:
                told += (
                    f', "request": {{"principal": {_text(self.principal.key)}, "method": {_text(self.method)}, '
                    f'"id": {_text(self._request_id)}}}'
                )
            self._headers = f"{{{told}}}"
        return self._headers


def _text(value: str) -> str:
    # Every call that writes needs some of these: dumps takes five times as long over them.
    return encode_basestring_ascii(value) if value else "null"


def lead_of(calls: Iterable[Context | None]) -> Context | None:
    """Whose trace shows work that is done for several calls at once: the first sampled one's, None without any.

    The spans of the other sampled ones are linked to its span.
    """
    lead: Context | None = None
    for call in calls:
        if call is None or call.span is None:
            continue
        if lead is None:
            lead = call
        elif call is not lead:
            call.span.link(lead.traceparent)
    return lead


def new_traceparent(*, sampled: bool = False) -> str:
    """A W3C traceparent that starts a trace of its own."""
    ids = f"{random.getrandbits(192):048x}"  # to be unlike others, not to be secret
    return f"00-{ids[:32]}-{ids[32:]}-{'01' if sampled else '00'}"
