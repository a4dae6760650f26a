"""Each section of the benchmark, from runs whose figures are known: what it counts, and by what it divides."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Generator

from ipage_core.benchmark import (
    ablation,
    calibration,
    compute,
    controls,
    coverage,
    exploration,
    quality,
    scope,
    solutions,
    tables,
    tables_of_others,
)
from ipage_core.benchmark.references import Reference, reference
from ipage_core.benchmark.rows import pack, unpack
from ipage_core.benchmark.scope import Scope
from ipage_core.benchmark.simulators import PROBLEMS
from ipage_core.inference.methods import Loaded
from ipage_core.inference.verification import Verification
from ipage_core.tasks import TASKS

CPU = torch.device("cpu")
SECONDS = {"latent": 1.0, "proposal": 2.0, "localization": 4.0, "verification": 8.0, "other": 100.0}


def verified(errors, calls=None):
    """What Ω says of designs of the sine wave with these squared errors."""
    error = torch.tensor(errors, dtype=torch.float64)
    return Verification(
        1.2 + error.sqrt()[:, None], error, error.sqrt() <= 0.02, len(error) if calls is None else calls
    )


def a_run(errors=(1e-4, 3e-4), **more):
    """A stand-in for what ``design`` returns."""
    n = len(errors)
    known = {
        "final": torch.full((n, 2), 0.25),
        "posterior": torch.full((n, 2), 0.75),
        "localized": torch.full((n, 2), 0.25),
        "z": torch.arange(3.0 * n).view(n, 3),
        "y_star": torch.full((n, 1), 1.2, dtype=torch.float64),
        "verification": verified(errors),
        "seconds": SECONDS,
        "omega_calls": n,
        "success_before_replacement": n,
        "modes": torch.zeros(n, dtype=torch.long),
    }
    return SimpleNamespace(**(known | more))


# Tables 2 and 3


def test_a_variant_of_ipage_is_shown_with_maximin_too():
    row = {"task": "sinewave", "method": "ipage-cinn", "protocol": "single", "training_seed": 0}
    cells = pd.DataFrame([row | {"sampling": "srs", "mean": 2.0}, row | {"sampling": "maximin", "mean": 1.0}])
    assert tables.displayed(cells, "single")["mean"].tolist() == [1.0]


def test_the_seconds_of_a_cell_are_medians_over_its_runs():
    rows = pd.DataFrame({"seed": range(3), "sample": 0, "off1": 0.01, "by": solutions.OMEGA})
    rows = rows.assign(task="sinewave", method="ipage", sampling="maximin", protocol="single", training_seed=0)
    rows = rows.assign(in_bounds=True, success=1.0, inference_seconds=[1.0, 2.0, 9.0], localization_seconds=[3, 5, 100])
    (one,) = tables.summary(rows).to_dict("records")
    assert (one["inference"], one["localization"]) == (2.0, 5.0)


def test_the_seconds_of_a_run_are_those_of_all_its_parts():
    chosen = Scope(("sinewave",), ("na-published",), protocols=("many",), n=2, repeats=1)
    one = {"off": pack([0.01], "<f4"), "by_omega": pack([1], "u1"), "in_bounds": pack([1], "u1")}
    one |= {"replaced": pack([0], "u1"), "omega_calls": 3, "success": 1}
    results = {
        key: one | {"inference": 1.0 + k, "localization": 10.0 * (k + 1)}
        for k, (key, _) in enumerate(solutions.items(chosen))
    }
    frame = solutions.frame(chosen, results)
    assert frame["inference_seconds"].tolist() == [3.0, 3.0]  # 1 s and 2 s
    assert frame["localization_seconds"].tolist() == [30.0, 30.0]
    assert frame["omega_calls"].tolist() == [6, 6]


def test_other_weights_are_another_item(monkeypatch):
    def keys(digest):
        monkeypatch.setattr(scope, "weights", lambda task, method, root: (digest, 0))
        chosen = Scope(("sinewave",), ("ipage",), repeats=1)
        sections = (solutions, coverage, exploration, calibration, quality, compute, ablation)
        return {key for section in sections for key, _ in section.items(chosen)}

    monkeypatch.setattr(ablation, "weights", lambda task, method, root: scope.weights(task, method, root))
    assert not keys("a" * 8) & {key for key in keys("b" * 8) if "reference" not in key}


def test_the_training_seed_of_a_method_is_that_of_its_networks(tmp_path, monkeypatch):
    (tmp_path / "sinewave").mkdir()
    for model in ("cinn", "mlp"):
        (tmp_path / "sinewave" / f"{model}.safetensors").touch()
    seeds = {"cinn": 7, "mlp": 0}
    monkeypatch.setattr(
        scope, "load_card", lambda _, model, root: {"sha256": model, "settings": {"seed": seeds[model]}}
    )
    assert scope.weights("sinewave", "ipage-cinn", tmp_path)[1] == 7


# Coverage


def test_coverage_weights_solutions_by_their_area_and_measures_in_box_widths(monkeypatch):
    two = Reference(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([0.9, 0.1]), np.array([2.0, 2.0]))
    monkeypatch.setattr(coverage, "reference", lambda task: two)
    found = coverage.measure(
        "sinewave", np.array([[0.02, 0.0], [0.22, 0.0], [0.9, 0.9]]), np.array([True, True, False])
    )
    assert found["share"] == pytest.approx(0.9)  # the first solution is 0.01 widths off, within 0.02
    assert found["fill"] == pytest.approx(0.39)
    assert found["mean"] == pytest.approx(0.9 * 0.01 + 0.1 * 0.39)
    assert found["minimum"] == pytest.approx(0.1)
    assert found["hits"] == pytest.approx(2 / 3)


def test_the_area_element_of_ballistics_is_that_of_its_slopes_in_box_widths():
    """x₀ follows from the other three: the area is √(1 + Σ (∂x₀/∂xⱼ)²), all lengths in box widths."""
    task, found = TASKS["ballistics"], reference("ballistics", 3000, 5)
    x, step = torch.from_numpy(found.x), 1e-5
    slopes = []
    for j in range(4):
        moved = step * torch.eye(4, dtype=torch.float64)[j]
        slopes.append(((task.omega(x + moved) - task.omega(x - moved))[:, 0] / (2 * step)).numpy() * found.width[j])
    expected = np.sqrt(np.square(slopes).sum(0)) / np.abs(slopes[0])
    ratio = found.area / expected
    usual = expected < np.quantile(expected, 0.99)  # beyond, weights are clipped
    assert np.ptp(ratio[usual]) < 1e-4 * ratio.mean()


# Figures 4 and 5


def test_designs_drawn_evenly_on_nine_loops_have_binomial_counts():
    rows = pd.DataFrame({"seed": [0, 1], "sample": 0, "family": 0, "off1": 0.01})
    rows = rows.assign(task="sinewave", method="ipage", sampling="srs", count=36)
    (one,) = exploration.recall(rows).to_dict("records")
    assert one["even_sd"] == pytest.approx(np.sqrt(36 * 8 / 81))


def test_the_exploration_keeps_proposals_latent_points_and_families_inside_the_box(monkeypatch):
    final = torch.tensor([[1 / 6, 0.1], [7 / 6, 0.1]])  # on the loop about (1/6, 0); beside the box
    made = a_run(final=final, posterior=torch.tensor([[0.1, 0.2], [0.3, 0.4]]))
    monkeypatch.setattr(exploration, "design", lambda *given, **how: made)
    monkeypatch.setattr(exploration, "loaded", lambda *given: None)
    argument = {"task": "sinewave", "method": "ipage", "sampling": "srs", "seed": 0, "models": None}
    one = exploration.work(argument)["25"]
    assert unpack(one["family"], "i1").tolist() == [4, -1]
    assert unpack(one["start"], "<f4", 2) == pytest.approx(np.array([[0.1, 0.2], [0.3, 0.4]]))
    assert unpack(one["z"], "<f4", 2).tolist() == [[0.0, 1.0], [3.0, 4.0]]
    assert unpack(one["off"], "<f4") == pytest.approx(np.sqrt([1e-4, 3e-4]), rel=1e-5)


# Calibration


def a_posterior(sample):
    """A method whose posterior samples are ``sample(y*, z)``."""
    return Loaded("inn", SimpleNamespace(latent_dim=2, sample=sample), None, CPU)


def test_the_samples_of_a_pair_are_those_of_its_own_target(monkeypatch):
    x = torch.zeros(3, 2, dtype=torch.float64)
    y = torch.tensor([[-1.0], [1.0], [-1.0]])
    monkeypatch.setattr(calibration, "held_out", lambda task: (x, y))
    monkeypatch.setattr(calibration, "loaded", lambda *given: a_posterior(lambda y_star, z: 0.5 * y_star.expand(-1, 2)))
    one = calibration.work({"task": "sinewave", "method": "inn", "begin": 0, "models": None})
    below = calibration.SAMPLES
    assert unpack(one["rank"], "<i2", 2).tolist() == [[below, below], [0, 0], [below, below]]


def test_a_posterior_that_is_the_prior_is_calibrated_about_random_points(monkeypatch):
    """The truth is a draw of the posterior: its credibility is uniform, with mean ½ and variance 1/12."""
    x = 2 * torch.rand(400, 2, dtype=torch.float64, generator=Generator().manual_seed(1)) - 1
    monkeypatch.setattr(calibration, "held_out", lambda task: (x, torch.zeros(400, 1)))
    monkeypatch.setattr(calibration, "AT_ONCE", 400)
    uniform = a_posterior(lambda y_star, z: 2 * torch.special.ndtr(z) - 1)
    monkeypatch.setattr(calibration, "loaded", lambda *given: uniform)
    one = calibration.work({"task": "sinewave", "method": "inn", "begin": 0, "models": None})
    credibility = unpack(one["credibility"], "<f4")
    assert credibility.mean() == pytest.approx(0.5, abs=0.05)
    assert credibility.var() == pytest.approx(1 / 12, abs=0.015)


def test_pairs_are_numbered_through_all_items(monkeypatch):
    monkeypatch.setattr(calibration, "held_out", lambda task: (torch.zeros(500, 2), torch.zeros(500, 1)))
    chosen = Scope(("sinewave",), ("inn",))
    one = {"rank": pack(np.zeros((2, 2)), "<i2"), "credibility": pack([0.5, 0.5], "<f4")}
    frame = calibration.frame(chosen, {key: one for key, _ in calibration.items(chosen)})
    assert frame["pair"].tolist() == [0, 1, 250, 251]


def test_held_out_pairs_are_no_training_pairs():
    for name in ("sinewave", "robotic_arm", "ballistics", "crystal", "silicon"):
        trained = {tuple(row) for row in TASKS[name].pairs()[0].tolist()}
        assert not trained & {tuple(row) for row in scope.held_out(name)[0].tolist()}, name


# Quality


def test_the_second_reference_sample_is_another_draw_than_the_first(monkeypatch):
    drawn = []

    def draw(task, n, seed):
        drawn.append(seed)
        return TASKS[task].sample_prior(30, Generator().manual_seed(seed))

    monkeypatch.setattr(quality, "reference", draw)
    for seed in range(quality.SEEDS):
        quality.work({"task": "sinewave", "method": quality.REFERENCE, "n": 30, "seed": seed})
    (truth,) = {seed for seed in drawn if drawn.count(seed) > 1}
    others = [seed for seed in drawn if seed != truth]
    assert len(others) == len(set(others)) == quality.SEEDS


def test_quality_tells_the_proposed_from_the_result(monkeypatch):
    truth = TASKS["sinewave"].sample_prior(200, Generator().manual_seed(1))
    monkeypatch.setattr(quality, "reference", lambda task, n, seed: truth)
    outside = torch.cat((truth[:50], torch.full((50, 2), 3.0)))
    monkeypatch.setattr(quality, "loaded", lambda *given: None)
    monkeypatch.setattr(quality, "design", lambda *given, **how: a_run(final=truth, localized=truth, posterior=outside))
    found = quality.work({"task": "sinewave", "method": "ipage", "sampling": "srs", "n": 9, "seed": 0, "models": None})
    assert found["result"]["in_bounds"] == 1
    assert found["proposed"]["in_bounds"] == 0.5
    assert found["result"]["diversity"] == pytest.approx(1)
    assert found["proposed"]["log_prior"] == pytest.approx(-np.log(4))  # of those inside, as of the reference
    assert found["result"]["mmd2"] < 0.01 < 0.1 < found["proposed"]["mmd2"]


# Times


def test_times_are_medians_after_a_warm_up_and_leave_out_the_final_check(monkeypatch):
    asked = []

    def run(task, method, target, n, **how):
        asked.append((how["seed"], how["verify"]))
        slow = {0: 1.0, 1: 2.0, 2: 50.0}.get(how["seed"], 1000.0)
        return a_run(seconds=SECONDS | {"localization": slow, "verification": 8.0}, omega_calls=6)

    monkeypatch.setattr(compute, "design", run)
    zero = Loaded("ipage", SimpleNamespace(), lambda x: torch.zeros(len(x), 1), CPU)
    monkeypatch.setattr(compute, "load", lambda *given, **how: zero)
    unseen = torch.zeros(4, 2), torch.tensor([[0.1], [0.1], [0.3], [0.3]])
    monkeypatch.setattr(compute, "held_out", lambda task: unseen)
    argument = {"task": "sinewave", "method": "ipage", "setting": {}, "device": "cpu", "models": None, "n": 2}
    found = compute.work(argument | {"sampling": "maximin", "repeats": 3})
    assert asked == [(99, "none"), (0, "all"), (1, "all"), (2, "all")]
    assert found["inference"] == 3.0  # latent points and proposal
    assert found["localization"] == pytest.approx(2.0 + 8.0 * 4 / 6)  # 4 of the 6 evaluations are corrections
    assert found["omega_calls"] == 2.0  # a design
    assert found["mean"] == pytest.approx(2e-4)
    assert found["floor"] == pytest.approx((0.01 + 0.09) / 2)  # of the surrogate, on pairs that it has not seen


def test_a_run_s_memory_does_not_count_what_was_freed_before_it():
    before = np.ones(30_000_000)  # 240 MB
    del before
    with compute.peak_memory() as little:
        pass
    with compute.peak_memory() as much:
        held = np.ones(10_000_000)
    if not little:
        pytest.skip("only Linux says it")
    assert 70 < much["mb"] - little["mb"] < 160  # 80 MB
    assert held.nbytes == 80_000_000


def test_each_time_is_that_of_the_machine_that_ran(monkeypatch):
    chosen = Scope(("sinewave",), ("lookup",), quick=True, device="cpu")
    one = dict.fromkeys(("inference", "localization", "mean", "omega_calls", "peak_mb", "floor"), 1.0)
    frame = compute.frame(chosen, {key: one | {"machine": "another one"} for key, _ in compute.items(chosen)})
    assert frame["machine"].tolist() == ["another one"]


# Ablation


def test_the_ablation_counts_corrections_alone_and_localizes_on_the_surrogate_that_is_named(monkeypatch):
    asked = []

    def run(task, method, target, n, **how):
        asked.append((method.proposal, method.surrogate, how["omega_evals"], n))
        errors = [1e-4] * n if how["omega_evals"] == 0 else [1e-8] * n
        calls = (1 + how["omega_evals"]) * n
        return a_run(errors, omega_calls=calls, success_before_replacement=n // 4)

    methods = {
        name: Loaded(name, f"proposal of {name}", f"surrogate of {name}", CPU) for name in ("ipage", "ipage-cinn")
    }
    monkeypatch.setattr(ablation, "design", run)
    monkeypatch.setattr(ablation, "loaded", lambda task, name, models: methods[name])
    argument = {"task": "sinewave", "start": "cINN posterior", "optimizer": "lm", "seed": 0, "n": 8}
    found = ablation.work(argument | {"surrogate": "separate", "sampling": "srs"})
    assert {who for who in asked if who[3] == 8} == {
        ("proposal of ipage-cinn", "surrogate of ipage", 0, 8), ("proposal of ipage-cinn", "surrogate of ipage", 1, 8)
    }  # fmt: skip
    assert found["success"] == 0.25
    assert found["omega_calls"] == 1.0  # one correction a design; the final check is not among them
    assert found["seconds"] == 7.0  # without Ω
    assert found["mean"] == pytest.approx(1e-4)


# Tables of others, and their controls


def test_a_search_weighs_properties_by_their_scale(monkeypatch):
    """y = (x₁ + x₂, 1000 (x₁ − x₂)); the target cannot be reached, and in units of the scale both misses are equal."""
    monkeypatch.setattr(controls, "DRAWS", 400)

    def predict(x):
        return torch.stack((x[:, 0], 1000 * x[:, 0]), 1)

    def draw(n, generator):
        return torch.rand(n, 1, dtype=torch.float64, generator=generator)

    target, scale = torch.tensor([[0.2, 800.0]]).double(), torch.tensor([1.0, 1000.0]).double()
    found = controls.search(predict, draw, lambda x: x.clamp(0, 1), target, scale, 3, 0)[0]
    assert found.numpy() == pytest.approx(np.full((3, 1), 0.5), abs=1e-3)


def test_designs_for_a_table_are_judged_by_new_targets_in_standard_deviations_of_its_rows(monkeypatch):
    problem, seen, count = PROBLEMS["spring"], {"targets": []}, tables_of_others.CANDIDATES
    monkeypatch.setattr(controls, "ExtraTrees", lambda x, y, seed: None)
    monkeypatch.setattr(controls, "search", lambda predict, draw, admissible, targets, sd, n, seed: [])
    monkeypatch.setattr(tables_of_others.GaussianProcess, "fitted", lambda x, y, bounds: None)
    monkeypatch.setattr(tables_of_others.recipes, "train", lambda *given, **how: {"held_out": {"r2": [0.9]}})
    monkeypatch.setattr(tables_of_others, "load", lambda task, method: None)

    def create(folder, frame, x, y, **how):
        seen["rows"] = torch.tensor(frame[y].to_numpy())
        return SimpleNamespace(models_folder=folder, default_method="prior-lm")

    def run(task, method, y_star, n, seed):
        seen["targets"].append(y_star)
        final = problem.draw(n, Generator().manual_seed(len(seen["targets"])))
        return a_run([0.0] * n, final=final, y_star=y_star.expand(n, -1), note="")

    def doubt(task, method, designs, y_star):
        """Predictions that the new measurements will equal, however narrow the intervals are."""
        fresh = Generator().manual_seed(tables_of_others.FRESH + 1000 + 3)
        closer = torch.zeros(len(designs), dtype=torch.bool)
        return SimpleNamespace(
            predicted=problem.measure(designs, fresh),
            half_width=torch.full((len(designs),), 1e-9),
            row_is_closer=closer,
        )

    monkeypatch.setattr(tables_of_others.own_data, "create", create)
    monkeypatch.setattr(tables_of_others, "design", run)
    monkeypatch.setattr(tables_of_others, "trust", doubt)
    found = tables_of_others.work({"problem": "spring", "seed": 3})
    rows, targets = seen["rows"], torch.stack(seen["targets"])
    assert torch.cdist(targets / rows.std(0), rows / rows.std(0)).min() > 1e-6  # none is a row of the table
    program = [row for row in found["rows"] if row["way"] == tables_of_others.PROGRAM]
    assert {row["covered"] for row in program} == {1.0}
    first = problem.truth(problem.draw(count, Generator().manual_seed(1)))
    off = ((first - targets[0]) / rows.std(0)).square().mean(1).sqrt()
    assert [row["error"] for row in program[:count]] == pytest.approx(off.tolist())
    nearest = [row["error"] for row in found["rows"] if row["way"] == tables_of_others.ROW]
    assert len(nearest) == len(targets)
