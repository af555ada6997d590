"""An order was paid: what it holds is sold."""

from lumi_catalogue.domain.reservation import check_known
from lumi_catalogue.storage import endings, reservations
from lumi_common.db.database import Executor
from lumi_common.events.event import Event


async def commit_paid(tx: Executor, event: Event) -> None:
    """Commit the order's reservation; an order that never had one is for a person to see.

    One that was given back stays so: only on the word of orders is anything given back, and an order that was paid
    needs nothing any more only once it is cancelled, of which we heard first.
    """
    order_id = event.aggregate_id
    if not await endings.commit(tx, order_id):
        check_known(order_id, await reservations.of_order(tx, order_id))
