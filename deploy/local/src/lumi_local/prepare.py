"""What must be done between a database that runs and services that start: roles, schemas, streams, the admin."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lumi_common.events.streams import ensure_streams
from lumi_local.parts import Blueprint
from lumi_local.process import StackError
from lumi_local.settings import CHECKOUT
from lumi_local.topology import SERVICES

CODE = ("libs", "services", "protos", "deploy", "requirements")
NOT_RUN = {"__pycache__", "tests"}
SERVED = (CHECKOUT / "docs" / "openapi.json",)


def code_digest() -> str:
    """A digest of the checkout's code (names, sizes, times): it changes when a restart would run something else."""
    digest = hashlib.sha256(sys.executable.encode())
    for file in filter(Path.exists, SERVED):
        digest.update(f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}\n".encode())
    for top in CODE:
        for folder, folders, files in os.walk(CHECKOUT / top):
            folders[:] = sorted(set(folders) - NOT_RUN)
            if folder.endswith(".egg-info"):
                continue
            for name in sorted(files):
                state = os.stat(os.path.join(folder, name))
                digest.update(f"{folder}/{name} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def migrate(blueprint: Blueprint) -> None:
    """Bring every schema to the newest version, all services at once."""
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        for _ in pool.map(lambda service: _deploy_step(blueprint, service, "migrate"), SERVICES):
            pass


def make_admin(blueprint: Blueprint) -> None:
    """Make permissions, roles and the admin."""
    _deploy_step(blueprint, "identity", "bootstrap")


def make_streams(blueprint: Blueprint) -> None:
    """Make the event streams and their consumers, as the broker's admin."""
    asyncio.run(ensure_streams(blueprint.nats.url_admin))


def make_gateway_configuration(blueprint: Blueprint) -> None:
    """Write Envoy's configuration from the services' descriptors, and the API's page, which it serves."""
    _run("the API's page", "lumi_openapi", "--page", str(blueprint.home.page), environment={})
    settings = blueprint.settings.for_gateway() | {
        "LUMI_ENV": "local",
        "LUMI_HOME": str(blueprint.home.root),
        "LUMI_DOCS": str(blueprint.home.page),
        "LUMI_PORT_BASE": str(blueprint.settings.port_base),
        "LUMI_GATEWAY_PORT": str(blueprint.settings.gateway_port),
    }
    _run("the gateway's configuration", "lumi_envoy", "--output", str(blueprint.home.gateway), environment=settings)


def _deploy_step(blueprint: Blueprint, service: str, step: str) -> None:
    _run(f"{service}: {step}", f"lumi_{service}", step, environment=blueprint.deploy_environment(service))


def _run(what: str, module: str, *arguments: str, environment: Mapping[str, str]) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LUMI_", "PG"))}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=CHECKOUT,
        env=inherited | dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise StackError(f"{what} failed:\n{done.stdout.strip()}")
