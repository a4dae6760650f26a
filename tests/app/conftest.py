"""Pages of these tests: with stand-ins for trained models, with a queue of their own for DFT, with an own home."""

from functools import partial

import pytest
import streamlit as st

from app.state import runs, worth
from app.workers import jobs, trainings
from ipage_core import registry
from ipage_core.runtime.paths import ROOT
from ipage_core.tasks.crystal import dft
from tests.support import stand_ins
from tests.support.pages import open_page, until


@pytest.fixture(autouse=True)
def _in_the_project_s_folder(monkeypatch):
    """Streamlit reads its settings from there."""
    monkeypatch.chdir(ROOT)


@pytest.fixture
def app(monkeypatch):
    """Opens Explore with stand-ins for every trained model but ``cinn``, which is missing; Compare has few seeds."""
    monkeypatch.setattr(runs, "load", partial(stand_ins.load, missing=("cinn",)))
    for name, few in (("SEEDS", 5), ("SEEDS_OF_SETS", 2), ("SOLUTIONS", 400)):
        monkeypatch.setattr(worth, name, few)
    st.cache_data.clear()
    yield open_page
    st.cache_data.clear()  # the results of stand-ins are no one else's


@pytest.fixture
def queue():
    """A queue that no page shows; its jobs are cancelled at the end."""
    one = jobs.Queue()
    yield one
    for job in list(one.jobs):
        one.cancel(job)


@pytest.fixture
def dft_queue(monkeypatch, tmp_path):
    """A queue of its own for DFT, as if GPAW were there; ``jobs.COMMAND`` is the process to replace."""
    monkeypatch.setenv("IPAGE_CACHE", str(tmp_path))
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(dft, "require", lambda: None)
    monkeypatch.setattr(dft, "gpaw_version", lambda: "0")
    jobs.queue.cache_clear()
    yield jobs.queue()
    for job in list(jobs.queue().jobs):
        jobs.queue().cancel(job)
    jobs.queue.cache_clear()


@pytest.fixture
def place(monkeypatch, tmp_path):
    """A home of the user's own, whose trainings stop at the end."""
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield tmp_path
    for training in trainings.trainings():
        trainings.stop(training.number)
    until(lambda: not trainings.is_working())
    monkeypatch.undo()
    registry.refresh()
