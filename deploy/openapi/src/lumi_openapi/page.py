"""The files that the gateway serves at /docs: Swagger UI as its package brings it, what starts it here, the document.

Beside each file stands the same packed by gzip, for browsers that take it.
"""

from __future__ import annotations

import gzip
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from lumi_openapi.contract import Fault

_SWAGGER_UI = ("swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css")
_OURS = ("index.html", "start.js", "page.css", "icon.svg")


def write_page(folder: Path, document: Path) -> None:
    """Write the page into a folder, which is made; the same files for the same document."""
    if not document.is_file():
        raise Fault(f"{document} is not there: `make generate` writes it")
    folder.mkdir(parents=True, exist_ok=True)
    ours = files("lumi_openapi").joinpath("page")
    contents = {name: ours.joinpath(name).read_bytes() for name in _OURS}
    contents |= {name: (_swagger_ui() / name).read_bytes() for name in _SWAGGER_UI}
    contents["openapi.json"] = document.read_bytes()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        (folder / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))


def _swagger_ui() -> Path:
    # Found and not imported: the package is an app for Django, which is not installed.
    spec = find_spec("drf_spectacular_sidecar")
    if spec is None or spec.origin is None:
        raise Fault("the package drf-spectacular-sidecar, which brings Swagger UI, is not installed")
    return Path(spec.origin).parent / "static" / "drf_spectacular_sidecar" / "swagger-ui-dist"
