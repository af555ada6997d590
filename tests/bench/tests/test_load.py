import os
from pathlib import Path

import pytest

from lumi_bench.bare import bare_server
from lumi_bench.load import Call, Client, Load
from lumi_bench.pgbench import read
from lumi_bench.process import cpu_seconds, memory_megabytes
from lumi_common.settings import TlsFiles
from lumi_local import certificates
from lumi_local.process import StackError

OUTPUT = """\
number of transactions actually processed: 1280/1280
number of failed transactions: 0 (0.000%)
latency average = 80.1 ms
tps = 780.25 (without initial connection time)
"""


def test_a_client_keeps_calls_in_flight_and_says_how_long_they_took(tmp_path: Path) -> None:
    with Client() as client, bare_server(b"answer", tmp_path) as (address, pid):
        call = Call(b"question")
        assert client.answers(Load(address, "/any/Method", [call, call], in_flight=2)) == [b"answer", b"answer"]

        each_once = client.run(Load(address, "/any/Method", [call] * 50, in_flight=4))
        for_a_time = client.run(Load(address, "/any/Method", [call], in_flight=4, seconds=0.2, pids=(pid,)))

    assert each_once.calls == 50
    assert 0 < each_once.p50_ms <= each_once.p99_ms
    assert for_a_time.seconds >= 0.2
    assert for_a_time.cpu_seconds > 0


def test_a_call_that_fails_ends_the_measurement(tmp_path: Path) -> None:
    with Client() as client, bare_server(b"answer", tmp_path) as (address, _):
        client.answers(Load(address, "/any/Method", [Call(b"")], in_flight=1))
        bad = Call(b"", (("authorization", "x" * 100_000),))
        with pytest.raises(RuntimeError, match="/any/Method: RESOURCE_EXHAUSTED"):
            client.run(Load(address, "/any/Method", [bad], in_flight=1))


def test_a_refusal_that_is_due_is_an_answer_and_anything_else_ends_the_measurement(tmp_path: Path) -> None:
    refused = Call(b"", (("authorization", "x" * 100_000),), refused="RESOURCE_EXHAUSTED")
    with Client() as client, bare_server(b"answer", tmp_path) as (address, _):
        assert client.run(Load(address, "/any/Method", [refused] * 3, in_flight=1)).calls == 3
        with pytest.raises(RuntimeError, match="answered where RESOURCE_EXHAUSTED was due"):
            client.run(Load(address, "/any/Method", [Call(b"", refused="RESOURCE_EXHAUSTED")], in_flight=1))


def test_client_and_bare_server_show_each_other_certificates(tmp_path: Path) -> None:
    certificates.ensure(tmp_path)
    orders, catalogue = (
        TlsFiles(tmp_path / "ca.pem", tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        for name in ("orders", "catalogue")
    )
    with Client() as client, bare_server(b"answer", tmp_path, catalogue) as (address, _):
        load = Load(address, "/any/Method", [Call(b"question")], in_flight=1, tls=orders)
        assert client.answers(load) == [b"answer"]


def test_a_process_knows_its_time_and_memory() -> None:
    before = cpu_seconds([os.getpid()])
    sum(range(3_000_000))

    assert cpu_seconds([os.getpid()]) > before
    share, resident = memory_megabytes(os.getpid())
    assert 5 < share <= resident < 2000


def test_the_rate_of_pgbench_is_read() -> None:
    assert (read(OUTPUT).rate, read(OUTPUT).transactions) == (780.25, 1280)
    with pytest.raises(StackError):
        read("nothing")
