"""The API's page, at /docs: Envoy answers from files that it has read at start, so no further process serves them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from lumi_envoy.envoy import Json, message

MAX_FILE_BYTES = 4 * 1024 * 1024
PATH = "/docs"

# The page's own scripts and styles, pictures inside them, and calls to this gateway; nothing from anywhere else.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_READING = {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD"}}}


def docs_routes(folder: Path | None, without: Iterable[str]) -> list[Json]:
    """A route for each file in the folder, as `python -m lumi_openapi --page` writes it; none without a folder.

    `without` names the filters that only calls need.
    """
    if folder is None:
        return []
    disabled = {name: message("envoy.config.route.v3.FilterConfig", disabled=True) for name in without}
    routes = [route for file in sorted(folder.resolve().iterdir()) if file.suffix != ".gz" for route in _routes(file)]
    to_index = {"name": "docs", "match": {"path": f"{PATH}/"}, "redirect": {"path_redirect": PATH}}
    return [route | {"typed_per_filter_config": disabled} for route in (*routes, to_index)]


def _routes(file: Path) -> Iterator[Json]:
    """What a browser is told that has the file, one that takes it packed, and any other."""
    etag = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    path = PATH if file.name == "index.html" else f"{PATH}/{file.name}"
    packed = file.with_name(f"{file.name}.gz")
    headers = {
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "cache-control": "no-cache",  # asked for again each time, and answered 304
        "etag": f'W/"{etag}"',
        "vary": "accept-encoding",
    }
    typed = headers | {"content-type": _TYPES[file.suffix]}
    yield _route(path, {"status": 304}, headers, _contains("if-none-match", etag))
    if packed.exists():
        yield _route(path, _body(packed), typed | {"content-encoding": "gzip"}, _contains("accept-encoding", "gzip"))
    yield _route(path, _body(file), typed)


def _body(file: Path) -> Json:
    return {"status": 200, "body": {"filename": str(file)}}


def _route(path: str, answer: Json, headers: dict[str, str], *matchers: Json) -> Json:
    name = path.removeprefix("/")
    return {
        "name": name,
        "decorator": {"operation": name, "propagate": False},
        "match": {"path": path, "headers": [_READING, *matchers]},
        "direct_response": answer,
        "response_headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, value in headers.items()
        ],
        "response_headers_to_remove": ["location"],  # which Envoy gives a 304, as if it were a redirect
    }


def _contains(header: str, text: str) -> Json:
    return {"name": header, "string_match": {"contains": text}}
