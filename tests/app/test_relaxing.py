"""Relax and verify on the page of SrTiO₃, with a stand-in for DFT."""

import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from app.tasks.crystal import relaxing
from app.workers import jobs
from ipage_core.tasks.crystal import dft
from ipage_core.tasks.crystal.strain import CUBIC_ENERGY
from tests.support.dft_jobs import lattices, until
from tests.support.pages import open_page

ROOT = Path(__file__).resolve().parents[2]
STATE = {"above": 0.0, "gap": 2.31, "direct": 2.4, "energy": CUBIC_ENERGY - 0.5, "force": 0.01, "displacement": 0.1,
         "forces": [[0.0, 0.0, 0.0]] * 5, "space_group": "P1 (1)", "curvature": 0.4,
         "sites": np.array(dft.SITES).tolist()}  # fmt: skip
ANSWERS = f"""
    import json, sys
    assert sys.argv[1] == "ipage_core.tasks.crystal.relaxation:many", sys.argv
    lattices = json.load(sys.stdin)
    state = {STATE!r}
    higher = state | {{"above": 0.004, "gap": 2.2, "energy": state["energy"] + 0.004, "curvature": -0.1}}
    one = {{"branches": [state, higher], "starts": "DFT alone", "failed": ["a force of 0.1 eV/A is left"],
           "provenance": {{}}}}
    print(json.dumps({{"eta": 0, "results": {{i: one for i in range(len(lattices))}}}}))
"""


@pytest.fixture(autouse=True)
def queue(dft_queue, monkeypatch):
    monkeypatch.setattr(jobs, "COMMAND", ["-c", textwrap.dedent(ANSWERS)])
    return dft_queue


def test_a_gap_and_a_relaxation_of_one_lattice_are_two_results(queue):
    job = queue.add((0,), lattices(4.0), relaxing.RELAX.work)
    assert queue.about(lattices(4.0)) == []
    assert relaxing.states(lattices(4.0), [None]) == ["under way"]
    until(queue, lambda: not job.active)
    assert jobs.results(lattices(4.0)) == [None]
    (result,) = relaxing.RELAX.results(lattices(4.0))
    assert relaxing.states(lattices(4.0), [result]) == ["relaxed"]


def test_states_say_what_they_are():
    saddle, unknown = STATE | {"curvature": -0.1}, STATE | {"curvature": None}
    shown = relaxing.table(np.array([1.6, 1.7]), [(1, {"branches": [STATE, saddle, unknown]}), (0, {"branches": []})])
    assert shown["kind"].tolist() == ["minimum", "saddle", "not known"]
    assert shown["gap, ideal sites"].tolist() == [1.7] * 3
    assert shown["ΔE per atom"].iloc[0] == pytest.approx(-0.1)


@pytest.mark.skipif(not (ROOT / "pretrained/crystal/inn.safetensors").exists(), reason="no trained network of crystals")
def test_the_page_relaxes_the_best_and_gives_their_files(queue):
    test = open_page(task="crystal", n="10")
    button = next(b for b in test.button if b.key == "relax")
    assert button.label.startswith("Relax and verify the best 3 with DFT, about ")
    button.click().run()
    for _ in range(100):
        if not queue.jobs:
            break
        time.sleep(0.1)
        queue.poll()
    test.run()
    assert not test.exception
    shown = next(frame.value for frame in test.dataframe if "gap, relaxed" in frame.value)
    assert shown["gap, relaxed"].tolist() == [2.31, 2.2] * 3
    assert shown["kind"].tolist() == ["minimum", "saddle"] * 3
    assert (shown["gap, ideal sites"] - 1.6).abs().max() < 0.02
    assert next(b for b in test.button if b.key == "relax").label == "Relax and verify with DFT: the best 3 are relaxed"
    told = [one.value for one in test.warning if "a force of 0.1" in one.value]
    assert told == [
        f"Sample {sample}, one start: a force of 0.1 eV/A is left" for sample in sorted(set(shown["sample"]))
    ]
    assert set(test.dataframe[0].value["DFT"]) == {"not verified"}
