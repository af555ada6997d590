"""Access tokens that must not be taken, by what is wrong with each: for the verifier itself and for the gateway."""

import hashlib
import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lumi_common.cuid import cuid
from lumi_common.rpc.auth import TokenSigner, public_jwk

# So many digits that Python refuses to read them, and a number that any reader takes.
_ENDLESS, _HUGE = "9" * 5000, 10**30
_NOT_TEXT: tuple[Any, ...] = (None, 1, True, "", [], ["lumi"], {"lumi": 1})
_NOT_IDS: tuple[Any, ...] = (
    *(None, 1, True, "", [], {}, "c", "admin", "C" + "0" * 24, "c" + "0" * 25, "c" + "0" * 23 + "\0", " c" + "0" * 24),
    *("c" + "0" * 23 + "٠", "c' or '1'='1", "../" + "c" * 22, "c" + "0" * 24 + "\n", ["c" + "0" * 24]),
)
_NOT_TIMES: tuple[Any, ...] = (None, "", "1", True, False, 1.5, -1, [], {}, _HUGE)


class Forger:
    """Whoever has a key and writes what they like; `now` is in Unix seconds."""

    def __init__(self, signer: TokenSigner, now: float) -> None:
        self.signer, self.now = signer, int(now)
        self.header: dict[str, Any] = {"alg": "EdDSA", "typ": "at+jwt", "kid": signer.kid}
        self.claims: dict[str, Any] = {
            "iss": "lumi",
            "aud": "lumi",
            "sub": cuid(),
            "sid": cuid(),
            "jti": cuid(),
            "kind": "user",
            "permissions": ["orders.read"],
            "iat": self.now,
            "iat_ms": self.now * 1000,
            "exp": self.now + 300,
        }

    def good(self) -> str:
        """One that is taken: what the others differ from."""
        return self.token()

    def token(self, header: Mapping[str, Any] | None = None, claims: Mapping[str, Any] | None = None) -> str:
        """Signed as it should be, with other words in it; what is `...` is left out."""
        return self.raw(_text(self.header | dict(header or {})), _text(self.claims | dict(claims or {})))

    def raw(self, header: str, claims: str, key: Ed25519PrivateKey | None = None) -> str:
        """Signed as it should be, whatever the parts are."""
        signed = f"{encoded(header.encode())}.{encoded(claims.encode())}"
        return f"{signed}.{encoded((key or self.signer.key).sign(signed.encode()))}"

    def by_secret(self, secret: bytes, header: Mapping[str, Any]) -> str:
        """Signed with a secret, which is public."""
        signed = f"{encoded(_text(self.header | dict(header)).encode())}.{encoded(_text(self.claims).encode())}"
        return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def forgeries(forger: Forger) -> dict[str, str]:
    """All of them by name; each is told TOKEN_INVALID."""
    return dict((*_of_headers(forger), *_of_claims(forger), *_of_signatures(forger), *_of_shapes(forger)))


