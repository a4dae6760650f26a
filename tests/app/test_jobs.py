"""The queue for verification, with stand-ins for the process instead of DFT."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

from app.workers import jobs, process
from ipage_core.tasks.crystal import dft
from tests.support.dft_jobs import lattices, until

ROOT = Path(__file__).resolve().parent.parent.parent
CHILD = """
    import json, sys, time
    print(json.dumps({"eta": None, "results": {}}), flush=True)
    lattices = json.load(sys.stdin)
    for i, row in enumerate(lattices):
        if row[0] > 9:
            time.sleep(30)
        if row[0] > 8:
            sys.exit("Traceback\\nno such crystal")
        result = {"fail": "did not converge"} if row[0] > 7 else {"gap": row[0] / 10, "direct": 1, "energy": -39}
        print(json.dumps({"eta": 0.5 * (len(lattices) - i - 1), "results": {i: result}}), flush=True)
"""
GOOD, BAD, BROKEN, SLOW = 4.0, 7.5, 8.5, 9.5


@pytest.fixture(autouse=True)
def child(monkeypatch, tmp_path):
    monkeypatch.setenv("IPAGE_CACHE", str(tmp_path))
    monkeypatch.setattr(jobs, "COMMAND", ["-c", textwrap.dedent(CHILD)])


def gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_results_arrive_by_row_and_are_remembered(queue):
    job = queue.add((3, 5, 8), lattices(GOOD, BAD, 4.1))
    assert job.state == "running"
    assert job.seconds_left == pytest.approx(jobs.guess(3), abs=1)
    until(queue, lambda: not job.active)
    assert job.state == "done"
    assert [job.results[i].get("gap") for i in range(3)] == pytest.approx([0.4, None, 0.41])
    assert queue.finished[jobs.GAPS, job.lattices[1]] == {"fail": "did not converge"}
    assert queue.process is None


def test_jobs_wait_for_each_other_and_can_be_taken_out(queue):
    first, second, third = (queue.add((0,), lattices(a)) for a in (SLOW, GOOD, 4.2))
    assert [job.state for job in (first, second, third)] == ["running", "waiting", "waiting"]
    assert queue.ahead(third) == 2
    assert queue.about(lattices(4.2, 4.9)) == [third]
    queue.cancel(second)
    assert (second.state, queue.ahead(third)) == ("cancelled", 1)
    group = queue.process.pid
    queue.cancel(first)
    assert first.state == "cancelled"
    assert gone(group)
    until(queue, lambda: not third.active)
    assert third.state == "done"


def test_cancelling_keeps_what_is_computed(queue):
    job = queue.add((0, 1), lattices(GOOD, SLOW))
    until(queue, lambda: job.results)
    queue.cancel(job)
    assert list(job.results) == [0]
    assert queue.finished[jobs.GAPS, job.lattices[0]]["gap"] == pytest.approx(0.4)


def test_a_process_that_is_killed_is_a_failed_job_and_the_next_one_runs(queue):
    job, next_one = queue.add((0, 1), lattices(GOOD, SLOW)), queue.add((2,), lattices(GOOD))
    until(queue, lambda: job.results)
    os.kill(queue.process.pid, signal.SIGKILL)
    until(queue, lambda: not job.active)
    assert (job.state, job.message) == ("failed", "the process was ended by signal 9")
    assert list(job.results) == [0]
    until(queue, lambda: not next_one.active)
    assert next_one.state == "done"


def test_what_a_process_complains_about_is_told(queue):
    job = queue.add((0,), lattices(BROKEN))
    until(queue, lambda: not job.active)
    assert (job.state, job.message) == ("failed", "no such crystal")


def test_a_process_that_does_not_even_start_is_a_failed_job(queue, monkeypatch):
    monkeypatch.setattr(process.sys, "executable", "/no/such/program")
    job = queue.add((0,), lattices(GOOD))
    assert job.state == "failed"
    assert "No such file" in job.message


def test_too_many_at_once_is_a_sentence(queue):
    with pytest.raises(ValueError, match="at most 64"):
        queue.add(tuple(range(65)), lattices(*[GOOD] * 65))


def test_disk_is_asked_without_computing(monkeypatch, tmp_path):
    monkeypatch.setattr(dft, "gpaw_version", lambda: "0")
    here = lattices(GOOD, 4.1)
    assert jobs.results(here) == [None, None]
    result = {
        "gap": 1.8, "direct": 2.1, "vbm": [0.5, 0.5, 0.5], "cbm": [0, 0, 0], "energy": -40.0, "iterations": 11,
        "occupations": "fixed-uniform", "edges": [[1.0], [2.8]], "cpu_s": 3.1,
    }  # fmt: skip
    dft.keep(dft.cache_file(here[1], dft.STANDARD), result)
    assert jobs.results(here) == [None, result]


def test_the_real_process_prints_what_the_queue_reads(tmp_path):
    """With GPAW missing, or an impossible lattice: both are fast."""
    impossible = json.dumps([[3.9, 3.9, 3.9, 150, 150, 150]])
    done = subprocess.run(
        [sys.executable, "-m", "app.workers.jobs"],
        input=impossible,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if find_spec("gpaw") is None:
        assert done.stderr.startswith("Band gaps of crystals need GPAW")
        return
    last = json.loads(done.stdout.splitlines()[-1])
    assert "volume would not be positive" in last["results"]["0"]["fail"]


def test_the_process_needs_neither_streamlit_nor_torch():
    """Its startup time adds to every result."""
    code = "import sys, app.workers.jobs; sys.exit(bool({'streamlit', 'torch', 'plotly'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


def test_results_without_failure_are_kept_for_a_later_learning(queue, tmp_path, monkeypatch):
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path))
    job = queue.add((0, 1, 2), lattices(GOOD, BAD, GOOD + 0.1))
    until(queue, lambda: not job.active)
    known = jobs.verified(job.work)
    assert [key[0] for key, _ in known] == [GOOD, GOOD + 0.1]
    assert known[0][1]["gap"] == GOOD / 10
    assert jobs.verified("another:operator") == []
