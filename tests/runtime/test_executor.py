"""Runs that lose workers, or themselves, to SIGKILL: in this process, on local cores, on a real Dask cluster."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from ipage_core.runtime import executor as cluster
from tests.support.dask_cluster import dask_cluster

ROOT = Path(__file__).resolve().parent.parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def square(item: dict) -> dict:
    """Writes its process id to ``trace`` as it starts: records the workers, and how often an item was begun."""
    if "trace" in item:
        with open(item["trace"], "a") as file:
            file.write(f"{os.getpid()}\n")
    time.sleep(item.get("seconds", 0))
    return {"i": item["i"], "square": item["i"] ** 2}


def threads(item: dict) -> dict:
    return {"threads": os.environ["OMP_NUM_THREADS"]}


def blocked(item: dict) -> dict:
    return {"blocked": signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())}


def suicide(item: dict) -> dict:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def refuse(item: dict) -> dict:
    raise ZeroDivisionError(f"not {item['i']}")


def items(n: int, **more) -> list[cluster.Item]:
    return [(f"k{i}", {"i": i, **more}) for i in range(n)]


def expected(n: int) -> dict:
    return {f"k{i}": {"i": i, "square": i**2} for i in range(n)}


def keys(journal: Path) -> list[str]:
    return [json.loads(line)["key"] for line in journal.read_text().splitlines()]


def wait_for(condition, seconds: float = 60):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return value


def pids(trace: Path) -> list[int]:
    # The last line may be incomplete.
    return [int(line) for line in trace.read_text().split("\n")[:-1]] if trace.exists() else []


@pytest.fixture(scope="module")
def dask(tmp_path_factory) -> Iterator[str]:
    """Address of a scheduler with two single-threaded workers, each its own process on the loopback device."""
    with dask_cluster(tmp_path_factory.mktemp("dask"), ENVIRONMENT) as (address, _):
        yield address


@pytest.mark.parametrize("workers", [0, 2])
def test_results_come_in_the_order_of_the_items(workers, tmp_path):
    told: list[cluster.Progress] = []
    results = cluster.run(square, items(7), tmp_path / "j", workers=workers, progress=told.append)
    assert results == expected(7)
    assert list(results) == [f"k{i}" for i in range(7)]
    assert [p.done for p in told] == list(range(8))
    assert {p.total for p in told} == {7}
    assert told[0].eta_seconds is None
    assert told[-1].eta_seconds == 0
    assert all(p.result == expected(7)[p.key] for p in told[1:])


def test_what_the_journal_has_is_not_done_again(tmp_path):
    cluster.run(square, items(3, trace=str(tmp_path / "t")), tmp_path / "j", workers=0)
    assert cluster.run(square, items(5, trace=str(tmp_path / "t")), tmp_path / "j", workers=0) == expected(5)
    assert len(pids(tmp_path / "t")) == 5
    assert cluster.run(square, items(2), tmp_path / "j", workers=0) == expected(2)
    assert len(keys(tmp_path / "j")) == 5


@pytest.mark.parametrize(
    "torn", [b'{"key": "k2", "res', b'{"key": "k2", "result": {"i": 2, "square": 4}}', b"\xff\x00"]
)
def test_a_torn_last_line_is_removed_and_its_item_done_again(torn, tmp_path):
    journal = tmp_path / "j"
    cluster.run(square, items(2), journal, workers=0)
    with journal.open("ab") as file:
        file.write(torn)
    assert cluster.run(square, items(4), journal, workers=0) == expected(4)
    assert keys(journal) == ["k0", "k1", "k2", "k3"]


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / "j").write_text('{"key": "k0", "result": {}}\n{"nothing": 1}\n')
    with pytest.raises(ValueError, match="j, line 2 is damaged"):
        cluster.run(square, items(3), tmp_path / "j", workers=0)


def test_two_runs_never_share_a_journal(tmp_path):
    def second(_: cluster.Progress) -> None:
        cluster.run(square, items(1), tmp_path / "j", workers=0)

    with pytest.raises(ValueError, match="Another run"):
        cluster.run(square, items(1), tmp_path / "j", workers=0, progress=second)


def test_a_key_names_one_item(tmp_path):
    with pytest.raises(ValueError, match="have the key 'k0'"):
        cluster.run(square, items(1) * 2, tmp_path / "j")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_the_work_reaches_the_caller(workers, tmp_path):
    with pytest.raises(ZeroDivisionError, match="not 0"):
        cluster.run(refuse, items(2), tmp_path / "j", workers=workers)


def test_workers_have_one_thread():
    assert cluster.run(threads, items(1), None) == {"k0": {"threads": "1"}}


def test_a_script_needs_no_guard_of_its_main_module(tmp_path):
    script = tmp_path / "plain.py"
    script.write_text(
        "from ipage_core.runtime import executor\n"
        "from tests.runtime.test_executor import square\n"
        "print(executor.run(square, [('a', {'i': 3})], None, workers=2), __file__, __spec__)\n"
    )
    done = subprocess.run([sys.executable, script], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == f"{{'a': {{'i': 3, 'square': 9}}}} {script} None\n"


def test_an_item_that_kills_every_worker_ends_the_run():
    with pytest.raises(cluster.WorkerLost, match=r"^Item 'k0' lost 3 workers \(killed, as when the memory is full\)"):
        cluster.run(suicide, items(1), None)


def test_ctrl_c_reaches_no_worker_that_is_still_starting(monkeypatch, capfd):
    begin, begun = SpawnProcess.start, []

    def start(process):
        begin(process)
        os.kill(process.pid, signal.SIGINT)  # as the terminal sends it to all processes
        begun.append(process.pid)

    monkeypatch.setattr(SpawnProcess, "start", start)
    assert cluster.run(blocked, items(3), None, workers=2) == {f"k{i}": {"blocked": False} for i in range(3)}
    assert len(begun) == 2
    assert capfd.readouterr().err == ""
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_ctrl_c_waits_until_a_worker_has_got_its_work(monkeypatch, capfd):
    begin, begun = SpawnProcess.start, []

    def press():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # as in threads of libraries
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    def start(process):
        other = threading.Thread(target=press)
        other.start()
        other.join()
        begin(process)
        begun.append(process)

    monkeypatch.setattr(SpawnProcess, "start", start)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # of a caller in the background it is SIG_IGN
    try:
        with pytest.raises(KeyboardInterrupt):
            cluster.run(square, items(3), None, workers=2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(begun) == 1
    begun[0].terminate()
    begun[0].join()
    assert capfd.readouterr().err == ""


def test_cancelling_drops_work_in_flight_at_once(tmp_path):
    work = [*items(1), ("slow", {"i": 9, "seconds": 600})]
    done: list[cluster.Progress] = []
    results = cluster.run(square, work, tmp_path / "j", workers=2, progress=done.append, cancel=lambda: len(done) > 1)
    assert results == expected(1)
    assert keys(tmp_path / "j") == ["k0"]


def test_a_killed_worker_costs_nothing_but_its_time(tmp_path):
    journal, trace = tmp_path / "j", tmp_path / "t"

    def kill_the_other(p: cluster.Progress) -> None:
        if p.done == 2:
            os.kill(pids(trace)[-1], signal.SIGKILL)

    work = items(8, seconds=0.2, trace=str(trace))
    assert cluster.run(square, work, journal, workers=2, progress=kill_the_other) == expected(8)
    assert sorted(keys(journal)) == sorted(expected(8))
    assert len(set(pids(trace))) == 3


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    journal, trace = tmp_path / "j", tmp_path / "t"
    script = (
        "import sys; from pathlib import Path; from tests.runtime.test_executor import *\n"
        "cluster.run(square, items(12, seconds=0.3, trace=sys.argv[2]), Path(sys.argv[1]), workers=2)"
    )
    run = subprocess.Popen([sys.executable, "-c", script, str(journal), str(trace)], env=ENVIRONMENT)
    wait_for(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 3)
    run.kill()
    run.wait()
    before = keys(journal)
    assert 3 <= len(before) < 12
    assert cluster.run(square, items(12, trace=str(trace)), journal, workers=2) == expected(12)
    assert keys(journal)[: len(before)] == before
    assert sorted(keys(journal)) == sorted(expected(12))
    assert len(pids(trace)) <= 12 + 2, "more than the items in flight were done twice"


@pytest.mark.slow
def test_dask_survives_a_killed_worker(dask, tmp_path):
    """The workers do not know the journal: only the argument is sent, and the result returned."""
    journal, trace = tmp_path / "j", tmp_path / "t"

    def kill_one(p: cluster.Progress) -> None:
        if p.done == 3:
            os.kill(pids(trace)[-1], signal.SIGKILL)

    work = items(20, seconds=0.15, trace=str(trace))
    results = cluster.run(square, work, journal, scheduler=dask, progress=kill_one)
    assert results == expected(20)
    assert list(results) == list(expected(20))
    assert sorted(keys(journal)) == sorted(expected(20))
    assert len(set(pids(trace))) == 2
    assert os.getpid() not in pids(trace)

    with pytest.raises(ZeroDivisionError, match="not 0"):
        cluster.run(refuse, items(2), None, scheduler=dask)


def test_a_scheduler_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="No Dask scheduler answers at nowhere://"):
        cluster.run(square, items(1), None, scheduler="nowhere://127.0.0.1:1")


def worker(item: dict) -> int:
    return os.getpid()


def test_work_apart_keeps_its_process_and_replaces_one_that_is_killed():
    apart = cluster.Apart(worker)
    first = apart({})
    assert first != os.getpid()
    assert apart({}) == first
    os.kill(first, signal.SIGKILL)
    assert apart({}) not in (first, os.getpid())


def test_errors_of_work_apart_reach_the_caller_and_the_next_call_succeeds():
    apart = cluster.Apart(refuse)
    for i in (3, 4):
        with pytest.raises(ZeroDivisionError, match=f"not {i}"):
            apart({"i": i})


def test_work_that_kills_every_worker_apart_ends():
    with pytest.raises(cluster.WorkerLost, match="3 workers"):
        cluster.Apart(suicide)({})