def _of_headers(forger: Forger) -> Iterator[tuple[str, str]]:
    # Always the same one: it is in the names, which have to be the same in every process that tests.
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    jwk, public = public_jwk(stranger.public_key(), forger.signer.kid), forger.signer.key.public_key()
    wrong: dict[str, tuple[Any, ...]] = {
        "alg": (
            *("none", "None", "nOnE", "NONE", "", "eddsa", "EDDSA", "Eddsa", "Ed25519", "EdDSA ", "EdDSA\0", "ЕdDSA"),
            *("HS256", "RS256", "ES256", "PS256", ["EdDSA"], None, True, 0, ...),
        ),
        "typ": ("JWT", "jwt", "at+JWT", "AT+JWT", "application/at+jwt", "rt+jwt", "", None, ["at+jwt"], 1, ...),
        "kid": (
            *("", "unknown", "../../../../dev/null", "' union select 'x", "x" * 65, "\0", None, 1, True, [], {}, ...),
            *(f"{forger.signer.kid} ", [forger.signer.kid], {"kid": forger.signer.kid}),
        ),
        "crit": ([], ["exp"], ["b64"], "exp", None),
        "b64": (False, True),
        "jwk": (jwk, None),
        "jku": ("https://attacker.example/keys", "file:///etc/passwd"),
        "x5u": ("https://attacker.example/cert",),
        "x5c": (["MIIB"],),
        "zip": ("DEF",),
        "cty": ("JWT", "at+jwt"),
        "enc": ("A256GCM",),
    }
    for name, values in wrong.items():
        for value in values:
            yield f"{name} in the header: {_shown(value)}", forger.token(header={name: value})
    claims = _text(forger.claims)
    yield "the stranger's own key along with it", forger.raw(_text(forger.header | {"jwk": jwk}), claims, stranger)
    for form, secret in {
        "raw": public.public_bytes_raw(),
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "base64url": public_jwk(public, "")["x"].encode(),
        "nothing": b"",
    }.items():
        yield f"the public key as a secret: {form}", forger.by_secret(secret, {"alg": "HS256"})
    header = _text(forger.header)
    for what, text in {
        "twice the alg": header[:-1] + ',"alg":"EdDSA"}',
        "first another alg": '{"alg":"none",' + header[1:],
        "no object": "[]",
        "text": '"at+jwt"',
        "nothing": "",
        "a number": "1",
        "cut off": header[:-1],
        "more behind it": header + "{}",
        "a byte order mark": "\ufeff" + header,
        "NaN": header[:-1] + ',"n":NaN}',
        "deep": '{"a":' * 900 + "1" + "}" * 900,
    }.items():
        yield f"a header that is {what}", forger.raw(text, claims)


def _of_claims(forger: Forger) -> Iterator[tuple[str, str]]:
    now = forger.now
    wrong: dict[str, tuple[Any, ...]] = {
        "iss": (*_NOT_TEXT, "elsewhere", "Lumi", "lumi ", ...),
        "aud": (*_NOT_TEXT, ["lumi", "elsewhere"], "elsewhere", "LUMI", ...),
        "sub": (*_NOT_IDS, ...),
        "sid": (*_NOT_IDS, ...),
        "jti": (*_NOT_TEXT, ...),
        "kind": (None, 1, "", "service", "anonymous", "admin", "USER", "user ", ["user"], {"user": 1}, True, ...),
        "permissions": (None, "orders.read", 1, True, {}, {"orders.read": True}, [1], [None], [["a"]], [""]),
        "iat": (*_NOT_TIMES, now + 3600, now + 301, ...),
        "exp": (*_NOT_TIMES, now, now + 3601, now + 366 * 24 * 3600, ...),
        "nbf": (*_NOT_TIMES, now + 3600),
        "iat_ms": (*_NOT_TIMES, now, now * 1000 - 1, now * 1000 + 1000, (now + 9) * 1000),
        "step_up": (*_NOT_TIMES, now + 3601, now * 1000),
    }
    for name, values in wrong.items():
        for value in values:
            yield f"the claim {name}: {_shown(value)}", forger.token(claims={name: value})
    yield "more permissions than there can be", forger.token(claims={"permissions": ["a.b"] * 1001})
    header, claims = _text(forger.header), _text(forger.claims)
    for what, text in {
        "twice the subject": f'{claims[:-1]},"sub":"{cuid()}"}}',
        "twice the permissions": claims[:-1] + ',"permissions":["users.write"]}',
        "an endless expiry": claims.replace(f'"exp":{now + 300}', f'"exp":{_ENDLESS}'),
        "an expiry with an exponent": claims.replace(f'"exp":{now + 300}', '"exp":1e12'),
        "never": claims.replace(f'"exp":{now + 300}', '"exp":Infinity'),
        "no number": claims.replace(f'"iat":{now}', '"iat":NaN'),
        "a list": f"[{claims}]",
        "text": json.dumps(claims),
        "null": "null",
        "nothing": "",
        "no JSON": "sub=admin",
        "cut off": claims[:-1],
        "more behind it": claims + claims,
        "deep": '{"a":' * 900 + "1" + "}" * 900,
        "a token in itself": forger.good(),
        "a token in itself, as text": json.dumps(forger.good()),
    }.items():
        yield f"claims that are {what}", forger.raw(header, text)


