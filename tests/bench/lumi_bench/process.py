"""What the operating system knows of a process: its CPU time and its memory."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
# Counted after the program's name in parentheses, which may hold spaces: fields 14 and 15 of proc(5).
_USER, _SYSTEM = 11, 12


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time that these processes have taken, all threads, in seconds."""
    return sum(_ticks(pid) for pid in pids) / _TICKS


def memory_megabytes(pid: int) -> tuple[float, float]:
    """What a process holds, in millions of bytes: its proportional share, and all that is resident.

    The share is the kernel's own count of what one process adds: a page that five services map, such as the code of a
    library, is a fifth of a page for each. The resident size counts it whole, five times.
    """
    kilobytes = dict(re.findall(r"^(Pss|Rss): +(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE))
    return int(kilobytes["Pss"]) * 1024 / 1e6, int(kilobytes["Rss"]) * 1024 / 1e6


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[_USER]) + int(fields[_SYSTEM])
