"""Logs as one line of JSON each, tied to the call by its trace id, with nothing personal or secret in them.

What is said is our own words with names, ids and numbers. Texts of other people's errors are left out, whatever they
are: a database, a parser or a library quotes the values that it was given. Their type, their SQL state, the constraint
and the place in the code are told instead.
"""

import json
import logging
import re
import sys
import threading
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import Enum
from types import TracebackType
from typing import Any

from lumi_common.context import Context
from lumi_common.errors import LumiError

current_call: ContextVar[Context | None] = ContextVar("current_call", default=None)
"""The call or event that is being worked on; every line logged below it carries its trace id and method."""

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# Whose words are known: ours, and those about migrations, which run before there is any data to tell of.
_OURS = ("lumi_", "alembic", "__main__")
_WARNINGS = "py.warnings"
# Errors whose texts speak of connections and of the code, not of what goes through them.
_WITHOUT_VALUES = ("lumi_common.", "nats.")
# From here on a stranger's line shows values: arguments of a callback, a task's exception.
_VALUES = re.compile(r"(?<=.)[(<\[{'\"].*")

# Classes of SQL states whose messages name parts of our own SQL or of the server, and no value: connections, clashes
# of transactions, SQL that does not fit the schema, resources, objects, interventions.
_STATES_WITHOUT_VALUES = ("08", "40", "42", "53", "55", "57")

# A net below that, for what our own words may carry by mistake.
_MASKS = (
    (re.compile(r"(?i)(bearer\s+)\S+|\beyJ[\w-]{10,}\.[\w.-]+"), "[token]"),
    (re.compile(r"(?<![\w/.-])[\w-]{40,}(?![\w/.-])"), "[token]"),
    (re.compile(r"://[^/\s:@]*:[^/\s@]*@"), "://[secret]@"),
    (re.compile(r"(?i)\b(\w*(?:password|passwd|secret|token|pepper|api_?key))(['\"]?\s*[:=]\s*)\S+"), r"\1\2[secret]"),
    (re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"), "[email]"),
    (re.compile(r"\+\d[\d ()-]{7,}\d"), "[phone]"),
    (re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w.-])"), "[number]"),
)


def scrubbed(text: str) -> str:
    """The text with tokens, passwords, e-mail addresses, phone and card numbers masked."""
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text


def described(error: BaseException) -> str:
    """An error in a line: the text of ours and the broker's, of others the type and what a database or system says."""
    kind = type(error)
    if isinstance(error, LumiError):
        return f"{error.code} {error}"
    if kind.__module__.startswith(_WITHOUT_VALUES):
        return f"{kind.__name__}: {error}"
    told = [kind.__name__]
    for fact in ("sqlstate", "constraint_name", "table_name", "column_name"):
        if isinstance(value := getattr(error, fact, None), str):
            told.append(value)
    if str(getattr(error, "sqlstate", "")).startswith(_STATES_WITHOUT_VALUES):
        told.append(str(error).partition("\n")[0])
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        told.append(error.strerror)
    return " ".join(told)


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: time, level, service, logger, message, trace, span, method, extras, exception."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record's line."""
        ours = record.name.startswith(_OURS)
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": scrubbed(_message(record) if ours else _strangers_message(record)),
        }
        call = current_call.get()
        if call is not None:
            line["trace"], line["method"] = call.trace_id, call.method
            if call.span is not None:
                line["span"] = call.traceparent[36:52]
        for name, value in vars(record).items():
            if name in _PLAIN:
                continue
            if isinstance(value, int | float | bool):
                line[name] = value
            elif ours:
                line[name] = scrubbed(str(value))
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _exception(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # the arguments do not fit the words: a fault of ours that must not cost the line
        return str(record.msg)


def _strangers_message(record: logging.LogRecord) -> str:
    """The words of a library without the values in them."""
    first = str(record.msg).partition("\n")[0]
    if record.name == _WARNINGS:
        return _message(record).partition("\n")[0]
    if not record.args:
        return _VALUES.sub("…", first)
    given = record.args if isinstance(record.args, tuple) else (record.args,)
    try:
        return first % tuple(map(_harmless, given))
    except (TypeError, ValueError):
        return first


def _harmless(value: object) -> object:
    return value if isinstance(value, int | float | bool | Enum) else f"[{type(value).__name__}]"


def _exception(error: BaseException) -> list[dict[str, Any]]:
    """The chain of exceptions, outermost first: what each is, and where it was raised."""
    chain: list[dict[str, Any]] = []
    link: BaseException | None = error
    while link is not None and len(chain) < 5:
        frames = [f"{each.filename}:{each.lineno} {each.name}" for each in traceback.extract_tb(link.__traceback__)]
        shown: dict[str, Any] = {"type": type(link).__qualname__, "error": scrubbed(described(link)), "stack": frames}
        if isinstance(link, BaseExceptionGroup):
            shown["of"] = [scrubbed(described(each)) for each in link.exceptions]
        chain.append(shown)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return chain


def configure_logs(service: str, level: str = "INFO") -> None:
    """Send every logger, warning and uncaught error of the process to standard error, one JSON line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # it would print the record's arguments as they are
    sys.excepthook = _uncaught
    threading.excepthook = lambda told: _uncaught(told.exc_type, told.exc_value, told.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    shown = error if error is not None else kind()
    logging.getLogger(__name__).critical("nobody caught this", exc_info=(kind, shown, trace))