def _of_signatures(forger: Forger) -> Iterator[tuple[str, str]]:
    good = forger.good()
    head, body, signature = good.split(".")
    other_head, other_body, other_signature = forger.token(claims={"sub": cuid()}).split(".")
    more = encoded(_text(forger.claims | {"permissions": ["users.write"]}).encode())
    stranger = forger.raw(_text(forger.header), _text(forger.claims), Ed25519PrivateKey.generate())
    none = encoded(_text(forger.header | {"alg": "none"}).encode())
    return iter(
        {
            "signed by another key of the same name": stranger,
            "without a signature": f"{head}.{body}.",
            "without a signature, and saying so": f"{none}.{body}.",
            "saying that there is no signature": f"{none}.{body}.{signature}",
            "with the signature of another": f"{head}.{body}.{other_signature}",
            "with the claims of another": f"{head}.{other_body}.{signature}",
            "with more permissions than were signed": f"{head}.{more}.{signature}",
            "with a signature of zeros": f"{head}.{body}.{encoded(bytes(64))}",
            "with half its signature": f"{head}.{body}.{signature[:43]}",
            "with more than its signature": f"{head}.{body}.{signature}AA",
            "with its signature twice": f"{head}.{body}.{signature}{signature}",
            "with another first bit": f"{head}.{body}.{_turned(signature, 0)}",
            "with another bit in the middle": f"{head}.{body}.{_turned(signature, 40)}",
            # The last character stands for two bits of the signature, and for four that no decoder looks at.
            "with another last bit": f"{head}.{body}.{_turned(signature, -1)}",
            "with another bit in the header": f"{_turned(other_head, 9)}.{body}.{signature}",
            "with another bit in the claims": f"{head}.{_turned(body, 9)}.{signature}",
            "with another bit at the claims' end": f"{head}.{_turned(body, -1)}.{signature}",
        }.items()
    )


def _of_shapes(forger: Forger) -> Iterator[tuple[str, str]]:
    good = forger.good()
    head, body, signature = good.split(".")
    padded = b64encode(_text(forger.claims).encode()).decode()
    return iter(
        {
            "a word": "nonsense",
            "dots": "..",
            "more dots": "....",
            "two parts": f"{head}.{body}",
            "four parts": f"{good}.{signature}",
            "five parts, as an encrypted one has": f"{head}.{signature}.{signature}.{body}.{signature}",
            "a dot in front": f".{good}",
            "a dot behind": f"{good}.",
            "padding": f"{head}.{body}.{signature}==",
            "padding within": f"{head}.{body}=.{signature}",
            "base64 of the other kind": f"{head}.{padded}.{signature}",
            "a character that decoders pass over": f"{head}.{body[:9]}!{body[9:]}.{signature}",
            "a comma behind": f"{good},",
            "another behind it": f"{good},{good}",
            "upper case": good.upper(),
            "as JSON": json.dumps({"protected": head, "payload": body, "signature": signature}),
            "too long": good + "A" * 9000,
            "the words twice": f"Bearer {good}",
        }.items()
    )


def encoded(raw: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _text(said: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in said.items() if value is not ...}, separators=(",", ":"))


def _turned(part: str, at: int) -> str:
    """With the lowest bit of one character turned."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = at % len(part)
    return part[:place] + alphabet[alphabet.index(part[place]) ^ 1] + part[place + 1 :]


def _shown(value: Any) -> str:
    return "missing" if value is ... else repr(value)[:40]
