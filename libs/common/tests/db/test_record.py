"""A change and its outbox row are one statement."""

import asyncio
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from sqlalchemy import bindparam, insert

from libs.common.tests.db.widgets import NOTE, Note, NoteRepository, Widget, WidgetRepository, common, notes
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database, from_json
from lumi_common.db.record import recorded
from lumi_common.errors import Aborted, AlreadyExists, NotFound


def a_widget(**facts: Any) -> Widget:
    return Widget(
        **{"id": cuid(), "user_id": "ada", "name": cuid(), "secret": "s3cret", "price": Decimal("9.90")} | facts
    )


async def outbox(database: Database) -> list[Any]:
    rows = await database.pool.fetch("select * from outbox_events order by seq")
    return list(rows)


async def test_a_new_row_is_told_once_with_its_actor(database: Database, context: Context) -> None:
    widget = await WidgetRepository(database.on(context)).insert(a_widget(), "widget.created")

    [row] = await outbox(database)
    [record] = row["records"]

    assert (row["aggregate"], row["aggregate_id"], row["version"], row["type"]) == (
        "Widget", widget.id, 1, "widget.created",
    )  # fmt: skip
    assert row["headers"] == from_json(context.headers)
    assert record["after"] == {
        "user_id": "ada", "name": widget.name, "secret": "[redacted]", "price": Decimal("9.90"),
    }  # fmt: skip
    assert record["keys"] == {"user_id": "ada"} and record["audit"] is True and "before" not in record


async def test_a_change_tells_only_the_columns_that_changed(database: Database, context: Context) -> None:
    widgets = WidgetRepository(database.on(context))
    widget = await widgets.insert(a_widget(name="before"), "widget.created")
    widget.name, widget.secret = "after", "another"

    saved = await widgets.save(widget, "widget.renamed")

    [record] = (await outbox(database))[1]["records"]
    assert saved.version == 2
    assert record["before"] == {"name": "before", "secret": "[redacted]"}
    assert record["after"] == {"name": "after", "secret": "[redacted]"}


async def test_a_stale_version_changes_and_tells_nothing(database: Database, context: Context) -> None:
    widgets = WidgetRepository(database.on(context))
    widget = await widgets.insert(a_widget(), "widget.created")
    await widgets.save(widget, "widget.touched")

    with pytest.raises(Aborted):
        await widgets.save(widget, "widget.touched")

    assert len(await outbox(database)) == 2


async def test_of_many_savers_at_once_one_wins(database: Database, context: Context) -> None:
    widgets = WidgetRepository(database.on(context))
    widget = await widgets.insert(a_widget(), "widget.created")

    results = await asyncio.gather(*(widgets.save(widget, "widget.touched") for _ in range(20)), return_exceptions=True)

    assert sum(isinstance(result, Widget) for result in results) == 1
    assert [row["version"] for row in await outbox(database)] == [1, 2]


async def test_a_table_without_a_version_is_ordered_by_the_outbox(database: Database, context: Context) -> None:
    repository = NoteRepository(database.on(context))
    note = await repository.insert(Note(cuid(), "one"), "note.created")
    note.body = "two"
    await repository.save(note, "note.changed")

    rows = await outbox(database)
    assert [row["version"] for row in rows] == [row["seq"] for row in rows]


async def test_many_rows_in_one_statement_share_one_outbox_row(database: Database, context: Context) -> None:
    many = recorded(
        common,
        NOTE.change(
            insert(notes).values([{"id": bindparam(f"id{i}"), "body": bindparam(f"body{i}")} for i in range(3)]),
            "note.created",
        ),
        batch=True,
    )
    ids = {f"id{i}": cuid() for i in range(3)}

    await database.on(context).fetch(many, **ids, **{f"body{i}": f"{i}" for i in range(3)})

    [row] = await outbox(database)
    assert sorted(record["id"] for record in row["records"]) == sorted(ids.values())


async def test_a_hidden_row_is_gone_until_it_is_restored(database: Database, context: Context) -> None:
    widgets = WidgetRepository(database.on(context))
    widget = await widgets.insert(a_widget(), "widget.created")

    await widgets.soft_delete(widget.id, "widget.deleted")
    assert await widgets.find(widget.id) is None
    assert await widgets.find(widget.id, include_deleted=True) is not None
    with pytest.raises(NotFound):
        await widgets.soft_delete(widget.id, "widget.deleted")

    restored = await widgets.restore(widget.id, "widget.undeleted")
    assert restored.deleted_at is None and restored.version == 3

    await widgets.purge(widget.id, "widget.purged")
    assert await widgets.find(widget.id, include_deleted=True) is None
    assert [row["type"] for row in await outbox(database)] == [
        "widget.created", "widget.deleted", "widget.undeleted", "widget.purged",
    ]  # fmt: skip


async def test_a_hidden_row_is_locked_where_that_is_asked_for(database: Database, context: Context) -> None:
    widgets = WidgetRepository(database.on(context))
    widget = await widgets.insert(a_widget(), "widget.created")
    hidden = await widgets.soft_delete(widget.id, "widget.deleted")

    async with database.transaction(context) as tx:
        assert await WidgetRepository(tx).lock(widget.id, include_deleted=True) == hidden
        with pytest.raises(asyncpg.LockNotAvailableError):
            await database.pool.fetchrow("select from widgets where id = $1 for update nowait", widget.id)
        with pytest.raises(NotFound):
            await WidgetRepository(tx).lock(widget.id)


async def test_someone_elses_row_and_a_missing_row_are_the_same(database: Database, context: Context) -> None:
    widgets = WidgetRepository(database.on(context))
    widget = await widgets.insert(a_widget(user_id="bob"), "widget.created")

    with pytest.raises(NotFound) as others:
        await widgets.get(widget.id, owner="ada")
    with pytest.raises(NotFound) as missing:
        await widgets.get("c" + "0" * 24, owner="ada")

    assert others.value.reason == missing.value.reason
    assert (await widgets.get(widget.id, owner="bob")).id == widget.id


async def test_a_broken_constraint_is_its_named_refusal(database: Database, context: Context) -> None:
    widgets = WidgetRepository(database.on(context))
    await widgets.insert(a_widget(name="taken"), "widget.created")

    with pytest.raises(AlreadyExists, match="NAME_TAKEN"):
        await widgets.insert(a_widget(name="taken"), "widget.created")

    assert len(await outbox(database)) == 1
