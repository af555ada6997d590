"""What a shopper wants on each trip, out of the shopper's seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from uuid import UUID

from lumi_faults.plan import Shopper

GOODS = 6
SCARCE = 4  # of the goods, the first so many
COUPONS = 2  # the last is limited for each user, so for users only


class Then(StrEnum):
    """What becomes of the order once it is placed."""

    PAID = "paid"
    PAID_LATE = "paid after its reservation's time"
    LEFT = "left unpaid"
    CANCELLED = "cancelled"
    PAID_OR_CANCELLED = "paid and cancelled at once"
    PAID_AND_CANCELLED = "paid, then cancelled"
    SHIPPED = "paid and shipped"
    REFUNDED = "paid and refunded in part"
    REFUNDED_OR_CANCELLED = "paid, then refunded and cancelled at once"


_WEIGHTS = {
    Then.PAID: 5,
    Then.PAID_LATE: 3,
    Then.LEFT: 2,
    Then.CANCELLED: 2,
    Then.PAID_OR_CANCELLED: 2,
    Then.PAID_AND_CANCELLED: 2,
    Then.SHIPPED: 3,
    Then.REFUNDED: 2,
    Then.REFUNDED_OR_CANCELLED: 1,
}
# How long a call is waited for before it is given up and sent again; mostly as long as it takes.
_PATIENCE = (0.03, 0.1, 0.4, 10.0, 10.0, 10.0)


@dataclass(frozen=True)
class Trip:
    """`lines` are quantities by the number of the good, `coupon` a number or None; `delivery` is how many units come
    in when a scarce good is out; `patience`,
    `pause` and `late` are in seconds; a guest who is `new` starts a session of their own.
    """

    lines: dict[int, int]
    coupon: int | None
    then: Then
    delivery: int
    patience: float
    asks_again: bool
    new: bool
    pause: float
    late: float
    ids: random.Random = field(compare=False)

    def request_id(self) -> str:
        """The next request id of this trip."""
        return str(UUID(int=self.ids.getrandbits(128), version=4))


def trip(shopper: Shopper, number: int) -> Trip:
    """A shopper's trip of this number, the same each time."""
    chance = random.Random(f"{shopper.seed} trip {number}")
    goods = {chance.randrange(SCARCE), *chance.sample(range(GOODS), chance.randint(0, 2))}
    return Trip(
        lines={good: chance.randint(1, 3) for good in sorted(goods)},
        coupon=chance.choice((None, *range(COUPONS - shopper.is_guest))),
        then=chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0],
        delivery=chance.randint(2, 12),
        patience=chance.choice(_PATIENCE),
        asks_again=chance.random() < 0.25,
        new=chance.random() < 0.3,
        pause=chance.uniform(0.0, 0.3),
        late=chance.uniform(6.0, 20.0),
        ids=random.Random(f"{shopper.seed} trip {number} ids"),
    )


def trips(shopper: Shopper) -> Iterator[Trip]:
    """All trips of a shopper, without end."""
    return (trip(shopper, number) for number in count())
