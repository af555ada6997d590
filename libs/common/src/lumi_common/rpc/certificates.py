"""A port's or a client's certificate, read again once its files have been replaced."""

from logging import getLogger
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from lumi_common.settings import TlsFiles

_log = getLogger(__name__)


class CertificateError(Exception):
    """Certificate files that cannot be read or do not fit together."""


class _Pems(NamedTuple):
    """What the files held, all at once: gRPC asks from threads of its own."""

    cert: bytes
    key: bytes
    ca: bytes | None


class Certificate:
    """A certificate, its key, and the authorities that those of others have to come from (None: of others none is
    asked).

    Files that are no good, or only half replaced, raise CertificateError at the start; later they are told in the log,
    and the last good ones are gone on with.
    """

    def __init__(self, cert: Path, key: Path, ca: Path | None = None) -> None:
        self._cert, self._key, self._ca = cert, key, ca
        self._told = ""
        try:
            self._stamp = self._stamped()
            self._pems = self._read()
        except (OSError, TypeError, ValueError) as error:
            raise CertificateError(f"{cert}, {key}: {error}") from None

    @classmethod
    def of(cls, files: TlsFiles) -> "Certificate":
        """A service's own, for both sides of a mutual TLS."""
        return cls(files.cert, files.key, files.ca)

    def renewed(self) -> bool:
        """Whether the files were replaced since the last time; from then on it is what they say."""
        try:
            stamp = self._stamped()
            if stamp == self._stamp:
                return False
            self._pems = self._read()
        except (OSError, TypeError, ValueError) as error:
            if self._told != str(error):  # once, and not at every look
                self._told = str(error)
                _log.warning("the new certificate is not taken: %s", error, extra={"file": str(self._cert)})
            return False
        self._stamp, self._told = stamp, ""
        _log.info("the certificate was replaced", extra={"file": str(self._cert)})
        return True

    def for_server(self) -> Any:
        """Credentials of a port that shows, to each new client, what the files say by then."""

        def configuration() -> Any:
            pems = self._pems
            return grpc.ssl_server_certificate_configuration([(pems.key, pems.cert)], pems.ca)

        return grpc.dynamic_ssl_server_credentials(
            configuration(),
            lambda: configuration() if self.renewed() else None,
            require_client_authentication=self._ca is not None,
        )

    def for_client(self) -> Any:
        """Credentials of a channel, as the files were last read."""
        pems = self._pems
        return grpc.ssl_channel_credentials(pems.ca, pems.key, pems.cert)

    def _stamped(self) -> tuple[tuple[int, int], ...]:
        states = [file.stat() for file in (self._cert, self._key, self._ca) if file]
        return tuple((state.st_mtime_ns, state.st_ino) for state in states)

    def _read(self) -> _Pems:
        cert, key = self._cert.read_bytes(), self._key.read_bytes()
        ca = self._ca.read_bytes() if self._ca else None
        if x509.load_pem_x509_certificate(cert).public_key() != load_pem_private_key(key, None).public_key():
            raise ValueError("the key is not the certificate's")
        if ca is not None:
            x509.load_pem_x509_certificates(ca)
        return _Pems(cert, key, ca)
