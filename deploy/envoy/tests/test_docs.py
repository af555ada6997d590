"""The API's page among the routes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lumi_envoy.bootstrap import bootstrap, configuration
from lumi_envoy.settings import Settings
from lumi_local import programs


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "page"
    folder.mkdir()
    for name in ("index.html", "start.js", "start.js.gz"):
        (folder / name).write_text(name)
    return folder


def routes(settings: Settings) -> list[dict[str, Any]]:
    manager = bootstrap(settings)["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    found: list[dict[str, Any]] = manager["route_config"]["virtual_hosts"][0]["routes"]
    return [route for route in found if route["name"].startswith("docs")]


def test_without_a_folder_there_is_no_page():
    assert routes(Settings(env="local")) == []


def test_each_file_is_answered_by_its_own_path_alone_and_without_what_calls_need(page: Path):
    found = routes(Settings(env="local", docs=page))

    assert {route["match"]["path"] for route in found} == {"/docs", "/docs/", "/docs/start.js"}
    for route in found:
        disabled = {name for name, config in route["typed_per_filter_config"].items() if config["disabled"]}
        assert disabled == {"envoy.filters.http.grpc_json_transcoder", "envoy.filters.http.jwt_authn"}


def test_a_browser_that_takes_it_packed_gets_it_packed(page: Path):
    known, packed, plain = (
        route for route in routes(Settings(env="local", docs=page)) if route["match"]["path"] == "/docs/start.js"
    )

    assert known["direct_response"] == {"status": 304}
    assert packed["direct_response"]["body"] == {"filename": str(page / "start.js.gz")}
    assert plain["direct_response"]["body"] == {"filename": str(page / "start.js")}
    asked = [matcher["name"] for matcher in packed["match"]["headers"]]
    assert asked == [":method", "accept-encoding"]


def test_other_content_has_another_etag(page: Path):
    before = configuration(Settings(env="local", docs=page))
    (page / "start.js").write_text("changed")

    assert configuration(Settings(env="local", docs=page)) != before


def test_nothing_from_elsewhere_may_run_in_the_page(page: Path):
    for route in routes(Settings(env="local", docs=page))[:-1]:
        headers = {each["header"]["key"]: each["header"]["value"] for each in route["response_headers_to_add"]}
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "://" not in policy


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(ValidationError):
        Settings(env="local", docs=tmp_path / "page")


def test_envoy_accepts_it(page: Path, tmp_path: Path):
    file = tmp_path / "envoy.yaml"
    (page / "large.txt").write_text("x" * 2_000_000)
    file.write_text(configuration(Settings(env="local", docs=page)))

    done = subprocess.run(
        [str(programs.envoy(None)), "--mode", "validate", "--config-path", str(file), "--disable-hot-restart"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(file.read_text())["admin"]
