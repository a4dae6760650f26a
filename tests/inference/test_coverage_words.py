"""What a coverage says: designs left out, no proof, gaps that remain, wrong arguments, files of another task."""

import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest
import torch

import ipage_core as ipage
from ipage_core.cli.main import main
from ipage_core.inference import coverage as core
from ipage_core.inference.components import Pieces
from ipage_core.inference.pipeline import design
from ipage_core.inference.spread_stage import Filled
from ipage_core.inference.target_set import by_differences, coverage_of
from ipage_core.problem import constraints
from ipage_core.problem.task import Task
from ipage_core.tasks import TASKS
from tests.support import stand_ins

SINE = TASKS["sinewave"]


pytestmark = pytest.mark.usefixtures("quick_coverage")


def run(name="sinewave", n=20, **more):
    task = TASKS[name]
    return design(task, stand_ins.load(name, "ipage"), torch.tensor(task.default_target), n, **more)


def spoiled(solutions, k):
    """The same designs, of which the first k miss the target."""
    x = solutions.localized.clone()
    x[:k] = 0.0
    return dataclasses.replace(solutions, localized=x).verify()


def test_designs_that_miss_the_target_are_counted():
    covered = spoiled(run(), 3).coverage(seconds=1)
    assert "By Ω, 3 of 20 designs miss the target, so they do not count." in covered.sentence()
    assert len(covered.designs) == 17
    assert covered.summary()["left_out"] == 3
    assert (
        "By Ω, 1 of 20 designs misses the target, so it does not count."
        in spoiled(run(), 1).coverage(seconds=1).sentence()
    )
    assert "miss" not in run().coverage(seconds=1).sentence()


def test_designs_of_which_nearly_none_is_a_solution_are_doubted():
    covered = spoiled(run(), 19).coverage(seconds=1)
    assert covered.sentence().startswith("By Ω, only 1 of 20 designs meets the target: are they designs of this task")
    with pytest.raises(ValueError, match=r"By Ω, no design of 20 meets the target 1.2: are they designs of this task"):
        spoiled(run(), 20).coverage()


def test_a_slow_omega_is_not_asked_and_its_results_are_kept():
    """Of 20 designs, the surrogate's own equation is met by all; Ω has refuted two."""
    slow = dataclasses.replace(SINE, omega_seconds=1e3)
    solutions = dataclasses.replace(run(), task=slow)
    y, error = torch.full((20, 1), torch.nan), torch.full((20,), torch.nan)
    y[:2], error[:2] = 0.0, 1.44
    refuted = dataclasses.replace(
        solutions.verification, y=y, resim_error=error, hit=torch.zeros(20, dtype=torch.bool), calls=2
    )
    covered = dataclasses.replace(solutions, verification=refuted).coverage()
    assert covered.left_out == 2
    nowhere = dataclasses.replace(refuted, resim_error=torch.full((20,), torch.nan), calls=0)
    far = solutions.surrogate.clone()
    far[:5] = 0.0
    judged = dataclasses.replace(solutions, verification=nowhere, surrogate=far, omega_calls=0).coverage()
    assert "By the surrogate f, 5 of 20 designs miss the target" in judged.sentence()


def test_the_reason_for_no_proof_is_in_the_sentence():
    task = dataclasses.replace(SINE, omega=lambda x: torch.sort(SINE.omega(x))[0])
    covered = dataclasses.replace(run(), task=task).coverage()
    assert covered.sentence().endswith("No proof available: there is no interval rule for 'sort'.")
    assert "No proof available" not in run().coverage(seconds=1).sentence()


def test_a_coverage_prints_as_a_few_lines():
    covered = run().coverage(seconds=1)
    lines = repr(covered).splitlines()
    assert lines[0] == "Coverage by 20 designs, ε = 0.05 box widths"
    assert 3 <= len(lines) <= 5
    assert all(line.startswith("  ") and line.endswith(".") for line in lines[1:])
    html = covered._repr_html_()
    assert html.count("<br>") == len(lines) - 1
    assert "array" not in html
    assert repr(run(n=1).coverage(seconds=1)).startswith("Coverage by 1 design,")
    assert repr(run(n=1)).startswith("1 design of sinewave for 1.2\n")
    assert ", 1 hit," in repr(run(n=1))


