"""Minimize and maximize: compared with known optima."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import ipage_core as ipage
from ipage_core.inference.pareto import front, optimal_aims, repeated, signs, starts
from ipage_core.problem.goal import Goal
from ipage_core.problem.target import Target
from ipage_core.problem.variable import Property
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


def test_the_best_of_a_small_table_is_sought_among_rows_near_the_other_goal():
    """Of 100 rows y = (k, k), the twentieth nearest to the first goal, k = 48 to 52, is where the second one starts."""
    y = torch.arange(100.0)[:, None].expand(100, 2)
    x, aims = starts(measured(y, y, (1.0, 1.0)), Target((Goal.exactly(50), Goal("minimize"))), 3, 0)
    assert x.tolist() == [[48.0, 48.0]] * 3
    assert aims.tolist() == [[50.0, 48.0]] * 3


def test_a_twentieth_of_the_rows_is_rounded_up():
    """Of 41 rows three are searched, those nearest to the first goal: k = 19 to 21."""
    y = torch.arange(41.0)[:, None].expand(41, 2)
    x, _ = starts(measured(y, y, (1.0, 1.0)), Target((Goal.exactly(20, 0.5), Goal("maximize"))), 1, 0)
    assert x.tolist() == [[21.0, 21.0]]


def test_rows_are_near_in_tolerances():
    """One of 20 rows is searched. It misses the second goal by more, but by fewer of its tolerances."""
    y = torch.full((20, 3), 50.0)
    y[3], y[7] = torch.tensor([1.0, 0.0, 8.0]), torch.tensor([0.0, 30.0, 9.0])
    goals = Target((Goal.exactly(0, 0.1), Goal.exactly(0, 10.0), Goal("minimize")))
    x, _ = starts(measured(y, y, (0.1, 10.0, 1.0)), goals, 1, 0)
    assert x.tolist() == [[0.0, 30.0, 9.0]]


def test_rows_within_the_tolerance_of_a_number_all_meet_it():
    y = torch.arange(100.0)[:, None].expand(100, 2)
    x, _ = starts(measured(y, y, (1.0, 1.0)), Target((Goal.exactly(50, 20), Goal("minimize"))), 1, 0)
    assert x.tolist() == [[30.0, 30.0]]


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


def measured(x, y, tolerances):
    """A task of which only measured pairs are known."""
    targets = [Property("p", tolerance=one) for one in tolerances]
    return SimpleNamespace(pairs=lambda: (x, y), n_targets=len(targets), targets=targets)


def target(*goals):
    return Target(tuple(Goal(goal) if isinstance(goal, str) else Goal.between(*goal) for goal in goals))


def rows_on_the_front(y, goals, tolerances):
    """Of the rows that meet the goals, or the nearest twentieth, those that no other dominates; by a plain loop."""
    off = np.zeros(len(y))
    y = y.copy()
    for j, goal in enumerate(goals.goals):
        off += (np.maximum(np.maximum(goal.low - y[:, j], y[:, j] - goal.high), 0) / tolerances[j]) ** 2
        y[:, j] = np.clip(y[:, j], goal.low, goal.high)
    near = np.argsort(off, kind="stable")[: max(math.ceil(len(y) / 20), int((off == 0).sum()))]
    worth = {"minimize": -1, "maximize": 1}
    optimized = [(j, worth[goal.kind]) for j, goal in enumerate(goals.goals) if goal.kind in worth]
    value = np.stack([sign * y[near, j] for j, sign in optimized], 1)
    kept = [i for i in range(len(near)) if not ((value >= value[i]).all(1) & (value > value[i]).any(1)).any()]
    rows = near[kept]
    return rows[np.argsort(y[rows, optimized[0][0]], kind="stable")], y


@pytest.mark.parametrize(
    ("goals", "count"),
    [
        (("minimize", "maximize", "anything"), 1500),
        (("maximize", "minimize", (0.2, 0.6)), 1500),  # more than a twentieth of the rows meet the third goal
        (("anything", (3.0, 4.0), "maximize"), 1500),  # none meets the second
        (((-9.0, -2.5), "minimize", "maximize"), 1500),
        (("maximize", "maximize", "maximize"), 300),
    ],
)
def test_aims_start_on_the_front_of_the_rows_that_meet_the_other_goals(goals, count):
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(count, 4, generator=generator)
    y = torch.randn(count, 3, generator=generator) * torch.tensor([1.0, 0.5, 1.0])
    tolerances = (0.1, 0.5, 2.0)
    task, wanted = measured(x, y, tolerances), target(*goals)
    rows, clamped = rows_on_the_front(y.double().numpy(), wanted, tolerances)
    for n in (2, len(rows) - 1, len(rows)):
        if not 2 <= n <= len(rows):
            continue
        at = rows[np.round(np.linspace(0, len(rows) - 1, n)).astype(int)]
        designs, aims = starts(task, wanted, n, 0)
        assert np.allclose(designs.numpy(), x[at].numpy())
        assert np.allclose(aims.numpy(), clamped[at])
    n = len(rows) + 5
    designs, aims = starts(task, wanted, n, 0)
    assert {tuple(row) for row in designs.tolist()} <= {tuple(row) for row in x[rows].double().tolist()}
    assert len(designs) == len(aims) == n
    assert torch.equal(designs, starts(task, wanted, n, 0)[0])
    assert len(rows) == 1 or not torch.equal(designs, starts(task, wanted, n, 1)[0])


def test_pairs_in_which_omega_failed_are_no_starts():
    x = torch.arange(500.0)[:, None]
    y = x.clone()
    y[::2] = math.nan
    y[1] = math.inf
    task, most = measured(x, y, (1.0,)), target("maximize")
    assert starts(task, most, 3, 0)[1].tolist() == [[499.0]] * 3
    assert optimal_aims(task, most, 3, 0, lambda y: y[:, 0] <= 600).min() > 590


def test_pairs_in_which_one_property_failed_are_no_starts():
    x = torch.arange(40.0)[:, None]
    y = x.repeat(1, 2)
    y[1:, 1] = math.nan
    assert starts(measured(x, y, (1.0, 1.0)), target("maximize", "anything"), 1, 0)[0].tolist() == [[0.0]]


def reached_aims(first, outward, reach):
    """Each aim by itself: back by doubled steps until it is reached, at most six times; then fourteen steps outward."""
    aims = []
    for start in first:
        aim, step, there = start, 0.2, reach(start)
        for _ in range(6):
            if not there:
                aim = aim - step * outward
                there = reach(aim)
                step = step if there else 2 * step
        aim = aim if there else start
        for _ in range(14):
            if reach(aim + step * outward):
                aim = aim + step * outward
            else:
                step = step / 2
        aims.append(aim)
    return np.array(aims)


@pytest.mark.parametrize("limit", [-2.9, -1.0, 0.0, 2.0, 3.0, 4.1, 40.0, -500.0])
def test_an_aim_goes_back_until_it_is_reached_and_then_outward_by_halved_steps(limit):
    """Reached is what lies below a limit, which differs along the front."""
    generator = torch.Generator().manual_seed(2)
    x = torch.rand(800, 2, generator=generator)
    y = torch.randn(800, 3, generator=generator) * torch.tensor([1.0, 3.0, 0.5])
    task, wanted = measured(x, y, (0.1, 0.1, 0.1)), target("maximize", "minimize", "anything")

    def reach(aim):
        return aim[0] - aim[1] / 3 + 0.3 * np.sin(5 * aim[2]) <= limit

    first = starts(task, wanted, 9, 0)[1].numpy()
    outward = np.array([1, -1, 0]) * y.double().numpy().std(0, ddof=1)
    found = optimal_aims(task, wanted, 9, 0, lambda y: torch.tensor([bool(reach(row)) for row in y.numpy()]))
    assert np.allclose(found.numpy(), reached_aims(first, outward, reach), atol=1e-9)


def test_a_goal_to_minimize_points_down():
    assert signs(target("minimize", "maximize", "anything", (0, 1))).tolist() == [-1, 1, 0, 0]


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_designs_are_repeated_within_a_hundredth_of_the_box(offset):
    box = torch.tensor([[offset, 2.0, -3.0], [offset + 1, 42.0, -2.0]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    share = torch.rand(12, 3, generator=generator, dtype=torch.float64).repeat(5, 1)
    share = share + 0.006 * torch.randn(60, 3, generator=generator, dtype=torch.float64)
    x = box[0] + share * (box[1] - box[0])
    kept, right = [], []
    for one in share:
        right.append(any(float((one - other).norm()) <= 0.01 for other in kept))
        if not right[-1]:
            kept.append(one)
    assert repeated(SimpleNamespace(bounds=box), x).tolist() == right
    assert 12 < len(kept) < 60
