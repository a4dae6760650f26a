"""The table and summary of a run, and the descents of the neural adjoint, on cases with known answers."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from ipage_core.inference.intervals import Interval
from ipage_core.inference.methods import Loaded, Prior
from ipage_core.inference.neural_adjoint import NeuralAdjoint, Search
from ipage_core.inference.paving import Equation, inverted, joined, pave, pivots, prove_radius, times
from ipage_core.inference.pipeline import design
from ipage_core.inference.solutions import Solutions
from ipage_core.problem.goal import Goal
from ipage_core.problem.space import Box
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task, Variable
from tests.support.models import SINEWAVE, Uniform, exact_method
from tests.support.pavings import holds

SQUARE = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


@pytest.fixture(scope="module")
def found():
    return design(SINEWAVE, exact_method(0.01), torch.tensor([[1.2], [0.5]]), 4, verify="5", omega_evals=1)


def test_the_table_has_a_row_for_each_sample_and_stage(found):
    frame = found.frame()
    assert frame["sample"].tolist() == [*range(8), *range(8)]
    assert frame["stage"].tolist() == ["posterior"] * 8 + ["localized"] * 8
    first, last = frame.iloc[:8], frame.iloc[8:]
    assert first["resim_error"].isna().all()
    assert last["resim_error"].notna().sum() == 5
    assert last["hit"].notna().tolist() == last["resim_error"].notna().tolist()
    assert np.allclose(last["x1"], found.localized[:, 0])
    assert np.allclose(first["x2"], found.posterior[:, 1])
    assert np.allclose(first["surrogate1"], found.surrogate_posterior[:, 0])
    assert np.allclose(last["surrogate1"], found.surrogate[:, 0])
    assert last["target1"].tolist() == pytest.approx([1.2] * 4 + [0.5] * 4)
    known = last["y1"].notna()
    assert np.allclose(((last["y1"] - last["target1"]) ** 2)[known], last["resim_error"][known])
    assert not first["replaced"].any()
    assert last["in_bounds"].all()


def test_the_table_of_a_method_without_localization_has_one_stage():
    method = Loaded("plain", Uniform(), None, torch.device("cpu"))
    result = design(SINEWAVE, method, torch.tensor([1.2]), 6)
    frame = result.frame()
    assert frame["stage"].tolist() == ["posterior"] * 6
    assert frame["surrogate1"].isna().all()
    assert frame["y1"].notna().all()
    assert result.final is result.posterior
    assert list(result.to_frame()) == ["sample", "x₁", "x₂", "y", "hit", "rests on"]


def test_the_summary_counts_what_omega_said(found):
    summary = found.summary()
    errors = found.verification.resim_error[found.verification.resim_error.isfinite()]
    assert summary["n"] == 8
    assert summary["verified"] == 5
    assert summary["hits"] == int(found.verification.hit.sum())
    assert summary["omega_calls"] == 13  # a correction of eight, and five verified
    assert summary["resim_mse"] == pytest.approx(errors.mean().item())
    assert summary["resim_median"] == pytest.approx(errors.median().item())
    assert summary["in_bounds"] == 8
    assert "modes_found" not in summary  # two targets
    assert "omega_failed" not in summary
    json.dumps(summary)
    unverified = replace(found, verification=type(found.verification).nowhere(SINEWAVE, 8)).summary()
    assert (unverified["resim_mse"], unverified["resim_median"], unverified["verified"]) == (None, None, 0)
    broken = replace(found, verification=replace(found.verification, calls=8), note="why", filled={"added": 1})
    assert broken.summary()["omega_failed"] == 3
    assert (broken.summary()["note"], broken.summary()["filled"]) == ("why", {"added": 1})


def test_families_count_designs_that_are_not_refuted():
    result = design(SINEWAVE, exact_method(), torch.tensor([1.2]), 200)
    assert result.summary()["modes_found"] == 9
    assert result.summary()["modes_total"] == 9
    assert (result.modes >= 0).float().mean() > 0.7
    missed = replace(result, verification=replace(result.verification, hit=torch.zeros(200, dtype=torch.bool)))
    assert (missed.modes == -1).all()
    assert "modes_found" not in missed.summary()
    outside = replace(result, localized=result.localized + 3)
    assert (outside.modes == -1).all()
    assert replace(result, task=replace(SINEWAVE, modes=None)).modes is None


def test_a_run_is_saved_and_loaded(found, tmp_path):
    target = Target((Goal.exactly(1.2, 0.1),))
    file = tmp_path / "designs.safetensors"
    replace(found, target=target, note="n").save(file)
    again = Solutions.load(file, SINEWAVE)
    assert (again.target, again.note, again.seed, again.method) == (target, "n", found.seed, "exact")
    for name in ("y_star", "z", "posterior", "localized", "surrogate", "replaced"):
        assert torch.equal(getattr(again, name), getattr(found, name))
    assert torch.equal(again.verification.hit, found.verification.hit)
    assert (again.verification.calls, again.omega_calls) == (5, 13)
    assert again.path is None
    with pytest.raises(ValueError, match="holds designs of 'sinewave', not of 'other'"):
        Solutions.load(file, replace(SINEWAVE, name="other"))
    assert found.export("csv", tmp_path / "a.csv") == [tmp_path / "a.csv"]
    written = pd.read_csv(tmp_path / "a.csv")
    assert (len(written), list(written)) == (16, list(found.frame()))
    assert found.verify().verification.calls == 8
    with pytest.raises(ValueError, match="several targets"):
        found.coverage()


def test_a_run_describes_itself(found):
    text = repr(found)
    assert text.startswith(
        "8 designs of sinewave for 2 targets\n  by exact, maximin latent points, seed 0; 5 verified by Ω"
    )
    assert "inputs x₁, x₂; properties y" in text
    alone = design(SINEWAVE, exact_method(), torch.tensor([1.2]), 3, verify="none")
    assert repr(alone).startswith("3 designs of sinewave for 1.2\n")
    assert "predicted, not verified by Ω" in repr(alone)
    assert "the task has no Ω" in repr(replace(alone, task=replace(SINEWAVE, omega=None)))


def test_levels_are_shown_by_name():
    task = Task.from_function(
        lambda x: x.sum(1),
        [Variable("a"), Variable("k", kind="category", levels=("red", "blue"))],
        {"y": 0.1},
        "t",
        seconds=0,
    )
    method = Loaded("exact", Prior(task), lambda x: x.sum(1, keepdim=True), torch.device("cpu"))
    result = design(task, method, torch.tensor([1.5]), 5)
    assert set(result.to_frame()["k"]) <= {"red", "blue"}
    assert list(result.to_frame()) == ["sample", "a", "k", "y", "y predicted", "hit", "rests on"]
    assert result.verification.hit.all()


# The neural adjoint


def squares(x):
    return x.square().sum(1, keepdim=True)


def adjoint(optimizer="lm", **more):
    def draw(n, z):
        return 2 * torch.rand(n, 2, generator=torch.Generator().manual_seed(len(z))) - 1

    return made(squares, draw, Search(optimizer, **{"starts": 1, "per_design": 4, "steps": 25, **more}))


def made(network, draw, search, enough=1e-6, **more):
    return NeuralAdjoint(network, draw, Box(SQUARE.float()), search, boundary=SQUARE.float(), enough=enough, **more)


@pytest.mark.parametrize("optimizer", ["lm", "adam", "published"])
def test_the_best_descents_of_each_target_are_taken(optimizer):
    y_star = torch.tensor([[0.25], [0.64], [0.25], [0.25]])
    x = adjoint(optimizer, steps=120 if optimizer != "lm" else 25, rate=0.05).sample(y_star, torch.zeros(4, 1))
    assert x.shape == (4, 2)
    assert (squares(x) - y_star).abs().max() < (1e-2 if optimizer == "published" else 1e-3)
    assert len(x.round(decimals=4).unique(dim=0)) == 4


def test_as_many_descents_as_designs_and_at_least_the_starts():
    drawn = []

    def draw(n, z):
        drawn.append(n)
        return torch.zeros(n, 2) + torch.linspace(0.1, 0.9, n)[:, None]

    for starts, per_design, expected in ((1, 3, 9), (5, 1, 10), (7, 2, 14)):
        one = made(squares, draw, Search("lm", starts, per_design, 1))
        one.sample(torch.tensor([[0.1], [0.1], [0.2]]), torch.zeros(3, 1))
        assert drawn.pop() == expected
    # The best, in the order of the starts: of 0.1 … 0.9 those that reach 0.5 = 2·0.5² are in the middle.
    still = made(squares, draw, Search("lm", 9, 1, 1), enough=10)
    x = still.sample(torch.full((3, 1), 0.5), torch.zeros(3, 1))
    assert x[:, 0].tolist() == pytest.approx([0.4, 0.5, 0.6], abs=1e-6)
    assert still.searching(Search("adam")).search.optimizer == "adam"
    assert still.search.optimizer == "lm"


def test_the_published_descent_stays_near_its_boundary_and_counts_in_units():
    def far(x):
        return x[:, :1]

    def draw(n, z):
        return torch.zeros(n, 2)

    def ended(boundary=1.0, **more):
        search = Search("published", starts=1, steps=250, rate=0.05, boundary=boundary)
        one = made(far, draw, search, **more)
        return one.sample(torch.tensor([[3.0]]), torch.zeros(1, 1))[0, 0].item()

    assert ended(boundary=0.0) == pytest.approx(3, abs=0.15)
    # (x − 3)² + b (x − 1) is least at 3 − b/2, if that lies beyond the boundary.
    assert ended(boundary=1.0) == pytest.approx(2.5, abs=0.15)
    assert ended(boundary=10.0) == pytest.approx(1, abs=0.1)
    assert Search() == Search("published", 2048, 1, 300, 0.5, 0.1)
    one = made(far, draw, Search("published", 1, 1, 1, 0.05, 0.0))
    assert one.sample(torch.tensor([[3.0]]), torch.zeros(1, 1))[0, 0].item() == pytest.approx(
        0.1, abs=1e-4
    )  # of a width of 2
    one.units = (5.0, 5.0)
    assert one.sample(torch.tensor([[3.0]]), torch.zeros(1, 1))[0, 0].item() == pytest.approx(0.25, abs=1e-4)


def test_prior_draws_follow_all_of_z():
    prior = Prior(SINEWAVE)
    z = torch.zeros(5, 1)
    x = prior.sample(torch.zeros(5, 1), z)
    assert x.shape == (5, 2)
    assert torch.equal(x, prior.sample(torch.ones(5, 1), z))
    z[4] = 1
    assert not torch.equal(x, prior.sample(torch.zeros(5, 1), z))


# Paving


def test_pivots_are_the_columns_of_the_largest_determinant():
    assert pivots(double([[1, -5, 2]], [[3, 0, 1]])).tolist() == [[1], [0]]
    square = double([[1, 0, 4], [0, 1, 0]])
    assert pivots(square).tolist() == [[1, 2]]  # |det| = 4 of columns 1 and 2
    assert inverted(double([[2, 0], [0, 4]])).tolist() == [[[0.5, 0], [0, 0.25]]]
    assert inverted(double([[0, 0], [0, 0]])).tolist() == [[[1, 0], [0, 1]]]
    product = times(double([[1, 2], [0, -1]]), Interval(double([1, 2]), double([2, 3])))
    assert product.lo.tolist() == [pytest.approx([5, -3])]
    assert product.hi.tolist() == [pytest.approx([8, -2])]
    assert joined([], 3).lo.shape == (0, 3)


def line(x):
    return x[:, :1] + 2 * x[:, 1:]


def test_boxes_of_a_line_are_tight_around_it():
    equation = Equation(line, torch.tensor([0.5]), SQUARE)
    assert (equation.m, equation.d) == (1, 2)
    paving = pave(equation, 0.05)
    assert paving.finished
    sizes = equation.sizes(paving.boxes)
    assert sizes.max() <= 0.05 * (1 + 1e-9)
    middle = paving.boxes.mid()
    assert (line(middle) - 0.5).abs().max() < 0.06
    x2 = torch.linspace(-0.25, 0.75, 500, dtype=torch.float64)
    on = torch.stack((0.5 - 2 * x2, x2), 1)
    assert holds(paving.boxes, on).all()
    assert not holds(paving.boxes, on + double([0.0, 0.12])).any()
    assert len(paving.boxes.lo) < 70  # contraction cuts them along the line
    seen = []
    pave(equation, 0.3, progress=lambda tested, excluded: seen.append((tested, excluded)))
    assert seen[-1][1] == pytest.approx(1 - equation.sizes(pave(equation, 0.3).boxes).prod(1).sum().item(), abs=1e-9)
    stopped = pave(equation, 0.01, cancel=lambda: len(seen) > 0)
    assert not stopped.finished
    assert stopped.tested == 0
    assert not pave(equation, 0.001, seconds=-1).finished


def test_halves_are_cut_across_the_widest_side():
    equation = Equation(line, torch.tensor([0.5]), torch.tensor([[0.0, 0.0], [1.0, 10.0]], dtype=torch.float64))
    cut = equation.halves(Interval(double([0, 0]), double([0.5, 4.0])))  # 0.5 and 0.4 of the widths
    assert cut.lo.tolist() == [[0, 0], [0.25, 0]]
    assert cut.hi.tolist() == [[0.25, 4], [0.5, 4]]
    kept, alive = equation.contract(Interval(double([0, 0], [0.9, 9.0]), double([0.3, 1.0], [1, 10])))
    assert alive.tolist() == [True, False]
    assert kept.hi[0].tolist() == pytest.approx([0.3, 0.25])


def test_the_proved_radius_of_a_line_is_its_farthest_end():
    equation = Equation(line, torch.tensor([0.5]), SQUARE)
    designs = np.array([[0.5, 0.0]])
    proof = prove_radius(equation, designs, np.ones(2), goal=1.75)
    assert proof.radius == pytest.approx(math.hypot(1.5, 0.75), rel=0.1)  # the end at (−1, 0.75)
    assert proof.radius >= math.hypot(1.5, 0.75)
    assert not proof.empty
    scaled = prove_radius(equation, designs, np.array([2.0, 2.0]), goal=0.875)
    assert scaled.radius == pytest.approx(proof.radius / 2, rel=0.1)
    near = prove_radius(equation, designs, np.ones(2), goal=3.0)
    assert near.radius <= 3
    assert near.tested == 0
    nothing = prove_radius(Equation(line, torch.tensor([9.0]), SQUARE), designs, np.ones(2))
    assert nothing.empty
    assert nothing.radius == 0
    seen = []
    stopped = prove_radius(
        equation, designs, np.ones(2), progress=lambda *at: seen.append(at), cancel=lambda: len(seen) > 2
    )
    assert stopped.radius >= math.hypot(1.5, 0.75)
    assert [tested for tested, _ in seen] == sorted(tested for tested, _ in seen)


def test_paving_and_proof_end_with_their_time_and_their_memory(monkeypatch):
    equation = Equation(line, torch.tensor([0.5]), SQUARE)
    designs = np.array([[0.5, 0.0]])

    def ticking(*times):
        ticks = iter(times)
        last = times[-1]
        monkeypatch.setattr("ipage_core.inference.paving.time", SimpleNamespace(perf_counter=lambda: next(ticks, last)))

    ticking(5, 25)
    whole = pave(equation, 0.05, seconds=20)
    assert (whole.finished, whole.seconds) == (True, 20)
    ticking(5, 25, 26)
    stopped = pave(equation, 0.05, seconds=20)
    assert (stopped.finished, stopped.tested, stopped.seconds) == (False, 1, 21)
    ticking(5, 25)
    proof = prove_radius(equation, designs, np.ones(2), goal=1.7, seconds=20)
    assert (proof.radius <= 1.7, proof.seconds) == (True, 20)
    ticking(5, 25, 26)
    early = prove_radius(equation, designs, np.ones(2), goal=1.7, seconds=20)
    assert (early.tested, early.seconds) == (2, 21)
    assert early.radius > 1.7
    monkeypatch.undo()
    kept = len(whole.boxes.lo)
    assert pave(equation, 0.05, most=kept).finished
    few = pave(equation, 0.05, most=3)
    assert not few.finished
    assert few.tested < whole.tested
    assert prove_radius(equation, designs, np.ones(2), goal=0.1, most=1).tested == 2  # two boxes are more than one
    assert prove_radius(equation, designs, np.ones(2), goal=0.1, most=2).tested > 2
