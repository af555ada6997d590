"""Certificates for the internal ports: a throwaway authority that signs one certificate per service."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lumi_local.process import LOOPBACK, write_private
from lumi_local.topology import SERVICES

LIFE = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)


def ensure(folder: Path) -> None:
    """Write `ca.pem` and each service's `<name>.pem` and `<name>.key` unless they are there and good for a month."""
    if not _good(folder):
        (folder / "ca.pem").unlink(missing_ok=True)
        authority = Authority()
        authority.certify(folder)
        trust(folder, authority.pem)


def trust(folder: Path, *authorities: str) -> None:
    """Write `ca.pem`: whoever of these signed a certificate, it is good."""
    write_private(folder / "ca.pem", "".join(authorities))


def is_between(folder: Path) -> bool:
    """Whether changing the authority was begun and not ended: two are trusted, and who has what is not known."""
    file = folder / "ca.pem"
    return file.exists() and len(x509.load_pem_x509_certificates(file.read_bytes())) > 1


class Authority:
    """A throwaway authority. Its key is never written: to make one certificate is to make them all."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _authority(self._key)

    @property
    def pem(self) -> str:
        """Its own certificate."""
        return _pem(self._certificate)

    def certify(self, folder: Path, services: Sequence[str] = SERVICES) -> None:
        """Write a certificate and a key for each service."""
        for service in services:
            self.issue(folder, service, names_of(service))

    def issue(self, folder: Path, file: str, names: Sequence[x509.GeneralName], life: timedelta = LIFE) -> None:
        """Write `<file>.pem` and `<file>.key`: a certificate for these names that ends after `life` from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(file, names, key, self._certificate, self._key, life)
        write_private(folder / f"{file}.pem", _pem(certificate))
        write_private(
            folder / f"{file}.key",
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode(),
        )


def names_of(service: str) -> list[x509.GeneralName]:
    """What a service's certificate says: who calls (`lumi://<name>`), who answers (`<name>`), and where it is."""
    return [
        x509.UniformResourceIdentifier(f"lumi://{service}"),
        x509.DNSName(service),
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address(LOOPBACK)),
    ]


def _good(folder: Path) -> bool:
    # The authority's certificate is written last, so its presence says that all are there.
    try:
        authority = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        certificate = x509.load_pem_x509_certificate((folder / f"{SERVICES[0]}.pem").read_bytes())
    except FileNotFoundError:
        return False
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return authority.not_valid_after_utc - datetime.now(UTC) > RENEW_BEFORE and list(names) == names_of(SERVICES[0])


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("lumi local authority")
    public = key.public_key()
    return (
        _builder(name, name, public)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _certificate(
    title: str,
    names: Sequence[x509.GeneralName],
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    life: timedelta,
) -> x509.Certificate:
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    return (
        _builder(_name(f"lumi {title}"), authority.subject, key.public_key(), life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, life: timedelta = LIFE
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + life)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
