"""Passwords: bcrypt over a peppered digest, so that no length is cut and a stolen table alone is of no use."""

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping

import bcrypt

from lumi_identity.domain.password_policy import normalised

# `k<n>` says that the password was digested with pepper n first; without it the row came from another system.
_STORED = re.compile(r"(?:k(?P<pepper>\d+))?(?P<bcrypt>\$2[aby]\$(?P<cost>\d\d)\$[./A-Za-z0-9]{53})")
_PLAIN_BYTES = 72


class Passwords:
    """Hashes and verifies passwords with bcrypt of this `cost`; every call takes that long, so none on the loop.

    `peppers` maps their numbers to the secrets, `current` is the number for new hashes: an old pepper stays as
    long as a row may still name it.
    """

    def __init__(self, peppers: Mapping[int, bytes], *, current: int, cost: int) -> None:
        self._peppers, self._current, self._cost = dict(peppers), current, cost
        if current not in self._peppers:
            raise ValueError(f"there is no pepper {current}")
        #: Looks like a stored hash and matches no password: verified where there is no user, to take as long.
        self.decoy = f"k{current}{bcrypt.gensalt(cost).decode()}{'.' * 31}"

    def hash(self, password: str) -> str:
        """What to store for the password."""
        digest = self._digest(password, self._current)
        return f"k{self._current}{bcrypt.hashpw(digest, bcrypt.gensalt(self._cost)).decode()}"

    def verify(self, password: str, stored: str) -> bool:
        """Whether the password is the stored one; False too for what is no hash of ours or of plain bcrypt."""
        parts = _STORED.fullmatch(stored)
        if parts is None:
            return False
        if parts["pepper"] is None:
            given = password.encode()[:_PLAIN_BYTES]
        elif int(parts["pepper"]) in self._peppers:
            given = self._digest(password, int(parts["pepper"]))
        else:
            return False
        return bcrypt.checkpw(given, parts["bcrypt"].encode())

    def is_current(self, stored: str) -> bool:
        """Whether the hash was made with today's pepper and cost."""
        parts = _STORED.fullmatch(stored)
        return parts is not None and (parts["pepper"], int(parts["cost"])) == (str(self._current), self._cost)

    def _digest(self, password: str, pepper: int) -> bytes:
        # Base64, since bcrypt stops at a zero byte; 44 characters, far below its cut at 72.
        return b64encode(hmac.digest(self._peppers[pepper], normalised(password).encode(), "sha256"))
