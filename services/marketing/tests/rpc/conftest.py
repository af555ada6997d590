import pytest
from lumi.marketing.v1.coupon_pb2_grpc import CouponServiceStub

from tests.kit.client import Client
from tests.kit.shop import Shop


@pytest.fixture
async def staff(shop: Shop) -> Client:
    return shop.stub(CouponServiceStub, (await shop.user("coupons.read", "coupons.write")).token)


@pytest.fixture
async def orders(shop: Shop) -> Client:
    """The orders service, as marketing meets it."""
    return shop.internal(CouponServiceStub, service="orders")
