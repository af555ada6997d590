"""All invariants by their ids, and those that nothing can be asked of yet."""

from lumi_invariants.across import ACROSS
from lumi_invariants.coupons import COUPONS
from lumi_invariants.identity import IDENTITY
from lumi_invariants.invariant import Invariant
from lumi_invariants.money import MONEY
from lumi_invariants.orders import ORDERS
from lumi_invariants.stock import STOCK

LAW = {each.id: each for each in (*STOCK, *ORDERS, *MONEY, *COUPONS, *IDENTITY, *ACROSS)}

NOT_YET = {
    "M3": "no provider but MANUAL, which has no ledger of its own",
    "I3": "the count of failed logins starts anew with each sign-in and no row says at which; no TOTP yet",
    "X6": "users are not erased yet",
}


def of(schema: str, kind: str = "C") -> tuple[Invariant, ...]:
    """Those of a schema ("" for all of them at once) and a kind."""
    return tuple(each for each in LAW.values() if (each.schema, each.kind) == (schema, kind))
