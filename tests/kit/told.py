"""What no log of any test's stack may hold: the passwords and addresses of the tests' people, tokens, SQL."""

import re
from pathlib import Path

SQL = re.compile(
    rb"(?i)\bselect\s[^\"]{0,400}?\sfrom\s|\binsert into\s|\bupdate\s+[\w.]+\s+set\s|\bdelete from\s|drop table"
)
"""As a log, a trace or an error would quote it; spans name operations and tables, which is no SQL."""

_SECRETS = {
    "a password": re.compile(rb"correct horse battery staple"),
    "an address": re.compile(rb"[0-9a-f]{32}@example\.com"),
    "a token": re.compile(rb"eyJ[\w-]{10,}\.[\w-]{10,}\."),
    "a link's token": re.compile(rb"#token="),
    "SQL": SQL,
}
_CLOSE = 100


def refuse_telling_logs(logs: Path) -> None:
    """Fail with the line if a file of this folder holds any of it; there are such files."""
    files = [file for file in logs.iterdir() if file.is_file()]
    assert files, logs
    for file in files:
        content = file.read_bytes()
        for what, pattern in _SECRETS.items():
            if match := pattern.search(content):
                around = content[max(0, match.start() - _CLOSE) : match.end() + _CLOSE]
                raise AssertionError(f"{what} is in {file.name}: {around.decode(errors='replace')}")
