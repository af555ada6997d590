"""How long whoever guesses has to wait: after some wrong tries at an account from one source, longer each time."""

import hmac
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_IPV6_PREFIX = 64
# Lower case is "i" to the database and two characters to Python.
_FOLDED_ALIKE = str.maketrans({"\u0130": "i"})


@dataclass(frozen=True)
class Lockout:
    """The limits of guessing.

    After `tries` wrong ones an account and a source wait `wait`, twice as long after each further one, `longest` at
    most; a `window` after the last wrong try, or the wait for it, all is forgotten. After `account_tries` from sources
    that the account has not signed in from before, all such sources wait likewise.
    """

    tries: int
    account_tries: int
    wait: timedelta
    longest: timedelta
    window: timedelta


class Keys:
    """Names accounts and sources in the table of tries by keyed digests, which tell nobody who it is about."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def account(self, email: str) -> str:
        """Of an account, whether there is one or not: the same for every way to write the address."""
        folded = unicodedata.normalize("NFC", email.strip()).translate(_FOLDED_ALIKE).casefold()
        return self._digest("account", folded)

    def source(self, account: str, ip: str) -> str:
        """Of where a try for this account came from; another for another account."""
        return self._digest("source", f"{account} {source(ip)}")

    def _digest(self, *parts: str) -> str:
        return hmac.new(self._key, "\0".join(parts).encode(), "sha256").hexdigest()


def source(ip: str) -> str:
    """What of an address is one source: all of IPv4, the half of IPv6 that a network is given."""
    try:
        address: IPv4Address | IPv6Address = ip_address(ip)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(IPv6Network((int(address), _IPV6_PREFIX), strict=False))
        address = address.ipv4_mapped
    return str(address)
