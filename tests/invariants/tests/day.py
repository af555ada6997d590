"""A day in the shop, and what is done beside it."""

from base64 import b32decode
from functools import partial
from typing import Any

import pytest
from lumi.catalogue.v1 import category_pb2, transfer_pb2
from lumi.catalogue.v1.category_pb2_grpc import CategoryServiceStub
from lumi.catalogue.v1.transfer_pb2_grpc import TransferServiceStub
from lumi.identity.v1 import auth_pb2, privacy_pb2, two_factor_pb2
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub
from lumi.identity.v1.privacy_pb2_grpc import PrivacyServiceStub
from lumi.identity.v1.two_factor_pb2_grpc import TwoFactorServiceStub
from lumi.marketing.v1 import coupon_pb2
from lumi.marketing.v1.coupon_pb2_grpc import CouponServiceStub
from lumi.orders.v1 import order_pb2
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub

from lumi_common.clock import utc_now
from lumi_common.cuid import cuid
from lumi_common.errors import Unauthenticated
from lumi_identity.domain import totp
from lumi_identity.domain.password_policy import PasswordPolicy
from lumi_identity.domain.passwords import Passwords
from lumi_identity.workflows.bootstrap import Bootstrap
from tests.kit.buying import Guest, Shopper, request_id, usd
from tests.kit.shop import PASSWORD, Shop
from tests.kit.waiting import until


async def spend_a_day(shop: Shop) -> None:
    """Orders that are paid, delivered, cancelled when packed and cancelled at once, with a coupon; and a guest's."""
    shelf = await shop.staff("coupons.write", "coupons.read", "orders.fulfill", "orders.cancel", "payments.refund")
    staff = shelf.stub(OrderServiceStub)
    soup, bread = await shelf.put(20, 250), await shelf.put(20, 199)
    coupon = coupon_pb2.Coupon(
        code="half-a-dollar",
        type=coupon_pb2.COUPON_TYPE_FIXED_AMOUNT,
        amount=usd(50),
        usage_limit=5,
        per_user_limit=3,
    )
    await shelf.stub(CouponServiceStub).CreateCoupon(
        coupon_pb2.CreateCouponRequest(coupon=coupon, request_id=request_id())
    )
    ada, ben = await shop.shopper(), await shop.shopper()
    orders = [
        (await each.place(await each.fill((soup, 2), (bread, 1), coupon="HALF-A-DOLLAR"))).order
        for each in (ada, ben, ada, ada)
    ]
    guest = await Guest.come(shop.stub)
    await guest.place(await guest.fill((bread, 2)))
    await ben.fill((soup, 1))

    _, delivered, packed, unwanted = (order.id for order in orders)
    await staff.FulfillOrder(order_pb2.FulfillOrderRequest(id=delivered, request_id=request_id()))
    await staff.ShipOrder(order_pb2.ShipOrderRequest(id=delivered, request_id=request_id()))
    await staff.DeliverOrder(order_pb2.DeliverOrderRequest(id=delivered, request_id=request_id()))
    await staff.FulfillOrder(order_pb2.FulfillOrderRequest(id=packed, request_id=request_id()))
    await staff.CancelOrder(order_pb2.CancelOrderRequest(id=packed, request_id=request_id()))
    await ada.stub(OrderServiceStub).CancelOrder(order_pb2.CancelOrderRequest(id=unwanted, request_id=request_id()))

    signed_up = await shop.user()
    auth = shop.stub(AuthServiceStub)
    signed_in = await auth.SignIn(auth_pb2.SignInRequest(email=signed_up.email, password=PASSWORD))
    refresh = partial(auth_pb2.RefreshTokenRequest, refresh_token=signed_in.tokens.refresh_token)
    await auth.RefreshToken(refresh())

    await erase_somebody(shop, bread)
    await use_a_second_factor(shop)
    forgetful = await shop.user()
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await auth.SignIn(auth_pb2.SignInRequest(email=forgetful.email, password="wrong"))


