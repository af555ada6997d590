"""What the generated configuration says, before any Envoy runs on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet, MethodOptions
from lumi.common.v1 import options_pb2
from pydantic import ValidationError

from lumi_common.rpc.access import ContractError, read_policy
from lumi_envoy.bootstrap import bootstrap, configuration
from lumi_envoy.contract import all_methods, descriptor_set, routed_methods
from lumi_envoy.refusals import REFUSALS
from lumi_envoy.settings import CONTEXTS, TLS_FILES, Settings
from lumi_local import certificates, programs
from lumi_local import settings as local
from lumi_local.topology import SERVICES

LOCAL = Settings(env="local")
BEHIND = Settings(trusted_hops=1)  # production, with TLS that ends in front


def routes(settings: Settings = LOCAL) -> list[dict[str, Any]]:
    """The routes of the listener that clients see."""
    manager = bootstrap(settings)["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    found: list[dict[str, Any]] = manager["route_config"]["virtual_hosts"][0]["routes"]
    return found


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LUMI_")}
    environment = {"LUMI_TRUSTED_HOPS": "1"} | environment
    command = [sys.executable, "-m", "lumi_envoy", *arguments]
    return subprocess.run(command, env=inherited | environment, capture_output=True, text=True, check=False)


def accepted(file: Path) -> subprocess.CompletedProcess[str]:
    """What Envoy says of a configuration."""
    envoy = [str(programs.envoy(None)), "--mode", "validate", "--config-path", str(file), "--disable-hot-restart"]
    return subprocess.run(envoy, capture_output=True, text=True, check=False)


def declared(name: str, *, http: str = "", streams: bool = False, package: str = "orders", **access: Any) -> Any:
    """A method of a contract of this test's own."""
    file = FileDescriptorProto(name=f"test/{package}/{name}.proto", package=f"lumi.{package}.{name.lower()}")
    message = file.message_type.add(name="Nothing")
    options = MethodOptions(idempotency_level=MethodOptions.NO_SIDE_EFFECTS)
    options.Extensions[options_pb2.access].CopyFrom(options_pb2.Access(**access))
    if http:
        options.Extensions[annotations_pb2.http].get = http
    type_name = f".{file.package}.{message.name}"
    file.service.add(name="S").method.add(
        name=name, input_type=type_name, output_type=type_name, server_streaming=streams, options=options
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool.FindServiceByName(f"{file.package}.S").methods[0]


def test_the_same_contract_and_settings_make_the_same_configuration(tmp_path: Path):
    files = [tmp_path / "one.yaml", tmp_path / "another.yaml"]
    for seed, file in enumerate(files, start=1):
        assert run("--output", str(file), PYTHONHASHSEED=str(seed)).returncode == 0

    once, again = (file.read_text() for file in files)
    assert once == again == configuration(BEHIND)
    assert configuration(LOCAL) != once


def test_every_method_for_clients_has_one_route_to_its_service_and_nothing_else_has_any():
    *ours, rest = routes()

    wanted = {f"/{read_policy(each).name}" for each in all_methods() if read_policy(each).on_public_port}
    assert {route["match"]["path"] for route in ours} == wanted
    assert len(ours) == len(wanted)
    for route in ours:
        assert set(route["match"]) == {"path"}  # exact, never a prefix
        assert route["route"]["cluster"] == route["match"]["path"].split(".")[1]
        assert route["route"]["cluster"] in CONTEXTS
    assert rest["match"] == {"prefix": "/"}
    assert rest["route"] == {"cluster": "nowhere", "cluster_not_found_response_code": "NOT_FOUND"}
    assert "nowhere" not in [each["name"] for each in bootstrap(LOCAL)["static_resources"]["clusters"]]


def test_no_token_is_asked_for_exactly_where_the_contract_says_public():
    optional = {route["match"]["path"] for route in routes()[:-1] if "typed_per_filter_config" in route}

    assert optional == {f"/{read_policy(each).name}" for each in all_methods() if read_policy(each).public}


def test_internal_methods_and_ports_are_not_even_mentioned():
    text = configuration(LOCAL)
    known = {
        f"{file.package}.{service.name}/{method.name}"
        for file in FileDescriptorSet.FromString(descriptor_set(routed_methods()).SerializeToString()).file
        for service in file.service
        for method in service.method
    }

    for method in all_methods():
        policy = read_policy(method)
        assert (policy.name in known) == policy.on_public_port
        if not policy.on_public_port:
            assert f"/{method.name}" not in text
    for service in SERVICES:
        assert f'"port_value": {local.Settings().internal_port(service)}' not in text


def test_only_what_changes_nothing_is_tried_again_after_it_arrived():
    mutating = {f"/{read_policy(each).name}": read_policy(each).mutating for each in all_methods()}

    for route in routes()[:-1]:
        again = route["route"]["retry_policy"]["retry_on"].split(",")
        assert ("unavailable" in again) == ("reset" in again) == (not mutating[route["match"]["path"]])
        assert "5xx" not in again


def test_a_caller_without_a_deadline_gets_the_declared_one():
    declared_ms = {method.path: method.deadline_ms for method in routed_methods()}

    assert declared_ms["/lumi.catalogue.v1.TransferService/ImportProducts"] == 60_000
    for route in routes()[:-1]:
        (added,) = route["request_headers_to_add"]
        assert added["header"] == {"key": "grpc-timeout", "value": f"{declared_ms[route['match']['path']]}m"}
        assert added["append_action"] == "ADD_IF_ABSENT"


def test_ports_are_those_of_the_local_stack():
    stack = local.Settings()

    assert CONTEXTS == SERVICES
    assert LOCAL.admin_port == stack.envoy_admin_port
    for service in SERVICES:
        assert LOCAL.upstream(service) == ("127.0.0.1", stack.public_port(service))


def test_the_local_stack_is_given_every_rate_and_generously():
    rates = {f"LUMI_{name.upper()}" for name in Settings.model_fields if "_per_" in name}

    assert set(local.RATES) == rates
    generous = Settings(env="local", **{name.removeprefix("LUMI_").lower(): rate for name, rate in local.RATES.items()})
    assert all(getattr(generous, name.removeprefix("LUMI_").lower()) >= 1_000_000 for name in rates)


def test_services_elsewhere_are_found_by_name():
    settings = Settings(trusted_hops=1, upstreams={"orders": "orders.shop.svc:9000", "identity": "[fd00::1]:9001"})

    clusters = {each["name"]: each for each in bootstrap(settings)["static_resources"]["clusters"]}

    assert settings.upstream("orders") == ("orders.shop.svc", 9000)
    assert settings.upstream("identity") == ("fd00::1", 9001)
    assert (clusters["orders"]["type"], clusters["identity"]["type"]) == ("STRICT_DNS", "STATIC")


def test_pages_of_this_machine_may_call_in_the_local_profile_only():
    assert "localhost" in configuration(LOCAL)
    assert "localhost" not in configuration(BEHIND)


def test_a_reason_is_told_for_every_kind_of_refusal():
    for refusal in REFUSALS:
        assert refusal.message
        assert refusal.reason.isupper()
        assert refusal.grpc_status.code
    assert REFUSALS[-1].when == "response.code >= 400"  # whatever else there may be


@pytest.mark.parametrize(
    "faulty",
    [
        {"gateway_port": 0},
        {"upstreams": {"shipping": "a:1"}},
        {"upstreams": {"orders": "no-port"}},
        {"allowed_origins": ["*"]},
        {"allowed_origins": ["https://shop.example/path"]},
        {"gateway_tls": "/nowhere"},
        {"calls_per_client": 0},
        {"tries_per_user": 2_000_000_000},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(faulty: dict[str, Any]):
    with pytest.raises(ValidationError, match=next(iter(faulty))):
        Settings(**{"trusted_hops": 1} | faulty)


def test_the_local_profile_binds_loopback_only():
    with pytest.raises(ValidationError, match="loopback"):
        Settings(env="local", gateway_host="0.0.0.0")


def test_clients_are_not_spoken_to_in_the_clear_unless_tls_ends_in_front(tmp_path: Path):
    with pytest.raises(ValidationError, match="LUMI_GATEWAY_TLS"):
        Settings()
    with pytest.raises(ValidationError, match=r"no tls\.crt and no tls\.key"):
        Settings(gateway_tls=tmp_path)

    for name in TLS_FILES:
        (tmp_path / name).touch()
    settings = Settings(gateway_tls=tmp_path, gateway_host="0.0.0.0")
    (listener, _) = bootstrap(settings, tmp_path / "x.secrets.json")["static_resources"]["listeners"]
    assert [chain["transport_socket"]["name"] for chain in listener["filter_chains"]] == ["envoy.transport_sockets.tls"]
    done = run("--output", str(tmp_path / "envoy.yaml"), LUMI_TRUSTED_HOPS="0")
    assert (done.returncode, "LUMI_GATEWAY_TLS" in done.stderr) == (2, True)


def test_the_secrets_file_names_the_certificate_and_holds_nothing_of_it(tmp_path: Path):
    folder, output = tmp_path / "tls", tmp_path / "envoy.yaml"
    folder.mkdir()
    certificates.ensure(folder)
    for name, suffix in zip(TLS_FILES, ("pem", "key"), strict=True):
        (folder / f"orders.{suffix}").rename(folder / name)
    chosen = {"LUMI_GATEWAY_TLS": str(folder), "LUMI_TRUSTED_HOPS": "0"}

    assert run("--output", str(output), "--check", **chosen).returncode == 1
    assert run("--output", str(output), **chosen).returncode == 0
    assert run("--output", str(output), "--check", **chosen).returncode == 0

    beside = tmp_path / "envoy.secrets.json"
    assert str(beside) in output.read_text()
    assert str(folder / "tls.key") in beside.read_text()
    assert "BEGIN" not in output.read_text() + beside.read_text()
    assert accepted(output).returncode == 0
    beside.write_text(beside.read_text() + " ")
    assert run("--output", str(output), "--check", **chosen).returncode == 1


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        (declared("NoForm", public=True), "has no HTTP form"),
        (declared("Leak", http="/v1/x", service=["orders"]), "is between services only and has an HTTP form"),
        (declared("Flood", http="/v1/x", public=True, streams=True), "streams"),
        (declared("Lost", http="/v1/x", public=True, package="shipping"), "belongs to no service"),
        (declared("Open", http="/v1/x"), "admits nobody"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_contract_that_the_gateway_cannot_keep_is_refused(method: Any, fault: str):
    with pytest.raises(ContractError, match=fault):
        routed_methods([method])


def test_check_tells_a_stale_file_from_a_fresh_one(tmp_path: Path):
    file = str(tmp_path / "envoy.yaml")

    assert run("--output", file, "--check").returncode == 1
    assert run("--output", file).returncode == 0
    assert run("--output", file, "--check").returncode == 0
    assert run("--output", file, "--check", LUMI_GATEWAY_PORT="9999").returncode == 1
    assert json.loads(Path(file).read_text())["admin"]["address"]["socket_address"]["port_value"] == 7901


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path: Path):
    pipe, link, file, read = (tmp_path / name for name in ("pipe", "link", "envoy.yaml", "read"))
    os.mkfifo(pipe)
    link.symlink_to(file)
    with read.open("w") as output, subprocess.Popen(["cat", str(pipe)], stdout=output):
        assert run("--output", str(pipe)).returncode == 0
    assert run("--output", str(link)).returncode == 0

    assert read.read_text() == file.read_text() == configuration(BEHIND)
    assert pipe.is_fifo()
    assert link.is_symlink()


def test_a_wrong_setting_is_named(tmp_path: Path):
    done = run("--output", str(tmp_path / "envoy.yaml"), LUMI_GATEWAY_PORT="many")

    assert done.returncode == 2
    assert "LUMI_GATEWAY_PORT" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("settings", [LOCAL, Settings(upstreams={"orders": "orders.shop.svc:9000"}, trusted_hops=1)])
def test_envoy_accepts_it(tmp_path: Path, settings: Settings):
    file = tmp_path / "envoy.yaml"
    file.write_text(configuration(settings))

    done = accepted(file)

    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr.lower()


def manager(settings: Settings) -> dict[str, Any]:
    """The connection manager of the listener that clients see."""
    listener = bootstrap(settings)["static_resources"]["listeners"][0]
    found: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def test_there_are_spans_where_there_is_an_endpoint_and_only_then():
    assert "tracing" not in manager(LOCAL)
    assert "otlp" not in [each["name"] for each in bootstrap(LOCAL)["static_resources"]["clusters"]]

    settings = Settings(trusted_hops=1, otlp_endpoint="collector.shop.svc", trace_ratio=0.25)
    tracer = manager(settings)["tracing"]["provider"]["typed_config"]
    *_, cluster = bootstrap(settings)["static_resources"]["clusters"]

    assert tracer["sampler"]["typed_config"]["sampling_percentage"] == {"numerator": 250_000, "denominator": "MILLION"}
    assert (cluster["name"], cluster["type"]) == ("otlp", "STRICT_DNS")
    assert cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] == {
        "socket_address": {"address": "collector.shop.svc", "port_value": 4317}
    }
    assert "transport_socket" not in cluster


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:4317", "https://collector.example:443", "https://[fd00::1]"])
def test_envoy_takes_the_configuration_of_each_kind_of_endpoint(tmp_path: Path, endpoint: str):
    certificates.ensure(tmp_path)
    file = tmp_path / "envoy.yaml"
    file.write_text(configuration(Settings(env="local", otlp_endpoint=endpoint, otlp_ca=str(tmp_path / "ca.pem"))))

    done = accepted(file)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("endpoint", ["ftp://collector", "http://", "http://a/b", "http://me:secret@a", "a b"])
def test_an_endpoint_that_is_none_is_refused(endpoint: str):
    with pytest.raises(ValidationError):
        Settings(env="local", otlp_endpoint=endpoint)
