"""Draws the diagrams. Graphviz comes inside a wheel that only this needs: requirements/draw.txt."""

import hashlib
from pathlib import Path

FORMATS = ("svg", "png")


class NotDrawn(Exception):
    """A diagram could not be drawn; says what is missing or wrong."""


def is_drawn(source: Path) -> bool:
    """Whether the pictures beside a DOT file are of what it says now."""
    if not all(source.with_suffix(f".{kind}").exists() for kind in FORMATS):
        return False
    return _mark(source) in source.with_suffix(".svg").read_text(encoding="utf-8")


def draw(source: Path) -> None:
    """Put an SVG and a PNG beside this DOT file; about 0.1 s."""
    try:
        import pygraphviz
    except ImportError:
        raise NotDrawn(
            "drawing needs pygraphviz, which `make generate` installs: "
            "pip install --require-hashes --only-binary :all: -r requirements/draw.txt"
        ) from None
    graph = pygraphviz.AGraph(filename=str(source))
    graph.layout("dot")
    for kind in FORMATS:
        graph.draw(str(source.with_suffix(f".{kind}")))
    picture = source.with_suffix(".svg")
    drawn = picture.read_text(encoding="utf-8")
    # What Graphviz cannot read it complains of and leaves out.
    visible = [node for node in graph.nodes() if node.attr["style"] != "invis"]
    if drawn.count('class="node"') < len(visible) or f">{graph.name}</title>" not in drawn:
        raise NotDrawn(f"{source} was drawn in part only; what was wrong stands above")
    picture.write_text(f"{drawn.rstrip()}\n{_mark(source)}\n", encoding="utf-8")


def _mark(source: Path) -> str:
    return f"<!-- of {source.name}, sha256 {hashlib.sha256(source.read_bytes()).hexdigest()} -->"
