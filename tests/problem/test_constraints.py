import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ipage_core.inference.pipeline import design
from ipage_core.problem.constraints import parse
from ipage_core.problem.task import Task
from ipage_core.problem.variable import Variable
from ipage_core.tasks import TASKS
from tests.support.models import SINEWAVE, exact_method

ARM = TASKS["robotic_arm"]


@given(
    fixed=st.sampled_from(["x1=0.2", "x₁ = 0.2", "x1<=0.2", "x1>=0.2", "x1=x2", "x3=x4"]),
    u=st.lists(st.floats(-3, 3), min_size=4, max_size=4),
)
def test_a_design_obeys_its_constraints_whatever_is_moved(fixed, u):
    moves = parse(ARM, [fixed])
    start = moves.encode(torch.tensor([u], dtype=torch.float64)).clamp(*moves.bounds)
    x = moves.decode(start)[0]
    holds = {
        "x1=0.2": x[0] == 0.2,
        "x₁ = 0.2": x[0] == 0.2,
        "x1<=0.2": x[0] <= 0.2,
        "x1>=0.2": x[0] >= 0.2,
        "x1=x2": x[0] == x[1],
        "x3=x4": x[2] == x[3],
    }
    assert holds[fixed]
    assert torch.allclose(moves.encode(x[None]), start)
    assert moves.excess(x[None]).shape == (1, 0)


def test_ties_and_values_combine():
    moves = parse(ARM, ["x1=x2", "x2=x3", "x3<=0.5", "x4=-0.25"])
    assert moves.bounds.shape == (2, 1)
    assert moves.bounds[1, 0] == 0.5
    assert moves.decode(torch.tensor([[0.3]]))[0].tolist() == pytest.approx([0.3, 0.3, 0.3, -0.25])


@pytest.mark.parametrize(
    ("expressions", "says"),
    [
        (["x9=1"], "not understood; accepted: NAME=NUMBER"),
        (["x1=nan"], "not understood"),
        (["x1<=inf"], "not understood"),
        (["x1"], "not understood"),
        (["x1=7"], "leave no values for x₁, whose bounds are -1 to 1"),
        (["x1=0.1", "x1=0.2"], "leave no values for"),
        (["x1=0.1", "x2=0.1"], "nothing is left to design"),
    ],
)
def test_what_is_wrong_with_a_constraint_is_one_sentence(expressions, says):
    with pytest.raises(ValueError, match="(?s)" + says.replace("(", r"\(")):
        parse(SINEWAVE, expressions)


WHOLE = Task.from_function(
    lambda x: x.sum(1),
    {"n": Variable("n", low=1, high=8, kind="integer"), "a": (0, 1), "b": (0, 1), "c": (0.1, 1)},
    {"y": 0.1},
    "whole",
)


@pytest.mark.parametrize(
    ("expressions", "says"),
    [
        (["n=3.5"], "leave no values for n, whose bounds are 1 to 8, whole numbers"),
        (["n>=3.2", "n<=3.8"], "leave no values for n"),
        (["a + b = 2.2"], "no design meets them all"),
        (["n + a >= 9.5"], "no design meets them all"),
        (["a + b + c = 1", "a = 0.5", "b = 0.5"], "no design meets them all"),
        (["2*n + 4*n = 15"], "no design meets them all"),
        (["a - b >= 0.9", "a <= 0.5"], "no design meets them all"),
        (["a = b", "a - b >= 0.1"], "no design meets them all"),
    ],
)
def test_constraints_that_no_design_meets_together_are_refused(expressions, says):
    with pytest.raises(ValueError, match=says):
        parse(WHOLE, expressions)


@pytest.mark.parametrize(
    "expressions",
    [["n=3"], ["n=3.0000000001"], ["n>=3.2", "n<=4.8"], ["a + b = 2"], ["a + b + c = 1", "a = 0.5", "b = 0.4"],
     ["n + a >= 9"], ["2*n + 4*n = 18"], ["a = b", "a + b >= 2"]],
)  # fmt: skip
def test_constraints_that_some_design_meets_are_accepted(expressions):
    assert parse(WHOLE, expressions).bounds.shape[0] == 2