def test_constraints_without_a_solution_are_named():
    """y = 1.2 has no solution where both inputs are near 0."""
    with pytest.raises(ValueError, match="No design of 20 obeys the constraints"):
        run().coverage(space="x1<=-0.99; x2<=-0.99", seconds=1)
    assert not run().coverage(space=[], seconds=1).constrained
    task = dataclasses.replace(SINE, omega=lambda x: x.square().sum(1, keepdim=True))
    line = torch.tensor([[1.0, 0.2], [0.09, 0.49]]).double()
    empty = coverage_of(
        task,
        None,
        line,
        torch.tensor([1.04]),
        space=constraints.parse(task, ["x1>=-0.1", "x1<=0.1", "x2<=0.5"]),
        meets=torch.ones(2, dtype=torch.bool),
    )
    assert empty.sentences()[1:] == ["Proved: no solution in the box obeys the constraints."]
    unknown = core.Coverage(0.1, np.zeros((0, 2)), *[np.zeros(0)] * 3, False, None, "", constrained=True)
    assert unknown.sentence() == "No solution that obeys the constraints is known: nothing can be said of the coverage."


def test_an_unproved_number_of_pieces_is_no_number():
    assert Pieces(0, False, "more than 20000 boxes are needed", 0, 0).sentence() == (
        "The number of separate pieces is not proved: more than 20000 boxes are needed."
    )
    assert Pieces(0, True, "", 0, 0).sentence() == ""
    assert (
        Pieces(1, False, "it meets the walls of the box", 9, 0)
        .sentence()
        .startswith("Proved: at least 1 separate piece (")
    )


@pytest.mark.parametrize("wrong", ["x", None, 0, -1.0, float("nan"), float("inf"), True, [0.1]])
def test_a_wrong_distance_is_one_sentence(wrong):
    with pytest.raises(ValueError, match=r"within=.* is not accepted: a distance above 0, such as 0.05"):
        run().coverage(within=wrong)
    with pytest.raises(ValueError, match=r"seconds=.* is not accepted: a number of seconds above 0"):
        run().coverage(seconds=wrong)
    if wrong is not None:
        with pytest.raises(ValueError, match=r"^fill=.* is not accepted: a distance above 0, such as 0.05"):
            run(fill=wrong)
        with pytest.raises(ValueError, match=r"^fill_seconds=.* is not accepted"):
            run(fill=0.1, fill_seconds=wrong)


def test_numbers_of_numpy_are_distances():
    assert run().coverage(np.float32(0.1), seconds=np.int64(1)).within == pytest.approx(0.1)


def test_python_is_not_told_of_options():
    task = stand_ins.wide_task(100)
    for wrong in (
        lambda: design(task, stand_ins.load(task, "ipage"), torch.tensor([0.5]), 3, fill=0.1),
        lambda: design(SINE, stand_ins.load("sinewave", "inn"), torch.tensor([1.2]), 3, fill=0.1),
        lambda: run(fill="a"),
    ):
        with pytest.raises(ValueError, match=r"Gaps cannot be filled|fill='a'") as error:
            wrong()
        assert "--" not in str(error.value)


def test_a_saved_file_is_loaded_by_the_tasks_name(tmp_path):
    file = tmp_path / "designs.safetensors"
    run(n=3).save(file)
    assert len(ipage.Solutions.load(file, "sinewave")) == 3
    for wrong in ("nonsense", 3, None):
        with pytest.raises(ValueError, match=f"task {wrong!r} is not known; accepted: a Task, or one of sinewave"):
            ipage.Solutions.load(file, wrong)


