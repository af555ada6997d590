"""Identity: a user's address, to be frozen."""

from lumi.identity.v1 import address_pb2

from lumi_common.context import Context
from lumi_common.rpc.channel import PeerChannel
from lumi_orders.clients.wire import address_from_proto
from lumi_orders.domain.checkout import Address


class Identity:
    """Calls to the identity service; each raises what identity refuses, as a LumiError with identity's reason."""

    def __init__(self, channel: PeerChannel) -> None:
        self._resolve = channel.unary(
            "lumi.identity.v1.AddressService/ResolveAddress",
            address_pb2.ResolveAddressRequest,
            address_pb2.Address,
            timeout=2.0,
        )

    async def address(self, id: str, user_id: str, context: Context) -> Address:
        """One address of a user as it is now; raises NotFound when it is not theirs."""
        answer = await self._resolve(address_pb2.ResolveAddressRequest(id=id, user_id=user_id), context)
        return {"id": answer.id, **address_from_proto(answer.postal_address)}
