"""Every step of placing, cancelling, refunding and deleting, and the points where a process dies in it.

To add one: a scene in scenes.py that passes the points, and a step here. A point that is passed while a crash is
recovered from stands behind that crash: `first > then`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.crash_points.scenes import (
    Cancelling,
    Deleting,
    DeletingInVain,
    DeletingOrder,
    Erasing,
    Expiring,
    Placing,
    Purging,
    Refunding,
    Scene,
)

Way = tuple[str, ...]
"""The points where somebody dies in one scene, one after the other."""


@dataclass(frozen=True)
class Step:
    """A step of what happens in a scene."""

    scene: type[Scene]
    name: str
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class Crash:
    """Deaths to be seen in one scene."""

    scene: type[Scene]
    step: str
    way: Way

    @property
    def title(self) -> str:
        return f"{self.scene.name}, {self.step}: {' > '.join(self.way)}"


def crashes(steps: Iterable[Step]) -> list[Crash]:
    """Everything to be seen of these steps."""
    return [Crash(step.scene, step.name, way) for step in steps for way in step.ways]


def _step(scene: type[Scene], name: str, ways: str) -> Step:
    return Step(scene, name, tuple(tuple(map(str.strip, way.split(">"))) for way in ways.strip().splitlines()))


SETTLED_AT_ONCE = (
    _step(Placing, "the cart is held", """
        identity.ResolveAddress.before_reply
        orders.PlaceOrder.after_answer.ResolveAddress
        orders.PlaceOrder.before_commit.checkout.begun
        orders.PlaceOrder.after_commit.checkout.begun
    """),
    _step(Placing, "stock is reserved", """
        catalogue.reservations.before_commit
        catalogue.ReserveStock.before_reply
        catalogue.relay.after_publish.stock.reserved
        orders.PlaceOrder.after_answer.ReserveStock > orders.sweeper.after_answer.ReleaseReservation
    """),
    _step(Placing, "the coupon is redeemed", """
        marketing.RedeemCoupon.before_commit
        marketing.RedeemCoupon.before_reply
        marketing.relay.after_publish.coupon_usage.redeemed
        orders.PlaceOrder.after_answer.RedeemCoupon > orders.sweeper.after_answer.ReleaseCoupon
    """),
    _step(Placing, "the order is written", """
        orders.PlaceOrder.before_commit.order.placed
        orders.PlaceOrder.after_commit.order.placed > orders.sweeper.after_answer.CreatePayment
        orders.relay.after_publish.order.placed
        identity-audit.before_acknowledge.order.placed
    """),
    _step(Placing, "the payment is made", """
        payments.CreatePayment.before_commit.payment.settled
        payments.CreatePayment.before_reply
        payments.relay.after_publish.payment.settled
        orders.PlaceOrder.after_answer.CreatePayment > orders-payments.before_commit > \
            orders-payments.before_acknowledge.payment.settled
    """),
    _step(Placing, "the order is paid", """
        orders.PlaceOrder.before_commit.order.paid
        orders.PlaceOrder.before_reply
        orders.relay.after_publish.order.paid
        orders.PlaceOrder.after_commit.order.placed > orders.sweeper.before_commit.order.paid
    """),
    _step(Placing, "what was reserved is sold", """
        catalogue-reservations.before_commit
        catalogue-reservations.before_acknowledge.order.paid
        catalogue.relay.after_publish.stock.committed
        identity-audit.before_acknowledge.order.paid
    """),
    _step(Cancelling, "the order is cancelled", """
        orders.CancelOrder.before_commit.order.cancelled
        orders.CancelOrder.after_commit.order.cancelled
        orders.relay.after_publish.order.cancelled
        identity-audit.before_acknowledge.order.cancelled
    """),
    _step(Cancelling, "stock comes back", """
        catalogue.ReleaseReservation.before_commit
        catalogue.ReleaseReservation.before_reply
        catalogue.relay.after_publish.stock.restocked
        orders.CancelOrder.after_answer.ReleaseReservation
    """),
    _step(Cancelling, "the coupon is free again", """
        marketing.ReleaseCoupon.before_commit
        marketing.ReleaseCoupon.before_reply
        marketing.relay.after_publish.coupon_usage.released
        orders.CancelOrder.after_answer.ReleaseCoupon
    """),
    _step(Cancelling, "the money goes back", """
        orders.CancelOrder.after_answer.ListPayments
        payments.CreateRefund.before_commit
        payments.CreateRefund.before_reply
        payments.relay.after_publish.payment.refunded
        orders.CancelOrder.after_answer.CreateRefund
    """),
    _step(Cancelling, "all is given back", """
        orders.CancelOrder.before_commit.checkout.undone
        orders.CancelOrder.before_reply
        orders.CancelOrder.after_commit.order.cancelled > orders.sweeper.before_commit.checkout.undone > \
            orders.sweeper.after_commit.checkout.undone
    """),
    _step(Refunding, "a part of the money goes back", """
        payments.CreateRefund.before_commit
        payments.CreateRefund.before_reply
        payments.relay.after_publish.payment.refunded
        identity-audit.before_acknowledge.payment.refunded
    """),
    _step(Deleting, "who refers to it agrees", """
        catalogue.DeleteVariant.before_commit.deletion.intended
        catalogue.DeleteVariant.after_commit.deletion.intended
        orders.FenceReference.before_commit
        orders.FenceReference.before_reply
        catalogue.DeleteVariant.after_answer.FenceReference
    """),
    _step(Deleting, "it is deleted", """
        catalogue.DeleteVariant.before_commit
        catalogue.DeleteVariant.before_reply
        catalogue.relay.after_publish.product_variant.deleted
        identity-audit.before_acknowledge.product_variant.deleted
    """),
    _step(DeletingInVain, "it is taken back", """
        catalogue.DeleteVariant.after_commit.deletion.intended
        orders.UnfenceReference.before_commit
        orders.UnfenceReference.before_reply
        catalogue.DeleteVariant.after_answer.UnfenceReference
    """),
    _step(Purging, "the user is deleted", """
        identity.PurgeUser.before_commit
        identity.PurgeUser.before_reply
        identity.relay.after_publish.user.purged
        identity-audit.before_acknowledge.user.purged
    """),
    _step(Purging, "what names them follows", """
        orders-references.before_commit
        orders-references.before_acknowledge.user.purged
        payments-references.before_acknowledge.user.purged
        marketing-references.before_commit
    """),
    _step(Erasing, "it is begun", """
        identity.EraseUser.before_commit
        identity.EraseUser.before_reply
        identity.erasures.after_answer.ErasePersonalData
        orders.ErasePersonalData.before_commit
        payments.ErasePersonalData.before_reply
    """),
    _step(Erasing, "the user goes", """
        identity.erasures.before_commit.erasure.purged
        identity.erasures.after_commit.erasure.purged
        catalogue.ErasePersonalData.before_reply
        orders-references.before_acknowledge.user.purged
    """),
    _step(Erasing, "every service confirms", """
        orders.ForgetEvents.before_commit
        marketing.ForgetEvents.before_reply
        identity.erasures.after_answer.ForgetEvents
        identity.erasures.before_commit.erasure.completed
        identity.erasures.after_commit.erasure.completed
    """),
    _step(DeletingOrder, "it is deleted", """
        payments.FenceReference.before_reply
        orders.DeleteOrder.before_commit
        orders.DeleteOrder.before_reply
        marketing-references.before_acknowledge.order.deleted
    """),
)  # fmt: skip

# Where payments wait for somebody to record them.
RECORDED_BY_STAFF = (
    _step(Expiring, "the order is cancelled", """
        orders.sweeper.after_commit.order.cancelled
        orders.sweeper.after_answer.ListPayments > orders.sweeper.before_commit.order.cancelled
        orders.relay.after_publish.order.cancelled
    """),
    _step(Expiring, "the payment is voided", """
        payments.VoidPayment.before_commit
        payments.VoidPayment.before_reply
        payments.relay.after_publish.payment.voided
        orders.sweeper.after_answer.VoidPayment
    """),
)  # fmt: skip
