"""What identity refuses to start with."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lumi_identity.settings import IdentitySettings


def settings(**given: Any) -> IdentitySettings:
    facts: dict[str, Any] = {
        "postgres_dsn": "postgresql://localhost/lumi",
        "token_pepper": "p" * 32,
        "key_encryption_key": "k" * 32,
        "tls_ca": Path("ca.pem"),
        "tls_cert": Path("identity.pem"),
        "tls_key": Path("identity.key"),
        "smtp_host": "smtp.shop.example",
        "shop_url": "https://shop.example",
    }
    return IdentitySettings(**facts | given)


def test_a_deployment_sends_mails_over_tls_with_links_of_its_own() -> None:
    assert settings().smtp_security == "starttls"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"smtp_host": ""}, "LUMI_SMTP_HOST"),
        ({"smtp_security": "none"}, "LUMI_SMTP_SECURITY"),
        ({"mail_folder": Path("mails")}, "LUMI_MAIL_FOLDER"),
        ({"shop_url": "http://shop.example"}, "LUMI_SHOP_URL"),
        ({"mail_from": "nobody"}, "an address"),
        ({"mail_language": "xx"}, "no language"),
        ({"shop_name": "Shop\r\nBcc: eve@example.com"}, "pattern"),
        ({"shop_url": "https://shop.example/#a"}, "pattern"),
        ({"phone_region": "Turkey"}, "pattern"),
    ],
)
def test_what_would_harm_or_never_work_is_refused_outside_the_local_profile(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        settings(**given)


def test_a_retired_pepper_still_tells_the_refresh_tokens_that_it_was_behind() -> None:
    changed = settings(token_pepper="q" * 32, pepper_number=2, retired_peppers={1: "p" * 32})

    assert changed.retired_refresh_keys == [settings().refresh_key]
    assert changed.refresh_key != settings().refresh_key


def test_the_local_profile_needs_no_mail_server() -> None:
    local = settings(env="local", smtp_host="", mail_folder=Path("mails"), shop_url="http://localhost:3000")

    assert local.mail_folder == Path("mails")
