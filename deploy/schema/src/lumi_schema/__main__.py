"""Writes docs/schema-reference.md, the sources of docs/diagrams and what crosses services, from the tables:

python -m lumi_schema           the texts
python -m lumi_schema --draw    and the pictures of sources that changed
python -m lumi_schema --check   changes nothing; exits 1 where something is not what would be written
"""

import argparse
import sys
from pathlib import Path

from lumi_schema.crossings import crossings
from lumi_schema.diagrams import diagrams
from lumi_schema.draw import NotDrawn, draw, is_drawn
from lumi_schema.model import read_contexts, read_every
from lumi_schema.reference import reference
from lumi_schema.words import UnknownWords

ROOT = Path(__file__).resolve().parents[4]
DOCS = ROOT / "docs"
CROSSINGS = ROOT / "libs/common/src/lumi_common/db/crossings.py"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lumi_schema", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--draw", action="store_true", help="draw what changed, too")
    mode.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--docs", type=Path, default=DOCS, metavar="FOLDER", help="where docs/ is")
    options = parser.parse_args()
    try:
        texts = written(options.docs)
        if options.check:
            return check(texts)
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for path in left_over(texts):
            path.unlink()
        if options.draw:
            for source in sources(texts):
                if not is_drawn(source):
                    draw(source)
    except (UnknownWords, NotDrawn) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def written(docs: Path) -> dict[Path, str]:
    """Every text by its path."""
    contexts = read_contexts()
    drawings = {docs / "diagrams" / f"{name}.dot": text for name, text in diagrams(contexts).items()}
    return {
        docs / "schema-reference.md": reference(contexts, read_every()),
        **drawings,
        CROSSINGS: crossings(contexts),
    }


def check(texts: dict[Path, str]) -> int:
    """1 where a text, or the picture of one, is not what it would be; needs no drawing program."""
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    stale += [source.with_suffix(".svg") for source in sources(texts) if source not in stale and not is_drawn(source)]
    stale += left_over(texts)
    for path in stale:
        print(f"{path} is stale: make generate", file=sys.stderr)
    return 1 if stale else 0


def sources(texts: dict[Path, str]) -> list[Path]:
    """The diagrams' among the texts."""
    return [path for path in texts if path.suffix == ".dot"]


def left_over(texts: dict[Path, str]) -> list[Path]:
    """Diagrams of services that are no more."""
    folder, names = sources(texts)[0].parent, {source.stem for source in sources(texts)}
    return [
        path for path in sorted(folder.glob("*")) if path.suffix in {".dot", ".svg", ".png"} and path.stem not in names
    ]


if __name__ == "__main__":
    sys.exit(main())
