"""All of orders' wiring."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from lumi.orders.v1.cart_pb2_grpc import add_CartServiceServicer_to_server
from lumi.orders.v1.operations_pb2_grpc import add_OperationsServiceServicer_to_server
from lumi.orders.v1.order_pb2_grpc import add_OrderServiceServicer_to_server

from lumi_common.context import Context
from lumi_common.events.handlers import InTransaction
from lumi_common.service import Runtime
from lumi_orders.api import convert
from lumi_orders.api.carts import CartService
from lumi_orders.api.orders import OrderService
from lumi_orders.clients.catalogue import Catalogue
from lumi_orders.clients.identity import Identity
from lumi_orders.clients.marketing import Marketing
from lumi_orders.clients.payments import Payments
from lumi_orders.settings import OrdersSettings
from lumi_orders.storage.checkouts import Checkouts
from lumi_orders.storage.invariants import INVARIANTS
from lumi_orders.storage.personal import PEOPLE
from lumi_orders.storage.references import REFERRER
from lumi_orders.storage.refusals import REFUSALS
from lumi_orders.storage.retention import forget_old
from lumi_orders.workflows.addresses import AddressBook
from lumi_orders.workflows.cancel import Cancellation
from lumi_orders.workflows.checkout import Checkout
from lumi_orders.workflows.merging import Merging
from lumi_orders.workflows.quote import Quotes
from lumi_orders.workflows.retry import Retry
from lumi_orders.workflows.settlement import SETTLED, Settlement
from lumi_orders.workflows.sweeper import Sweeper
from lumi_orders.workflows.undo import Undo

__all__ = ["REFUSALS", "Peers", "compose", "peers_of"]


@dataclass(frozen=True)
class Peers:
    """The services that orders asks."""

    catalogue: Catalogue
    payments: Payments
    marketing: Marketing
    identity: Identity


def peers_of(runtime: Runtime[OrdersSettings]) -> Peers:
    """A client for each peer, on its channel."""
    return Peers(
        Catalogue(runtime.peer("catalogue")),
        Payments(runtime.peer("payments")),
        Marketing(runtime.peer("marketing")),
        Identity(runtime.peer("identity")),
    )


_HOUR = 3600.0


async def _forget_old(runtime: Runtime[OrdersSettings]) -> None:
    age = timedelta(days=runtime.settings.order_retention_days)
    await forget_old(runtime.db.on(Context.system("orders.retention")), age)


async def compose(runtime: Runtime[OrdersSettings], peers: Peers | None = None) -> None:
    """Serve carts and orders, hear of payments, and sweep; `peers` are those of the settings unless given."""
    peers = peers or peers_of(runtime)
    settings, db, clock = runtime.settings, runtime.db, runtime.clock
    book = AddressBook(peers.identity)
    tariff = settings.tariff
    undo = Undo(
        db,
        clock,
        catalogue=peers.catalogue,
        payments=peers.payments,
        marketing=peers.marketing,
        retry=settings.retry,
    )
    checkout = Checkout(
        db,
        clock,
        undo,
        catalogue=peers.catalogue,
        payments=peers.payments,
        marketing=peers.marketing,
        book=book,
        tariff=tariff,
        answer=convert.placed_to_proto,
    )
    cancellation = Cancellation(db, clock, undo, answer=convert.order_to_proto)
    retry = Retry(db, clock, checkout, undo, catalogue=peers.catalogue, payments=peers.payments)
    sweeper = Sweeper(
        db,
        checkout,
        undo,
        cancellation,
        retry,
        pause=settings.retry,
        order_expiry=timedelta(seconds=settings.order_expiry_seconds),
        cart_expiry=timedelta(seconds=settings.cart_expiry_seconds),
    )
    quotes = Quotes(peers.catalogue, peers.marketing, tariff)
    merging = Merging(db, clock, peers.catalogue, verify=runtime.verifier.verify, answer=convert.cart_to_proto)
    carts = CartService(db, clock, peers.catalogue, quotes, book, merging)
    orders = OrderService(db, clock, checkout, cancellation, retry, runtime.deletions)
    runtime.serve(add_CartServiceServicer_to_server, carts)
    runtime.serve(add_OrderServiceServicer_to_server, orders)
    runtime.serve_operations(add_OperationsServiceServicer_to_server, REFERRER, PEOPLE, INVARIANTS)
    runtime.consume("orders-payments", InTransaction(Settlement(clock).apply), types=(SETTLED,))
    runtime.every(settings.sweep_seconds, "sweeper", sweeper.sweep)
    runtime.every(_HOUR, "retention", partial(_forget_old, runtime))
    runtime.gauge("lumi.orders.checkouts", Checkouts(db).count_by_step, by="lumi.step", unit="{checkout}")