def test_localization_obeys_a_fixed_coordinate_and_still_arrives():
    found = design(SINEWAVE, exact_method(), torch.tensor([1.2]), 40, space=parse(SINEWAVE, ["x1=0.1"]))
    assert (found.localized[:, 0] - 0.1).abs().max() < 1e-6
    assert found.summary()["resim_mse"] < 1e-8


def test_a_cap_is_kept_as_one_more_residual():
    from dataclasses import replace

    task = replace(SINEWAVE, words=lambda text: [lambda x: x.sum(1) + 0.5] if text == "sum<=-0.5" else None)
    moves = parse(task, ["sum<=-0.5"])
    found = design(task, exact_method(), torch.tensor([1.2]), 40, space=moves)
    assert found.localized.sum(1).max() <= -0.5 + 2e-6
    assert found.summary()["resim_mse"] < 1e-8
    free = design(task, exact_method(), torch.tensor([1.2]), 40)
    assert free.localized.sum(1).max() > 0


def test_what_a_constraint_leaves_out_of_reach_is_said_with_the_closest():
    found = design(SINEWAVE, exact_method(), torch.tensor([1.9]), 20, space=parse(SINEWAVE, ["x1=0"]))
    assert "cannot be reached" in found.note
    assert found.surrogate.max().item() == pytest.approx(1.0, abs=1e-3)  # sin 0 + cos ≤ 1


def test_a_seed_design_stays_near():
    seed = torch.tensor([0.25, 0.15], dtype=torch.float64)
    near = design(SINEWAVE, exact_method(), torch.tensor([1.2]), 50, seed_design=seed)
    far = design(SINEWAVE, exact_method(), torch.tensor([1.2]), 50)
    assert torch.equal(near.posterior[0], seed.float())
    assert near.summary()["resim_mse"] < 1e-8
    distance = [(found.localized.double() - seed).norm(dim=1).median() for found in (near, far)]
    assert distance[0] < 0.5 * distance[1]
    with pytest.raises(ValueError, match="seed design of 2 finite numbers"):
        design(SINEWAVE, exact_method(), torch.tensor([1.2]), 5, seed_design=torch.zeros(3))


@pytest.mark.parametrize("order", list(itertools.permutations(["x1<=0.5", "x1<=0.7", "x1>=-0.5", "x1>=-0.7"])))
def test_of_several_bounds_the_narrowest_hold_in_any_order(order):
    bounds = parse(SINEWAVE, order).bounds
    assert bounds[:, 0].tolist() == [-0.5, 0.5]
    assert bounds[:, 1].tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("tied", [["x1=x2"], ["x2=x1"]])
def test_of_bounds_on_tied_coordinates_the_narrowest_hold(tied):
    moves = parse(SINEWAVE, [*tied, "x1>=-0.5", "x2>=-0.7", "x1<=0.8", "x2<=0.6"])
    assert moves.bounds.tolist() == [[-0.5], [0.6]]


def test_no_bound_is_wider_than_the_box():
    assert parse(SINEWAVE, ["x1<=5", "x1>=-5"]).bounds.tolist() == [[-1, -1], [1, 1]]


@pytest.mark.parametrize("typed", ["angle >= 60°", "angle>=60 deg", "x3 >= 60°"])
def test_an_angle_in_radians_may_be_typed_in_degrees(typed):
    throws = TASKS["ballistics"]
    low, high = parse(throws, [typed, "v0 <= 15"]).bounds
    assert (low[2].item(), high[3].item()) == pytest.approx((math.pi / 3, 15))


@pytest.mark.parametrize("typed", ["v0 <= 15°", "angle >= ten°", "angle > 1"])
def test_degrees_are_for_angles_only(typed):
    with pytest.raises(ValueError, match=r"x₀ \[m\], y₀ \[m\], angle \[rad\], v₀ \[m/s\]"):
        parse(TASKS["ballistics"], [typed])
