"""The key set of access tokens, asked of identity over its internal port."""

from google.protobuf.json_format import MessageToDict
from lumi.identity.v1.auth_pb2 import GetJwksRequest
from lumi.identity.v1.auth_pb2 import Jwks as JwksMessage

from lumi_common.context import Context
from lumi_common.rpc.auth import Jwks, KeySource
from lumi_common.rpc.channel import PeerChannel


def keys_of(identity: PeerChannel) -> KeySource:
    """The source of keys for a TokenVerifier; calls GetJwks each time it is asked."""
    method = identity.unary("lumi.identity.v1.AuthService/GetJwks", GetJwksRequest, JwksMessage, timeout=2.0)

    async def fetch() -> Jwks:
        answer = await method(GetJwksRequest(), Context.system("jwks", timeout=2.0))
        jwks: Jwks = MessageToDict(answer, preserving_proto_field_name=True)
        return jwks

    return fetch
