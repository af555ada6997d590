"""An order was paid: what it holds is sold."""

from lumi_catalogue.domain.reservation import check_committed
from lumi_catalogue.storage import endings, reservations
from lumi_common.db.database import Executor
from lumi_common.events.event import Event


async def commit_paid(tx: Executor, event: Event) -> None:
    """Commit the order's reservation; an order without one, or with one that was given back, is for a person to see."""
    order_id = event.aggregate_id
    if not await endings.commit(tx, order_id):
        check_committed(order_id, await reservations.of_order(tx, order_id))
