"""The repository base: an aggregate's own rows, by statements built once."""

from dataclasses import fields
from typing import Any, ClassVar, Generic, TypeVar

from google.protobuf.message import Message
from sqlalchemy import Select, Table, Text, Update, bindparam, delete, func, insert, or_, select, update

from lumi_common.db.database import Executor, Row
from lumi_common.db.record import Aggregate, recorded
from lumi_common.db.request import Once
from lumi_common.db.statement import Statement
from lumi_common.db.tables import CommonTables
from lumi_common.errors import Aborted, NotFound, Reason

E = TypeVar("E")


def live(table: Table, *, include_deleted: bool = False) -> Select[Any]:
    """A select of the table's rows without the softly deleted ones, unless they are asked for as well."""
    query = select(table)
    return query if include_deleted or "deleted_at" not in table.c else query.where(table.c.deleted_at.is_(None))


class Repository(Generic[E]):
    """Reads and writes one aggregate's rows; a subclass names the aggregate and the dataclass of its rows.

    The dataclass's fields are columns of the table, by name. `owner` is the column that holds whose row it is:
    methods that take `owner` see every row when it is None, and else only that owner's, so that someone else's
    row and a missing one are the same NotFound. Writes record themselves: `action` names what was done.
    """

    aggregate: ClassVar[Aggregate]
    common: ClassVar[CommonTables]
    entity: ClassVar[type[Any]]
    owner: ClassVar[str | None] = None
    missing: ClassVar[str] = Reason.NOT_FOUND

    _names: ClassVar[tuple[str, ...]]
    _enums: ClassVar[tuple[tuple[str, type[Any]], ...]]
    _get: ClassVar[Statement]
    _get_with_deleted: ClassVar[Statement]
    _lock: ClassVar[Statement]
    _lock_with_deleted: ClassVar[Statement]
    _insert: ClassVar[Statement]
    _insert_once: ClassVar[Statement]
    _save: ClassVar[Statement]
    _soft_delete: ClassVar[Statement]
    _restore: ClassVar[Statement]
    _purge: ClassVar[Statement]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        table, aggregate, common = cls.aggregate.table, cls.aggregate, cls.common
        cls._names = tuple(field.name for field in fields(cls.entity) if field.name in table.c)
        kinds = ((name, getattr(table.c[name].type, "enum_class", None)) for name in cls._names)
        cls._enums = tuple((name, kind) for name, kind in kinds if kind is not None)
        cls._get = Statement(cls._one(live(table)))
        cls._get_with_deleted = Statement(cls._one(live(table, include_deleted=True)))
        cls._lock = Statement(cls._one(live(table)).with_for_update())
        cls._lock_with_deleted = Statement(cls._one(live(table, include_deleted=True)).with_for_update())
        new = insert(table).values({name: bindparam(name, type_=table.c[name].type) for name in cls._names})
        cls._insert = recorded(common, aggregate.change(new))
        cls._insert_once = recorded(common, aggregate.change(new), request=True)
        kept = ("id", "created_at", "updated_at", "version")
        changed = {n: bindparam(f"to_{n}", type_=table.c[n].type) for n in cls._names if n not in kept}
        cls._save = recorded(common, aggregate.change(cls._next(update(table).values(changed), expect=True)))
        if "deleted_at" in table.c:
            gone = update(table).where(table.c.deleted_at.is_(None)).values(deleted_at=func.now())
            cls._soft_delete = recorded(common, aggregate.change(cls._next(gone)))
            back = update(table).where(table.c.deleted_at.is_not(None)).values(deleted_at=None)
            cls._restore = recorded(common, aggregate.change(cls._next(back)))
        away = delete(table).where(table.c.id == bindparam("id", type_=Text))
        cls._purge = recorded(common, aggregate.change(away))

    def __init__(self, executor: Executor) -> None:
        self._on = executor

    @classmethod
    def row(cls, row: Row) -> E:
        """The dataclass of a row that has the entity's columns."""
        values = {name: row[name] for name in cls._names}
        for name, kind in cls._enums:
            if values[name] is not None:
                values[name] = kind(values[name])
        made: E = cls.entity(**values)
        return made

    async def find(self, id: str, *, owner: str | None = None, include_deleted: bool = False) -> E | None:
        """The row, or None."""
        statement = self._get_with_deleted if include_deleted else self._get
        row = await self._on.fetchrow(statement, id=id, owner=owner)
        return None if row is None else self.row(row)

    async def get(self, id: str, *, owner: str | None = None, include_deleted: bool = False) -> E:
        """The row; raises NotFound."""
        found = await self.find(id, owner=owner, include_deleted=include_deleted)
        if found is None:
            raise self.not_found(id)
        return found

    async def lock(self, id: str, *, owner: str | None = None, include_deleted: bool = False) -> E:
        """The row, held until the transaction ends; raises NotFound."""
        statement = self._lock_with_deleted if include_deleted else self._lock
        row = await self._on.fetchrow(statement, id=id, owner=owner)
        if row is None:
            raise self.not_found(id)
        return self.row(row)

    async def insert(self, entity: E, action: str) -> E:
        """Write a new row as it is; the row as written."""
        row = await self._on.fetchrow(self._insert, action=action, **self.values(entity))
        assert row is not None
        return self.row(row)

    @classmethod
    async def insert_once(cls, once: Once, entity: E, action: str, answer: Message) -> None:
        """Write a new row together with the record of the request and its answer, in one statement."""
        await once.change(cls._insert_once, answer, action=action, **cls.values(entity))

    async def save(self, entity: E, action: str) -> E:
        """Write a changed row over the version that was read; the row as written, Aborted if another came first."""
        values = self.values(entity)
        given = {f"to_{name}": value for name, value in values.items() if f"to_{name}" in self._save.parameters}
        row = await self._on.fetchrow(
            self._save, action=action, id=values["id"], expected=values.get("version"), **given
        )
        if row is None:
            raise Aborted(Reason.ETAG_MISMATCH, "another change came first: read again", id=values["id"])
        return self.row(row)

    async def soft_delete(self, id: str, action: str) -> E:
        """Hide the row; raises NotFound when it is hidden already or missing."""
        return await self._one_changed(self._soft_delete, id, action)

    async def restore(self, id: str, action: str) -> E:
        """Show a hidden row again; raises NotFound when it is not hidden."""
        return await self._one_changed(self._restore, id, action)

    async def purge(self, id: str, action: str) -> E:
        """Delete the row for good; the row as it was, NotFound when there is none."""
        return await self._one_changed(self._purge, id, action)

    @classmethod
    def values(cls, entity: E) -> dict[str, Any]:
        """The entity's columns by name."""
        return {name: getattr(entity, name) for name in cls._names}

    @classmethod
    def not_found(cls, id: str) -> NotFound:
        """The one answer for a row that is not there and for one that is someone else's."""
        return NotFound(cls.missing, f"no such {cls.aggregate.entity}", entity=cls.aggregate.entity, id=id)

    async def _one_changed(self, statement: Statement, id: str, action: str) -> E:
        row = await self._on.fetchrow(statement, id=id, action=action)
        if row is None:
            raise self.not_found(id)
        return self.row(row)

    @classmethod
    def _one(cls, query: Select[Any]) -> Select[Any]:
        table = cls.aggregate.table
        query = query.where(table.c.id == bindparam("id", type_=Text))
        if cls.owner is None:
            return query
        owner = bindparam("owner", type_=Text)
        return query.where(or_(owner.is_(None), table.c[cls.owner] == owner))

    @classmethod
    def _next(cls, change: Update, *, expect: bool = False) -> Update:
        """The change of one row: time and version move with it."""
        table = cls.aggregate.table
        change = change.where(table.c.id == bindparam("id", type_=Text)).values(updated_at=func.now())
        if "version" not in table.c:
            return change
        if expect:
            change = change.where(table.c.version == bindparam("expected", type_=table.c.version.type))
        return change.values(version=table.c.version + 1)
