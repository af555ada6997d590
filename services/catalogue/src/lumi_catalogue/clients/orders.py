"""The orders service: whether an order still needs what is held for it."""

from collections.abc import Sequence

from lumi.orders.v1.order_pb2 import ORDER_STANDING_GONE, BatchGetOrderStatesRequest, BatchGetOrderStatesResponse

from lumi_common.context import Context
from lumi_common.rpc.channel import PeerChannel


class Orders:
    """Asks orders, each call with a deadline; a channel is made inside the running loop."""

    def __init__(self, channel: PeerChannel) -> None:
        self._states = channel.unary(
            "lumi.orders.v1.OrderService/BatchGetOrderStates",
            BatchGetOrderStatesRequest,
            BatchGetOrderStatesResponse,
            timeout=5.0,
        )

    async def gone(self, order_ids: Sequence[str], context: Context) -> set[str]:
        """Those of at most 1,000 orders that are not there, will not be, or were cancelled; raises LumiError.

        An order that the answer does not name counts as alive: only a clear word ends a reservation.
        """
        answer = await self._states(BatchGetOrderStatesRequest(ids=order_ids), context)
        return {state.order_id for state in answer.states if state.standing == ORDER_STANDING_GONE}
