"""What a violated constraint of the orders schema means to the caller."""

from lumi_common.db.database import Refusals
from lumi_common.errors import AlreadyExists
from lumi_orders.domain.errors import Reason


def _has_a_cart() -> AlreadyExists:
    return AlreadyExists(Reason.ACTIVE_CART_EXISTS, "there is an active cart already")


REFUSALS: Refusals = {"carts_active_user_id_key": _has_a_cart, "carts_active_session_id_key": _has_a_cart}
