"""What the stack's processes could give away: files, command lines, environments, logs."""

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lumi_local import testing
from lumi_local.testing import LocalStack
from tests.stack.processes import processes_of

PRIVATE_KEY = b"PRIVATE KEY-----"


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with testing.stack() as stack:
        yield stack


@pytest.fixture(scope="module")
def secrets(stack: LocalStack) -> list[bytes]:
    """Every secret that the stack made for itself."""
    told = json.loads((stack.home / "secrets.json").read_text())
    found = [*told.pop("postgres").values(), *told.pop("nats").values(), *told.values()]
    assert len(found) > 14
    assert all(len(each) >= 20 for each in found)
    return [each.encode() for each in found]


def ours(stack: LocalStack) -> list[Path]:
    """Every file of the home that is not PostgreSQL's or NATS' own data."""
    data = Path(stack.description["data"])
    return [
        file
        for file in stack.home.rglob("*")
        if file.is_file() and data not in file.parents and "jetstream" not in file.parts
    ]


def test_a_file_with_a_secret_is_its_owner_s_alone(stack: LocalStack, secrets: list[bytes]) -> None:
    holding = [
        file
        for file in ours(stack)
        for content in [file.read_bytes()]
        if PRIVATE_KEY in content or any(secret in content for secret in secrets)
    ]

    assert len(holding) > 15
    for file in holding:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        assert file.stat().st_uid == os.getuid(), file


def test_nobody_else_gets_further_than_the_home(stack: LocalStack) -> None:
    folders = [folder for folder in stack.home.iterdir() if folder.is_dir() and folder.name != "crash"]

    assert stat.S_IMODE(stack.home.stat().st_mode) == 0o711
    assert {"certificates", "logs", "nats", "run", "secrets"} <= {folder.name for folder in folders}
    for folder in [*folders, Path(stack.description["data"])]:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder


def test_a_service_s_secrets_are_in_its_own_folder_and_in_no_spec(stack: LocalStack, secrets: list[bytes]) -> None:
    for service in stack.description["services"]:
        spec = (stack.home / "run" / f"{service}.json").read_bytes()
        assert not any(secret in spec for secret in secrets)
        told = {file.name for file in (stack.home / "secrets" / service).iterdir()}
        assert {"LUMI_POSTGRES_DSN", "LUMI_NATS_URL"} <= told
        assert ("LUMI_TOKEN_PEPPER" in told) is (service == "identity")


def test_no_secret_is_in_a_command_line_or_an_environment(stack: LocalStack, secrets: list[bytes]) -> None:
    assert len(processes_of(stack.home)) >= 8
    for pid in _pids(stack.home):
        folder = Path("/proc") / pid
        try:
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except FileNotFoundError:
            continue
        assert not any(secret in told for secret in secrets), (folder / "cmdline").read_bytes()


def test_no_secret_is_in_a_log(stack: LocalStack, secrets: list[bytes]) -> None:
    logs = list((stack.home / "logs").iterdir())
    assert len(logs) >= 8
    for log in logs:
        content = log.read_bytes()
        assert not any(secret in content for secret in secrets), log
        assert PRIVATE_KEY not in content, log


def test_nobody_else_writes_where_the_stack_reads(stack: LocalStack) -> None:
    for path in [stack.home, *stack.home.rglob("*")]:
        if not path.is_symlink() and path.exists():
            assert not path.stat().st_mode & 0o022, path


def _pids(home: Path) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(home) in told and re.fullmatch(r"\d+", folder.name) and int(folder.name) != os.getpid():
            found.append(folder.name)
    return found
