"""All of marketing's wiring."""

from lumi.marketing.v1.coupon_pb2_grpc import add_CouponServiceServicer_to_server
from lumi.marketing.v1.operations_pb2_grpc import add_OperationsServiceServicer_to_server

from lumi_common.errors import AlreadyExists
from lumi_common.service import Runtime
from lumi_marketing.api.coupons import CouponService
from lumi_marketing.domain.errors import Reason
from lumi_marketing.settings import MarketingSettings
from lumi_marketing.storage.invariants import INVARIANTS
from lumi_marketing.storage.personal import PEOPLE
from lumi_marketing.storage.references import REFERRER

REFUSALS = {
    "coupons_code_key": lambda: AlreadyExists(Reason.CODE_TAKEN, "a coupon has this code", field="coupon.code"),
}


async def compose(runtime: Runtime[MarketingSettings]) -> None:
    """Serve coupons."""
    runtime.serve(add_CouponServiceServicer_to_server, CouponService(runtime.db, runtime.clock))
    runtime.serve_operations(add_OperationsServiceServicer_to_server, REFERRER, PEOPLE, INVARIANTS)
