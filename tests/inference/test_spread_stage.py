"""Spread, fill and coverage as stages of the engine, with stand-ins for the networks."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ipage_core.cli.main import main
from ipage_core.inference import spread_stage
from ipage_core.inference.pipeline import design
from ipage_core.inference.spread_stage import fill_samples, spread_samples
from ipage_core.inference.target_set import NoRule, pieces_of
from ipage_core.problem import constraints
from ipage_core.tasks import TASKS
from tests.inference.test_stages import chain, double
from tests.support import stand_ins


def run(name, n=40, method="ipage", **more):
    task = TASKS[name]
    return design(task, stand_ins.load(name, method), torch.tensor(task.default_target), n, **more)


def separation(solutions):
    width = (solutions.task.bounds[1] - solutions.task.bounds[0]).double()
    x = solutions.final.double() / width
    apart = torch.cdist(x, x) + torch.eye(len(x)) * 9
    return apart.min()


@pytest.mark.parametrize("name", ["sinewave", "robotic_arm", "ballistics"])
def test_spread_designs_are_hits_and_farther_apart(name):
    drawn, spread = run(name), run(name, spread="box")
    assert spread.verification.hit.all()
    assert spread.task.in_bounds(spread.final).all()
    assert separation(spread) > 3 * separation(drawn)
    assert len(spread.final) == 40
    assert spread.verification.resim_error.mean() <= drawn.verification.resim_error.mean() + 1e-12
    assert "spread" in spread.path.labels
    assert spread.omega_calls == 40 * 3  # two corrections and the verification
    assert torch.equal(spread.posterior, drawn.posterior)  # the proposals are kept


def test_omega_evaluations_are_as_many_as_asked_for():
    assert run("sinewave", spread="box", omega_evals=1).omega_calls == 40 * 2
    assert run("sinewave", spread="off").omega_calls == 40


def test_each_target_is_spread_by_itself_and_one_out_of_reach_stays():
    task = TASKS["sinewave"]
    y = torch.tensor([[1.2], [9.0], [0.3]])
    solutions = design(task, stand_ins.load("sinewave", "ipage"), y, 12, spread="box")
    hit = solutions.verification.hit.view(3, 12)
    assert hit[0].all()
    assert hit[2].all()
    assert not hit[1].any()
    assert "cannot be reached" in solutions.note


def test_constraints_hold_after_the_spread():
    task = TASKS["robotic_arm"]
    space = constraints.parse(task, ["x2=x3", "x1<=0.1"])
    x = run("robotic_arm", 20, spread="box", space=space).final
    assert (x[:, 1] - x[:, 2]).abs().max() < 1e-5
    assert x[:, 0].max() <= 0.1 + 1e-6


def test_what_cannot_be_spread_is_as_drawn():
    one = design(TASKS["sinewave"], stand_ins.load("sinewave", "ipage"), torch.tensor([1.2]), 1, spread="box")
    assert "spread" not in one.path.labels
    alone = run("sinewave", method="inn", spread="box")
    assert torch.equal(alone.final, run("sinewave", method="inn").final)
    with pytest.raises(ValueError, match="accepted: box, posterior, off"):
        run("sinewave", spread="wide")


def test_filling_adds_designs_and_says_what_the_coverage_became():
    solutions = run("sinewave", 10, fill=0.04)
    filled = solutions.filled
    assert filled["added"] > 20
    assert len(solutions.final) == len(solutions.z) == len(solutions.replaced) == 10 + filled["added"]
    assert solutions.path.x.shape[1] == len(solutions.final)
    assert filled["share_before"] < 0.5
    assert filled["share_after"] == 1.0
    assert solutions.verification.hit.all()
    assert len(solutions.frame()) == 2 * len(solutions.final)
    assert json.loads(json.dumps(solutions.summary()))["filled"] == filled
    with pytest.raises(ValueError, match="one exact target"):
        design(TASKS["sinewave"], stand_ins.load("sinewave", "ipage"), torch.tensor([[1.2], [1.3]]), 5, fill=0.1)


def test_the_gaps_of_a_target_that_cannot_be_reached_are_unknown():
    task = TASKS["sinewave"]
    solutions = design(task, stand_ins.load("sinewave", "ipage"), torch.tensor([2.5]), 5, fill=0.1)
    assert len(solutions.final) == 5
    assert solutions.filled["added"] == 0
    assert solutions.filled["share_before"] is None
    assert "cannot be reached" in solutions.note


def test_solutions_tell_their_coverage():
    method = stand_ins.load("sinewave", "ipage")
    told = run("sinewave", 100, spread="box").coverage(0.05, method=method)
    assert told.measured
    assert told.share() == 1.0
    assert told.fill <= told.proof.radius < 0.06
    with pytest.raises(ValueError, match="several targets"):
        design(TASKS["sinewave"], method, torch.tensor([[1.2], [1.3]]), 5).coverage()


def test_an_omega_that_cannot_be_followed_leaves_an_estimate():
    import dataclasses

    task = dataclasses.replace(TASKS["sinewave"], omega=lambda x: torch.sort(TASKS["sinewave"].omega(x))[0])
    solutions = dataclasses.replace(run("sinewave", 30), task=task)
    told = solutions.coverage(0.05, method=stand_ins.load("sinewave", "ipage"))
    assert not told.measured
    assert "'sort'" in told.refused
    assert told.sentence().startswith("Estimate")


@pytest.fixture
def _no_networks(monkeypatch):
    import ipage_core.inference.methods

    def load(task, method, device="cpu", root=None, models=None):
        return stand_ins.load(task if isinstance(task, str) else task.name, method)

    monkeypatch.setattr(ipage_core.inference.methods, "load", load)


@pytest.mark.usefixtures("_no_networks")
def test_the_command_line(tmp_path, capsys):
    out = tmp_path / "solutions.csv"
    assert main(["design", "sinewave", "--target", "1.2", "--n", "30", "--fill", "0.05", "--out", str(out)]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["filled"]["share_after"] == 1.0
    assert main(["coverage", "sinewave", str(out), "--within", "0.05"]) == 0
    printed = capsys.readouterr()
    told = json.loads(printed.out.splitlines()[-1])
    assert told["share"] == 1.0
    assert (told["pieces"], told["pieces_exact"]) == (9, True)
    assert "Proved: exactly 9 separate pieces." in printed.err
    x = np.zeros((3, 2))
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", header="x1,x2", comments="")
    assert main(["coverage", "sinewave", str(tmp_path / "x.csv")]) == 2
    assert "accepted: --target as well" in capsys.readouterr().err
    assert main(["coverage", "sinewave", str(tmp_path / "x.csv"), "--target", "1.2"]) == 2
    assert "By Ω, no design of 3 meets the target 1.2" in capsys.readouterr().err
    assert main(["coverage", "sinewave", str(out), "--target", "1,2"]) == 2
    assert "accepted" in capsys.readouterr().err
    for wrong in (["--fill", "0"], ["--fill", "x"], ["--spread", "wide"]):
        with pytest.raises(SystemExit) if wrong[0] == "--fill" else _returns():
            code = main(["design", "sinewave", "--target", "1.2", "--out", str(tmp_path / "no.csv"), *wrong])
            assert code == 2
        assert "accepted" in capsys.readouterr().err
    assert not (tmp_path / "no.csv").exists()


def _returns():
    import contextlib

    return contextlib.nullcontext()


def test_pieces_are_not_counted_where_a_cap_cuts_the_set():
    task, y = TASKS["sinewave"], torch.tensor([1.2])
    with pytest.raises(NoRule, match="caps"):
        pieces_of(task, constraints.parse(task, ["x1 + x2 <= 0.5"]), y)
    assert pieces_of(task, constraints.parse(task, ["x1<=0.5"]), y).least >= 6


# Each stage by itself, on Ω(a, b, c) = (a + b, b + c) with tolerances that floats hold exactly


def plane_chain():
    return chain(properties={"p [m]": 0.125, "q [m]": 0.25})


def arrived_at(ours, goal, off):
    """Samples whose first property is off by so much (total,), in tolerances."""
    samples = ours.localize(ours.propose(goal, torch.randn(len(goal), 3, generator=torch.Generator())), goal)
    samples.predicted = goal.clone()
    samples.predicted[:, 0] += 0.125 * double(off)[0]
    return samples


def spreading(monkeypatch, *results):
    """Replaces the spread of a target; → what each call was given."""
    calls = []

    def spread(solutions, n, **more):
        calls.append((solutions, n, more))
        return results[len(calls) - 1]

    monkeypatch.setattr(spread_stage, "spread", spread)
    return calls


def plainly_matched(solutions, here, there):
    """Of all permutations, the one with the least ∑ d²."""
    a, b = solutions.coordinates(here), solutions.coordinates(there)
    costs = {way: ((a - b[list(way)]) ** 2).sum() for way in itertools.permutations(range(len(a)))}
    return there[list(min(costs, key=costs.get))]


def test_each_sample_of_a_target_within_reach_moves_to_the_nearest_design(monkeypatch):
    ours, rng = plane_chain(), np.random.default_rng(0)
    goal = double(*[[1, 1]] * 4, *[[3, 1]] * 4, *[[1, 0.5]] * 4, *[[0.5, 1]] * 4)
    samples = arrived_at(ours, goal, [0, 0, 0, 0, 1.5, 1.5, 1.5, 9, 1, 2, 2, 2, 0, 0, 0, 0])
    first, third = rng.random((2, 4, 3))
    calls = spreading(monkeypatch, first, third, np.empty((0, 3)))  # the last target has no known solution
    before = samples.x.double().numpy().copy()
    frames, errors = samples.frames.clone(), samples.errors.clone()
    moved = spread_samples(ours, samples, goal, 4, "posterior", 7)
    assert moved.tolist() == [True] * 4 + [False] * 4 + [True] * 4 + [False] * 4
    assert [solutions.y_star.tolist() for solutions, _, _ in calls] == [[1, 1], [1, 0.5], [0.5, 1]]
    assert [(n, more["region"], more["seed"]) for _, n, more in calls] == [(4, "posterior", 7)] * 3
    expected = before.copy()
    expected[:4] = plainly_matched(calls[0][0], before[:4], first)
    expected[8:12] = plainly_matched(calls[0][0], before[8:12], third)
    np.testing.assert_allclose(samples.x.numpy(), expected, atol=1e-6)
    a, b, c = torch.from_numpy(expected).unbind(1)
    y = torch.stack((a + b, b + c), 1)
    np.testing.assert_allclose(samples.predicted.numpy(), y.numpy(), atol=1e-6)
    assert samples.labels[-1] == "spread"
    assert torch.equal(samples.frames[:-1], frames)
    assert torch.equal(samples.frames[-1], samples.x)
    assert torch.equal(samples.errors[:-1], errors)
    np.testing.assert_allclose(samples.errors[-1].numpy(), (y - goal).square().sum(1).numpy(), atol=1e-5)


def test_many_samples_move_in_the_order_of_the_coordinate_in_which_designs_differ_most(monkeypatch):
    monkeypatch.setattr(spread_stage, "MATCHED", 5)
    ours, goal = plane_chain(), double(*[[1, 1]] * 6)
    samples = arrived_at(ours, goal, [0] * 6)
    designs = np.random.default_rng(1).random((6, 3)) * [0.5, 1, 0.25]
    spreading(monkeypatch, designs)
    order = samples.x[:, 1].argsort()
    spread_samples(ours, samples, goal, 6, "box", 0)
    np.testing.assert_allclose(samples.x[order].numpy(), designs[designs[:, 1].argsort()], atol=1e-6)


def filling(monkeypatch, new, early=""):
    """Replaces coverage, which says 0.1 and 0.2, then 0.3 and 0.4, and the filling of gaps. → what was asked."""
    calls = []

    def coverage(solutions, designs, within, *, propose, seed):
        calls.append(("coverage", designs.tolist(), within, seed))
        share = 0.1 if len(calls) == 1 else 0.3
        return SimpleNamespace(share=lambda: share, likely=lambda: (share + 0.1, 9.0, 9.0))

    def fill_gaps(solutions, designs, within, *, propose, seed, most, seconds):
        calls.append(("fill", designs.tolist(), within, seed, most, seconds))
        return new, early

    monkeypatch.setattr(spread_stage, "coverage", coverage)
    monkeypatch.setattr(spread_stage, "fill_gaps", fill_gaps)
    return calls


@pytest.mark.parametrize("off", [[0, 1, 1.25], [1.0]])
def test_designs_that_fill_gaps_join_the_samples(monkeypatch, off):
    new = np.random.default_rng(3).random((3, 3))
    ours, goal, calls = plane_chain(), double(*[[1, 1]] * len(off)), filling(monkeypatch, new)
    samples = arrived_at(ours, goal, off)
    before, n = samples.of(torch.arange(len(off))), len(off)
    filled = fill_samples(ours, samples, goal, 0.05, 6, 77, 8.5)
    good = before.x[: min(n, 2)].double().numpy()  # within a tolerance; the third is not
    assert calls == [
        ("coverage", good.tolist(), 0.05, 6),
        ("fill", good.tolist(), 0.05, 6, 77, 8.5),
        ("coverage", [*good.tolist(), *new.tolist()], 0.05, 6),
    ]
    assert (filled.within, filled.added, filled.total, filled.early) == (0.05, 3, n + 3, "")
    shares = filled.share_before, filled.share_after, filled.posterior_before, filled.posterior_after
    assert shares == pytest.approx((0.1, 0.3, 0.2, 0.4))
    for name in ("y_star", "z", "posterior", "cycle_error", "predicted_posterior", "x", "predicted"):
        torch.testing.assert_close(getattr(samples, name)[:n], getattr(before, name), equal_nan=True)
        assert len(getattr(samples, name)) == n + 3
    assert torch.equal(samples.y_star[n:], samples.y_star[:1].expand(3, 2))
    assert samples.z[n:].isnan().all()
    assert samples.cycle_error[n:].isnan().all()
    y = np.stack([new[:, 0] + new[:, 1], new[:, 1] + new[:, 2]], 1)
    for name, expected in (("x", new), ("posterior", new), ("predicted", y), ("predicted_posterior", y)):
        np.testing.assert_allclose(getattr(samples, name)[n:].numpy(), expected, atol=1e-6)
    assert torch.equal(samples.frames[:, :n], before.frames)
    assert torch.equal(samples.errors[:, :n], before.errors)
    for frame, error in zip(samples.frames, samples.errors, strict=True):
        np.testing.assert_allclose(frame[n:].numpy(), new, atol=1e-6)
        np.testing.assert_allclose(error[n:].numpy(), ((y - 1) ** 2).sum(1), atol=1e-5)


def test_without_gaps_or_without_a_design_that_meets_the_target_none_is_added(monkeypatch):
    ours, goal, calls = plane_chain(), double([1, 1], [1, 1]), filling(monkeypatch, np.empty((0, 3)), "the time ended")
    samples = arrived_at(ours, goal, [0, 0])
    filled = fill_samples(ours, samples, goal, 0.05, 0, 9, 1)
    assert (filled.added, filled.total, filled.early, len(samples.x)) == (0, 2, "the time ended", 2)
    calls.clear()
    filled = fill_samples(ours, arrived_at(ours, goal, [1.5, 2]), goal, 0.05, 0, 9, 1)
    assert filled.sentence() == "No design was added: no design meets the target."
    assert (filled.added, filled.total, filled.unit, calls) == (0, 2, "box widths", [])
