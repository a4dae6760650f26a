"""DFT jobs of the server on a Dask cluster: two workers, one killed, no common file system, a stand-in for GPAW."""

import os
from pathlib import Path

import numpy as np
import pytest

from app.workers import jobs
from ipage_core.cli.main import main
from ipage_core.tasks.crystal import dft
from ipage_core.tasks.silicon import operator
from tests.support.dask_cluster import dask_cluster
from tests.support.dft_jobs import lattices, until

ROOT = Path(__file__).resolve().parents[2]
GPAW = '''
"""Stands in for GPAW: the gap of a cell is its first length over ten."""
import os, time
import numpy as np

class KohnShamConvergenceError(RuntimeError):
    pass

class GPAW:
    def __init__(self, **settings):
        self.k = np.array([(0, 0, 0), (0.5, 0.5, 0.5)])
    def get_potential_energy(self, atoms, force_consistent=False):
        with open(os.environ["TRACE"], "a") as file:
            file.write(f"{os.getpid()}\\n")
        time.sleep(float(os.environ["SLOW"]))
        self.a = float(atoms.cell.lengths()[0])
        if self.a > 4.25:
            raise KohnShamConvergenceError
        return -40.0
    def get_ibz_k_points(self):
        return self.k
    def get_eigenvalues(self, kpt):
        return np.concatenate((np.full(20, -1.0 * kpt), np.full(4, self.a / 10 - 1.0 * kpt + kpt)))
    def get_number_of_iterations(self):
        return 11
'''


@pytest.fixture
def place(monkeypatch, tmp_path):
    """Folders of this server and of the workers, which share none; both have the stand-in."""
    (tmp_path / "stub/gpaw").mkdir(parents=True)
    (tmp_path / "stub/gpaw/__init__.py").write_text(GPAW)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path / "stub"), str(ROOT))))
    monkeypatch.setenv("IPAGE_CACHE", str(tmp_path / "here"))
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TRACE", str(tmp_path / "trace"))
    monkeypatch.setenv("SLOW", "0.3")
    return tmp_path


@pytest.mark.slow
def test_two_workers_and_one_killed_give_the_results_of_this_machine(place, queue, monkeypatch):
    x = lattices(*np.linspace(3.6, 4.2, 8).round(3), 4.3)
    there = os.environ | {"IPAGE_CACHE": str(place / "there"), "IPAGE_HOME": str(place / "none")}
    with dask_cluster(place, there) as (address, workers):
        monkeypatch.setenv(jobs.SCHEDULER, address)
        job = queue.add(tuple(range(9)), x)
        until(queue, lambda: len(job.results) >= 2, seconds=120)
        workers[0].kill()
        until(queue, lambda: not job.active, seconds=120)
        assert (job.state, job.message) == ("done", "")
    ran_on = {int(pid) for pid in (place / "trace").read_text().split()}
    assert ran_on <= {process.pid for process in workers}, "this machine computed"
    assert [job.results[i]["gap"] for i in range(8)] == pytest.approx((x[:8, 0] / 10).tolist(), abs=1e-4)
    assert "did not converge" in job.results[8]["fail"]
    assert len(list((place / "here/dft").glob("*.json"))) == 8, "the results are cached here too"
    monkeypatch.delenv(jobs.SCHEDULER)
    monkeypatch.setenv("SLOW", "0")
    again = queue.add((0, 1), x[:2])
    until(queue, lambda: not again.active, seconds=120)
    assert again.results == {i: job.results[i] for i in range(2)}
    assert {int(pid) for pid in (place / "trace").read_text().split()} == ran_on, "nothing was computed again"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("nowhere:1", "accepted: an address such as tcp://127.0.0.1:8786"),
        pytest.param("tcp://127.0.0.1:1", "No Dask scheduler answers at tcp://127.0.0.1:1", marks=pytest.mark.slow),
    ],
)
def test_a_scheduler_that_is_not_there_is_one_sentence(place, queue, monkeypatch, address, why):
    monkeypatch.setenv(jobs.SCHEDULER, address)
    job = queue.add((0,), lattices(4.0))
    until(queue, lambda: not job.active, seconds=120)
    assert job.state == "failed"
    assert why in job.message


@pytest.mark.parametrize("function", [dft.gaps, operator.many])
def test_without_gpaw_here_a_scheduler_is_still_called(function, monkeypatch):
    monkeypatch.setattr(dft, "find_spec", lambda name: None)
    x = np.zeros((1, 6)) if function is operator.many else lattices(4.0)
    with pytest.raises(ValueError, match="No Dask scheduler answers"):
        function(x, scheduler="nowhere://127.0.0.1:1")
    with pytest.raises(dft.DFTUnavailable):
        function(x)


@pytest.mark.parametrize(("name", "module", "many"), [("crystal", dft, "gaps"), ("silicon", operator, "many")])
def test_verify_hands_the_scheduler_to_dft(name, module, many, tmp_path, monkeypatch):
    told = {}
    monkeypatch.setattr(module, many, lambda x, **where: told.update(where) or [None] * len(x))
    row = "3.9,3.9,3.9,90,90,90" if name == "crystal" else "0,0,0,0,0,0"
    (tmp_path / "x.csv").write_text(f"x1,x2,x3,x4,x5,x6\n{row}\n")
    words = ["verify", name, str(tmp_path / "x.csv"), "--out", str(tmp_path / "y.csv")]
    assert main([*words, "--scheduler", "tcp://127.0.0.1:1"]) in (0, None)
    assert told["scheduler"] == "tcp://127.0.0.1:1"
    assert main([*words, "--workers", "3"]) in (0, None)
    assert (told["workers"], told["scheduler"]) == (3, None)
    assert main([*words, "--scheduler", "somewhere"]) == 2


def test_a_task_whose_omega_runs_in_this_process_takes_no_scheduler(tmp_path, capsys):
    (tmp_path / "x.csv").write_text("x1,x2\n0.1,0.2\n")
    words = ["verify", "sinewave", str(tmp_path / "x.csv"), "--out", str(tmp_path / "y.csv")]
    assert main([*words, "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "that of sinewave runs in this process" in capsys.readouterr().err
    assert not (tmp_path / "y.csv").exists()
