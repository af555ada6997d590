"""Ids in the published shape of cuid version 1: `c`, then base 36: 8 time, 4 counter, 4 fingerprint, 8 random.

They sort by the millisecond of creation, and inside one process by creation itself. The reference implementation
derives the fingerprint from host and pid; ours is random per process, so that containers with equal pids differ.
Speed comes from doing the expensive part seldom: randomness is drawn and turned into text a buffer at a time, the
time's text is kept for its millisecond.
"""

import os
from threading import Lock
from time import time_ns

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_PAIRS = tuple(high + low for high in _DIGITS for low in _DIGITS)
_PAIR = len(_PAIRS)
_WRAP = _PAIR * _PAIR  # values of the four counter digits
_REWIND = _WRAP // 2  # a new millisecond past this starts the counter over, so that it cannot wrap inside one

_BUFFER = 8192
_TO_DIGIT = bytes(ord(_DIGITS[byte % 36]) for byte in range(256))
_UNEVEN = bytes(range(252, 256))  # dropped: 252 is the last multiple of 36, so all digits stay equally likely


class _State:
    """What one process needs to make its next id; replaced in a forked child."""

    __slots__ = ("counter", "fingerprint", "lock", "millisecond", "offset", "pool", "time_text")

    def __init__(self) -> None:
        self.lock = Lock()
        self.millisecond = 0
        self.time_text = ""
        self.pool = _random_digits()
        self.fingerprint = self.pool[:4]
        self.counter = int(self.pool[4:8], 36) // 4
        self.offset = 8


def _random_digits() -> str:
    return os.urandom(_BUFFER).translate(_TO_DIGIT, _UNEVEN).decode("ascii")


def _time_text(millisecond: int) -> str:
    high, low = divmod(millisecond, _WRAP)
    return _PAIRS[high // _PAIR] + _PAIRS[high % _PAIR] + _PAIRS[low // _PAIR] + _PAIRS[low % _PAIR]


_state = _State()


def _after_fork() -> None:
    global _state
    _state = _State()


os.register_at_fork(after_in_child=_after_fork)


def cuid() -> str:
    """A new id of 25 characters, `^c[a-z0-9]{24}$`; safe to call from any thread and after a fork."""
    now = time_ns() // 1_000_000
    state = _state
    with state.lock:
        counter = state.counter + 1
        if now > state.millisecond:
            state.millisecond, state.time_text = now, _time_text(now)
            if counter > _REWIND:
                counter = 0
        elif counter >= _WRAP:  # over a million ids in one millisecond, or a clock set back: borrow the next one
            state.millisecond += 1
            state.time_text = _time_text(state.millisecond)
            counter = 0
        state.counter = counter

        offset = state.offset
        random = state.pool[offset : offset + 8]
        if len(random) < 8:
            state.pool = _random_digits()
            random, offset = state.pool[:8], 0
        state.offset = offset + 8
        return f"c{state.time_text}{_PAIRS[counter // _PAIR]}{_PAIRS[counter % _PAIR]}{state.fingerprint}{random}"
