"""The grammar that all of Envoy's configuration shares."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def message(type_name: str, **fields: Any) -> Json:
    """A message of a type that the place does not fix."""
    return {"@type": f"type.googleapis.com/{type_name}", **fields}


def typed(name: str, type_name: str, **fields: Any) -> Json:
    """An extension of Envoy with its configuration."""
    return {"name": name, "typed_config": message(type_name, **fields)}


def seconds(value: float) -> str:
    """A duration."""
    return f"{value:g}s"


def address(host: str, port: int) -> Json:
    """Where to listen or connect."""
    return {"socket_address": {"address": host, "port_value": port}}
