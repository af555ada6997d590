"""Logs as one line of JSON each, tied to the call by its trace id, with nothing personal or secret in them."""

import json
import logging
import re
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from lumi_common.context import Context

current_call: ContextVar[Context | None] = ContextVar("current_call", default=None)
"""The call that is being served; every line logged below it carries its trace id and method."""

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# Texts of libraries may quote what they were given. Whatever looks personal or secret is masked, wherever it is.
_MASKS = (
    (re.compile(r"(?i)(bearer\s+)\S+|\beyJ[\w-]{10,}\.[\w.-]+"), "[token]"),
    (re.compile(r"://[^/\s:@]*:[^/\s@]*@"), "://[secret]@"),
    (re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"), "[email]"),
)


def scrubbed(text: str) -> str:
    """The text with tokens, passwords in addresses and e-mail addresses masked."""
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: time, level, service, logger, message, trace, method, extras, exception."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record's line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": scrubbed(record.getMessage()),
        }
        call = current_call.get()
        if call is not None:
            line["trace"], line["method"] = call.trace_id, call.method
        for name, value in vars(record).items():
            if name not in _PLAIN:
                line[name] = value if isinstance(value, int | float | bool) else scrubbed(str(value))
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _exception(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def _exception(error: BaseException) -> list[dict[str, Any]]:
    """The chain of exceptions, outermost first: type, first line of its text, and where it was raised.

    Only the first line, since a database puts the row's values in the lines below.
    """
    chain: list[dict[str, Any]] = []
    link: BaseException | None = error
    while link is not None and len(chain) < 5:
        text = str(link).partition("\n")[0]
        frames = [f"{each.filename}:{each.lineno} {each.name}" for each in traceback.extract_tb(link.__traceback__)]
        chain.append({"type": type(link).__qualname__, "text": scrubbed(text), "stack": frames})
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return chain


def configure_logs(service: str, level: str = "INFO") -> None:
    """Send every logger of the process to standard error, one JSON line a record."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(level=level, handlers=[handler], force=True)
