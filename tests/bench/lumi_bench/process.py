"""What the operating system knows of a process: its CPU time and its memory."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Counted after the program's name in parentheses, which may hold spaces: fields 14 and 15 of proc(5).
_USER, _SYSTEM = 11, 12


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time that these processes have taken, all threads, in seconds."""
    return sum(_ticks(pid) for pid in pids) / _TICKS


def rss_megabytes(pid: int) -> float:
    """Resident memory, in millions of bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 1e6


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[_USER]) + int(fields[_SYSTEM])
