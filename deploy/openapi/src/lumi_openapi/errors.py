"""The page on errors: how a refusal reads, and every reason of every service as the protos explain it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lumi_openapi.contract import Comments
from lumi_openapi.reasons import COMMON, Reasons


def errors() -> str:
    """The text of docs/errors.md."""
    intro = Path(__file__).with_name("errors.md").read_text(encoding="utf-8")
    return intro + "".join(_sections(Reasons(Comments.compiled())))


def _sections(reasons: Reasons) -> Iterator[str]:
    for package, declared in reasons.declared():
        title = "Of every service" if package == COMMON else f"`{package.split('.')[1]}.lumi`"
        yield f"\n## {title}\n\n| reason | code | when, and what to do |\n|---|---|---|\n"
        for name, code, text in declared:
            yield f"| `{name}` | {code} | {text} |\n"
