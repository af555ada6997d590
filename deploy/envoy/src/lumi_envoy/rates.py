"""How often one client and one user may call: token buckets, shared by all of Envoy's threads.

A client is an address (of IPv6 a /64, which is one household), as it is after the proxies of ours in front; a user is
the subject of a token whose signature was good. Buckets are full at first and fill evenly. Each gateway counts for
itself.
"""

from __future__ import annotations

from math import ceil

from lumi_envoy.contract import RoutedMethod
from lumi_envoy.envoy import Json, typed
from lumi_envoy.settings import Settings

MAX_BUCKETS = 50_000  # of each kind; the one that was idle longest makes room
CLIENT_BITS_V4, CLIENT_BITS_V6 = 32, 64
PAYLOAD = "payload"  # where the token's claims are noted
REFUSED = "local_rate_limited"  # what Envoy calls it

_NAMESPACE, _KEY = "lumi.gateway", "rate"  # where a route says how often
_WITHOUT_END = 4_000_000_000

# Each part of a name, as Envoy finds it. What is not there (no token, no rate of its own) makes no name to count by.
_CLIENT: Json = {"masked_remote_address": {"v4_prefix_mask_len": CLIENT_BITS_V4, "v6_prefix_mask_len": CLIENT_BITS_V6}}
_USER: Json = {
    "metadata": {
        "descriptor_key": "user",
        "metadata_key": {"key": "envoy.filters.http.jwt_authn", "path": [{"key": PAYLOAD}, {"key": "sub"}]},
    }
}
_RATE: Json = {
    "metadata": {
        "descriptor_key": _KEY,
        "metadata_key": {"key": _NAMESPACE, "path": [{"key": _KEY}]},
        "source": "ROUTE_ENTRY",
    }
}
# Of whom a rate is; each value of the name has a bucket of its own.
_OF_CLIENT, _OF_USER = {"key": "masked_remote_address"}, {"key": "user"}


def calls_of_clients(settings: Settings) -> Json:
    """The filter that counts whatever an address asks for, before anything is made of it."""
    return _filter("calls", [[_CLIENT]], [(settings.calls_per_client, [_OF_CLIENT])])


def calls_of_methods(settings: Settings) -> Json:
    """The filter that counts by method, once that and the token are known."""
    rates = [
        (settings.calls_per_user, [_OF_USER]),
        (settings.sessions_per_client, [_of_rate("sessions"), _OF_CLIENT]),
        (settings.tries_per_client, [_of_rate("tries"), _OF_CLIENT]),
        (settings.tries_per_user, [_of_rate("tries"), _OF_USER]),
    ]
    return _filter("methods", [[_USER], [_RATE, _CLIENT], [_RATE, _USER]], rates)


def rate_of(method: RoutedMethod) -> Json:
    """What the method's route says of it."""
    return {"filter_metadata": {_NAMESPACE: {_KEY: method.rate}}}


def _of_rate(rate: str) -> Json:
    return {"key": _KEY, "value": rate}


def _filter(name: str, names: list[list[Json]], rates: list[tuple[int, list[Json]]]) -> Json:
    """A filter that makes these names of a request and holds those that have one to their rate a minute."""
    wait = max(ceil(60 / a_minute) for a_minute, _ in rates)  # by then there is room for one more
    return typed(
        f"lumi.rates.{name}",
        "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        stat_prefix=f"rates_{name}",
        rate_limits=[{"actions": actions} for actions in names],
        descriptors=[{"entries": entries, "token_bucket": _bucket(a_minute)} for a_minute, entries in rates],
        max_dynamic_descriptors=MAX_BUCKETS,
        # Who has no bucket is not counted; the filter wants one for them all the same.
        token_bucket=_bucket(_WITHOUT_END),
        always_consume_default_token_bucket=False,
        filter_enabled=_ALWAYS,
        filter_enforced=_ALWAYS,
        response_headers_to_add=[{"header": {"key": "retry-after", "value": str(wait)}}],
        rate_limited_as_resource_exhausted=True,
    )


def _bucket(a_minute: int) -> Json:
    return {"max_tokens": a_minute, "tokens_per_fill": a_minute, "fill_interval": "60s"}


_ALWAYS: Json = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
