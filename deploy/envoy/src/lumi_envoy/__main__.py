"""Writes Envoy's configuration:

python -m lumi_envoy --output FILE           what Envoy is to be started with
python -m lumi_envoy --output FILE --check   changes nothing; exits 1 unless the file is what would be written

With a certificate (LUMI_GATEWAY_TLS) or an authority (LUMI_UPSTREAMS_CA) a second file, of the same name that ends in
`.secrets.json`, says where they are.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pydantic import ValidationError

from lumi_common.rpc.access import ContractError
from lumi_envoy.bootstrap import configuration
from lumi_envoy.settings import Settings
from lumi_envoy.tls import secrets, secrets_file


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lumi_envoy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args()
    try:
        files = contents(Settings(), options.output)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            print("_".join(("LUMI", *map(str, fault["loc"]))).upper(), fault["msg"], sep=": ", file=sys.stderr)
        return 2
    except ContractError as error:
        print(error, file=sys.stderr)
        return 1
    if not options.check:
        for file, text in files.items():
            write(file, text)
        return 0
    stale = [file for file, text in files.items() if not file.exists() or file.read_text(encoding="utf-8") != text]
    for file in stale:
        print(f"{file} is stale", file=sys.stderr)
    return bool(stale)


def contents(settings: Settings, output: Path) -> dict[Path, str]:
    """What is to be written where; the configuration last, for it names the other."""
    beside = secrets_file(output)
    named = secrets(settings)
    return ({beside: named} if named else {}) | {output: configuration(settings, beside)}


def write(path: Path, text: str) -> None:
    """Put the text there whole, or not at all: Envoy may be starting. A pipe or a device is written to."""
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8") as stream:
            stream.write(text)
        return
    target = path.resolve()  # a link stays one
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(target)


if __name__ == "__main__":
    sys.exit(main())
