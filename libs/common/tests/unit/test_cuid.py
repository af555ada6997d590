import re
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from time import perf_counter, time

from lumi_common import cuid as module
from lumi_common.cuid import cuid

SHAPE = re.compile(r"c[a-z0-9]{24}")


def make(count: int) -> list[str]:
    return [cuid() for _ in range(count)]


def make_in_threads(count: int) -> list[str]:
    with ThreadPoolExecutor(4) as threads:
        return [id for made in threads.map(make, [count] * 4) for id in made]


def test_it_has_the_published_shape_with_the_time_in_its_first_digits():
    before = int(time() * 1000)
    id = cuid()
    after = int(time() * 1000)

    assert SHAPE.fullmatch(id)
    assert len(id) == len("c") + 8 + 4 + 4 + 8
    assert before <= int(id[1:9], 36) <= after


def test_the_fingerprint_is_the_same_for_all_ids_of_a_process():
    assert len({id[13:17] for id in make(100)}) == 1


def test_ids_of_a_process_sort_by_creation():
    ids = make(100_000)

    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_the_counter_never_wraps_inside_one_millisecond(monkeypatch):
    clock = iter([5_000_000_000] * 3 + [5_001_000_000])
    monkeypatch.setattr(module, "time_ns", lambda: next(clock))
    monkeypatch.setattr(module, "_state", module._State())
    module._state.millisecond, module._state.time_text = 5_000, module._time_text(5_000)
    module._state.counter = module._WRAP - 2

    ids = make(4)

    assert ids == sorted(ids)
    assert [id[9:13] for id in ids] == ["zzzz", "0000", "0001", "0002"]


def make_in_forks(count: int) -> list[str]:
    """Made by this process, and by children that begin as its copies."""
    made = make_in_threads(count)
    with get_context("fork").Pool(4) as processes:
        return made + [id for ids in processes.map(make_in_threads, [count] * 4) for id in ids]


def test_processes_and_threads_never_make_the_same_id():
    made = make_in_threads(10_000)
    # A fresh process forks: this one may have threads of grpc's, which a copy does not survive.
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as processes:
        made += processes.submit(make_in_forks, 10_000).result()
        for ids in processes.map(make_in_threads, [10_000] * 3):
            made += ids

    assert len(made) == 9 * 40_000
    assert len(set(made)) == len(made)
    assert all(SHAPE.fullmatch(id) for id in made)


def test_an_id_takes_about_two_microseconds():
    rounds = []
    for _ in range(5):
        started = perf_counter()
        make(20_000)
        rounds.append((perf_counter() - started) / 20_000)

    assert min(rounds) < 10e-6  # five times what it takes on a quiet machine
