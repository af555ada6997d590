"""Scenes of payments."""

from lumi.payments.v1 import payment_pb2 as pb
from lumi.payments.v1 import refund_pb2
from lumi.payments.v1.payment_pb2_grpc import PaymentServiceStub

from lumi_common.cuid import cuid
from services.payments.tests.rpc.till import TEN, Till
from tests.kit.buying import usd
from tests.request_ids.callers import Caller
from tests.request_ids.scenes import Scene, scene
from tests.request_ids.world import World


def till(world: World) -> Till:
    return Till(world.shop, world.orders(PaymentServiceStub))


@scene("payments.v1.PaymentService.CreatePayment")
async def create_payment(world: World, caller: Caller) -> Scene:
    def asked(order: str, cents: int = 1000) -> pb.CreatePaymentRequest:
        return pb.CreatePaymentRequest(
            order_id=order, order_reference="ABCDEFGH23", provider=pb.PAYMENT_PROVIDER_MANUAL, amount=usd(cents)
        )

    order = cuid()
    return Scene(asked(order), (asked(order, 2000), asked(cuid())))


@scene("payments.v1.PaymentService.CapturePayment")
async def capture_payment(world: World, caller: Caller) -> Scene:
    asked = pb.CapturePaymentRequest
    first, second = await till(world).authorized(), await till(world).authorized()
    return Scene(asked(id=first.id), (asked(id=second.id), asked(id=first.id, amount=usd(400))))


@scene("payments.v1.PaymentService.VoidPayment")
async def void_payment(world: World, caller: Caller) -> Scene:
    asked = pb.VoidPaymentRequest
    first, second = await till(world).waiting(), await till(world).waiting()
    return Scene(asked(id=first.id), (asked(id=second.id), asked(id=first.id, reason="another way")))


@scene("payments.v1.PaymentService.RecordManualPayment")
async def record_manual_payment(world: World, caller: Caller) -> Scene:
    asked = pb.RecordManualPaymentRequest
    first, second = await till(world).waiting(), await till(world).waiting()
    return Scene(
        asked(id=first.id, amount=TEN),
        (
            asked(id=second.id, amount=TEN),
            asked(id=first.id, amount=TEN, note="cash"),
            asked(id=first.id, amount=usd(1)),
            asked(id=first.id, amount=TEN, failure_code="BOUNCED"),
        ),
    )


@scene("payments.v1.RefundService.CreateRefund")
async def create_refund(world: World, caller: Caller) -> Scene:
    asked = refund_pb2.CreateRefundRequest
    first, second = await till(world).paid(), await till(world).paid()
    return Scene(
        asked(payment_id=first.id, amount=usd(400)),
        (asked(payment_id=first.id, amount=usd(500)), asked(payment_id=first.id), asked(payment_id=second.id)),
    )
