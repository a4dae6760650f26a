"""The coverage of a constrained run is of the constrained solution set, by designs that obey the constraints."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import ipage_core as ipage
from ipage_core.cli.main import main
from ipage_core.inference.methods import Loaded, Prior
from ipage_core.inference.target_set import coverage_of, obeying
from ipage_core.problem import constraints
from ipage_core.problem.request import DesignRequest
from ipage_core.problem.task import Task
from ipage_core.problem.variable import Variable
from ipage_core.tasks import TASKS
from tests.support import stand_ins

SINE = TASKS["sinewave"]
ONE = torch.tensor([1.0], dtype=torch.float64)


pytestmark = pytest.mark.usefixtures("quick_coverage")


RING = Task.from_function(
    lambda x: x.square().sum(1), {"a": (-2, 2), "b": (-2, 2)}, {"r": 0.01}, "ring", default_target=(1,), seconds=1e-6
)
ANGLE = 2 * np.pi * (np.arange(40) + 0.5) / 40
CIRCLE = torch.from_numpy(np.stack([np.cos(ANGLE), np.sin(ANGLE)], 1))


def covered(designs, *expressions, within=0.05):
    return coverage_of(RING, None, designs, ONE, within, space=constraints.parse(RING, expressions), seconds=1)


def test_a_run_knows_its_constraints():
    request = DesignRequest.of(SINE, 1.2, n=20, constraints="x1<=0; x2>=0.25")
    solutions = request.run(stand_ins.load("sinewave", "ipage"))
    assert solutions.constraints == request.constraints == ("x1<=0", "x2>=0.25")
    own = solutions.coverage(seconds=1)
    assert own.constrained
    assert own.points[:, 0].max() <= 1e-6
    assert own.points[:, 1].min() >= 0.25 - 1e-6
    assert own.violating == 0
    assert own.share() == solutions.coverage(space="x1<=0; x2>=0.25", seconds=1).share()
    everywhere = solutions.coverage(space=[], seconds=1)
    assert not everywhere.constrained
    assert everywhere.points[:, 0].max() > 0.5
    assert everywhere.share() < own.share()


def test_a_saved_result_keeps_its_constraints(tmp_path):
    file = tmp_path / "designs.safetensors"
    solutions = DesignRequest.of(SINE, 1.2, n=5, constraints="x1<=0").run(stand_ins.load("sinewave", "ipage"))
    solutions.save(file)
    loaded = ipage.Solutions.load(file, SINE)
    assert loaded.constraints == ("x1<=0",)
    assert loaded.coverage(seconds=1).constrained
    assert replace(loaded, constraints=()).coverage(seconds=1).constrained is False


def test_designs_that_violate_the_constraints_do_not_count():
    """Half of the circle has a ≤ 0; the designs there leave nothing uncovered that obeys."""
    half = covered(CIRCLE, "a<=0")
    assert half.violating == 20
    assert half.left_out == 0
    assert len(half.designs) == 20
    assert "20 of 40 designs violate the constraints, so they do not count." in half.sentence()
    assert half.summary()["violating"] == 20
    assert half.share() == 1
    right = covered(CIRCLE[CIRCLE[:, 0] > -0.1], "a<=0")
    assert right.share() < 0.2  # two designs of the left half are left, at its ends
    one = covered(torch.cat((CIRCLE[CIRCLE[:, 0] < 0], torch.tensor([[1.0, 0.0]]))), "a + b <= 1.5", "a<=0")
    assert "1 of 21 designs violates the constraints, so it does not count." in one.sentence()


def test_a_cap_alone_constrains_and_values_are_undefined_where_one_property_is():
    assert covered(CIRCLE, "a + b <= 0.5", within=0.5).constrained
    assert not covered(CIRCLE, within=0.5).constrained

    def plane(x):
        return torch.stack((x[:, 0] + x[:, 1], x[:, 1] + x[:, 2]), 1)

    task = Task.from_function(
        lambda x: torch.where((x[:, 2:] > 0.75) & torch.tensor([False, True]), torch.nan, plane(x)),
        {"a": (0, 1), "b": (0, 1), "c": (0, 1)}, {"p": 0.1, "q": 0.1}, "plane", default_target=(1, 1), seconds=1e-6,
    )  # fmt: skip
    method = Loaded("exact", Prior(task), plane, torch.device("cpu"))
    line = torch.tensor([[0.5, 0.5, 0.5], [0.7, 0.3, 0.7]], dtype=torch.float64)
    assert coverage_of(task, method, line, torch.ones(2), seconds=1).undefined == 0.25
    slow = replace(task, omega_seconds=1.0)
    assert coverage_of(slow, method, line, torch.ones(2), seconds=1).undefined == 0


@pytest.mark.parametrize(
    ("expression", "admissible"),
    [
        ("a + b <= 0.5", lambda a, b: a + b <= 0.5),
        ("a >= 0.3", lambda a, b: a >= 0.3),
        ("b = 0.6", lambda a, b: b == 0.6),
        ("a = b", lambda a, b: a == b),
    ],
)
def test_every_kind_of_constraint_is_checked(expression, admissible):
    generator = torch.Generator().manual_seed(0)
    x = 4 * torch.rand(1000, 2, dtype=torch.float64, generator=generator) - 2
    x[::3, 1], x[1::3, 1] = 0.6, x[1::3, 0]
    a, b = x.T
    space = constraints.parse(RING, [expression])
    wrong = obeying(space, x, RING.bounds) != admissible(a, b)
    distance = {"a + b <= 0.5": (a + b - 0.5) / 8, "a >= 0.3": (a - 0.3) / 4, "b = 0.6": b - 0.6, "a = b": a - b}
    assert (distance[expression][wrong].abs() < 1e-2).all()  # only designs on the verge, as rounded ones are
    assert wrong.double().mean() < 0.02


def test_whole_numbers_are_a_constraint_too():
    task = Task.from_function(
        lambda x: x.sum(1), {"k": Variable("k", low=0, high=5, kind="integer"), "b": (0, 1)}, {"y": 0.1}, "whole"
    )
    x = torch.tensor([[2.0, 0.5], [2.4, 0.5], [5.0, 1.0], [6.0, 0.5]], dtype=torch.float64)
    assert obeying(constraints.parse(task), x, task.bounds).tolist() == [True, False, True, False]


def test_only_whole_numbers_are_solutions():
    """sin(kb) = 0.5 with k = 0, …, 5 and b in [0, 3] has 17 solutions; of these, designs with b < 1.8 are 12."""
    task = Task.from_function(
        lambda x: torch.sin(x[:, 0] * x[:, 1]),
        {"k": Variable("k", low=0, high=5, kind="integer"), "b": (0, 3)},
        {"y": 1e-3},
        "waves",
        default_target=(0.5,),
        seconds=1e-6,
    )
    every = [
        (k, (angle + 2 * math.pi * turn) / k)
        for k in range(1, 6)
        for turn in range(3)
        for angle in (math.pi / 6, 5 * math.pi / 6)
        if (angle + 2 * math.pi * turn) / k <= 3
    ]
    designs = torch.tensor([one for one in every if one[1] < 1.8], dtype=torch.float64)
    result = coverage_of(task, None, designs, torch.tensor([0.5], dtype=torch.float64), 0.01, seconds=1)
    assert np.allclose(result.points[:, 0], result.points[:, 0].round())
    assert len(result.points) <= len(every)
    assert len(result.points) >= 0.8 * len(every)  # the starts are few
    assert result.share() == pytest.approx(len(designs) / len(every), abs=0.1)


def test_a_design_outside_the_box_does_not_count():
    far = torch.tensor([[0.0, 2.5]], dtype=torch.float64)
    wide = Task.from_function(
        lambda x: x[:, 1] ** 2 / 6.25 + x[:, 0] ** 2,
        {"a": (-2, 2), "b": (-2, 2)},
        {"r": 0.01},
        "oval",
        default_target=(1,),
        seconds=1e-6,
    )
    oval = CIRCLE * torch.tensor([1.0, 2.5])
    result = coverage_of(wide, None, torch.cat((oval[oval[:, 1].abs() < 2], far)), ONE, seconds=1)
    assert result.violating == 1
    assert "designs lies outside the box, so it does not count." in result.sentence()
    with pytest.raises(ValueError, match="No design of 1 lies in the box; accepted: designs of which"):
        coverage_of(wide, None, far, ONE)


def test_if_no_design_obeys_that_is_the_sentence():
    with pytest.raises(ValueError, match="No design of 20 obeys the constraints; accepted"):
        covered(CIRCLE[CIRCLE[:, 0] > 0], "a<=0")


def test_misses_are_counted_among_those_that_obey():
    spoiled = CIRCLE.clone()
    spoiled[:3] = 0.1
    spoiled[1.5 * math.pi < ANGLE] = torch.tensor([-0.1, 0.0], dtype=torch.float64)
    result = covered(spoiled, "a<=0")
    assert (result.violating, result.left_out, len(result.designs)) == (10, 10, 20)
    assert result.sentences()[:2] == [
        "10 of 40 designs violate the constraints, so they do not count.",
        "By Ω, 10 of 30 designs miss the target, so they do not count.",
    ]


FILE = """
from ipage_core import Task
BOX = {"a": (-2, 2), "b": (-2, 2)}
TASK = Task.from_function(lambda x: x.square().sum(1), BOX, {"r": 0.01}, "ring", default_target=(1,))
"""


def test_the_command_line_leaves_out_what_violates(tmp_path, capsys):
    ring, table = tmp_path / "ring.py", tmp_path / "x.csv"
    ring.write_text(FILE)
    np.savetxt(table, CIRCLE, delimiter=",", header="a,b", comments="")
    words = ["coverage", "--task", str(ring), str(table), "--target", "1", "--seconds", "1", "--method", "prior-lm"]
    try:
        assert main([*words, "--constrain", "a<=0; b<=0.5"]) == 0
        printed = capsys.readouterr()
    finally:
        TASKS.extend("test", TASKS.added("test"))
    number = int(((CIRCLE[:, 0] > 0.004) | (CIRCLE[:, 1] > 0.504)).sum())
    assert f"{number} of 40 designs violate the constraints, so they do not count." in printed.err
    assert json.loads(printed.out)["violating"] == number


@pytest.mark.parametrize(
    ("option", "value", "accepted"),
    [
        ("--within", "0", "a distance above 0"),
        ("--within", "nan", "a distance above 0"),
        ("--within", "x", "a distance above 0"),
        ("--seconds", "-1", "a number of seconds above 0"),
    ],
)
def test_a_wrong_number_is_one_sentence(tmp_path, capsys, option, value, accepted):
    with pytest.raises(SystemExit):
        main(["coverage", "sinewave", str(tmp_path / "x.csv"), option, value])
    assert f"argument {option}: '{value}' is not accepted: {accepted}" in capsys.readouterr().err
