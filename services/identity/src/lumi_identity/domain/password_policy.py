"""Which passwords are taken: long enough, and not among the first that anybody would try.

As NIST SP 800-63B-4 has it (section 3.1.1): lengths are counted in code points, whatever they are, and nothing else is
asked of what a password is made of. Both are looked at in the form NFKC, in which passwords are hashed, so that a
password is the same whichever keyboard it was typed on.
"""

import importlib.util
import runpy
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from lumi_common.errors import InvalidArgument
from lumi_identity.domain.errors import Reason

Profile = Literal["default", "strict"]

MIN_CHARACTERS, MIN_ALONE, MAX_CHARACTERS = 8, 15, 256
_LONG_ENOUGH_TO_GIVE_AWAY = 4

# What the lists, which are of the English-speaking, lack.
_ALSO_USED = (
    *("bismillah", "besiktas", "fenerbahce", "galatasaray", "istanbul"),
    *("1231231234", "aa12345678", "access14", "adminadmin", "changeme123", "p@ssword"),
)
_LONGEST_PERIOD = 5
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm")


def normalised(password: str) -> str:
    """The password as it is counted and hashed."""
    return unicodedata.normalize("NFKC", password)


class PasswordPolicy:
    """The rules of a shop.

    `strict` asks for 15 characters where no second factor stands behind the password, as NIST does at its second
    level; otherwise 8 do. `words` are the shop's own, which everybody would try here.
    """

    def __init__(self, profile: Profile = "default", words: Iterable[str] = ()) -> None:
        self._min_alone = MIN_ALONE if profile == "strict" else MIN_CHARACTERS
        _listed()  # a tenth of a second, that no call is to spend
        self._words = tuple(word for each in words if len(word := _folded(each)) >= _LONG_ENOUGH_TO_GIVE_AWAY)

    def check(self, password: str, *, email: str, two_factor: bool = False, field: str = "password") -> str:
        """The password as it is; raises InvalidArgument for one that is too short or too long, or easily guessed.

        `two_factor` says that a second factor is asked for beside it.
        """
        least = MIN_CHARACTERS if two_factor else self._min_alone
        # Of both forms: one ligature may stand for eighteen letters.
        if min(len(password), len(normalised(password))) < least or len(password) > MAX_CHARACTERS:
            raise _too_weak(f"a password has {least} to {MAX_CHARACTERS} characters", field)
        folded = _folded(password)
        if _is_common(folded):
            raise _too_weak("the password is among the first that anybody would try", field)
        name = _folded(email.partition("@")[0])
        if len(name) >= _LONG_ENOUGH_TO_GIVE_AWAY and name in folded:
            raise _too_weak("the password holds the e-mail's name", field)
        if any(folded.replace(word, "", 1).strip(" 0123456789!?.-_#") == "" for word in self._words if word in folded):
            raise _too_weak("the password is little more than the shop's name", field)
        return password


def _folded(text: str) -> str:
    return normalised(text).casefold()


def _is_common(folded: str) -> bool:
    return _is_listed(folded) or any(folded in run or folded in run[::-1] for run in _RUNS) or _is_repeated(folded)


def _is_repeated(folded: str) -> bool:
    """Whether it is a few characters again and again, or a common password twice."""
    if len(set(folded)) <= 2:
        return True
    period = (folded + folded).index(folded, 1)
    return period < len(folded) and (period <= _LONGEST_PERIOD or _is_listed(folded[:period]))


def _is_listed(folded: str) -> bool:
    listed, number = _listed(), _number(folded)
    place = bisect_left(listed, number)
    return place < len(listed) and listed[place] == number


@cache
def _listed() -> "array[int]":
    """Passwords, words and names that are used most, of those long enough to be taken otherwise, as sorted numbers.

    Numbers take a third of a megabyte, where the texts would take ten. Of zxcvbn only the lists are wanted: its file of
    them is run by itself, and what is not kept is let go of again.
    """
    package = importlib.util.find_spec("zxcvbn")
    assert package is not None and package.submodule_search_locations is not None
    file = Path(package.submodule_search_locations[0]) / "frequency_lists.py"
    lists = runpy.run_path(str(file))["FREQUENCY_LISTS"]
    words = {word for each in lists.values() for word in each if len(word) >= MIN_CHARACTERS}
    return array("Q", sorted(map(_number, words.union(_ALSO_USED))))


def _number(word: str) -> int:
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "big")


def _too_weak(why: str, field: str) -> InvalidArgument:
    return InvalidArgument(Reason.PASSWORD_TOO_WEAK, why, field=field)
