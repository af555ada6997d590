"""What a violated constraint of the orders schema means to the caller."""

from lumi_common.db.database import Refusals
from lumi_common.errors import AlreadyExists
from lumi_orders.domain.errors import Reason

REFUSALS: Refusals = {
    "carts_active_user_id_key": lambda: AlreadyExists(Reason.ACTIVE_CART_EXISTS, "there is an active cart already"),
}
