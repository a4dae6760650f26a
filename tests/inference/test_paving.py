"""Branch and prune: no solution may be lost, and proofs must hold for independently found solutions."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from ipage_core.inference import components
from ipage_core.inference.components import count_pieces
from ipage_core.inference.enclosed import NoRule
from ipage_core.inference.paving import Equation, pave, prove_radius
from ipage_core.tasks import TASKS
from tests.support.pavings import holds

SQUARE = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)


def sine_solutions(n, seed=0):
    """Solutions of sin 3πx₁ + cos 3πx₂ = 1.2 in closed form: (n, 2)."""
    rng = np.random.default_rng(seed)
    x1 = rng.uniform(-1, 1, 4 * n)
    c = 1.2 - np.sin(3 * np.pi * x1)
    x1, c = x1[abs(c) <= 1], c[abs(c) <= 1]
    x2 = rng.choice([-1, 1], len(c)) * np.arccos(c) / (3 * np.pi) + 2 / 3 * rng.integers(-2, 3, len(c))
    x = np.stack([x1, x2], 1)
    return torch.from_numpy(x[(abs(x) <= 1).all(1)][:n])


def arm_solutions(n, seed=0):
    """Designs of the arm whose hand is at (1.5, 0), from its geometry: the first two angles are free. (k, 4)."""
    rng = np.random.default_rng(seed)
    low, high = TASKS["robotic_arm"].bounds.numpy()
    x2, x3 = rng.uniform(low[1:3], high[1:3], (20 * n, 2)).T
    a, b = x2, x3 - x2
    c = 1.5 - 0.5 * np.cos(a) - 0.5 * np.cos(b)
    x2, x3, a, b, c = (v[abs(c) <= 1] for v in (x2, x3, a, b, c))
    last = rng.choice([-1, 1], len(c)) * np.arccos(c)
    x = np.stack([-0.5 * np.sin(a) - 0.5 * np.sin(b) - np.sin(last), x2, x3, last + x2 + x3], 1)
    return torch.from_numpy(x[((low <= x) & (x <= high)).all(1)][:n])


def ballistics_solutions(n, seed=0):
    """Throws that land at 5 m: the landing point shifts with the starting point. (k, 4)."""
    task = TASKS["ballistics"]
    low, high = task.bounds
    x = low + (high - low) * torch.rand(8 * n, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    x[:, 0] = 0
    x[:, 0] = 5.0 - task.omega(x)[:, 0]
    return x[task.in_bounds(x)][:n]


KNOWN = {"sinewave": sine_solutions, "robotic_arm": arm_solutions, "ballistics": ballistics_solutions}


def equation(name):
    task = TASKS[name]
    return Equation(task.omega, torch.tensor(task.default_target), task.bounds)


@pytest.mark.parametrize(("name", "smallest"), [("sinewave", 0.01), ("robotic_arm", 0.0625), ("ballistics", 0.125)])
def test_no_true_solution_lies_outside_the_boxes(name, smallest):
    paving = pave(equation(name), smallest)
    assert paving.finished
    x = KNOWN[name](5000)
    assert len(x) > 1000
    # Float64 puts a solution beside the exact one; boxes are at least as wide as that.
    slack = 1e-9 * (TASKS[name].bounds[1] - TASKS[name].bounds[0])
    assert holds(paving.boxes, x, slack).all()
    assert not holds(paving.boxes, x + 5 * smallest * (TASKS[name].bounds[1] - TASKS[name].bounds[0])).all()


@pytest.mark.parametrize(("name", "goal"), [("sinewave", 0.05), ("robotic_arm", 0.25), ("ballistics", 0.3)])
def test_the_proved_radius_bounds_the_distance_of_every_true_solution(name, goal):
    task, x = TASKS[name], KNOWN[name](20_000)
    width = (task.bounds[1] - task.bounds[0]).numpy()
    designs = x[:50].numpy()
    width_ = torch.from_numpy(width)
    farthest = torch.cdist(x[50:] / width_, x[:50] / width_).min(1).values.max()
    near, proved = 1.1 * max(farthest, goal), []
    proof = prove_radius(
        equation(name),
        designs,
        width,
        goal=goal,
        seconds=60,
        progress=lambda _, radius: proved.append(radius),
        cancel=lambda: bool(proved) and proved[-1] < near,
    )
    assert farthest <= proof.radius
    assert proof.radius < near


def test_a_solution_planted_in_a_corner_is_not_overlooked():
    """The made-up set: a large circle and a speck of radius 0.001 in a corner; all designs lie on the large circle."""
    corner = torch.tensor([0.998, 0.998], dtype=torch.float64)

    def f(x):
        circle = x.square().sum(1) - 0.25
        speck = (x - corner).square().sum(1) - 1e-6
        return (circle * speck)[:, None]

    angle = np.linspace(0, 2 * np.pi, 200)
    designs = 0.5 * np.stack([np.cos(angle), np.sin(angle)], 1)
    planted = Equation(f, torch.tensor([0.0]), SQUARE)
    proved = []
    proof = prove_radius(
        planted,
        designs,
        np.ones(2),
        goal=0.02,
        progress=lambda _, radius: proved.append(radius),
        cancel=lambda: bool(proved) and proved[-1] < 0.92,
    )
    assert 0.91 < proof.radius < 0.92  # √2·0.998 − 0.5 = 0.9114
    pieces = count_pieces(planted, 0.005)
    assert (pieces.least, pieces.exact) == (2, True)


@pytest.mark.parametrize(
    ("target", "pieces", "exact"),
    [(1.2, 9, True), (1.9, 9, True), (1.05, 9, True), (0.5, 12, False), (2.5, 0, True), (2.0, 0, False)],
)
def test_pieces_of_the_sine_wave(target, pieces, exact):
    """0 < y < 2: a loop about each of nine maxima; below 1 three arcs reach in over a wall; at 2 there are points."""
    task = TASKS["sinewave"]
    found = count_pieces(Equation(task.omega, torch.tensor([target]), task.bounds))
    assert (found.least, found.exact) == (pieces, exact), found.sentence()


@pytest.mark.parametrize(("off", "wide", "tall", "waves"), [(0.55, 0.4, 0.236, 123), (0.28, 0.38, 0.312, 416)])
def test_boxes_without_a_solution_are_not_pieces(off, wide, tall, waves):
    """A straight line is one piece. Beside it stays a row of boxes that hold nothing: s − s is enclosed as not quite 0.

    Their patches reach the line, but the solutions in them belong to the line's own boxes.
    """
    side = 2 / 128

    def f(x):
        a, b = x.unbind(1)
        s = tall * side * torch.sin(waves * a) * torch.exp(-((b - 0.5 - side / 2) / (wide * side)).square())
        return (b - (0.5 - off * side) + (s - s))[:, None]

    found = count_pieces(Equation(f, torch.tensor([0.0]), SQUARE), 0.0079)
    assert (found.least, found.exact) == (1, True)


@settings(deadline=None, max_examples=8)
@given(st.lists(st.tuples(st.floats(-0.8, 0.8), st.floats(-0.8, 0.8), st.floats(0.05, 0.15)), min_size=1, max_size=3))
def test_no_number_of_circles_is_proved_wrongly(circles):
    """Circles inside the box: those that overlap are one piece."""
    centre, radius = torch.tensor([c[:2] for c in circles]).double(), torch.tensor([c[2] for c in circles]).double()

    def f(x):
        product = 1.0
        for (a, b), r in zip(centre.tolist(), radius.tolist(), strict=True):
            product = product * ((x[:, 0] - a).square() + (x[:, 1] - b).square() - r * r)
        return product[:, None]

    apart = torch.cdist(centre, centre)
    meet = (apart <= radius[:, None] + radius) & (apart >= (radius[:, None] - radius).abs())
    pieces, _ = connected_components(meet.numpy(), directed=False)
    found = count_pieces(Equation(f, torch.tensor([0.0]), SQUARE), 0.04, seconds=2)
    assert found.least <= pieces
    if found.exact:
        assert found.least == pieces
    if len(circles) == 1:
        assert (found.least, found.exact) == (1, True)


@settings(deadline=None, max_examples=10)
@given(st.sampled_from([-1, 1]), st.sampled_from([-1, 1]), st.floats(1e-9, 1e-3), st.floats(0.1, 0.6))
def test_no_corner_is_overlooked(across, up, deep, far):
    """A tiny circle of radius ``deep``/2 in a corner: every paving keeps it, every proved radius covers it."""
    corner = torch.tensor([across * (1 - deep), up * (1 - deep)], dtype=torch.float64)

    def f(x):
        circle = x.square().sum(1) - far**2
        return (circle * ((x - corner).square().sum(1) - deep**2 / 4))[:, None]

    equation = Equation(f, torch.tensor([0.0]), SQUARE)
    on_it = corner + torch.tensor([[deep / 2, 0.0], [0.0, -deep / 2]], dtype=torch.float64)
    paving = pave(equation, 0.05, seconds=5)
    assert holds(paving.boxes, on_it, 1e-9).all()
    designs = far * np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    tested = [0]
    proof = prove_radius(
        equation,
        designs,
        np.ones(2),
        goal=0.1,
        progress=lambda n, _: tested.append(n),
        cancel=lambda: tested[-1] > 40_000,
    )
    assert proof.radius >= np.linalg.norm(on_it.numpy()[:, None] - designs, axis=2).min(1).max()


def test_pieces_that_touch_are_not_called_separate():
    """Two circles that touch in a point are one piece, but no patch about that point is a graph."""

    def f(x):
        left = (x[:, 0] + 0.3).square() + x[:, 1].square() - 0.09
        right = (x[:, 0] - 0.3).square() + x[:, 1].square() - 0.09
        return (left * right)[:, None]

    found = count_pieces(Equation(f, torch.tensor([0.0]), SQUARE))
    assert (found.least, found.exact) == (1, False)


def test_a_gap_as_thin_as_a_hundredth_is_found():
    def f(x):
        left = (x[:, 0] + 0.3).square() + x[:, 1].square() - 0.09
        right = (x[:, 0] - 0.31).square() + x[:, 1].square() - 0.09
        return (left * right)[:, None]

    found = count_pieces(Equation(f, torch.tensor([0.0]), SQUARE), 0.002)
    assert (found.least, found.exact) == (2, True)


def test_a_curve_in_space_with_two_targets_is_one_piece():
    """A sphere cut by a plane is a circle: m = 2 equations in d = 3."""

    def f(x):
        return torch.stack((x.square().sum(1) - 0.25, x[:, 0] + 0.5 * x[:, 1]), dim=1)

    cube = torch.tensor([[-1.0] * 3, [1.0] * 3], dtype=torch.float64)
    found = count_pieces(Equation(f, torch.tensor([0.0, 0.1]), cube), 0.1)
    assert (found.least, found.exact) == (1, True)


def test_no_solution_at_all_is_proved():
    proof = prove_radius(Equation(TASKS["sinewave"].omega, torch.tensor([2.1]), SQUARE), np.zeros((1, 2)), np.ones(2))
    assert proof.empty


def test_stopping_leaves_what_holds():
    told = []
    paving = pave(equation("robotic_arm"), 0.01, cancel=lambda: len(told) >= 3, progress=lambda n, s: told.append(n))
    assert not paving.finished
    assert len(told) == 3
    assert holds(paving.boxes, arm_solutions(500)).all()
    few = pave(equation("robotic_arm"), 0.01, most=2000)
    assert not few.finished
    assert holds(few.boxes, arm_solutions(500)).all()
    x = arm_solutions(2000)
    width = TASKS["robotic_arm"].bounds[1] - TASKS["robotic_arm"].bounds[0]
    proof = prove_radius(equation("robotic_arm"), x[:20].numpy(), width.numpy(), seconds=0.0)
    assert proof.radius >= torch.cdist(x / width, x[:20] / width).min(1).values.max()


def test_no_solution_is_lost_where_f_jumps():
    """{x: f = 1}: a vertical line where x₁ > 0.3, and a slanted one that ends at the jump."""

    def f(x):
        return torch.where(x[:, 1:] > 0.3, 1 + x[:, :1] - 0.25, x[:, :1] + x[:, 1:] + 1.5)

    t = torch.linspace(0, 1, 1001, dtype=torch.float64)
    upright = torch.stack((torch.full_like(t, 0.25), 0.3 + 1e-9 + 0.7 * t), 1).clamp(max=1)
    slanted = torch.stack((-0.5 - (-0.5 + 0.8 * t), -0.5 + 0.8 * t), 1)
    slanted = slanted[(slanted[:, 0].abs() <= 1) & (slanted[:, 1] <= 0.3)]
    paving = pave(Equation(f, torch.tensor([1.0]), SQUARE), 0.01)
    assert paving.finished
    for x in (upright, slanted):
        assert holds(paving.boxes, x, 1e-12).all()
    assert len(paving.boxes.lo) < 2000


def test_f_that_cannot_be_followed_is_refused_before_any_box():
    with pytest.raises(NoRule, match="'sort'"):
        Equation(lambda x: torch.sort(x)[0], torch.tensor([0.0]), SQUARE)
    with pytest.raises(NoRule, match="coordinates"):
        Equation(lambda x: x, torch.tensor([0.0]), torch.stack((torch.zeros(20), torch.ones(20))))
    with pytest.raises(NoRule, match="cannot be run on boxes"):
        Equation(lambda x: x.nonsense, torch.tensor([0.0]), SQUARE)


def circle(x):
    return x.square().sum(1, keepdim=True)


CIRCLE = Equation(circle, torch.tensor([0.25]), SQUARE)


def ticking(monkeypatch, *times):
    """The clock of the counting, and of nothing else."""
    ticks = iter(times)
    monkeypatch.setattr(components, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))


def test_a_count_that_cannot_be_says_why_and_promises_nothing(monkeypatch):
    points = count_pieces(Equation(lambda x: x, torch.tensor([0.0, 0.5]), SQUARE))
    assert (points.least, points.exact, points.boxes) == (0, False, 0)
    assert points.why == "as many targets as coordinates: there are points, no pieces"
    nothing = count_pieces(Equation(circle, torch.tensor([9.0]), SQUARE))
    assert (nothing.least, nothing.exact, nothing.boxes, nothing.why) == (0, True, 0, "")
    whole = count_pieces(CIRCLE)
    assert (whole.least, whole.exact, whole.why) == (1, True, "")
    assert whole.boxes == len(pave(CIRCLE, 0.02).boxes.lo)
    monkeypatch.setattr(components, "MOST_BOXES", whole.boxes - 1)
    many = count_pieces(CIRCLE)
    assert (many.least, many.exact) == (0, False)
    assert re.fullmatch(r"more than \d+ boxes are needed", many.why)
    monkeypatch.setattr(components, "MOST_BOXES", whole.boxes)
    assert count_pieces(CIRCLE).exact


@pytest.mark.parametrize(
    ("ticks", "exact"), [((5, 25, 25, 26), True), ((5, 25.5, 26), False), ((5, 25, 25.5, 26), False)]
)
def test_a_count_ends_with_its_time(monkeypatch, ticks, exact):
    ticking(monkeypatch, *ticks)
    found = count_pieces(CIRCLE, 0.1, seconds=20)
    assert found.seconds == 21
    assert found.exact is exact
    assert (found.least, found.why) == ((1, "") if exact else (0, "the time for it, 20 s, ended"))
    assert found.boxes == len(pave(CIRCLE, 0.1).boxes.lo)


def test_the_number_of_pieces_is_a_sentence():
    def said(least, exact, why=""):
        return components.Pieces(least, exact, why, 1, 0.0).sentence()

    assert said(0, True) == ""
    assert said(0, False, "so") == "The number of separate pieces is not proved: so."
    assert said(1, True) == "Proved: exactly 1 separate piece."
    assert said(2, True) == "Proved: exactly 2 separate pieces."
    assert said(1, False, "so") == "Proved: at least 1 separate piece (so)."
    assert said(2, False, "so") == "Proved: at least 2 separate pieces (so)."
