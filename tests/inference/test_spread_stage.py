"""Spread, fill and coverage as stages of the engine, with stand-ins for the networks."""

import json

import numpy as np
import pytest
import torch

from ipage_core.cli.main import main
from ipage_core.inference.pipeline import design
from ipage_core.inference.target_set import NoRule, pieces_of
from ipage_core.problem import constraints
from ipage_core.tasks import TASKS
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
