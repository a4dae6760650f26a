"""The page of strained silicon without a browser: the shipped surrogate, and a stand-in for DFT."""

import json
import textwrap
import time
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from streamlit.testing.v1 import AppTest

from app.figures.playback import Size
from app.figures.theme import unpacked
from app.state import runs
from app.tasks.silicon import figure as figures
from app.tasks.silicon import panel as silicon
from app.workers import jobs
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks import TASKS
from ipage_core.tasks.silicon.box import NAMES
from ipage_core.tasks.silicon.constraints import surrogate
from ipage_core.tasks.silicon.least import Minimum
from ipage_core.tasks.silicon.stress import normal_stress
from tests.support.pages import open_page

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(
    not (ROOT / "pretrained/silicon/mlp.safetensors").exists(), reason="no trained network of silicon"
)
ANSWERS = """
    import json, sys
    assert sys.argv[1] == "ipage_core.tasks.silicon.operator:many", sys.argv
    strains = json.load(sys.stdin)
    one = {"gap": 0.301, "direct": 2.3, "energy": -10.77, "pressure": 0.4, "valley": "D0", "shift": [0, 0, 0.01],
           "force": 0.004, "steps": 2}
    print(json.dumps({"eta": 0, "results": {i: one for i in range(len(strains))}}))
"""


@pytest.fixture(autouse=True)
def queue(dft_queue, monkeypatch):
    monkeypatch.setattr(jobs, "COMMAND", ["-c", textwrap.dedent(ANSWERS)])
    return dft_queue


def test_the_page_ranks_verifies_and_draws(monkeypatch, tmp_path):
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path))
    monkeypatch.setenv(jobs.SCHEDULER, "tcp://127.0.0.1:9")  # the stand-in does not call it
    test = open_page(task="silicon", n="10", method="prior-lm", constrain="biaxial=1%")
    assert not test.exception
    shown = test.dataframe[0].value
    assert len(shown) == 10
    headings = {name: about.get("label") for name, about in json.loads(test.dataframe[0].proto.columns).items()}
    assert headings["gap by surrogate"] == "gap by surrogate [eV]"
    assert headings["elastic energy"] == "elastic energy [meV per atom]"
    assert headings["pressure"] == "pressure [GPa]"
    assert np.allclose(shown["gap by surrogate"], 0.3, atol=1e-4)
    assert np.allclose(shown[["e11", "e22"]], 1)
    assert set(shown["DFT"]) == {"not verified"}
    assert any("DFT here 0.60 eV (indirect; direct 2.55 eV) at a₀ = 5.469 Å" in c.value for c in test.caption)
    assert any("DFT runs on the Dask cluster at tcp" in c.value for c in test.caption)
    best = shown.iloc[0]
    cards = " ".join(h.proto.body for h in test.get("html"))
    assert f"{best['elastic energy']:.2f} meV</div><div class='meaning'>per atom; by surrogate, not verified" in cards
    assert f"{best['pressure']:.2f} GPa" in cards
    assert "by surrogate, not verified; 0.33 GPa of it is an error of the finite basis set" in cards
    stress = normal_stress(surrogate(), torch.tensor(best[list(NAMES)].to_numpy(float) / 100)[None])[0]
    stresses = ", ".join(f"{value:.1f}" for value in stress.numpy().round(1) + 0.0).replace("-", "−")
    assert f"{stresses} GPa</div>" in cards
    assert (
        "σ11, σ22, σ33 by surrogate, tension positive, without the error of the basis set; 0 across a free surface"
        in cards
    )
    assert f"Γ to Δ on axis {best['valley']:.0f}; direct gap {best['direct gap']:.2f} eV" in cards
    assert "2.368 Å without strain; atoms at a linear estimate" in cards  # 5.469 Å √3/4
    assert "109.5° without strain" in cards
    said = f"what the strain makes of a sphere, both with {figures.TIMES} times the strain. The second atom"
    assert any(said in c.value for c in test.caption)
    families = shown["family"].nunique() if "family" in shown else 10
    alike = f"10 strains in {families} famil" if families < 10 else "10 strains, no two of one family."
    assert any(c.value.startswith(alike) for c in test.caption)
    test.button(key="verify").click().run()
    for _ in range(40):
        if not any(job.active for job in test.session_state.verify_jobs):
            break
        time.sleep(0.5)
        jobs.queue().poll()
    test.run()
    shown = test.dataframe[0].value
    assert (shown["DFT"] == "hit").sum() == silicon.FEW
    assert test.button(key="learn-silicon").label == f"Learn from {silicon.FEW} new DFT results"
    test.toggle(key="scissor").set_value(True).run()
    shown = test.dataframe[0].value
    assert np.allclose(shown["gap + scissor"], shown["gap by DFT"].fillna(shown["gap by surrogate"]) + 0.57)


