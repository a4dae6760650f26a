"""Statements about a run, each compared with the run."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import spglib
import torch
from ase import Atoms
from ase.geometry import cellpar_to_cell
from streamlit.testing.v1 import AppTest

from app.components import beyond, inspector, tables, words
from app.figures import side_by_side
from app.figures.playback import Size
from app.state import runs
from app.state.inspection import inspect
from app.state.targets import doubt
from app.tasks import panel_of
from app.tasks.candidates import half_widths
from app.tasks.crystal import candidates, reference, tradeoff
from app.tasks.crystal.inputs import CREDIBLE, CREDIBLE_STRAIN
from app.tasks.robotic_arm.figure import DRAWN
from ipage_core.cli.main import main
from ipage_core.problem.request import DesignRequest
from ipage_core.problem.target import Target
from ipage_core.tasks import TASKS
from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD
from ipage_core.tasks.crystal.dft import SITES
from ipage_core.tasks.crystal.strain import CUBIC_LENGTH

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.skipif(
    not (ROOT / "pretrained/crystal/inn.safetensors").exists(), reason="no trained networks in pretrained/"
)


def find(task, target, **settings):
    return runs.run(DesignRequest.of(TASKS[task], target, **{"n": 20, **settings}))


def number(pattern, text):
    return float(re.search(pattern, text).group(1).replace(",", ""))


@pytest.fixture(scope="module")
def peak():
    """Nine maxima come equally close to the target."""
    return find("sinewave", 2.5, n=100)


@pytest.mark.parametrize(("task", "target"), [("sinewave", 2.6), ("crystal", 9.0), ("ballistics", 60.0)])
def test_the_count_of_known_designs_is_that_of_the_data(task, target):
    found = doubt(TASKS[task], Target.of(TASKS[task], target))
    assert number(r"the ([\d,]+) training pairs", words.doubt_text(TASKS[task], found)[0]) == len(
        runs.training(task)[1]
    )


def test_places_that_come_equally_close_are_counted(peak):
    counts = beyond.places(peak)
    said = beyond.collapsed(peak)
    assert f"{sum(counts)} of the 100 samples" in said
    assert f"{len(counts)} places" in said
    assert f"{counts[0]} of them" in said
    maxima = peak.x[-1][peak.omega_error[-1] < 0.26]
    assert np.ptp(peak.omega_error[-1]) < 0.02  # all of them come equally close
    assert len(counts) == len({tuple(np.round(point * 3).astype(int)) for point in maxima})
    assert said in words.note_text(peak)


def test_around_a_flat_maximum_the_closest_designs_are_one_place():
    """An arm stretched out reaches 2 m, in one way only; near it all arms are nearly as long."""
    assert beyond.places(find("robotic_arm", (2.5, 0.0), n=100)) == [100]


def test_asking_for_the_closest_finds_the_other_places(peak):
    nearest = doubt(TASKS["sinewave"], Target.of(TASKS["sinewave"], 2.5))
    assert f"the closest that is achieved, {nearest.text} by Ω" in peak.note  # one number, before the run and after
    again = find("sinewave", float(nearest.nearest[0]), n=100)
    assert again.hit.all()
    assert len(beyond.places(again)) > len(beyond.places(peak)) + 3


def test_a_target_out_of_reach_by_a_constraint_is_said_in_the_headline():
    target = Target.of(TASKS["crystal"], 0.5)
    strained = ("strain<=5%",)
    run = find("crystal", 0.5, constraints=strained)
    assert beyond.by_constraints(run, target, strained)
    text = words.headline(run, True)
    assert text.startswith("No design within the constraints for y* = 0.5 eV")
    assert "not verified" in text
    predicted = run.final["surrogate1"]
    assert number(r": the closest has ([\d.]+) eV", text) == pytest.approx(
        predicted[(predicted - 0.5).abs().idxmin()], rel=1e-3
    )
    free = find("crystal", 0.5)
    assert not beyond.by_constraints(free, target, ())
    assert words.headline(free) == "20 designs for y* = 0.5 eV, not verified"


def test_constraints_are_not_blamed_for_what_no_design_reaches(peak):
    assert not beyond.by_constraints(peak, Target.of(TASKS["sinewave"], 2.5), ("x1 >= 0",))
    run = find("sinewave", 1.9, constraints=("x1 = 0.5",))  # sin 3π/2 = −1: y ≤ 0 there
    assert beyond.by_constraints(run, Target.of(TASKS["sinewave"], 1.9), ("x1 = 0.5",))
    assert words.headline(run, True).startswith(
        "0 of 20 designs achieve y* = 1.9 within ±0.02; the constraints exclude the target"
    )


def test_the_page_says_how_many_designs_of_an_optimum_are_distinct():
    run = find("sinewave", 1.2)
    assert words.distinct_text(run) == ""
    few = replace(run, summary=run.summary | {"distinct": 3})
    said = words.distinct_text(few)
    assert said.startswith("Of the 20 designs, 3 are distinct: each other one is within 0.01 box widths of one")
    assert words.distinct_text(replace(run, summary=run.summary | {"distinct": 20})) == ""


def test_the_headline_names_the_constraints_under_which_loops_are_missed():
    run = find("sinewave", 1.2, constraints=("x1<=-0.4", "x2 = x1"))
    text = words.headline(run, False, ("x1<=-0.4", "x2 = x1"))
    assert f"within ±0.02 with x1 ≤ -0.4, x2 = x1, on {run.modes_found} of 9 loops" in text
    assert 0 < run.modes_found < 9
    assert words.constraints_text(("2*x1+x2<=1",)) == r" with 2\*x1+x2 ≤ 1"
    assert words.constraints_text(()) == ""


def test_the_table_s_interval_is_the_calibrated_one():
    run = find("crystal", 0.5)
    ranked = candidates.ranked_cells(run.x[-1].astype(float), "energy")
    shown = candidates.table(run, ranked)
    half = (run.final["high1"] - run.final["low1"]) / 2
    np.testing.assert_allclose(shown["±"], half, rtol=1e-3)


@pytest.mark.parametrize(
    ("seen", "said"), [(20, "to verified designs"), (5, "to designs, not all verified"), (0, "points to designs")]
)
def test_designs_are_called_verified_only_where_they_are(seen, said):
    run = find("sinewave", 1.2)
    achieved = np.where(np.arange(20)[:, None] < seen, run.achieved, np.nan)
    partly = replace(run, achieved=achieved)
    figures = {figure.name: figure.meaning for figure in words.key_figures(partly)}
    assert ("half of the verified designs" in figures["Median error²"]) == (seen < 20)
    assert ("verified designs achieve" in words.headline(partly)) == (0 < seen < 20)
    time = words.key_figures(partly)[-1]
    assert time.name == "Time"
    assert time.meaning.endswith(said)


@pytest.mark.parametrize("task", ["sinewave", "robotic_arm", "ballistics"])
def test_the_csv_s_first_stage_carries_what_the_page_shows(task):
    run = find(task, TASKS[task].default_target)
    first = run.frame[run.frame["stage"] == "posterior"]
    m = TASKS[task].n_targets
    x = torch.tensor(first[[f"x{j + 1}" for j in range(TASKS[task].d)]].to_numpy())
    y = first[[f"y{j + 1}" for j in range(m)]].to_numpy()
    np.testing.assert_allclose(y, TASKS[task].omega(x)[:, :m].numpy(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(first["resim_error"], run.omega_error[0], rtol=1e-6)
    shown = next(figure for figure in words.key_figures(run) if figure.name == "MSE, posterior")
    assert shown.value == words.number(float(first["resim_error"].mean()))


@pytest.mark.parametrize(
    ("task", "settings"),
    [("sinewave", {}), ("robotic_arm", {}), ("ballistics", {"omega_evals": 1}), ("sinewave", {"method": "inn"})],
)
def test_headline_and_key_figures_are_the_run_s(task, settings):
    run = find(task, TASKS[task].default_target, **settings)
    y = TASKS[task].omega(torch.from_numpy(run.x[-1]).double())[:, : TASKS[task].n_targets].numpy()
    hits = int((np.abs(y - run.y_star) <= TASKS[task].tolerances.numpy()).all(1).sum())
    assert words.headline(run).startswith(f"{hits} of 20 designs achieve")
    said = {figure.name: figure.value for figure in words.key_figures(run)}
    assert said["Hits"] == f"{hits} / 20"
    error = np.square(y - run.y_star).sum(1)
    after = "localized" if run.localizes else run.labels[0]
    for name, value in ((f"MSE, {after}", error.mean()), ("Median error²", np.quantile(error, 0.5, method="lower"))):
        shown = float(said[name].replace(" · 10", "e").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
        assert shown == pytest.approx(value, rel=0.1, abs=1e-9)  # two digits; x is kept in float32
    assert said["Ω calls"] == str(run.summary["omega_calls"])
    meant = {figure.name: figure.meaning for figure in words.key_figures(run)}
    assert meant["Hits"] == f"by Ω within ±{run.tolerance:.3g}{words.unit(run)} of the target"
    if run.localizes:
        fresh, at_once = run.summary["replaced"], run.summary["success_before_replacement"]
        told = f"reached y* by f before any was replaced; {fresh} {'was' if fresh == 1 else 'were'} drawn afresh"
        assert meant["Success before replacement"].startswith(told)
        assert said["Success before replacement"] == f"{at_once} / 20"
        assert fresh == run.replaced.sum()
    if run.n_modes:
        assert said["Loops"] == f"{len(set(run.modes[-1]) - {-1})} / {run.n_modes}"
        assert f"on {run.modes_found} of {run.n_modes} loops" in words.headline(run)


@pytest.mark.parametrize("task", ["sinewave", "robotic_arm", "ballistics"])
def test_the_inspector_s_sentences_are_the_sample_s(task):
    run = find(task, TASKS[task].default_target)
    said = {figure.name: figure.value for figure in words.sample_figures(run, 3, inspect(run, 3))}
    y = run.achieved[3, : TASKS[task].n_targets]
    assert said["Achieved y"].startswith(", ".join(f"{v:.5g}" for v in y))
    assert said["Re-simulation error"] == words.number(float(np.square(y - run.y_star).sum()))
    assert said["Surrogate error"] == words.number(float(run.f_error[-1, 3]))
    meant = {figure.name: figure.meaning for figure in words.sample_figures(run, 3, inspect(run, 3))}
    assert meant["Achieved y"] == f"Ω(x); the target is {words.goal_text(run)}"
    low, high = TASKS[task].bounds.numpy()
    way = (run.x[-1, 3] - run.x[0, 3]) / (high - low)
    assert said["Moved"] == words.number(float(np.linalg.norm(way)))
    x, _ = runs.training(task)
    nearest = np.linalg.norm((x - run.x[-1, 3]) / (high - low), axis=1).min()
    assert said["Nearest training design"] == words.number(float(nearest))


def test_curves_end_where_side_by_side_says_and_for_its_reasons():
    named = {"A: x": find("sinewave", 1.2), "B: y": find("sinewave", 1.2, method="ipage-paper", n=100)}
    told = side_by_side.ends(named)
    reason = "localization stops when every sample has arrived by f, or when its steps are used up."
    steps = {name: [label for label in run.labels if label.startswith("step ")] for name, run in named.items()}
    assert told.startswith(f"A curve ends with its run (A: {steps['A: x'][-1]}, B: {steps['B: y'][-1]}): {reason}")
    for name, run in named.items():
        last = run.f_error[run.labels.index(steps[name][-1])]
        arrived = np.sqrt(last) <= TASKS["sinewave"].arrived * TASKS["sinewave"].tolerance
        assert arrived.all() or steps[name][-1] == "step 25"
    assert "corrections" not in told


def test_samples_that_start_outside_the_bounds_are_counted():
    run = find("ballistics", 30.0)
    low, high = TASKS["ballistics"].bounds.numpy()
    outside = ((run.x[0] < low - 1e-4) | (run.x[0] > high + 1e-4)).any(1).sum()
    assert outside > 1
    said = f"Of 20 samples, {outside} start outside the bounds; localization brings them inside."
    assert said in panel_of("ballistics").caption(run)
    assert ((run.x[-1] >= low - 1e-4) & (run.x[-1] <= high + 1e-4)).all()
    assert "outside the bounds" not in panel_of("ballistics").caption(find("ballistics", 5.0))


def test_captions_name_only_what_the_run_has():
    run = find("sinewave", 1.2)
    told = panel_of("sinewave").caption(run)
    assert "latent points" in told
    assert "lights up" in told
    assert "latent points" not in panel_of("sinewave").caption(find("sinewave", 1.2, method="prior-lm"))
    alone = panel_of("sinewave").caption(find("sinewave", 1.2, method="inn"))
    assert "does not localize" in alone
    assert "surrogate f" not in alone
    arms = find("robotic_arm", (1.5, 0.0))
    few = panel_of("robotic_arm").caption(replace(arms, x=np.repeat(arms.x, 5, axis=1)))
    assert few.startswith(f"Each line is an arm on its rail ({DRAWN} of the 100 are drawn); all hands should meet")
    assert panel_of("robotic_arm").caption(arms).startswith("Each line is an arm on its rail; all hands")


@pytest.mark.parametrize(
    ("task", "target", "settings"),
    [
        ("sinewave", 1.2, {"sampling": "lhs", "seed": 3}),
        ("robotic_arm", (1.4, 0.1), {"constraints": ("x2 = x3",), "omega_evals": 1}),
        ("ballistics", 5.0, {"method": "inn"}),
    ],
)
def test_the_printed_command_makes_the_designs_of_the_page(task, target, settings, tmp_path, monkeypatch):
    request = DesignRequest.of(TASKS[task], target, n=5, **settings)
    program, *arguments = shlex.split(request.to_command())
    assert [program, *arguments[:2]] == ["python", "-m", "ipage_core"]
    monkeypatch.chdir(tmp_path)
    assert main(arguments[2:]) == 0
    made = pd.read_csv(tmp_path / "solutions.csv")
    shown = runs.run(request).frame
    made, shown = (frame[frame["stage"] == frame["stage"].iloc[-1]] for frame in (made, shown))
    columns = [f"x{j + 1}" for j in range(TASKS[task].d)]
    np.testing.assert_allclose(made[columns], shown[columns], rtol=1e-5, atol=1e-6)


def test_one_place_that_comes_closest_is_told(peak):
    best = int(np.argmin(peak.off_by))
    gathered = replace(peak, x=np.repeat(peak.x[:, [best]], peak.n, axis=1), achieved=peak.achieved[[best] * peak.n])
    assert beyond.collapsed(gathered) == f" {peak.n} of the {peak.n} samples end in one place."


@pytest.fixture(scope="module")
def crystal_page():
    test = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=120)
    test.query_params.update({"task": "crystal", "n": "10"})
    return test.run()


def test_the_crystal_page_asks_for_the_form_s_target_by_its_widget_s_default(crystal_page):
    """A default of the widget, not only a value sent to it: an interrupted first run may lose what was sent."""
    number = crystal_page.number_input(key="y1")
    assert number.value == number.proto.default == CREDIBLE[0]
    assert crystal_page.text_input(key="constrain").value == CREDIBLE_STRAIN


def test_what_the_crystal_page_says_of_its_cells_is_so(crystal_page):
    said = " ".join(c.value for c in crystal_page.caption)
    run = find("crystal", CREDIBLE[0], n=10, constraints=(CREDIBLE_STRAIN,))
    ranked = candidates.ranked_cells(run.x[-1].astype(float), "energy")
    assert f"{run.n} cells" in said
    assert f"with none ticked, the best {candidates.FEW} are verified and all exported" in said
    assert ("no two of one family" in said) == (ranked["family"].nunique() == run.n)
    rows = runs.loaded("crystal", "prior-lm").calibration.rows
    assert f"± holds about 90 % of DFT gaps; calibrated on {rows}" in said
    assert f"Constraints here: {words.plain(CREDIBLE_STRAIN)}. The paper asks" in said
    assert f"The paper asks for {TASKS['crystal'].default_target[0]} eV, at any strain" in said
    gap, energy = ranked["gap"].to_numpy(), ranked["energy"].to_numpy()
    best = tradeoff.unbeaten(run, gap, energy, np.ones(run.n, dtype=bool)).sum()
    assert f"Click a cell to look at it above. {tradeoff.caption(int(best))} Values are by DFT where it ran." in said
    assert ("Each bar holds about 90 % of DFT gaps" in said) == bool(
        np.isfinite(half_widths("crystal", run.x[-1])).all()
    )
    compared = f"the cubic cell: DFT here {reference.CUBIC_GAP:.2f} eV (indirect"
    assert compared in said.replace("**", "")


def test_the_numbers_of_the_shown_cell_are_those_of_its_lattice(crystal_page):
    shown = " ".join(h.proto.body for h in crystal_page.get("html"))
    run = find("crystal", CREDIBLE[0], n=10, constraints=(CREDIBLE_STRAIN,))
    ranked = candidates.ranked_cells(run.x[-1].astype(float), "energy")
    sample = int(ranked["rank"].idxmin())
    row, lattice = ranked.loc[sample], run.x[-1, sample].astype(float)
    gap, direct, energy = candidates.predicted(run.x[-1])[sample]
    assert f"{gap:.4f} eV" in shown
    assert f"least direct gap {direct:.3f} eV; by surrogates, not verified" in shown
    assert f"{energy:#.3g} eV" in shown
    assert f"{energy / 5:.3f} eV" in shown
    a, b, c = lattice[:3]
    u, v, w = np.cos(np.radians(lattice[3:]))
    volume = a * b * c * np.sqrt(1 + 2 * u * v * w - u**2 - v**2 - w**2) / CUBIC_LENGTH**3 - 1
    assert f"norm of strain; largest strain {100 * row['largest_strain']:.1f} %; volume" in shown
    assert f"; volume {100 * volume:+.1f} %".replace("-", "−") in shown
    assert f"{100 * row['cubic']:.1f} %" in shown
    atoms = Atoms("SrTiO3", cell=cellpar_to_cell(lattice), scaled_positions=SITES, pbc=True)
    cell = (atoms.cell[:], atoms.get_scaled_positions(), atoms.numbers)
    assert spglib.get_spacegroup(cell, symprec=1e-3) in shown
    assert "atoms within 0.001 Å; ions at ideal sites" in shown
    assert f"of {run.n} cells" in shown


def test_the_formula_s_sentence_names_inputs_and_property():
    test = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=120)
    test.query_params.update({"task": "robotic_arm", "n": "10"})
    test.run()
    said = " ".join(m.value for m in test.markdown).replace("\\", "")
    names, gives = ", ".join(TASKS["robotic_arm"].x_labels), "; ".join(TASKS["robotic_arm"].property_labels)
    assert f"A design x is: {names}. Its properties are: {gives}." in said
    test.number_input(key="sample").set_value(10).run()
    assert "The samples run from 0 to 9." in [c.value for c in test.caption]


def test_cells_are_asked_for_by_their_modulus_with_the_z_score_beside():
    test = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=180)
    test.query_params.update({"task": "architecture", "n": "1"})
    test.run()
    natural = test.number_input(key="natural_architecture_1")
    assert natural.label == "E_x* [E_s]"
    assert natural.value == pytest.approx(E_X_MEAN + E_X_SD * test.number_input(key="y1").value, abs=1e-4)
    natural.set_value(0.5).run()
    assert test.number_input(key="y1").value == pytest.approx((0.5 - E_X_MEAN) / E_X_SD)


def test_units_stand_in_the_headers_of_the_table():
    run = find("robotic_arm", (1.5, 0.0))
    shown = tables.table(run)
    config = tables.columns(run, list(shown.columns))
    assert config["y₁ localized"]["label"] == "y₁ localized [m]"
    assert config["x₂ localized"]["label"] == "x₂ localized [rad]"
    assert config["y₁*"]["label"] == "y₁* [m]"
    assert config["off by"]["label"] == "off by [m]"
    seen = inspector.trace(run, 0, inspect(run, 0))
    assert {"x₂", "f: y₁", "Ω: y₂"} <= set(seen.columns)
    assert inspector.formats(run)["x₂"]["label"] == "x₂ [rad]"
    assert inspector.formats(run)["Ω: y₂"]["label"] == "Ω: y₂ [m]"


def test_double_underscores_are_no_emphasis():
    assert words.plain("Task.__init__() of my_file") == r"Task.\_\_init\_\_() of my_file"


def test_the_error_of_an_interval_is_that_from_each_design_s_own_aim():
    said = {figure.name: figure.meaning for figure in words.key_figures(find("ballistics", "4:6"))}
    assert said["Median error²"] == "half of the designs have this or less, in m²; from the value that each aims at"


def test_the_green_curves_of_an_interval_are_its_ends():
    said = panel_of("sinewave").caption(find("sinewave", 1.2))
    assert "darker background: larger y. The green curve is every x with y = y*, exactly." in said
    said = panel_of("sinewave").caption(find("sinewave", "0.4:0.6"))
    assert "The green curves are every x at an end of the interval; solutions lie between them." in said
    assert "y = 1.5; solutions lie on it or on its darker side." in panel_of("sinewave").caption(
        find("sinewave", "1.5:")
    )
    assert "y = 1.5; solutions lie on it or on its lighter side." in panel_of("sinewave").caption(
        find("sinewave", ":1.5")
    )
    assert "green" not in panel_of("sinewave").caption(find("sinewave", "-9:9"))


def test_the_key_figures_name_what_a_hit_is_within():
    said = {figure.name: figure.meaning for figure in words.key_figures(find("sinewave", "0.4:0.6"))}
    assert said["Hits"] == "by Ω within the interval"


@pytest.mark.parametrize(
    ("method", "name", "dot"),
    [("na", "descended", "the best of a design's descents"), ("lookup", "stored", "a design of the training data")],
)
def test_results_of_methods_without_posterior_are_not_called_samples_of_the_prior(method, name, dot):
    run = find("sinewave", 1.2, method=method)
    assert run.labels == (name,)
    assert f"**Dot:** {dot}; filled: a hit by Ω." in panel_of("sinewave").caption(run)
    assert f"y {name}" in tables.table(run)


def test_an_empty_panel_of_errors_says_why():
    drawn = panel_of("crystal").figure(find("crystal", 1.6, method="lookup"))
    assert "no error is known: Ω has not run" in [
        axis["title"]["text"] for name, axis in drawn["layout"].items() if name.startswith("xaxis") and "title" in axis
    ]
    assert any(one["text"] == "<b>Squared error</b> [eV²]" for one in drawn["layout"]["annotations"])


def test_bars_of_a_phone_are_not_squeezed_by_names():
    named = {"A: iPage, maximin, seed 0": find("sinewave", 1.2), "B: iPage, LHS, seed 0": find("sinewave", 1.3)}
    assert side_by_side.cost(named, False, Size("narrow"))["data"][0]["y"] == ["A", "B"]
    assert side_by_side.cost(named, False, Size("wide"))["data"][0]["y"] == list(named)


def test_only_corrections_explain_why_the_error_by_f_rises():
    said = "what f then shows is its own error."
    assert said in panel_of("sinewave").caption(find("sinewave", 1.2, omega_evals=1))
    assert said not in panel_of("sinewave").caption(find("sinewave", 1.2))


def test_the_table_begins_with_the_answers_and_ends_with_the_starts():
    shown = list(tables.table(find("ballistics", 3.0)).columns)
    answer = ["sample", "y*", "y localized", "off by", "rests on", "x₀ localized", "y₀ localized", "angle localized"]
    assert shown[: len(answer)] == answer
    assert [name for name in shown if name.endswith(" posterior")] == shown[-5:]


@pytest.mark.parametrize(("n", "said"), [(40, "(30 of the 40 are drawn)"), (30, None)])
@pytest.mark.parametrize(("task", "target"), [("ballistics", 3.0), ("robotic_arm", (1.5, 0.0))])
def test_the_caption_says_how_many_designs_are_drawn(task, target, n, said):
    caption = panel_of(task).caption(find(task, target, n=n))
    assert (said in caption) if said else ("are drawn" not in caption)
