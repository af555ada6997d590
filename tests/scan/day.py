"""A day on which a person does everything that there is to do, and everything goes wrong that can."""

import asyncio
from base64 import b32decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from google.protobuf.message_factory import GetMessageClass
from lumi.common.v1.address_pb2 import PostalAddress
from lumi.identity.v1 import address_pb2, auth_pb2, two_factor_pb2, user_pb2
from lumi.orders.v1 import cart_pb2, order_pb2
from lumi.payments.v1.payment_pb2 import PAYMENT_PROVIDER_MANUAL

from lumi_common.clock import utc_now
from lumi_common.cuid import cuid
from lumi_identity.domain import totp
from tests.kit.buying import request_id
from tests.kit.mailbox import Mailbox
from tests.kit.waiting import until
from tests.scan.gate import Gate, called, filled, posts, public_methods
from tests.scan.planted import Planted

AUTH, TWO_FACTOR, USERS = "identity.v1.AuthService", "identity.v1.TwoFactorService", "identity.v1.UserService"
ADDRESSES, CARTS, ORDERS = "identity.v1.AddressService", "orders.v1.CartService", "orders.v1.OrderService"
_AT_ONCE = 16


class Day:
    """The person, once they have an account: `user_id`, and `token` of a session that is still good at the end."""

    def __init__(self, gate: Gate, mailbox: Mailbox, books: Any, planted: Planted) -> None:
        self._gate, self._mailbox, self._books, self._planted = gate, mailbox, books, planted
        self.user_id = self.token = self.address_id = ""

    async def sign_up(self) -> None:
        """An account by mail, after every mistake that one can make about it."""
        gate, planted = self._gate, self._planted
        asked = auth_pb2.SignUpRequest(
            email=planted.email, password=planted.password, first_name=planted.name, phone=planted.phone
        )
        self.user_id = (await gate.call(f"{AUTH}/SignUp", asked)).id
        await gate.call(f"{AUTH}/SignUp", asked)
        await gate.call(f"{AUTH}/SignUp", auth_pb2.SignUpRequest(email=planted.email, password=planted.mark[:5]))
        await gate.call(f"{AUTH}/SignUp", auth_pb2.SignUpRequest(email=planted.mark, password=planted.password))
        await gate.call(f"{AUTH}/SignUp", auth_pb2.SignUpRequest(email=planted.email, password=planted.email))
        link = await self._mailbox.token(planted.email, "verify-email")
        planted.keep(link)
        for _ in range(2):
            await gate.call(f"{AUTH}/VerifyEmail", auth_pb2.VerifyEmailRequest(token=link))

    async def forget_the_password(self) -> None:
        """A reset by mail, after guesses."""
        gate, planted = self._gate, self._planted
        for email, password in ((planted.email, planted.new_password), (f"no.{planted.email}", planted.password)):
            await gate.call(f"{AUTH}/SignIn", auth_pb2.SignInRequest(email=email, password=password))
        await gate.call(f"{AUTH}/RequestPasswordReset", auth_pb2.RequestPasswordResetRequest(email=planted.email))
        link = await self._mailbox.token(planted.email, "reset-password")
        planted.keep(link)
        for password in (planted.mark[:5], planted.new_password, planted.new_password):
            reset = auth_pb2.ResetPasswordRequest(token=link, new_password=password)
            await gate.call(f"{AUTH}/ResetPassword", reset)

    async def enrol(self) -> None:
        """A second factor, and a session by it; refreshed, and its first refresh token used again too late."""
        gate, planted = self._gate, self._planted
        signing_in = auth_pb2.SignInRequest(email=planted.email, password=planted.new_password)
        first = (await gate.call(f"{AUTH}/SignIn", signing_in)).tokens
        planted.keep(first.access_token, first.refresh_token)
        stepping = auth_pb2.StepUpRequest(password=planted.new_password)
        proven = (await gate.call(f"{AUTH}/StepUp", stepping, first.access_token)).access_token
        planted.keep(proven)
        enrolled = await gate.call(f"{TWO_FACTOR}/EnrollTotp", two_factor_pb2.EnrollTotpRequest(), proven)
        planted.keep(enrolled.secret)
        secret = b32decode(enrolled.secret)
        step = totp.step_at(utc_now())
        for code in ("000000", totp.code(secret, step)):
            confirming = two_factor_pb2.ConfirmTotpRequest(code=code)
            confirmed = await gate.call(f"{TWO_FACTOR}/ConfirmTotp", confirming, proven)
        planted.keep(*confirmed.recovery_codes)
        challenge = (await gate.call(f"{AUTH}/SignIn", signing_in)).two_factor_challenge.token
        planted.keep(challenge)
        proof = auth_pb2.VerifyTwoFactorRequest(challenge=challenge, code="000000")
        await gate.call(f"{AUTH}/VerifyTwoFactor", proof)
        proof = auth_pb2.VerifyTwoFactorRequest(challenge=challenge, recovery_code=confirmed.recovery_codes[0])
        self.token = await self._tokens(f"{AUTH}/VerifyTwoFactor", proof)
        await gate.call(f"{AUTH}/VerifyTwoFactor", proof)

    async def refresh(self) -> None:
        """Sessions go on by refresh tokens, and one of them is used again when its time is over."""
        gate, planted = self._gate, self._planted
        guest = await gate.call(f"{AUTH}/CreateGuestSession", auth_pb2.CreateGuestSessionRequest())
        planted.keep(guest.access_token)
        await gate.call(f"{USERS}/GetMe", user_pb2.GetMeRequest(), guest.access_token)
        forged = planted.mark + self.token
        for token in (planted.mark, forged, self.token + planted.mark):
            await gate.call(f"{USERS}/GetMe", user_pb2.GetMeRequest(), token)
            await gate.call(f"{AUTH}/RefreshToken", auth_pb2.RefreshTokenRequest(refresh_token=token))
        latest = self._refresh
        for _ in range(2):
            answer = await gate.call(f"{AUTH}/RefreshToken", auth_pb2.RefreshTokenRequest(refresh_token=latest))
            latest = answer.tokens.refresh_token
            planted.keep(latest, answer.tokens.access_token)
            self.token = answer.tokens.access_token

    async def buy(self, variant: str) -> None:
        """An address, a cart and an order, with a card's number wherever a text may be."""
        gate, planted, token = self._gate, self._planted, self.token
        home = PostalAddress(
            full_name=planted.name,
            line1=planted.line,
            line2=planted.card,
            city=planted.mark,
            postal_code="SW1Y 4JH",
            country="GB",
            phone=planted.phone,
        )
        address = address_pb2.Address(label=planted.card, postal_address=home)
        adding = address_pb2.CreateAddressRequest(address=address, request_id=request_id())
        self.address_id = (await gate.call(f"{ADDRESSES}/CreateAddress", adding, token)).id
        await gate.call(
            f"{ADDRESSES}/UpdateAddress",
            address_pb2.UpdateAddressRequest(
                address=address_pb2.Address(id=self.address_id, label=planted.mark), request_id=request_id()
            ),
            token,
        )
        creating = cart_pb2.CreateCartRequest(currency_code="USD", request_id=request_id())
        cart = await gate.call(f"{CARTS}/CreateCart", creating, token)
        adding_item = cart_pb2.AddCartItemRequest(
            cart_id=cart.id, product_variant_id=variant, quantity=1, request_id=request_id()
        )
        await gate.call(f"{CARTS}/AddCartItem", adding_item, token)
        sending = cart_pb2.SetCartAddressesRequest(
            id=cart.id, shipping_address_id=self.address_id, request_id=request_id()
        )
        await gate.call(f"{CARTS}/SetCartAddresses", sending, token)
        coupon = cart_pb2.ApplyCouponRequest(id=cart.id, code=planted.text[:40], request_id=request_id())
        await gate.call(f"{CARTS}/ApplyCoupon", coupon, token)
        placing = order_pb2.PlaceOrderRequest(
            cart_id=cart.id,
            shipping_address_id=self.address_id,
            payment_provider=PAYMENT_PROVIDER_MANUAL,
            metadata={"note": planted.text, planted.mark: planted.card},
            request_id=request_id(),
        )
        placed = await gate.call(f"{ORDERS}/PlaceOrder", placing, token)
        cancelling = order_pb2.CancelOrderRequest(id=placed.order.id, reason=planted.text, request_id=request_id())
        await gate.call(f"{ORDERS}/CancelOrder", cancelling, token)

    async def misuse_everything(self, token: str) -> int:
        """Every method with something planted in every text of its request; how many were called."""
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def call(method: Any) -> None:
            async with at_once:
                await self._gate.call(called(method), filled(GetMessageClass(method.input_type), self._planted), token)

        methods = list(public_methods())
        await asyncio.gather(*map(call, methods))
        return len(methods)

    async def send_nonsense(self) -> None:
        """JSON that is none, of wrong types and with words that nobody knows; paths and queries with secrets."""
        gate, planted = self._gate, self._planted
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        for verb, path in posts():
            for body in (
                f'{{"email": "{planted.email}", "password": "{planted.password}',
                f'{{"email": {{"{planted.mark}": "{planted.card}"}}, "password": ["{planted.password}"]}}',
                f'{{"requestId": "{planted.mark}", "pageSize": "{planted.card}", "etag": {planted.card[:4]}}}',
                f'["{planted.password}"]',
                f'"{planted.password}"',
            ):
                await gate.send(verb, path, content=body, headers=headers)
        for path in (
            f"/v1/users?email={planted.email}",
            f"/v1/users?{planted.mark}=1",
            f"/v1/products?pageSize={planted.mark}",
            f"/v1/products?access_token={self.token}",
            f"/v1/users/{planted.mark}",
            f"/v1/{planted.mark}",
            f"/v1/orders/{cuid()}?pageToken={planted.mark}",
        ):
            await gate.send("GET", path, headers=headers)
            await gate.send("GET", path, headers={"authorization": f"Basic {planted.mark}"})

    async def break_the_database(self) -> None:
        """Rows that a constraint refuses with all that is in them, and a table that lost a column."""
        gate, planted, token = self._gate, self._planted, self.token
        label = address_pb2.Address(label=planted.card, postal_address=PostalAddress(full_name=planted.name))
        label.postal_address.MergeFrom(
            PostalAddress(line1=planted.line, city=planted.mark, postal_code="1", country="GB")
        )

        def adding() -> address_pb2.CreateAddressRequest:
            return address_pb2.CreateAddressRequest(address=label, request_id=request_id())

        held = f"line1 not like '%{planted.mark}%'"
        await self._books.execute(f"alter table identity.addresses add constraint planted check ({held}) not valid")
        await gate.call(f"{ADDRESSES}/CreateAddress", adding(), token)
        await self._books.execute("alter table identity.addresses drop constraint planted")
        await self._books.execute("alter table identity.addresses rename column city to town")
        await gate.call(f"{ADDRESSES}/CreateAddress", adding(), token)
        await self._books.execute("alter table identity.addresses rename column town to city")

    async def poison(self) -> None:
        """An event that cannot be applied, and is given up."""
        async with self._refused_audit():
            changing = user_pb2.UpdateMeRequest(
                user=user_pb2.User(first_name=f"Ada {self._planted.mark}"), request_id=request_id()
            )
            changing.update_mask.paths.append("first_name")
            await self._gate.call(f"{USERS}/UpdateMe", changing, self.token)
            await until(self._given_up, "the event is given up", seconds=30)

    @asynccontextmanager
    async def _refused_audit(self) -> AsyncIterator[None]:
        held = f"entity_id <> '{self.user_id}'"
        await self._books.execute(f"alter table identity.audit_logs add constraint planted check ({held}) not valid")
        yield
        await self._books.execute("alter table identity.audit_logs drop constraint planted")

    async def _given_up(self) -> bool:
        query = "select exists (select from identity.dead_letters where position($1::bytea in payload) > 0)"
        return bool(await self._books.fetchval(query, self.user_id.encode()))

    async def _tokens(self, name: str, request: Any) -> str:
        tokens = (await self._gate.call(name, request)).tokens
        self._planted.keep(tokens.access_token, tokens.refresh_token)
        self._refresh: str = tokens.refresh_token
        return str(tokens.access_token)


async def connected(dsn: str) -> Any:
    """A connection as superuser."""
    return await asyncpg.connect(dsn)
