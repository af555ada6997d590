"""The signing keys of this process: read from the table, made there when one is wanted."""

from datetime import datetime, timedelta
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import Reason, Unavailable
from lumi_common.principal import Principal
from lumi_common.rpc.auth import Jwks, TokenSigner, public_jwk
from lumi_identity.domain import signing_key
from lumi_identity.domain.signing_key import KeyCipher, SigningKey
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
        cipher: KeyCipher,
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
        self._open = lru_cache(maxsize=8)(cipher.open)

    async def refresh(self) -> None:
        """Read the keys, and make the next one when its time has come."""
        self._keys = await keys.published(self._database)
        if self._next_begins() is not None:
            await self._make_next()
        self._signing_key()  # so that a key that cannot be decrypted is told of at the start

    async def _make_next(self) -> None:
        async with self._database.transaction(Context.system("identity.keyring")) as tx:
            await one_at_a_time(tx, "keys")
            self._keys = await keys.published(tx)  # of several processes the first has made it
            begins = self._next_begins()
            if begins is not None:
                await keys.insert_key(tx, self._made(begins))
                self._keys = await keys.published(tx)

    def sign(self, principal: Principal) -> tuple[str, int]:
        """An access token, and its expiry in Unix seconds: that of its key at the latest."""
        key, private_key = self._signing_key()
        now = self._clock()
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
            private_key=self._cipher.seal(key, kid),
            not_before=begins,
            retire_at=signing_key.retires(begins, self._life, timedelta(seconds=max(self._ttl, self._guest_ttl))),
        )