def test_filling_says_that_its_time_ended():
    filled = run(n=3, fill=0.02, fill_seconds=1e-6)
    assert not filled.filled["complete"]
    assert filled.filled["sentence"].endswith("because the time for it, 1e-06 s, ended.")
    some = Filled(0.1, 3, 9, "the time for it, 1 s, ended", share_before=0.2, share_after=0.9)
    assert some.sentence().endswith("90 % now. Gaps remain, because the time for it, 1 s, ended.")
    assert "Gaps may remain" in dataclasses.replace(some, share_after=1.0).sentence()
    assert filled.filled["sentence"] in repr(filled)
    whole = run(n=10, fill=0.2, fill_seconds=60)
    assert whole.filled["complete"]
    assert re.match(
        r"\d+ designs? added, \d+ in all. Within 0.2 box widths of a design, by the", whole.filled["sentence"]
    )
    assert Filled(0.1, 1, 5).sentence() == "1 design added, 5 in all."
    lost = design(SINE, stand_ins.load("sinewave", "ipage"), torch.tensor([2.5]), 5, fill=0.1)
    assert lost.filled["sentence"] == "No design was added: no design reaches the target."


def test_what_is_not_spread_says_why(tmp_path, capsys):
    wide = stand_ins.wide_task(100)
    cells = design(wide, stand_ins.load(wide, "ipage"), torch.tensor([0.5]), 3, spread="box")
    assert cells.not_spread == "Designs are as drawn: between 100 free coordinates all distances are about equal."
    assert cells.not_spread in repr(cells)
    assert cells.summary()["not_spread"] == cells.not_spread
    assert "not_spread" not in run(spread="box").summary()
    assert run(n=1, spread="box").not_spread == "Designs are as drawn: there is only one."
    two = design(SINE, stand_ins.load("sinewave", "ipage"), torch.tensor([[1.2], [1.0]]), 1, spread="box")
    assert two.not_spread == "Designs are as drawn: each has its own target."
    near = run(spread="box", seed_design=torch.zeros(2, dtype=torch.float64))
    assert near.not_spread == "Designs are as drawn: they stay near the design to start from."
    file = tmp_path / "near.safetensors"
    near.save(file)
    assert ipage.Solutions.load(file, SINE).not_spread == near.not_spread
    words = ["design", "sinewave", "--target", "1.2", "--method", "inn", "--n", "3", "--spread", "box"]
    assert main([*words, "--out", str(tmp_path / "s.csv")]) == 0
    assert "Designs are as drawn: inn has no surrogate to spread them on." in capsys.readouterr().err


