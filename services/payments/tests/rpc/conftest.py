import pytest
from lumi.payments.v1.payment_pb2_grpc import PaymentServiceStub

from services.payments.tests.rpc.till import Till
from tests.kit.client import Client
from tests.kit.shop import Shop


@pytest.fixture
async def orders(shop: Shop) -> Client:
    """The orders service, as payments meets it."""
    return shop.internal(PaymentServiceStub, service="orders")


@pytest.fixture
async def staff(shop: Shop) -> Client:
    user = await shop.user("payments.read", "payments.capture", "payments.record")
    return shop.stub(PaymentServiceStub, user.token)


@pytest.fixture
async def till(shop: Shop, orders: Client) -> Till:
    return Till(shop, orders)
