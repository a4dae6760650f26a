"""Choice among SrTiO₃ candidates: filters, gap against energy, comparison of two cells, contents of files."""

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from app.figures.playback import Size
from app.figures.theme import unpacked
from app.state import runs
from app.tasks import band_figure, band_panel
from app.tasks.candidates import structure_rows
from app.tasks.crystal import candidates, cell_figure, filters, reference, tradeoff
from app.workers import jobs
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks import TASKS
from ipage_core.tasks.crystal import band_structure, dft
from ipage_core.tasks.crystal.export import files
from ipage_core.tasks.crystal.strain import CUBIC_LENGTH
from tests.support.pages import open_page, until

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.skipif(
    not (ROOT / "pretrained/crystal/inn.safetensors").exists(), reason="no trained network of crystals"
)


def start(**query):
    return open_page(**{"task": "crystal", "n": "10", "y1": "0.5", **query})


@pytest.fixture(scope="module")
def found():
    return runs.run(DesignRequest.of(TASKS["crystal"], 0.5, method="ipage", n=10))


@pytest.fixture(scope="module")
def ranked(found):
    return candidates.ranked_cells(found.x[-1].astype(float), "energy")


def test_filters_leave_what_passes_and_say_so(monkeypatch, ranked):
    limit = round(float(100 * ranked["largest_strain"].median()), 3)
    expected = set(np.flatnonzero(100 * ranked["largest_strain"] <= limit))
    test = start(most_strain=str(limit))
    assert not test.exception
    assert set(test.dataframe[0].value["sample"]) == expected
    assert any(f"{len(expected)} of 10 candidates pass" in c.value for c in test.caption)
    test.number_input(key="most_strain").set_value(0.0).run()
    assert len(test.dataframe[0].value) == 10
    told = "No candidate passes these filters: all are shown. Of 10, strain leaves 0."
    assert [i.value for i in test.info if "No candidate" in i.value] == [told]
    test.number_input(key="most_strain").set_value(None).run()
    test.number_input(key="most_energy").set_value(round(float(ranked["energy"].min() / 5) + 1e-3, 3)).run()
    assert test.dataframe[0].value["sample"].tolist() == [int(ranked["energy"].idxmin())]


def test_the_front_is_beaten_by_none():
    random = np.random.default_rng(0)
    misfit, energy = random.random(60), random.random(60)
    best = tradeoff.front(misfit, energy)
    for i in range(60):
        beaten = ((misfit <= misfit[i]) & (energy <= energy[i]) & ((misfit < misfit[i]) | (energy < energy[i]))).any()
        assert best[i] == (not beaten)
    assert best[energy.argmin()]


def test_filters_that_leave_nothing_together_say_what_each_leaves():
    each = {"ΔE": np.array([True, False, False]), "DFT says": np.array([False, True, True])}
    assert filters.alone(each) == "Of 3, ΔE leaves 1, DFT says leaves 2, each alone."


def test_the_caption_speaks_of_a_line_only_where_there_is_one(found, ranked):
    gap, energy = ranked["gap"].to_numpy(), ranked["energy"].to_numpy()
    every = np.ones(10, dtype=bool)
    least = int(energy.argmin())
    assert tradeoff.unbeaten(found, gap, energy, every)[least]
    alone = np.where(np.arange(10) == least, 0.5, 0.6)  # the only one at the target, and the lowest
    assert tradeoff.unbeaten(found, alone, energy, every).sum() == 1
    assert tradeoff.caption(1).startswith("One cell beats all others, so there is no line: none comes")
    assert tradeoff.caption(3).startswith("The line joins the 3 cells that no other beats: none comes")


def test_gap_against_energy_shows_every_cell_once(found, ranked):
    passing = np.arange(10) % 3 > 0
    drawn = tradeoff.figure(found, ranked["gap"].to_numpy(), ranked["energy"].to_numpy(), passing, chosen=4)
    go.Figure(**drawn)
    ids = [i for trace in drawn["data"] for i in trace.get("customdata", [])]
    assert sorted(ids) == list(range(10))


def test_two_cells_and_a_supercell_are_drawn(found):
    first, second = (found.x[-1, k].astype(float) for k in (0, 1))
    one, many = (cell_figure.cells(first, "a", beside=(second, "b"), times=k) for k in (1, 2))
    go.Figure(**many)
    titles = [note["text"] for note in one["layout"]["annotations"]]
    assert f"a {second[0]:.3f}" in titles[1]
    assert f"a {second[0]:.3f}" not in titles[0]
    count = [len(next(t for t in d["data"] if t["name"] == "Sr")["x"]["bdata"]) for d in (one, many)]
    assert count[1] / count[0] == pytest.approx(27 / 8, rel=0.01)  # atoms shared by cells are drawn once


