"""What verifies access tokens, asked of identity over its internal port: its keys, and what it revoked."""

from google.protobuf.json_format import MessageToDict
from lumi.identity.v1.auth_pb2 import GetJwksRequest, ListRevocationsRequest, ListRevocationsResponse
from lumi.identity.v1.auth_pb2 import Jwks as JwksMessage

from lumi_common.context import Context
from lumi_common.rpc.auth import Jwks, KeySource
from lumi_common.rpc.channel import PeerChannel
from lumi_common.rpc.convert import time_from_proto
from lumi_common.rpc.revocations import Revocation, RevocationSource, Told

_REVOCATIONS_SECONDS = 1.0  # with the beat well within the five seconds that are promised


def keys_of(identity: PeerChannel) -> KeySource:
    """The source of keys for a TokenVerifier; calls GetJwks each time it is asked."""
    method = identity.unary("lumi.identity.v1.AuthService/GetJwks", GetJwksRequest, JwksMessage, timeout=2.0)

    async def fetch() -> Jwks:
        answer = await method(GetJwksRequest(), Context.system("jwks", timeout=2.0))
        jwks: Jwks = MessageToDict(answer, preserving_proto_field_name=True)
        return jwks

    return fetch


def revocations_of(identity: PeerChannel) -> RevocationSource:
    """The source of Revocations; calls ListRevocations each time it is asked."""
    method = identity.unary(
        "lumi.identity.v1.AuthService/ListRevocations",
        ListRevocationsRequest,
        ListRevocationsResponse,
        timeout=_REVOCATIONS_SECONDS,
    )

    async def fetch(cursor: str) -> Told:
        answer = await method(
            ListRevocationsRequest(cursor=cursor), Context.system("revocations", timeout=_REVOCATIONS_SECONDS)
        )
        revocations = [
            Revocation(each.id, time_from_proto(each.not_before, field="not_before")) for each in answer.revocations
        ]
        return Told(revocations, answer.next_cursor, answer.more)

    return fetch
