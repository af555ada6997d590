"""What is about people is declared beside each column that can hold text, so that no new one is forgotten."""

from importlib import import_module

import pytest

from lumi_common.db.personal import PERSON, People, declared
from lumi_common.db.references import references
from tests.schema.description import CONTEXTS


def people(context: str) -> People:
    found = import_module(f"lumi_{context}.storage.personal").PEOPLE
    assert isinstance(found, People)
    return found


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_column_says_whether_it_is_about_a_person(context: str) -> None:
    assert list(people(context).faults()) == []


@pytest.mark.parametrize("context", CONTEXTS)
def test_whatever_refers_to_a_user_is_shown_to_them(context: str) -> None:
    ours = people(context)
    naming = {column.table for column, of in references(ours.metadata) if of.target == PERSON}
    assert naming <= set(ours.tables)
    assert all(table in ours.tables for table in ours.metadata.sorted_tables if [*declared(table)])


def test_secrets_are_not_shown() -> None:
    hidden = {
        f"{column.table.name}.{column.name}"
        for context in CONTEXTS
        for table in people(context).tables
        for column, of in declared(table)
        if not of.shown
    }
    assert hidden >= {
        "users.password_hash", "users.two_factor_secret", "user_sessions.refresh_token_hash",
        "user_sessions.previous_token_hash", "one_time_tokens.token_hash", "recovery_codes.code_hash",
        "saved_cards.card_token",
    }  # fmt: skip
