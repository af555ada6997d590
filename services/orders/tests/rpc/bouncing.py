"""Orders whose money does not come, and asking anew for it."""

from typing import Any

from lumi.orders.v1 import order_pb2 as pb
from lumi.payments.v1 import payment_pb2
from lumi.payments.v1.payment_pb2_grpc import PaymentServiceStub

from services.orders.tests.rpc.books import WAITING, Sale, sell
from services.orders.tests.rpc.floor import Floor
from tests.kit.buying import request_id
from tests.kit.client import Client

FAILED = ("FAILED", 0, 0)
UNPAID = WAITING._replace(payments=[FAILED])
AGAIN = WAITING._replace(payments=[FAILED, ("INITIATED", 0, 0)])


async def sell_in_vain(floor: Floor) -> Sale:
    """An order whose payment has failed; the floor's payments wait for staff."""
    sale = await sell(floor)
    await bounce(sale, sale.placed.payment_id)
    return sale


async def clerk(sale: Sale) -> Client:
    """The payment service as staff call it."""
    user = await sale.floor.shop.user("payments.record", "payments.capture")
    return sale.floor.shop.stub(PaymentServiceStub, user.token)


async def bounce(sale: Sale, payment: str) -> None:
    """Have staff say that the money of a payment will not come."""
    request = payment_pb2.RecordManualPaymentRequest(
        id=payment, amount=sale.placed.order.total_amount, failure_code="BOUNCED", request_id=request_id()
    )
    await (await clerk(sale)).RecordManualPayment(request)


def asking(sale: Sale, **facts: Any) -> pb.RetryPaymentRequest:
    """What asks anew for an order's money."""
    given = {"id": sale.id, "payment_provider": payment_pb2.PAYMENT_PROVIDER_MANUAL, "request_id": request_id()} | facts
    return pb.RetryPaymentRequest(**given)


async def retry(sale: Sale, by: Client | None = None, **facts: Any) -> pb.PlaceOrderResponse:
    """Ask anew for an order's money, as its buyer unless said otherwise."""
    answer: pb.PlaceOrderResponse = await (by or sale.orders).RetryPayment(asking(sale, **facts))
    return answer


def move(sale: Sale, elsewhere: Floor) -> None:
    """Have the sale's buyer go on at another branch."""
    metadata = sale.orders.metadata

    def stub(stub_class: Any) -> Client:
        return Client(elsewhere.shop.stub(stub_class)._stub, metadata)

    sale.buyer.stub = stub
