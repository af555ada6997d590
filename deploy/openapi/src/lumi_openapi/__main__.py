"""Writes the API's pages:

python -m lumi_openapi                 docs/openapi.json, errors.md and access.md, from the protos of this checkout
python -m lumi_openapi --check         changes nothing; exits 1 unless those files are what would be written
python -m lumi_openapi --page FOLDER   what the gateway serves at /docs, from the file as it is
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lumi_common.rpc.access import ContractError
from lumi_openapi.access_page import access
from lumi_openapi.contract import CHECKOUT, Fault
from lumi_openapi.document import openapi
from lumi_openapi.errors import errors
from lumi_openapi.page import write_page

DOCS = CHECKOUT / "docs"
DOCUMENT = DOCS / "openapi.json"
WRITTEN = {DOCUMENT: openapi, DOCS / "errors.md": errors, DOCS / "access.md": access}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lumi_openapi", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare instead of writing")
    mode.add_argument("--page", type=Path, metavar="FOLDER", help="write the page's files there")
    options = parser.parse_args()
    try:
        if options.page:
            write_page(options.page, DOCUMENT)
            return 0
        for file, text in WRITTEN.items():
            if not options.check:
                file.write_text(text(), encoding="utf-8")
            elif not file.exists() or file.read_text(encoding="utf-8") != text():
                raise Fault(f"{file.relative_to(CHECKOUT)} is stale, run `make generate`")
    except (Fault, ContractError) as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
