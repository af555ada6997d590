"""What ties rows together: foreign keys inside a schema, references across services, and their indexes (P1)."""

from importlib import import_module
from typing import Any

from lumi_common.db.references import references
from tests.schema.catalogue import foreign_keys, leading_columns
from tests.schema.description import CONTEXTS, Described


async def test_no_foreign_key_crosses_a_schema(live: Any, described: dict[str, Described]) -> None:
    keys = await foreign_keys(live, CONTEXTS)

    assert len(keys) == sum(bool(c.parent) for schema in described.values() for t in schema.tables for c in t.columns)
    assert [tuple(key) for key in keys if key["schema"] != key["target_schema"]] == []


def test_references_across_services_are_declared_as_described(described: dict[str, Described]) -> None:
    tables = [table for schema in described.values() for table in schema.tables]

    assert declared() == {f"{t}.{c.name}": c.reference for t in tables for c in t.columns if c.reference}
    of_the_seed = [(t.name, *c.reference[:2]) for t in tables if t.model for c in t.columns if c.reference]
    assert (len(of_the_seed), len(set(of_the_seed))) == (14, 13)


async def test_every_foreign_key_and_every_reference_leads_an_index(live: Any) -> None:
    led = await leading_columns(live, CONTEXTS)
    keys = {(key["schema"], key["table"], key["column"]) for key in await foreign_keys(live, CONTEXTS)}
    references = {tuple(name.split(".")) for name in declared()}

    assert (keys | references) - led == set()


async def test_a_reference_can_do_what_its_rule_says(live: Any, described: dict[str, Described]) -> None:
    tables = {str(table): table for schema in described.values() for table in schema.tables}

    for name, (target, rule, snapshot) in declared().items():
        table, _, column = name.rpartition(".")
        columns = {column.name: column for column in tables[table].columns}
        assert tables[target].key == ("id",), name
        assert columns[column].type == "id", name
        assert columns[column].nullable or rule != "SET NULL", name
        assert set(snapshot) <= columns.keys(), name


def declared() -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Every reference that the tables declare: target, rule, snapshot columns."""
    return {
        f"{column.table}.{column.name}": (reference.target, reference.on_delete, reference.snapshot)
        for context in CONTEXTS
        for column, reference in references(import_module(f"lumi_{context}.storage.tables").metadata)
    }
