"""Minimize and maximize: compared with known optima."""

import math

import torch

import ipage_core as ipage
from ipage_core.inference.pareto import front, optimal_aims, repeated
from ipage_core.tasks import TASKS


def test_the_front_is_what_no_other_point_dominates():
    y = torch.rand(300, 2, generator=torch.Generator().manual_seed(0))
    kept = front(y)
    for i in range(len(y)):
        dominated = ((y <= y[i]).all(1) & (y < y[i]).any(1)).any()
        assert kept[i] == ~dominated


def test_the_greatest_of_the_sine_wave_is_two():
    found = ipage.design("sinewave", ipage.Target.from_goals(TASKS["sinewave"], ["maximize y"]), n=12)
    assert found.verification.y[:, 0].min() > 1.97
    assert found.verification.y[:, 0].max() <= 2
    least = ipage.design("sinewave", {"y": ipage.Goal("minimize")}, n=12)
    assert least.verification.y[:, 0].max() < -1.97


def test_designs_that_are_as_good_replace_repeated_ones():
    """The best row of the data is one; all of 25 designs that start from it end on one of nine maxima."""
    best = ipage.design("sinewave", {"y": ipage.Goal("maximize")}, n=25)
    again = repeated(TASKS["sinewave"], best.final)
    assert best.summary()["distinct"] == int((~again).sum()) >= 14
    loops = TASKS["sinewave"].modes(best.final, best.y_star)
    assert len(set(loops.tolist()) - {-1}) == 9
    assert best.verification.y.min() > 2 - 0.02 - 0.005  # within the tolerance, and the surrogate's own error


def test_only_optima_count_distinct_designs():
    assert "distinct" not in ipage.design("sinewave", 1.2, n=3).summary()


def test_a_design_is_repeated_if_an_earlier_one_that_counts_is_near():
    x = torch.tensor([[0.0, 0.0], [0.015, 0.0], [0.03, 0.0], [0.5, 0.0], [0.015, 0.0]])  # box of width 2
    assert repeated(TASKS["sinewave"], x).tolist() == [False, True, False, False, True]


def test_the_arm_reaches_as_far_as_it_is_long_where_the_other_goal_lets_it():
    task = TASKS["robotic_arm"]
    far = ipage.design(task, ipage.Target.from_goals(task, ["maximize hand, horizontal", "hand, vertical=0"]), n=20)
    assert far.verification.y[:, 1].abs().max() <= 0.02
    assert 1.97 < far.verification.y[:, 0].median() <= 2  # stretched out, 0.5 + 0.5 + 1 m


def disc():
    """The points of a disc, by radius and angle."""

    def polar(x):
        return torch.stack((x[:, 0] * torch.cos(x[:, 1]), x[:, 0] * torch.sin(x[:, 1])), dim=1)

    return ipage.Task.from_function(
        polar, {"r": (0, 1), "φ": (-math.pi, math.pi)}, {"x": 0.02, "y": 0.02}, "disc", default_target=(0, 0)
    )


def test_an_aim_that_no_design_has_steps_back():
    """Most points of the disc miss y ≥ 0.9; their x, with y = 0.9, lies outside."""
    task = disc()
    target = ipage.Target.from_goals(task, ["minimize x", "y>=0.9"])
    aims = optimal_aims(task, target, 40, 0, lambda y: y.norm(dim=1) <= 1)
    assert (aims.norm(dim=1) <= 1).all()
    assert (aims[:, 1] >= 0.9).all()
    assert aims[:, 0].min() < -0.4  # √(1 − 0.9²) = 0.436


def test_two_optima_spread_along_a_front():
    """Smallest x and smallest y over the points of a disc: the front is a quarter of its rim."""
    task = disc()
    target = ipage.Target.from_goals(task, ["minimize x", "minimize y"])
    aims = optimal_aims(task, target, 40, 0, lambda y: y.norm(dim=1) <= 1)
    assert (aims.norm(dim=1) > 0.98).all()
    assert (aims <= 0.05).all()
    angle = torch.atan2(-aims[:, 1], -aims[:, 0]).sort().values  # 0 to π/2 along the front
    assert angle[-1] - angle[0] > 1.2
    assert angle.diff().max() < 0.5  # no large gap