async def erase_somebody(shop: Shop, variant: str) -> None:
    """Somebody who bought and went on filling a cart is erased from every service."""
    user = await shop.user()
    shopper = Shopper(partial(shop.stub, token=user.token))
    await shopper.place(await shopper.fill((variant, 1)))
    await shopper.fill((variant, 1))
    erasure = await shopper.stub(PrivacyServiceStub).EraseUser(
        privacy_pb2.EraseUserRequest(id=user.id, request_id=request_id())
    )
    reader = shop.stub(PrivacyServiceStub, (await shop.user("users.read")).token)

    async def complete() -> bool:
        receipt = await reader.GetErasureReceipt(privacy_pb2.GetErasureReceiptRequest(id=erasure.id))
        return bool(receipt.state == privacy_pb2.ERASURE_STATE_COMPLETE)

    await until(complete, "the erasure is complete", seconds=60)


async def use_a_second_factor(shop: Shop) -> None:
    """An account with an authenticator, whose code begins a session."""
    user = await shop.user()
    second, auth = shop.stub(TwoFactorServiceStub, user.token), shop.stub(AuthServiceStub)
    secret = b32decode((await second.EnrollTotp(two_factor_pb2.EnrollTotpRequest())).secret)
    step = totp.step_at(utc_now())
    await second.ConfirmTotp(two_factor_pb2.ConfirmTotpRequest(code=totp.code(secret, step)))
    asked = await auth.SignIn(auth_pb2.SignInRequest(email=user.email, password=PASSWORD))
    challenge, code = asked.two_factor_challenge.token, totp.code(secret, step + 1)
    await auth.VerifyTwoFactor(auth_pb2.VerifyTwoFactorRequest(challenge=challenge, code=code))


async def open_the_books(shop: Shop) -> None:
    """What a new deployment is given, and the admin's second password."""
    passwords = Passwords({1: b"pepper"}, current=1, cost=4)
    bootstrap = Bootstrap(shop.runtimes["identity"].db, passwords, PasswordPolicy(), utc_now)
    for password in (PASSWORD, PASSWORD[::-1]):
        await bootstrap.run("admin@example.com", password)


async def keep_the_shelves(shop: Shop) -> None:
    """Rows of products that are made, changed in each of their parts, and left as they are."""
    stub = (await shop.staff("categories.write")).stub
    key = cuid()
    for name in ("soups", "tins"):
        category = category_pb2.Category(name=name, slug=f"{name}-{key}")
        request = category_pb2.CreateCategoryRequest(category=category, request_id=request_id())
        await stub(CategoryServiceStub).CreateCategory(request)

    async def bring(*rows: transfer_pb2.ProductRow) -> None:
        answer = await stub(TransferServiceStub).ImportProducts(
            transfer_pb2.ImportProductsRequest(rows=rows, request_id=request_id())
        )
        assert not answer.errors, answer

    def tin(name: str, cents: int, **facts: Any) -> transfer_pb2.VariantRow:
        return transfer_pb2.VariantRow(title=name, sku=f"{name}-{key}", price=usd(cents), **facts)

    def row(
        name: str, *variants: transfer_pb2.VariantRow, to: tuple[str, ...], **facts: Any
    ) -> transfer_pb2.ProductRow:
        slugs = [f"{each}-{key}" for each in to]
        given = {"title": name, "price": usd(250), "variants": variants, "category_slugs": slugs} | facts
        return transfer_pb2.ProductRow(slug=f"{name}-{key}", sku=f"P-{name}-{key}", **given)

    small, large = tin("small", 250, is_primary=True, initial_quantity=3), tin("large", 400, initial_quantity=0)
    leek, bean = row("leek", small, large, to=("soups",)), row("bean", tin("jar", 199), to=())
    await bring(leek, bean)
    await bring(leek, bean)
    await bring(row("leek", small, large, to=("soups", "tins")), bean)
    await bring(row("leek", small, large, to=("tins",), title="Leek soup"), row("bean", tin("jar", 299), to=()))
    first = tin("small", 250, initial_quantity=3)
    await bring(row("leek", first, tin("large", 400, is_primary=True), tin("huge", 900, initial_quantity=7), to=()))
