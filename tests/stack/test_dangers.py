"""What is dangerous is refused at the start unless LUMI_ENV is `local`, of every service and by its own program."""

import importlib
import os
import subprocess
import sys
from typing import Any

import pytest

from lumi_common.settings import OnlyLocal, Settings
from lumi_local.topology import SERVICES

# What a service starts with in production: only what is added to it can be at fault.
GOOD = {
    "LUMI_POSTGRES_DSN": "postgresql://nobody@127.0.0.1:1/none",
    "LUMI_NATS_URL": "nats://127.0.0.1:1",
    "LUMI_TLS_CA": "/nowhere/ca.pem",
    "LUMI_TLS_CERT": "/nowhere/service.pem",
    "LUMI_TLS_KEY": "/nowhere/service.key",
    "LUMI_TOKEN_PEPPER": "p" * 32,
    "LUMI_KEY_ENCRYPTION_KEY": "k" * 32,
    "LUMI_SHOP_URL": "https://shop.test",
    "LUMI_SMTP_HOST": "mail.test",
}
# Setting -> a dangerous value: of every service, and of one.
OF_ALL = {"PLAINTEXT_INTERNAL": "true", "REFLECTION": "true", "CRASH_AT": "orders.PlaceOrder.before_reply"}
OF_ONE = {
    "identity": {
        "BCRYPT_COST": "11",
        "ADMIN_EMAIL": "admin@lumi.example",
        "MAIL_FOLDER": "/tmp",
        "SMTP_SECURITY": "none",
        "SHOP_URL": "http://shop.test",
    },
    "payments": {"MANUAL_PAYMENTS": "settle"},
}
DANGERS = [(service, name, value) for service in SERVICES for name, value in (OF_ALL | OF_ONE.get(service, {})).items()]


def settings_of(service: str) -> type[Settings]:
    module = importlib.import_module(f"lumi_{service}.settings")
    found: type[Settings] = getattr(module, f"{service.title()}Settings")
    return found


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Has the environment say this and what is good."""

    def tell(**values: str) -> None:
        for name, value in (GOOD | values).items():
            monkeypatch.setenv(name, value)

    return tell


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_that_is_dangerous_is_known_here(service: str) -> None:
    marked = {
        name.upper()
        for name, field in settings_of(service).model_fields.items()
        if any(isinstance(mark, OnlyLocal) for mark in field.metadata)
    }

    assert marked == OF_ALL.keys() | OF_ONE.get(service, {}).keys()


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_dangerous_is_what_a_service_does_by_itself(told: Any, service: str) -> None:
    told()

    assert settings_of(service).load().env == "production"


@pytest.mark.parametrize(("service", "name", "value"), DANGERS)
def test_what_is_dangerous_is_refused_in_production(
    told: Any, capsys: pytest.CaptureFixture[str], service: str, name: str, value: str
) -> None:
    told(**{f"LUMI_{name}": value})

    with pytest.raises(SystemExit) as end:
        settings_of(service).load()

    assert end.value.code == 2
    said = capsys.readouterr().err
    assert "refused unless LUMI_ENV=local" in said
    assert f"(LUMI_{name})" in said
    told(**{f"LUMI_{name}": value}, LUMI_ENV="local")
    assert settings_of(service).load().is_local


@pytest.mark.parametrize("word", ["Local", "LOCAL", "dev", "development", "test", "staging", "local "])
def test_what_is_almost_local_is_not(told: Any, word: str) -> None:
    told(LUMI_ENV=word, LUMI_REFLECTION="1")

    with pytest.raises(SystemExit):
        settings_of("orders").load()


@pytest.mark.parametrize("service", SERVICES)
def test_the_program_ends_before_it_does_anything(service: str) -> None:
    dangers = {f"LUMI_{name}": value for who, name, value in DANGERS if who == service}

    done = subprocess.run(
        [sys.executable, "-m", f"lumi_{service}"],
        env={"PATH": os.environ["PATH"], **GOOD, **dangers},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert all(f"({name})" in line for name in dangers)
    assert not any(GOOD[name] in line for name in ("LUMI_TOKEN_PEPPER", "LUMI_KEY_ENCRYPTION_KEY", "LUMI_POSTGRES_DSN"))


def test_the_local_profile_listens_to_this_machine_alone(told: Any) -> None:
    for address in ("0.0.0.0:7200", "[::]:7200", "192.0.2.1:7200", "shop.example:7200", ":7200"):
        told(LUMI_ENV="local", LUMI_PUBLIC_ADDRESS=address)
        with pytest.raises(SystemExit):
            settings_of("orders").load()