def test_the_path_shows_its_progress_and_is_computed_once(monkeypatch):
    def path(network, gaps, starts, progress):
        for k in range(len(gaps)):
            progress(k + 1)
        return [Minimum(np.zeros(6), np.array([gap, 2.0, 0.01, 0.0])) for gap in gaps]

    monkeypatch.setattr(silicon, "path", path)
    said = []
    least = silicon.least_energy(-1, lambda share, text: said.append((share, text)))
    assert said[0] == (0, "Least elastic energy: 0 of 24 gaps are done")
    assert said[-1] == (1, "Least elastic energy: 24 of 24 gaps are done")
    assert len(said) == 25
    assert least[:, 0] == pytest.approx(silicon.GAPS)
    assert least is silicon.least_energy(-1)
    assert len(said) == 25


@pytest.mark.parametrize("size", ["narrow", "wide"])
def test_the_figures_are_plotlys(size):
    run = runs.run(DesignRequest.of(TASKS["silicon"], 0.3, method="prior-lm", n=6))
    path = np.array([[0.3, 0.004, *[0.0] * 6], [0.4, 0.002, *[0.0] * 6]])
    figure = go.Figure(figures.figure(run, silicon.predicted, path, size=Size(size), chosen=2))
    assert any(trace.name == "least elastic energy" for trace in figure.data)
    drawn = figures.crystal(np.array([0.01, 0, 0, 0.01, 0, 0]), np.array([0.001, 0, 0]), size=Size(size))
    go.Figure(**drawn)
    bonds = [trace for trace in drawn["data"] if trace["name"].endswith("%")]
    assert sum(np.isnan(unpacked(trace["x"])).sum() for trace in bonds) == 16
    lengths = sorted(float(trace["name"].rstrip("%")) for trace in bonds)
    assert lengths[0] < 0 < lengths[-1]


def test_eight_cubes_have_the_bonds_of_eight():
    strain, shift = np.array([0.01, 0, 0, 0.01, 0, 0]), np.array([0.001, 0, 0])
    one, eight = (figures.crystal(strain, shift, cubes=cubes) for cubes in (1, 2))

    def bonds(drawn):
        ends = {trace["name"]: np.isnan(unpacked(trace["x"])).sum() for trace in drawn["data"]}
        return {name: count for name, count in ends.items() if name.endswith("%")}

    assert bonds(eight) == {name: 8 * count for name, count in bonds(one).items()}
    assert len(unpacked(next(t for t in eight["data"] if t["name"] == "Si")["x"])) == 95


BANDS = """
    import json, sys
    assert sys.argv[1] == "ipage_core.tasks.silicon.band_structure:many", sys.argv
    (row,) = json.load(sys.stdin)
    assert row[6] == 10
    print(json.dumps({"eta": 0, "results": {"0": {
        "levels": [[-12.0, -2.0, -1.0, 0.0, 0.5, 3.0, 4.0]] * 51, "at": list(range(51)),
        "corners": list(range(0, 51, 10)), "gap": 0.5, "direct": 2.5, "top": "Γ", "bottom": "between Γ and X₂",
        "cpu_s": 8.0}}}))
"""


def test_a_band_structure_comes_on_request(monkeypatch, queue):
    monkeypatch.setattr(jobs, "COMMAND", ["-c", textwrap.dedent(BANDS)])
    test = AppTest.from_function(bands_of_a_sample, default_timeout=60).run()
    test.button(key="compute-bands").click().run()
    while queue.poll() or queue.jobs:
        time.sleep(0.05)
    test.run()
    assert not test.exception
    assert len(test.get("plotly_chart")) == 1
    (said,) = (c.value for c in test.caption)
    assert "is 0.500 eV, indirect: from Γ to between Γ and X₂" in said
    assert "The atoms are relaxed, as in Ω." in said


def bands_of_a_sample():
    from app.figures.playback import Size
    from app.state import runs
    from app.tasks import band_panel
    from app.tasks.silicon.sample import BANDS
    from ipage_core.problem.request import DesignRequest
    from ipage_core.tasks import TASKS

    run = runs.run(DesignRequest.of(TASKS["silicon"], 0.3, method="prior-lm", n=6))
    band_panel.show(BANDS, run, 2, False, Size())


def test_an_unstrained_crystal_has_bonds_as_they_are():
    drawn = figures.crystal(np.zeros(6), np.zeros(3))
    assert {trace["name"] for trace in drawn["data"] if trace["name"].endswith("%")} <= {"+0.00%", "-0.00%"}
