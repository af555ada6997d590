"""Personal columns are declared beside them, and what cannot be kept is told."""

from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Table, Text, true
from sqlalchemy.dialects.postgresql import JSONB

from lumi_common.db.personal import Erasing, People, blanked, goes, kept, personal
from lumi_common.db.references import OnDelete, refers_to
from lumi_common.db.tables import common_tables, id_column, identifier, schema


def letters(*columns: Column[Any], on_delete: OnDelete = "CASCADE") -> Any:
    """A schema with letters of users, and pages that go with them."""
    metadata = schema("orders")
    common_tables(metadata)
    user = Column("user_id", identifier, info=refers_to("identity.users", on_delete))
    table = Table("letters", metadata, id_column(), user, *columns)
    letter = Column("letter_id", identifier, ForeignKey(table.c.id, ondelete="CASCADE"))
    Table("pages", metadata, id_column(), letter)
    return metadata


def faults(metadata: Any, said: str = "", **options: Any) -> list[str]:
    return list(People(metadata, {"letters": said} if said else {}, **options).faults())


def test_what_refers_to_a_user_and_what_goes_with_it_is_about_them() -> None:
    metadata = letters(Column("words", Text, info=personal("words")))

    people = People(metadata, {})

    assert [table.name for table in people.tables] == ["letters", "pages"]
    assert [goes(table) for table in people.tables] == [True, True]
    assert list(people.faults()) == []


@pytest.mark.parametrize("kind", [Text, JSONB])
def test_a_column_that_says_nothing_is_told_of(kind: Any) -> None:
    metadata = letters(Column("words", kind))

    assert faults(metadata) == ["letters.words does not say whether it is about a person"]
    assert faults(metadata, "words") == []


def test_ids_need_say_nothing() -> None:
    assert faults(letters(Column("other_id", identifier))) == []


def test_what_is_said_to_be_of_nobody_has_to_be_there_and_say_it_once() -> None:
    metadata = letters(Column("words", Text, info=personal("words")))

    assert faults(metadata, "words name") == [
        "letters.words is said to be personal, and to be about nobody",
        "letters.name is said to be about nobody, and is not there",
    ]


@pytest.mark.parametrize(
    ("on_delete", "erasing", "nullable", "complaint"),
    [
        ("CASCADE", "blanked", True, "goes when its person goes"),
        ("CASCADE", "kept", True, "goes when its person goes"),
        ("SET NULL", "goes", True, "stays when its person goes"),
        ("SET NULL", "blanked", False, "must be nullable"),
        ("SET NULL", "kept", False, "must be nullable"),
    ],
)
def test_a_column_that_cannot_become_what_it_says_is_told_of(
    on_delete: OnDelete, erasing: Erasing, nullable: bool, complaint: str
) -> None:
    words = Column("words", Text, nullable=nullable, info=personal("words", erasing))

    [fault] = faults(letters(words, on_delete=on_delete))

    assert fault.startswith("letters.words ") and complaint in fault


def test_a_personal_column_whose_person_nobody_knows_is_told_of() -> None:
    metadata = schema("orders")
    table = Table("bills", metadata, id_column(), Column("payer", Text, info=personal("name")))

    assert faults(metadata) == ["bills.payer is personal, and nothing says whose it is"]
    assert faults(metadata, of={"bills": true()}) == []
    assert goes(table)


def test_columns_are_emptied_at_once_or_later() -> None:
    metadata = letters(
        Column("words", Text, info=personal("words", "blanked")),
        Column("address", JSONB, info=personal("address", "kept")),
        on_delete="SET NULL",
    )
    table = metadata.tables["orders.letters"]

    assert (blanked(table), kept(table)) == ({"words": None}, {"address": None})
