from typing import Annotated

import pytest
from pydantic import ValidationError

from lumi_common.settings import OnlyLocal, Settings

TLS = {"LUMI_TLS_CA": "/ca.pem", "LUMI_TLS_CERT": "/orders.pem", "LUMI_TLS_KEY": "/orders.key"}
DSN = "postgresql://lumi_orders:hunter2@127.0.0.1/lumi"


class HashingSettings(Settings):
    bcrypt_cost: Annotated[int, OnlyLocal(lambda cost: cost < 12, "a bcrypt cost below 12")] = 12


@pytest.fixture
def environment(monkeypatch):
    def fill(**values):
        for name, value in {"LUMI_POSTGRES_DSN": DSN, **TLS, **values}.items():
            monkeypatch.setenv(name, value)

    monkeypatch.delenv("LUMI_ENV", raising=False)
    return fill


def test_the_environment_is_production_unless_said_otherwise(environment):
    environment()

    assert Settings().env == "production"


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("LUMI_BCRYPT_COST", "11", "a bcrypt cost below 12"),
        ("LUMI_REFLECTION", "1", "server reflection"),
        ("LUMI_PLAINTEXT_INTERNAL", "1", "an internal port without TLS"),
        ("LUMI_CRASH_AT", "after-reserve", "a crash point"),
    ],
)
def test_what_is_dangerous_is_refused_in_production_and_taken_in_the_local_profile(environment, name, value, what):
    environment(**{name: value})
    with pytest.raises(ValidationError, match=what):
        HashingSettings()

    environment(LUMI_ENV="local")
    HashingSettings()


def test_the_local_profile_binds_loopback_only(environment):
    environment(LUMI_ENV="local", LUMI_PUBLIC_ADDRESS="0.0.0.0:7203")

    with pytest.raises(ValidationError, match="loopback only, not LUMI_PUBLIC_ADDRESS"):
        Settings()


def test_the_internal_port_needs_its_certificate(environment):
    environment(LUMI_TLS_KEY="")

    with pytest.raises(ValidationError, match="LUMI_TLS_KEY are needed"):
        Settings()


def test_secrets_show_neither_in_the_settings_nor_in_a_refusal(environment, capsys):
    environment()
    assert "hunter2" not in repr(Settings())

    environment(LUMI_POOL_MAX="many")
    with pytest.raises(SystemExit):
        Settings.load()
    assert capsys.readouterr().err.startswith("LUMI_POOL_MAX: ")


def test_what_the_environment_does_not_say_is_in_the_folder_of_secrets(environment, monkeypatch, tmp_path):
    environment(LUMI_SECRETS_DIR=str(tmp_path))
    monkeypatch.delenv("LUMI_POSTGRES_DSN")
    (tmp_path / "LUMI_POSTGRES_DSN").write_text("postgresql://told\n")
    (tmp_path / "LUMI_NATS_URL").write_text("nats://old\n")
    settings = Settings()
    nats = settings.secret("nats_url")

    assert settings.postgres_dsn.get_secret_value() == "postgresql://told"
    assert settings.secret("postgres_dsn")() == ["postgresql://told"]
    (tmp_path / "LUMI_NATS_URL").write_text("nats://new\nnats://old\n")
    assert nats() == ["nats://new", "nats://old"]
    (tmp_path / "LUMI_NATS_URL").write_text("")
    with pytest.raises(OSError, match="LUMI_NATS_URL is empty"):
        nats()


def test_a_file_of_a_secret_may_be_named_in_small_letters(environment, monkeypatch, tmp_path):
    environment(LUMI_SECRETS_DIR=str(tmp_path))
    monkeypatch.delenv("LUMI_POSTGRES_DSN")
    (tmp_path / "lumi_postgres_dsn").write_text("postgresql://told")

    assert Settings().secret("postgres_dsn")() == ["postgresql://told"]
    assert Settings().secret("nats_url") == ""


def test_what_the_environment_says_is_not_looked_for_in_a_file(environment, tmp_path):
    environment(LUMI_SECRETS_DIR=str(tmp_path))
    (tmp_path / "LUMI_POSTGRES_DSN").write_text("postgresql://told")

    assert Settings().postgres_dsn.get_secret_value() == DSN
    assert Settings().secret("postgres_dsn") == DSN


def test_a_folder_of_secrets_that_is_not_there_is_named(environment, capsys, tmp_path):
    environment(LUMI_SECRETS_DIR=str(tmp_path / "none"))

    with pytest.raises(SystemExit), pytest.warns(UserWarning, match="does not exist"):
        Settings.load()
    assert "LUMI_SECRETS_DIR: " in capsys.readouterr().err


def test_peers_are_read_from_json(environment):
    environment(LUMI_PEERS='{"identity": "127.0.0.1:7301"}')

    assert Settings().peers == {"identity": "127.0.0.1:7301"}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("", ""),
        ("http://127.0.0.1:4317", "http://127.0.0.1:4317"),
        ("collector", "http://collector:4317"),
        ("https://collector.example/", "https://collector.example:4317"),
        ("[::1]:4318", "http://[::1]:4318"),
    ],
)
def test_an_otlp_endpoint_may_be_written_in_short(environment, given, meant):
    environment(LUMI_OTLP_ENDPOINT=given)

    assert Settings().otlp_endpoint == meant


@pytest.mark.parametrize("given", ["ftp://collector", "http://", "http://collector/v1/traces", "http://a:b@c", "a b"])
def test_what_is_no_otlp_endpoint_is_refused(environment, given):
    environment(LUMI_OTLP_ENDPOINT=given)

    with pytest.raises(ValidationError, match="OTLP endpoint"):
        Settings()
