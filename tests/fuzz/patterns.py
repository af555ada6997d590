"""Random texts: such as match a pattern of the contract, and such as are known to break programs."""

import re
from random import Random
from typing import Any

# What a `*` or `+` of a pattern comes to at most, unless the text is to be long.
_MANY = 8

# Each is whole words of somebody's language: SQL, patterns, JSON, markup, formats, paths, or none.
NASTY = (
    "'", "''; select pg_sleep(3); --", "\\", "\\\\'", '"', "`", "%", "_", "%%%_", "\\%", "a'||pg_sleep(3)||'b",
    "1 or 1=1", "/* */", "--", "$1", "$$", ":name", "%s", "%(x)s", "{0}", "{}", "{{7*7}}", "${jndi:x}", "#{1}",
    "*", "**", "a & b | !c", "<->", ":*", "!!!", "((((", "))))", "[", "^(a+)+$", ".*", "\\y",
    '{"a": 1}', "[]", "null", "true", "NaN", "-0", "1e999", "0x10", "٣", "<script>", "&amp;", "../../etc/passwd",
    "\r\nx: y", "\t", "\n", "\x01", "\x1b[31m", "\x7f", "\u0085", "\u2028", "\u200b", "\u200f\u202e", "\ufeff",
    "\ufffe", "İ", "ı", "ß", "ſ", "ﬁ", "Å", "A\u030a", "e" + "\u0301" * 30, "👩‍👩‍👧‍👦", "\U0001f3f4\U000e0067",
    "\U0010ffff", "𝓐", "ﷺ", "漢字",
)  # fmt: skip
_PLANES = ((0x20, 0x7E), (0x80, 0x24F), (0x370, 0x7FF), (0x4E00, 0x9FFF), (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF))


def text(random: Random, low: int, high: int) -> str:
    """So many characters, mostly few, of any plane but without NUL."""
    length = random.choice((low, high)) if random.random() < 0.05 else random.randint(low, min(high, low + 24))
    kind = random.random()
    if kind < 0.35 and low <= len(found := random.choice(NASTY)) <= high:
        return found
    first, last = _PLANES[0] if kind < 0.8 else random.choice(_PLANES)
    return "".join(chr(random.randint(first, last)) for _ in range(length))


def matching(random: Random, pattern: str, max_len: int) -> str:
    """A text that the whole of this pattern matches; the patterns of the contract say nothing but characters."""
    return _some(random, re._parser.parse(pattern), max_len)  # type: ignore[attr-defined]


def _some(random: Random, parsed: Any, max_len: int) -> str:
    made = ""
    for code, argument in parsed:
        match str(code):
            case "LITERAL":
                made += chr(argument)
            case "IN":
                made += _one_of(random, argument)
            case "MAX_REPEAT":
                low, high, inner = argument
                times = random.randint(low, min(int(high), low + _MANY))
                if random.random() < 0.1:
                    times = low if random.random() < 0.5 else min(int(high), low + 100)
                for _ in range(times):
                    more = _some(random, inner, max_len)
                    if len(made) + len(more) > max_len:
                        break
                    made += more
            case "SUBPATTERN":
                made += _some(random, argument[3], max_len)
            case "BRANCH":
                made += _some(random, random.choice(argument[1]), max_len)
            case "AT":
                pass
            case other:
                raise NotImplementedError(f"a pattern with {other}: say here how it is matched")
    return made


def _one_of(random: Random, choices: list[Any]) -> str:
    code, argument = random.choice(choices)
    return chr(argument if str(code) == "LITERAL" else random.randint(*argument))
