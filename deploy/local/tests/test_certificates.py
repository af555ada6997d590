"""Certificates of a stack that fit together, wherever replacing them was cut off."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from lumi_local import certificates, rotation
from lumi_local.home import Home
from lumi_local.topology import SERVICES


class CutOff(Exception):
    """The command died here."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(rotation, "LOOK_SECONDS", 0)
    made = Home(tmp_path / "home")
    made.make()
    certificates.ensure(made.certificates)
    return made


def at_once(_title: str, step: Callable[[], None]) -> None:
    step()


def dying_at(monkeypatch: pytest.MonkeyPatch, write: int) -> None:
    """Have the command die at that file, the first of which is number 0."""
    numbers, written = count(), certificates.write_private

    def dying(path: Path, text: str) -> bool:
        if next(numbers) == write:
            raise CutOff
        return written(path, text)

    monkeypatch.setattr(certificates, "write_private", dying)


def fitting(folder: Path) -> bool:
    """Whether one authority is trusted, every certificate is its, and has its own key."""
    (authority,) = x509.load_pem_x509_certificates((folder / "ca.pem").read_bytes())
    for service in SERVICES:
        certificate = x509.load_pem_x509_certificate((folder / f"{service}.pem").read_bytes())
        certificate.verify_directly_issued_by(authority)
        key = load_pem_private_key((folder / f"{service}.key").read_bytes(), None)
        if key.public_key() != certificate.public_key():
            return False
    return True


FILES = 2 * len(SERVICES) + 1


# Both authorities trusted, then everybody's files, then the new authority alone.
@pytest.mark.parametrize("write", range(FILES + 1))
def test_a_rotation_that_was_cut_off_is_ended_by_the_next_up(
    home: Home, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    with monkeypatch.context() as patched:
        dying_at(patched, write)
        with pytest.raises(CutOff):
            rotation.rotate_certificates(home, at_once)

    rotation.ensure_certificates(home, at_once)

    assert fitting(home.certificates)


@pytest.mark.parametrize("write", range(FILES))
def test_certificates_that_were_half_replaced_are_made_anew(
    home: Home, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    # As an older stack has them: without the name by which a service is known when it is called.
    with monkeypatch.context() as patched:
        patched.setattr(certificates, "names_of", lambda service: [x509.DNSName("localhost")])
        certificates.ensure(home.certificates)
    with monkeypatch.context() as patched:
        dying_at(patched, write)
        with pytest.raises(CutOff):
            certificates.ensure(home.certificates)

    rotation.ensure_certificates(home, at_once)

    assert fitting(home.certificates)


def test_certificates_that_are_good_are_left_alone(home: Home) -> None:
    before = {file: file.read_bytes() for file in home.certificates.iterdir()}

    rotation.ensure_certificates(home, at_once)

    assert {file: file.read_bytes() for file in home.certificates.iterdir()} == before
