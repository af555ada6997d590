"""What mails say: a text for each template and language, in a folder of the language's name beside this.

A text begins with its subject, a line by itself. Nothing in it comes from whoever caused it, so that nobody can have
the shop mail words of theirs to somebody else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from string import Template as Text

from lumi_identity.domain.one_time_token import Purpose

_FOLDER = Path(__file__).parent


class Template(StrEnum):
    """The mails that there are; each has a text in every language."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"
    PASSWORD_CHANGED = "password_changed"
    EMAIL_CHANGED = "email_changed"
    TWO_FACTOR_ENABLED = "two_factor_enabled"
    TWO_FACTOR_DISABLED = "two_factor_disabled"


@dataclass(frozen=True)
class Link:
    """Where a mail leads: the storefront's page, and what the token behind its `#` is good for."""

    page: str
    purpose: Purpose


LINKS = {
    Template.VERIFY_EMAIL: Link("verify-email", Purpose.VERIFY_EMAIL),
    Template.RESET_PASSWORD: Link("reset-password", Purpose.RESET_PASSWORD),
}


@dataclass(frozen=True)
class Letter:
    """A mail that is ready to be sent; `id` stays the same however often it is tried."""

    id: str
    recipient: str
    subject: str
    body: str


class Texts:
    """The texts of one language, read once; raises FileNotFoundError for a language that lacks one of them."""

    def __init__(self, language: str) -> None:
        self._texts = {}
        for template in Template:
            subject, _, body = (_FOLDER / language / f"{template}.txt").read_text("utf-8").partition("\n")
            self._texts[template] = Text(subject), Text(body.lstrip("\n"))

    def letter(self, id: str, recipient: str, template: Template, facts: Mapping[str, object]) -> Letter:
        """The mail with these facts in its text; KeyError names one that is missing."""
        subject, body = self._texts[template]
        return Letter(id, recipient, subject.substitute(facts), body.substitute(facts))


def languages() -> list[str]:
    """The languages that there are."""
    return sorted(each.name for each in _FOLDER.iterdir() if each.is_dir() and not each.name.startswith("_"))
