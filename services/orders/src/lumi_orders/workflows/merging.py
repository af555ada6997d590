"""Taking what a guest put into their cart over to their own, once they sign in."""

from collections.abc import Awaitable, Callable

from google.protobuf.message import Message

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.db.statement import Statement
from lumi_common.errors import Aborted, AlreadyExists, InvalidArgument, NotFound, Unauthenticated
from lumi_common.errors import Reason as Common
from lumi_common.principal import Principal
from lumi_orders.clients.catalogue import Catalogue
from lumi_orders.domain.cart import Cart
from lumi_orders.domain.errors import Reason
from lumi_orders.domain.merge import MergePolicy, adopt, merge
from lumi_orders.storage.carts import Carts
from lumi_orders.storage.merging import ADOPT, GIVE_UP, MERGE, adopting, giving_up, merging
from lumi_orders.storage.requests import UNCHANGED
from lumi_orders.workflows.keeping import Keeper

TRIES = 5

# What is written, with its parameters, and the user's cart as it will be.
Writing = tuple[Statement, dict[str, object], Cart]


class Merging:
    """Merges carts; `verify` tells the principal of an access token, `answer` makes what the caller is told."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        catalogue: Catalogue,
        *,
        verify: Callable[[str], Awaitable[Principal]],
        answer: Callable[[Cart], Message],
    ) -> None:
        self._clock, self._catalogue, self._verify, self._answer = clock, catalogue, verify, answer
        self._carts = Carts(db)

    async def guest_of(self, token: str) -> str:
        """The id of the guest whose token it is; raises InvalidArgument for any other."""
        try:
            guest = await self._verify(token)
        except Unauthenticated as error:
            refusal = _not_a_guests()
            refusal.facts["reason"] = error.reason
            raise refusal from error
        if guest.kind != "guest":
            raise _not_a_guests()
        return guest.id

    async def merge(self, user_id: str, guest_id: str, policy: MergePolicy, etag: str, keeper: Keeper) -> None:
        """Merge the guest's ACTIVE cart into the user's and keep the answer; again it changes nothing.

        Raises NotFound when neither has one, Aborted when the user's is not the one of `etag` (or there is none), and
        what `domain.merge.merge` does.
        """
        for _ in range(1 if etag else TRIES):
            # In this order: where another merge took the guest's cart meanwhile, the user's is read with its lines.
            guest, mine = await self._carts.find_active(guest_id), await self._carts.find_active(user_id)
            if etag and (mine is None or etag != mine.etag):
                break
            if guest is None:
                if mine is None:
                    raise NotFound(Common.NOT_FOUND, "neither has an active cart", entity="Cart")
                await keeper.change(UNCHANGED, self._answer(mine))
                return
            statement, values, cart = await self._decide(user_id, mine, guest, policy, keeper.context)
            try:
                if await keeper.change(statement, self._answer(cart), **values) is not None:
                    return
            except AlreadyExists:
                pass  # the user has made a cart meanwhile
        raise Aborted(Common.ETAG_MISMATCH, "the carts have changed: read them again")

    async def _decide(
        self, user_id: str, mine: Cart | None, guest: Cart, policy: MergePolicy, context: Context
    ) -> Writing:
        now = self._clock()
        if mine is None:
            adopt(guest, user_id, now)
            return ADOPT, adopting(guest), guest
        ids = [item.product_variant_id for item in guest.items]
        wanted = ids and policy is not MergePolicy.KEEP_USER_CART
        offers = await self._catalogue.offers(ids, context) if wanted else {}
        written = merge(mine, guest, policy, offers, now)
        if written is None:
            return GIVE_UP, giving_up(guest, now), mine
        return MERGE, merging(mine, guest, written), mine


def _not_a_guests() -> InvalidArgument:
    return InvalidArgument(Reason.GUEST_TOKEN_INVALID, "not the token of a guest", field="guest_token")
