"""The signing keys of this process: read from the table, made there when one is wanted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import lru_cache, partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database, Transaction
from lumi_common.errors import Reason, Unavailable
from lumi_common.principal import Principal
from lumi_common.rpc.auth import Jwks, TokenSigner, public_jwk
from lumi_identity.domain import signing_key
from lumi_identity.domain.cipher import Cipher
from lumi_identity.domain.signing_key import SigningKey
from lumi_identity.storage import keys
from lumi_identity.storage.locks import one_at_a_time


class Keyring:
    """Signs access tokens and publishes the keys that verify them.

    `ttl` and `guest_ttl` are the lives of a user's and a guest's token in seconds, `life` how long one key signs.
    Every process reads the table once in a cache life, so that all know a key long before it signs.
    """

    def __init__(
        self,
        database: Database,
        cipher: Cipher,
        clock: Clock,
        *,
        ttl: int,
        guest_ttl: int,
        life: timedelta,
        issuer: str,
        audience: str,
    ) -> None:
        self._database, self._cipher, self._clock, self._life = database, cipher, clock, life
        self._ttl, self._guest_ttl, self._issuer, self._audience = ttl, guest_ttl, issuer, audience
        self._keys: list[SigningKey] = []
        self._open = lru_cache(maxsize=8)(partial(signing_key.unseal, cipher))

    async def refresh(self) -> None:
        """Read the keys, seal anew what another key sealed, and make the next one when its time has come."""
        self._keys = await keys.published(self._database)
        if self._next_begins() is not None:
            async with self._alone() as tx:  # of several processes the first has made it
                begins = self._next_begins()
                if begins is not None:
                    await self._make(tx, begins)
        for key in self._keys:
            if not signing_key.is_sealed_anew(self._cipher, key.private_key):
                await self._reseal(key)
        self._signing_key()  # so that a key that cannot be decrypted is told of at the start

    async def rotate(self) -> None:
        """Make the next key now, unless one has yet to begin; the one that signs goes on until it does."""
        async with self._alone() as tx:
            if not signing_key.waits(self._keys, self._clock()):
                await self._make(tx, self._clock() + signing_key.LEAD)

    async def withdraw(self, kid: str) -> None:
        """Publish a key no longer, and make another at once if none is left to sign; raises LookupError.

        Nothing that it signed is good once the caches of key sets have run out.
        """
        if not await keys.withdraw_key(self._database, kid):
            raise LookupError(f"there is no key {kid} that is published")
        await self.refresh()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[Transaction]:
        """A transaction in which nobody else makes keys, with those that there are by now."""
        async with self._database.transaction(Context.system("identity.keyring")) as tx:
            await one_at_a_time(tx, "keys")
            self._keys = await keys.published(tx)
            yield tx

    async def _make(self, tx: Transaction, begins: datetime) -> None:
        await keys.insert_key(tx, self._made(begins))
        self._keys = await keys.published(tx)

    async def _reseal(self, key: SigningKey) -> None:
        sealed = signing_key.seal(self._cipher, self._open(key.private_key, key.kid), key.kid)
        await keys.reseal_key(self._database, key.kid, before=key.private_key, after=sealed)

    def sign(self, principal: Principal, issued_at: datetime | None = None) -> tuple[str, int]:
        """An access token, and its expiry in Unix seconds: that of its key at the latest.

        `issued_at` is the database's time at which its permissions were those of now; a guest's token has none.
        """
        key, private_key = self._signing_key()
        now = issued_at or self._clock()
        ttl = self._guest_ttl if principal.kind == "guest" else self._ttl
        left = int((key.retire_at - now).total_seconds())  # less only of a key from when tokens lived shorter
        signer = TokenSigner(private_key, key.kid, min(ttl, left), self._issuer, self._audience)
        return signer.sign(principal, now=now.timestamp())

    async def jwks(self) -> Jwks:
        """The key set: every key that signs, has signed, or is about to."""
        now = self._clock()
        return {"keys": [key.public_jwk for key in self._keys if key.retire_at > now]}

    def _signing_key(self) -> tuple[SigningKey, Ed25519PrivateKey]:
        key = signing_key.signing(self._keys, self._clock())
        if key is None:
            raise Unavailable(Reason.UNAVAILABLE, "there is no signing key at the moment")
        return key, self._open(key.private_key, key.kid)

    def _next_begins(self) -> datetime | None:
        return signing_key.next_begins(self._keys, self._clock(), self._life)

    def _made(self, begins: datetime) -> SigningKey:
        key, kid = Ed25519PrivateKey.generate(), cuid()
        return SigningKey(
            kid=kid,
            public_jwk=public_jwk(key.public_key(), kid),
            private_key=signing_key.seal(self._cipher, key, kid),
            not_before=begins,
            retire_at=signing_key.retires(begins, self._life, timedelta(seconds=max(self._ttl, self._guest_ttl))),
        )