def test_the_page_says_space_group_bonds_and_gap_type_of_the_cell_it_shows(monkeypatch, found):
    test = start(constrain="a=b; angles=90; c=4.0", sample="3")
    text = next(h.proto.body for h in test.get("html") if "Space group" in h.proto.body)
    assert "P4/mmm (123)" in text
    row = test.dataframe[0].value.set_index("sample").loc[3]
    assert f"{row['a'] / 2:.3f}, {row['b'] / 2:.3f}, {row['c'] / 2:.3f} Å" in text
    assert band_panel.gap_type(1.0, 1.0) == "direct"
    assert band_panel.gap_type(1.0, 1.01) == "indirect"


def bands(gap=1.6, direct=1.9):
    """A result of the form that DFT gives, with flat bands but for the edges."""
    levels = np.repeat([[-1.0] * 8 + [0.0] + [gap] + [gap + 1] * 3], len(band_structure.PATH.k_points(6)), axis=0)
    at = np.linspace(0, 3, len(levels))
    corners = at[:: band_structure.PATH.points].tolist()
    return {"levels": levels.tolist(), "at": at.tolist(), "corners": corners, "gap": gap, "direct": direct,
            "top": "R", "bottom": "Γ", "occupations": "fixed-uniform", "cpu_s": 1.0}  # fmt: skip


@pytest.mark.parametrize("size", ["narrow", "wide"])
def test_a_band_structure_has_thirteen_bands_and_its_corners(found, size):
    drawn = band_figure.figure(found, band_structure.PATH, bands(), size == "wide", Size(size))
    go.Figure(**drawn)
    assert [t["name"] for t in drawn["data"]] == ["occupied"] * 9 + ["empty"] * 4
    assert drawn["layout"]["xaxis"]["ticktext"] == ["X", "Γ", "Y", "M", "R", "Γ", "Z"]
    assert unpacked(drawn["data"][8]["y"]).max() == 0
    assert unpacked(drawn["data"][9]["y"]).min() == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (bands(), "The gap on this path is 1.600 eV, indirect: from R to Γ. The smallest direct gap is 1.900 eV."),
        (bands(1.6, 1.6), "is 1.600 eV, direct: from R to Γ"),
        (bands(-0.2), "The bands overlap by 0.200 eV on this path: a metal. The lower band is highest at R, the upper"),
    ],
)
def test_the_band_structure_s_sentence_is_the_result_s(result, said):
    assert said in band_panel.sentence(result)


BANDS = """
import json, sys
assert sys.argv[1] == "ipage_core.tasks.crystal.band_structure:many", sys.argv
(row,) = json.load(sys.stdin)
assert len(row) == 7
print(json.dumps({"eta": 0, "results": {"0": %r}}))
"""


def page(dark):
    from app.figures.playback import Size
    from app.state import runs
    from app.tasks import band_panel
    from app.tasks.crystal.sample import BANDS
    from ipage_core.problem.request import DesignRequest
    from ipage_core.tasks import TASKS

    run = runs.run(DesignRequest.of(TASKS["crystal"], 0.5, method="ipage", n=10))
    band_panel.show(BANDS, run, 4, dark, Size())


def test_a_band_structure_comes_on_request(dft_queue, monkeypatch):
    monkeypatch.setattr(jobs, "COMMAND", ["-c", BANDS % (bands(),)])
    test = AppTest.from_function(page, args=(False,), default_timeout=60).run()
    assert not test.get("plotly_chart")
    test.button(key="compute-bands").click().run()
    until(lambda: not (dft_queue.poll() or dft_queue.jobs))
    test.run()
    assert not test.exception
    assert len(test.get("plotly_chart")) == 1
    assert any("is 1.600 eV, indirect: from R to Γ" in c.value for c in test.caption)
    assert not test.button


@pytest.mark.parametrize("form", ["cif", "extxyz"])
def test_table_and_files_give_the_same_predicted_gap(found, ranked, form):
    shown, half = (candidates.table(found, ranked).set_index("sample")[name] for name in ("gap by surrogates", "±"))
    written = files(structure_rows(found, ranked, []), form)
    assert len(written) == found.n
    for name, content in written.items():
        number = int(name.split("-")[1].split(".")[0])
        said = content.decode().replace("=", " ").replace(":", " ")
        names = ("surrogate_gap_eV", "surrogate_gap_low_eV", "surrogate_gap_high_eV")
        gap, low, high = (float(said.split(name)[1].split()[0]) for name in names)
        assert gap == pytest.approx(shown[number], abs=1e-9)
        assert (high - low) / 2 == pytest.approx(half[number], abs=1e-6)


@pytest.mark.dft
def test_the_reference_is_what_dft_says_of_the_cubic_cell():
    said = dft.gap([CUBIC_LENGTH] * 3 + [90.0] * 3)
    assert said["gap"] == pytest.approx(reference.CUBIC_GAP, abs=2e-3)
    assert said["direct"] == pytest.approx(reference.CUBIC_DIRECT, abs=2e-3)
