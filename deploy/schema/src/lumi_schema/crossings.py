"""What crosses services, as Python: each service knows from it who refers to its rows, and whose deletes it follows."""

from collections.abc import Sequence

from lumi_schema.model import Context

_HEAD = '''"""Every reference across services: column, target, and what becomes of the row when that goes.

Written by `make generate` from what stands beside the columns.
"""

CROSSINGS: tuple[tuple[str, str, str], ...] = (
'''


def crossings(contexts: Sequence[Context]) -> str:
    """The module's text."""
    lines = [
        f'    ("{table.full_name}.{column.name}", "{column.link.target}", "{column.link.on_delete}"),\n'
        for context in contexts
        for table in context.tables
        for column in table.columns
        if column.link is not None and column.link.crosses
    ]
    return f"{_HEAD}{''.join(lines)})\n"
