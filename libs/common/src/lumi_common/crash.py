"""Points at which a process can be told to kill itself, so that it is seen what it leaves behind there.

LUMI_CRASH_AT says where: the name of a point (`orders.PlaceOrder.before_reply`), with `:3` behind it the third time
that it is passed; or a folder, in which an empty file with the name of a point arms it. Whoever dies there renames it
`<name>@<pid>` first, so one process dies of it, once. The name says who does what: the method or the work, the
moment, and what it is about: docs/operations.md lists the moments.

Guard each with `armed`, which is all that it costs where nobody asked for a crash: `if crash.armed: crash.point(...)`.
"""

import logging
import os
import signal
from pathlib import Path

_log = logging.getLogger(__name__)

armed = False
_folder: Path | None = None
_name, _left = "", 0


def arm(at: str) -> None:
    """Take LUMI_CRASH_AT; empty for never."""
    global armed, _folder, _name, _left
    armed = bool(at)
    _folder = Path(at) if at.startswith("/") else None
    _name, _, nth = at.partition(":")
    _left = int(nth or 1)


def point(doer: str, moment: str, what: str = "") -> None:
    """Die here if that is asked for; `doer` is a context's method."""
    if due(doer, moment, what):
        die()


def due(doer: str, moment: str, what: str = "") -> bool:
    """Whether the process has to die at this point; to be asked once, and followed by `die`."""
    name = ".".join(filter(None, (_short(doer), moment, what)))
    if not _taken(name):
        return False
    _log.warning("dies at a crash point", extra={"point": name})
    return True


def die() -> None:
    """End at once, as if somebody had pulled the plug."""
    os.kill(os.getpid(), signal.SIGKILL)


def _taken(name: str) -> bool:
    global _left
    if _folder is not None:
        try:
            os.rename(_folder / name, _folder / f"{name}@{os.getpid()}")
        except FileNotFoundError:
            return False
        return True
    if name != _name:
        return False
    _left -= 1
    return _left == 0


def _short(doer: str) -> str:
    """`orders.PlaceOrder` of `lumi.orders.v1.OrderService/PlaceOrder`; other names are short enough."""
    service, _, method = doer.partition("/")
    return f"{service.split('.')[1]}.{method}" if method else doer