def test_omega_without_derivatives_is_followed_by_differences():
    f = by_differences(
        lambda x: torch.from_numpy(np.stack([x.numpy()[:, 0] ** 2, np.sin(x.numpy()[:, 1])], 1)),
        torch.tensor([1e-6] * 2),
    )
    x = torch.tensor([[0.5, 0.25], [-1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    y = f(x)
    for j, slope in enumerate((2 * x, x.cos())):
        (grad,) = torch.autograd.grad(y[:, j].sum(), x, retain_graph=True)
        assert torch.allclose(grad[:, j], slope[:, j], atol=1e-8)
        assert torch.equal(grad[:, 1 - j], torch.zeros(2, dtype=torch.float64))


def circle(kind):
    """A task without a model: the unit circle in a square, with an Ω in PyTorch, or one that has no proof."""
    functions = {
        "torch": lambda x: x.square().sum(1),
        "sorted": lambda x: torch.sort(x.square(), 1)[0].sum(1),
        "numpy": lambda x: np.square(x.numpy()).sum(1),
        "random": lambda x: x.square().sum(1) + torch.rand(len(x)),
    }
    return Task.from_function(
        functions[kind], {"a": (-2, 2), "b": (-2, 2)}, {"r": 0.01}, f"circle-{kind}", default_target=(1,), seconds=1e-6
    )


@pytest.mark.parametrize("kind", ["torch", "sorted", "numpy"])
def test_without_a_model_omega_alone_is_enough(kind):
    angle = torch.linspace(0, np.pi, 100, dtype=torch.float64)
    upper = torch.stack((angle.cos(), angle.sin()), 1)
    covered = coverage_of(circle(kind), None, upper, torch.tensor([1.0]), 0.01, seconds=2)
    assert covered.measured
    assert covered.share() == pytest.approx(0.5, abs=0.05)
    assert len(covered.posterior) == 0
    assert (covered.proof is None) == (kind != "torch")
    assert ("No proof available" in covered.sentence()) == (kind != "torch")


def test_without_a_model_a_random_omega_has_no_coverage():
    with pytest.raises(ValueError, match="gives different values for the same x"):
        coverage_of(
            circle("random"), None, torch.ones(1, 2), torch.tensor([2.5]), meets=torch.ones(1, dtype=torch.bool)
        )


FILE = """
import torch
from ipage_core import Task
BOX = {"a": (-2, 2), "b": (-2, 2)}
TASK = Task.from_function(lambda x: x.square().sum(1), BOX, {"r": 0.01}, "ring", default_target=(1,))
"""


def test_the_command_line_works_before_training_and_doubts_another_tasks_file(tmp_path, capsys, monkeypatch):
    import ipage_core.inference.methods
    from ipage_core.networks.store import ModelUnavailable

    def missing(task, method, device="cpu", root=None, models=None):
        raise ModelUnavailable("There is no trained model.")

    ring = tmp_path / "ring.py"
    ring.write_text(FILE)
    angle = np.linspace(0, 2 * np.pi, 41)[:40]
    np.savetxt(
        tmp_path / "x.csv", np.stack([np.cos(angle), np.sin(angle)], 1), delimiter=",", header="a,b", comments=""
    )
    command = ["coverage", "--task", str(ring), str(tmp_path / "x.csv"), "--target", "1", "--seconds", "2"]
    monkeypatch.setattr(ipage_core.inference.methods, "load", missing)
    try:
        assert main(command) == 0
        printed = capsys.readouterr()
        assert "There is no trained model of ring: the coverage is by Ω alone" in printed.err
        assert "Proved: exactly 1 separate piece." in printed.err
        assert json.loads(printed.out)["share"] == 1.0
        assert main([*command, "--method", "ipage"]) == 2  # a method that is asked for must be there
        assert main([*command[:-3], "1.02", *command[-2:]]) == 2
        assert "By Ω, no design of 40 meets the target 1.02" in capsys.readouterr().err
    finally:
        TASKS.extend("test", TASKS.added("test"))
    monkeypatch.undo()


def test_a_file_of_a_task_with_more_inputs_is_refused(tmp_path, capsys):
    out = tmp_path / "arm.csv"
    run("robotic_arm", 5).export("csv", out)
    assert main(["coverage", "sinewave", str(out), "--target", "1.2"]) == 2
    assert "has a column x3; a design of sinewave has x1 … x2 alone" in capsys.readouterr().err
    both = tmp_path / "both.csv"
    pd.read_csv(out).drop(columns=["x3", "x4"]).to_csv(both, index=False)
    assert main(["coverage", "sinewave", str(both), "--target", "1.2"]) == 2
    assert "is of another task than sinewave: it has a column target2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("task", "file", "said"),
    [
        ("ballistics", "sinewave", "lacks the column(s) x3, x4; it needs x1, x2, x3, x4"),
        ("robotic_arm", "sinewave", "lacks the column(s) x3, x4"),
        ("robotic_arm", "ballistics", "is of another task than robotic_arm: it lacks the column target2"),
        ("ballistics", "robotic_arm", "is of another task than ballistics: it has a column target2"),
        ("sinewave", "ballistics", "has a column x3; a design of sinewave has x1 … x2 alone"),
    ],
)
def test_of_another_tasks_file_the_columns_are_named_before_the_numbers(tmp_path, capsys, task, file, said):
    out = tmp_path / f"{file}.csv"
    run(file, 5).export("csv", out)
    assert main(["coverage", task, str(out)]) == 2
    assert said in capsys.readouterr().err


def test_design_prints_what_filling_did(tmp_path, capsys):
    words = ["design", "sinewave", "--target", "1.2", "--n", "3", "--fill", "0.02", "--fill-seconds", "1e-6"]
    assert main([*words, "--out", str(tmp_path / "s.csv")]) == 0
    printed = capsys.readouterr()
    assert "remain, because the time for it, 1e-06 s, ended." in printed.err
    assert not json.loads(printed.out.splitlines()[-1])["filled"]["complete"]
    with pytest.raises(SystemExit):
        main([*words[:-1], "0", "--out", str(tmp_path / "t.csv")])
    assert "a number of seconds above 0" in capsys.readouterr().err
