"""A change of the model and the outbox row that tells of it, in one statement.

Each change is a data-modifying CTE; the outbox insert reads from it, so there is no record of a change that did
not happen and no change without its record. PostgreSQL's `returning old, new` gives before and after.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Delete,
    FromClause,
    Insert,
    Interval,
    LargeBinary,
    Select,
    Table,
    Text,
    Update,
    bindparam,
    cast,
    func,
    insert,
    literal_column,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB

from lumi_common.db.statement import Statement
from lumi_common.db.tables import CommonTables

REDACTED = "[redacted]"
_TECHNICAL = frozenset({"id", "created_at", "updated_at", "version"})

Dml = Insert | Update | Delete


@dataclass(frozen=True, slots=True)
class Change:
    """One data-modifying part on an aggregate's table; its CTE has the table's columns and `record`.

    `step` is its action where that is known before it runs.
    """

    aggregate: "Aggregate"
    cte: CTE
    action: ColumnElement[str]
    step: str = ""


class Aggregate:
    """What is told of a table's rows in audit records and events.

    `shows` lists the columns whose values may be told; every other column is told by name alone, as "[redacted]".
    `keys` lists columns that each record carries whether they changed or not, for those who consume the event.
    `id` is the column that holds the aggregate's id: a cart item tells of its cart.
    """

    def __init__(self, entity: str, table: Table, *, shows: str, keys: str = "", id: str = "id") -> None:
        self.entity, self.table, self.id = entity, table, id
        self._shown = frozenset(shows.split())
        self._keys = tuple(keys.split())
        unknown = (self._shown | set(self._keys) | {id}) - set(table.c.keys())
        if unknown:
            raise ValueError(f"{table.name} has no column {', '.join(sorted(unknown))}")

    @property
    def versioned(self) -> bool:
        return self.id == "id" and "version" in self.table.c

    def change(
        self,
        dml: Dml,
        action: str | ColumnElement[str] | None = None,
        *,
        audit: bool = True,
        name: str = "change",
    ) -> Change:
        """A part of a recorded statement; without `action` the caller gives it as the parameter `action`.

        With `audit=False` the record is an event only: its cause has an audit record of its own.
        """
        if action is None:
            told: ColumnElement[str] = bindparam("action", type_=Text)
        elif isinstance(action, str):
            told = literal_column(_quote(action), Text)
        else:
            told = action
        columns: list[ColumnElement[Any]] = list(self.table.c)
        if isinstance(dml, Delete) and self.versioned:
            # Its end comes after what was told of it last, to those who drop what is not newer.
            columns = [(c + 1).label("version") if c.name == "version" else c for c in columns]
        record = self._record(dml, told, audit).label("record")
        cte = dml.returning(*columns, told.label("action_"), record).cte(name)
        return Change(self, cte, told, action if isinstance(action, str) else "")

    def _record(self, dml: Dml, action: ColumnElement[str], audit: bool) -> ColumnElement[Any]:
        row = "old" if isinstance(dml, Delete) else "new"
        parts: list[ColumnElement[Any]] = [
            *(literal_column(part) for part in ("'entity'", _quote(self.entity), "'id'", f"{row}.{self.id}")),
            literal_column("'action'"),
            action,
            literal_column("'audit'"),
            literal_column("true" if audit else "false"),
        ]
        if self._keys:
            keys = ", ".join(f"'{key}', {row}.{key}" for key in self._keys)
            parts += [literal_column("'keys'"), literal_column(f"jsonb_build_object({keys})")]
        if not isinstance(dml, Insert) or _updates(dml):
            parts += [literal_column("'before'"), literal_column(self._side("old", dml))]
        if not isinstance(dml, Delete):
            parts += [literal_column("'after'"), literal_column(self._side("new", dml))]
        return func.jsonb_build_object(*parts, type_=JSONB)

    def _side(self, row: str, dml: Dml) -> str:
        """The changed columns of one side; a key that is absent was null."""
        compared = isinstance(dml, Update) or (isinstance(dml, Insert) and _updates(dml))
        members = []
        for column in self.table.c:
            if column.name in _TECHNICAL or column.name == self.id:
                continue
            name = column.name
            value = f"{row}.{name}"
            conditions = [f"old.{name} is distinct from new.{name}"] if compared else []
            if name not in self._shown:
                conditions.append(f"{value} is not null")
                value = f"'{REDACTED}'"
            told = f"case when {' and '.join(conditions)} then {value} end" if conditions else value
            members.append(f"'{name}', {told}")
        return f"jsonb_strip_nulls(jsonb_build_object({', '.join(members)}))"


def recorded(
    common: CommonTables,
    *changes: Change,
    root: Change | None = None,
    parts: Sequence[CTE] = (),
    answer: Select[Any] | None = None,
    request: bool = False,
    batch: bool = False,
) -> Statement:
    """A statement of these changes with one outbox row, and with a request record where `request` says so.

    `root` (the first change unless given) names the outbox row and orders it among its aggregate's; a root that
    is none of the `changes` has no record of its own. `parts` are further data-modifying CTEs. `answer` is what
    comes back, the root's row unless given. With `batch` the root may be many rows, told in one outbox row.
    Its parameters are those of the parts, `headers`, and with `request` those of `Database.once`.
    """
    root = root or changes[0]
    outbox = _outbox(common.outbox, root, changes, batch).cte("outbox")
    answer = answer if answer is not None else select(*(root.cte.c[column.name] for column in root.aggregate.table.c))
    statement = answer.add_cte(*(change.cte for change in changes), *parts, outbox)
    if request:
        statement = statement.add_cte(_request(common.request_ids, root).cte("request"))
    return Statement(statement, writes_outbox=True, step=root.step)


def _outbox(outbox: Table, root: Change, changes: Sequence[Change], batch: bool) -> Insert:
    single = len(changes) == 1 and changes[0] is root and not batch
    if not single:
        told = union_all(*(select(change.cte.c.record) for change in changes)).subquery("told")
        gathered = select(func.jsonb_agg(told.c.record)).scalar_subquery()

    def records(row: FromClause) -> ColumnElement[Any]:
        return func.jsonb_build_array(row.c.record, type_=JSONB) if single else gathered

    source: FromClause = root.cte
    if batch:
        source = select(root.cte).order_by(root.cte.c[root.aggregate.id]).limit(1).cte("first")
    headers = cast(bindparam("headers", type_=Text), JSONB)
    entity = literal_column(_quote(root.aggregate.entity), Text)
    names = ["aggregate", "aggregate_id", "version", "type", "records", "headers"]
    if root.aggregate.versioned:
        chosen = select(
            entity, source.c[root.aggregate.id], source.c.version, source.c.action_, records(source), headers
        )
        return insert(outbox).from_select(names, chosen)
    # No version of its own: the row's place in the outbox orders it, so it is drawn here and used twice.
    drawn = select(literal_column(f"nextval('{outbox.schema}.{outbox.name}_seq_seq')").label("seq"), source).subquery(
        "drawn"
    )
    chosen = select(
        drawn.c.seq, entity, drawn.c[root.aggregate.id], drawn.c.seq, drawn.c.action_, records(drawn), headers
    )
    return insert(outbox).from_select(["seq", *names], chosen)


def _request(request_ids: Table, root: Change) -> Insert:
    chosen = (
        select(
            bindparam("principal", type_=Text),
            bindparam("method", type_=Text),
            bindparam("request_id", type_=Text),
            bindparam("request_hash", type_=LargeBinary),
            bindparam("response", type_=LargeBinary),
            func.now() + literal_column("interval '24 hours'", Interval),
        )
        .select_from(root.cte)
        .where(bindparam("request_id", type_=Text) != text("''"))
        .limit(1)
    )
    return insert(request_ids).from_select(
        ["principal", "method", "request_id", "request_hash", "response", "expires_at"], chosen
    )


def _updates(dml: Insert) -> bool:
    return getattr(dml, "_post_values_clause", None) is not None


def _quote(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
