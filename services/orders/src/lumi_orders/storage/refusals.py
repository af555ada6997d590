"""What a violated constraint of the orders schema means to the caller."""

from lumi_common.db.database import Refusals
from lumi_common.errors import Aborted, AlreadyExists
from lumi_orders.domain.errors import Reason


def _in_progress() -> Aborted:
    return Aborted(Reason.CHECKOUT_IN_PROGRESS, "this order is being placed: try again in a moment")


REFUSALS: Refusals = {
    "carts_active_user_id_key": lambda: AlreadyExists(Reason.CART_EXISTS, "there is an active cart already"),
    "checkouts_cart_id_key": _in_progress,
    "checkouts_principal_request_id_key": _in_progress,
}
