"""Each step of a spread against the same step in plain words: loops over designs on planes, lines and circles."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ipage_core.inference import spread as steps
from ipage_core.inference.spread import (
    climb,
    close_holes,
    even,
    farthest,
    land_or_replace,
    lloyd,
    push,
    repulsion,
    round_or_replace,
    spread,
    toward,
)
from ipage_core.inference.voronoi import Points
from tests.inference.test_spread import solutions

WIDE = torch.tensor([[-10.0, -20.0, -10.0], [10.0, 20.0, 10.0]], dtype=torch.float64)
SCALE = np.array([20.0, 40.0, 20.0])


def sheet(**more):
    """The plane x₃ = 0, so wide that no design comes to its bounds: a step along it is the direction itself."""
    return solutions(lambda x: x[:, 2:], (0.0,), WIDE, **more)


def line(**more):
    """x₂ = 3 x₁: in units of the distance, 20 and 60, a diagonal."""
    bounds = torch.tensor([[-10.0, -30.0], [10.0, 30.0]], dtype=torch.float64)
    return solutions(lambda x: x[:, 1:] - 3 * x[:, :1], (0.0,), bounds, **more)


def on_sheet(n, seed, width=1.0):
    return np.append(np.random.default_rng(seed).uniform(-width, width, (n, 2)), np.zeros((n, 1)), 1) * [1, 2, 1]


def by_distance(at, others):
    return sorted(others, key=lambda other: math.dist(at, other))


def away(at, others, dimension):
    """The direction of the force of the Riesz energy ∑ d⁻ˢ, s = dimension + 2."""
    force = sum((at - other) * math.dist(at, other) ** -(dimension + 2 + 2) for other in others)
    return force / np.linalg.norm(force)


# Farthest points


def plainly_farthest(points, n, images, beyond=None, enough=0.0):
    """Rows of points (in units of the distance) by the definition."""

    def apart(a, b):
        return min(math.dist(a, image) for image in images(b))

    middle = points.mean(0)
    if beyond is None:
        left = [math.inf] * len(points)
        row = min(range(len(points)), key=lambda i: math.dist(points[i], middle))
    else:
        left = [min(apart(p, b) for b in beyond) for p in points]
        row = int(np.argmax(left))
    picked = []
    while len(picked) < n and left[row] > enough + 1e-9:
        picked.append(row)
        left = [min(old, apart(p, points[row])) for old, p in zip(left, points, strict=True)]
        row = int(np.argmax(left))
    return picked


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_farthest_points_are_those_of_the_definition(seed):
    known = np.random.default_rng(seed).uniform(-1, 1, (30, 3)) * [3, 6, 3] + [2, 0, 0]
    known[20:] = known[:10]  # some twice
    twins = sheet(images=lambda x: np.stack([x, x * [-1, 1, 1]], 1))
    for ours, images in ((sheet(), lambda p: [p]), (twins, lambda p: [p, p * [-1, 1, 1]])):
        for n in (1, 7, 20):
            assert farthest(ours, known, n).tolist() == plainly_farthest(known / SCALE, n, images)
        left = plainly_farthest(known / SCALE, 30, images, known[3:5] / SCALE, 0.09)
        assert farthest(ours, known, 30, known[3:5], 0.09).tolist() == left
        assert 2 < len(left) < 16


def test_points_at_the_distance_that_is_enough_are_not_taken():
    grid = np.stack([np.arange(5) * 5.0 - 10, np.zeros(5), np.zeros(5)], 1)  # a quarter apart
    assert sorted(farthest(sheet(), grid, 9, enough=0.25)) == [0, 2, 4]
    assert len(farthest(sheet(), grid, 9, enough=0.2499)) == 5
    assert len(farthest(sheet(), np.repeat(grid, 2, 0), 9)) == 5


# Repulsion


def test_the_force_is_that_of_the_riesz_energy():
    rng = np.random.default_rng(0)
    at, others = rng.random((6, 3)), rng.random((6, 4, 3))
    others = np.array([by_distance(a, o) for a, o in zip(at, others, strict=True)])
    distance = np.linalg.norm(at[:, None] - others, axis=2)
    for ours, dimension in ((sheet(), 2), (line(), 1)):
        expected = [away(a, o, dimension) for a, o in zip(at, others, strict=True)]
        np.testing.assert_allclose(repulsion(ours, at, distance, others), expected, atol=1e-9)
    same = repulsion(sheet(), np.zeros((1, 3)), np.zeros((1, 2)), np.zeros((1, 2, 3)))
    assert same.tolist() == [[0.0, 0.0, 0.0]]  # a design on top of others is not pushed


def plainly_pushed(x, sure=lambda x: True):
    """Twelve pushes, each shorter than the one before; every fourth generation returns to where f is sure."""
    u, kept, visited = x / SCALE, x / SCALE, []
    for k in range(12):
        near = [by_distance(a, [b for j, b in enumerate(u) if j != i])[:12] for i, a in enumerate(u)]
        typical = np.median([math.dist(a, others[0]) for a, others in zip(u, near, strict=True)])
        length = (0.5 * (1 - k / 12) + 0.05) * typical
        u = np.array([a + length * away(a, others, 2) for a, others in zip(u, near, strict=True)])
        if k in (3, 7, 11):
            u = kept = np.array([a if sure(a * SCALE) else before for a, before in zip(u, kept, strict=True)])
            visited.append(u * SCALE)
    return u * SCALE, visited


@pytest.mark.parametrize("n", [2, 3, 16])
def test_designs_are_pushed_apart_twelve_times(n):
    x = on_sheet(n, 5, 1.0 if n > 9 else 0.02)
    expected, generations = plainly_pushed(x)
    found, visited = push(sheet(), x)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(visited, generations, atol=1e-6)
    assert np.abs(found).max() < 9  # not at the bounds
    assert sheet().separation(found).min() > sheet().separation(x).min()
    one, none = push(sheet(), x[:1])
    assert np.array_equal(one, x[:1])
    assert none == []


def test_a_design_that_is_pushed_to_where_f_is_unsure_goes_back():
    x = on_sheet(9, 1)
    ours = sheet(trusted=lambda x: x[:, 0] < 1.2)
    expected, generations = plainly_pushed(x, lambda x: x[0] < 1.2)
    found, visited = push(ours, x)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(visited, generations, atol=1e-6)
    assert (push(sheet(), x)[0][:, 0] > 1.2).any()


# Lloyd


def test_designs_move_to_the_means_of_their_points_eight_times():
    known, x = on_sheet(200, 3), on_sheet(9, 4)
    weight = np.random.default_rng(5).random(200)
    expected = x
    for _ in range(8):
        own = [min(range(9), key=lambda i, p=p, e=expected: math.dist(p / SCALE, e[i] / SCALE)) for p in known]
        expected = np.array([np.average(known[np.equal(own, i)], 0, weight[np.equal(own, i)]) for i in range(9)])
    np.testing.assert_allclose(lloyd(Points(sheet(), known, weight), x), expected, atol=1e-9)


def test_lloyd_returns_the_generation_of_the_least_error():
    """Errors of nine generations, each design one further than the one before."""
    for least in (0, 3, 8):
        errors = iter([5.0 - (k == least) for k in range(9)])
        points = SimpleNamespace(
            means=lambda x, errors=errors: (x + 1, next(errors)), solutions=SimpleNamespace(slide=lambda x: x)
        )
        assert lloyd(points, np.zeros((1, 1))).tolist() == [[least]]


# Holes

CASES = [(6, 60, seed) for seed in range(8)] + [(10, 60, 3), (10, 60, 14), (120, 300, 0)]
"""Number of designs and of known solutions, and a seed."""


def plainly_climbed(holes, designs, scale=SCALE):
    """Three steps away from the twelve nearest designs: 1/4, 1/6 and 1/12 of the way to the nearest."""
    u, others = holes / scale, designs / scale
    for share in (1 / 4, 1 / 6, 1 / 12):
        near = [by_distance(a, others)[:12] for a in u]
        u = np.array([a + share * math.dist(a, b[0]) * away(a, b, 2) for a, b in zip(u, near, strict=True)])
    return u * scale


@pytest.mark.parametrize("n", [3, 20])
def test_points_climb_to_the_middle_of_their_hole(n):
    holes, designs = on_sheet(7, 1), on_sheet(n, 2)
    np.testing.assert_allclose(climb(sheet(), holes, designs), plainly_climbed(holes, designs), atol=1e-8)


def test_designs_go_where_f_is_sure_half_or_a_quarter_of_the_way_else():
    ours = sheet(trusted=lambda x: x[:, 0] < 1.0)
    x = np.array([[0.0, 0.5, 0.0]] * 4)
    there = np.array([[0.9, 1, 0], [1.9, -1, 0], [3.9, 1, 0], [8.0, 2, 0]])
    expected = [[0.9, 1, 0], [0.95, -0.25, 0], [0.975, 0.625, 0], [0, 0.5, 0]]
    np.testing.assert_allclose(toward(ours, x, there), expected, atol=1e-9)
    np.testing.assert_allclose(toward(ours, x[:1], there[:1]), expected[:1], atol=1e-9)
    assert x.tolist() == [[0.0, 0.5, 0.0]] * 4


def plainly_closed(ours, found, x):
    """→ the generation whose largest hole is the smallest; the largest hole of each; (added, looked at) of each."""
    weight, widths, added, best = list(ours.spacing(found)), [], [], x
    for k in range(5):
        distance = distances(found, x).min(1)
        rows = np.argsort(-distance, kind="stable")[: max(50, len(x) // 2)]
        middles = plainly_climbed(found[rows], x)
        hole = distances(middles, x).min(1)
        fine = hole <= 1.2 * distance.max()
        widest = max([distance.max(), *hole[fine]])
        best = x if widest < min(widths, default=math.inf) else best
        widths.append(widest)
        gains = [i for i in range(k + 1) if widths[i] < 0.99 * min(widths[:i], default=math.inf)]
        if k == 4 or k - gains[-1] >= 2:
            break
        found = np.concatenate([found, middles[fine]])
        weight += [np.mean(weight)] * fine.sum()
        added.append((fine.sum(), len(fine)))
        own, pull = distances(found, x).argmin(1), np.array(weight) * distances(found, x).min(1) ** 4  # d⁶ has slope d⁵
        means = [
            np.average(found[own == i], 0, pull[own == i]) if pull[own == i].any() else x[i] for i in range(len(x))
        ]
        x = x + (np.array(means) - x) / 3  # 1/(1 + (6 − 2)/dimension)
    return best, widths, added


def distances(a, b):
    return np.linalg.norm((a[:, None] - b) / SCALE, axis=2)


@pytest.mark.parametrize(("n", "known", "seed"), CASES)
def test_holes_are_closed_by_the_definition(n, known, seed):
    found, x = on_sheet(known, seed), on_sheet(n, seed + 100, 0.5)
    expected, _, _ = plainly_closed(sheet(), found, x)
    np.testing.assert_allclose(close_holes(sheet(), sheet(), found, x), expected, atol=1e-6)


def test_the_cases_of_closing_are_all_there():
    """All generations gain; the search ends early; the best is not the last; middles too far away are left out."""
    told = [plainly_closed(sheet(), on_sheet(k, s), on_sheet(n, s + 100, 0.5)) for n, k, s in CASES]
    widths = [widths for _, widths, _ in told]
    assert any(len(w) == 5 and np.argmin(w) == 4 for w in widths)
    assert any(len(w) < 5 for w in widths)
    assert any(np.argmin(w) < len(w) - 1 for w in widths)
    assert any(few < of for _, _, added in told for few, of in added)


# Curves


def plainly_evened(t):
    """Positions on a line, after 40 rounds of nine tenths of the way to the middle between both neighbours."""
    t, moved = np.array(t), set()
    for _ in range(40):
        order = np.argsort(t)
        gaps = np.diff(t[order])
        typical = np.median([min([*gaps[max(k - 1, 0) : k + 1]]) for k in range(len(t))])
        new = t.copy()
        for k in range(1, len(t) - 1):
            if max(gaps[k - 1], gaps[k]) <= 2.5 * typical:
                new[order[k]] += 0.45 * (gaps[k] - gaps[k - 1])
                moved.add(int(order[k]))
        t = new
    return t, moved


@pytest.mark.parametrize(
    "t",
    [
        [0, 1, 1.6],
        [1.6, 0, 1],
        [0.0, 1.0],
        [0, 1, 2.2, 3, 4.5, 9, 10, 11.4, 12],  # a gap of three typical ones
        [0, 1, 3.4, 4.4, 5.4],  # of 2.4
        [0, 1, 3.6, 4.6, 5.6],  # of 2.6
        [0, 5, 10.0],
        [*np.linspace(0, 3, 20) ** 2, 30, 50],
    ],
)
def test_designs_on_a_line_are_evened_within_its_pieces(t):
    t = np.array(t) / 5
    expected, _ = plainly_evened(t)
    found = even(line(), np.stack([t, 3 * t], 1))
    np.testing.assert_allclose(found, np.stack([expected, 3 * expected], 1), atol=1e-7)


def test_only_designs_between_two_others_of_their_piece_are_evened():
    assert plainly_evened([0, 1, 2.2, 3, 4.5, 9, 10, 11.4, 12])[1] == {1, 2, 3, 6, 7}
    assert plainly_evened([0, 1, 3.4, 4.4, 5.4])[1] == {1, 2, 3}
    assert plainly_evened([0, 1, 3.6, 4.6, 5.6])[1] == {3}


def test_one_design_stays_and_two_are_evened_with_their_images():
    ours = solutions(images=lambda x: np.stack([x, -x], 1))
    angle = np.array([0.3, 1.4])
    x = 0.5 * np.stack([np.cos(angle), np.sin(angle)], 1)
    assert np.array_equal(even(ours, x[:1]), x[:1])
    found = even(ours, x)
    assert abs(found[0] @ found[1]) < 1e-3  # a quarter of a turn
    np.testing.assert_allclose((found**2).sum(1), 0.25, atol=1e-8)


def test_a_design_that_would_go_where_f_is_unsure_stays():
    ours = line(trusted=lambda x: (x[:, 0] < 0.19) | (x[:, 0] > 0.21))
    t = np.array([0, 0.13, 0.4])  # a round would go to 0.193
    x = np.stack([t, 3 * t], 1)
    np.testing.assert_allclose(even(line(), x)[1], [0.2, 0.6], atol=1e-7)
    np.testing.assert_allclose(even(ours, x), x, atol=1e-9)


# Back onto the set


def circle_at(*angles):
    return 0.5 * np.stack([np.cos(angles), np.sin(angles)], 1)


def test_a_design_that_does_not_land_is_replaced_by_the_nearest_known_one():
    ours = solutions(trusted=lambda x: x[:, 0] < 0.4)
    known = circle_at(3.0, 1.0, -0.8, 2.0) * 1.001  # known up to a tolerance; they land first
    x = np.concatenate([circle_at(2.5) * 1.01, circle_at(0.1), circle_at(-0.2)])
    np.testing.assert_allclose(land_or_replace(ours, known, x), circle_at(2.5, 1.0, -0.8), atol=1e-7)
    np.testing.assert_allclose(land_or_replace(ours, known, x[:1]), circle_at(2.5), atol=1e-7)
    lost = circle_at(0.3)  # a known one that does not land either is taken as it is
    assert land_or_replace(ours, lost, x)[1:].tolist() == [*lost.tolist()] * 2
    twins = solutions(trusted=lambda x: x[:, 0] < 0.4, images=lambda x: np.stack([x, -x], 1))
    np.testing.assert_allclose(land_or_replace(twins, known, x[1:2]), circle_at(3.0), atol=1e-7)


def test_a_design_whose_rounding_solves_nothing_is_replaced_by_the_nearest_known_one():
    bounds = torch.tensor([[-3.0, -3.0], [3.0, 3.0]], dtype=torch.float64)
    ours = solutions(y=(4.25,), bounds=bounds, integers=(0,))
    root = math.sqrt(4.25)
    known = np.array([[2.7, 0.1], [1.9, -0.6], [0.1, 2.0], [-2.1, 0.5]])  # 3 is too far out
    x = np.array([[2.6, 0.2], [0.2, 2.0], [-2.6, 0.1]])
    expected = [[2, -0.5], [0, root], [-2, 0.5]]
    np.testing.assert_allclose(round_or_replace(ours, known, x), expected, atol=1e-6)
    np.testing.assert_allclose(round_or_replace(ours, known[:1], x), [x[0], expected[1], x[2]], atol=1e-6)
    np.testing.assert_allclose(round_or_replace(ours, known, x[1:2]), expected[1:2], atol=1e-6)


# All steps


class Recorded:
    """Replaces the steps of a spread; notes the order in which they run, and what they are given."""

    def __init__(self, monkeypatch, known):
        self.order, self.known = [], known
        first = ["pool", "grow", "farthest", "push", "breathe", "lloyd"]
        for name in [*first, "close_holes", "even", "land_or_replace", "round_or_replace"]:
            monkeypatch.setattr(steps, name, self.step(name))

    def step(self, name):
        def run(*given, **more):
            self.order.append(name)
            setattr(self, name, (given, more))
            return getattr(self, f"do_{name}")(*given)

        return run

    def do_pool(self, *given):
        return self.known

    def do_grow(self, ours, found, seed):
        return found

    def do_farthest(self, ours, on_set, n):
        self.picked_from = [*getattr(self, "picked_from", []), len(on_set)]
        return np.arange(min(n, len(on_set)))

    def do_push(self, ours, x):
        return x + 1, [x + 2, x + 3]

    def do_breathe(self, points, x):
        return x

    def do_lloyd(self, points, x):
        return x

    def do_close_holes(self, everywhere, ours, found, x):
        return x

    def do_even(self, ours, x):
        return x

    def do_land_or_replace(self, ours, on_set, x):
        return x

    do_round_or_replace = do_land_or_replace


def of_dimension(dimension, **more):
    return solutions(None, (0.0,) * (3 - dimension), WIDE, **more)


LAST = ["breathe", "lloyd", "land_or_replace"]


@pytest.mark.parametrize(
    ("region", "dimension", "n", "order"),
    [
        ("box", 2, 5, ["pool", "grow", "farthest", "push", "farthest", *LAST, "close_holes", "land_or_replace"]),
        ("box", 1, 5, ["pool", "grow", "farthest", "push", "farthest", *LAST, "even"]),
        ("box", 0, 5, ["pool", "grow", "farthest", *LAST]),
        ("box", 2, 200, ["pool", "grow", "farthest", "push", "farthest", *LAST, "close_holes", "land_or_replace"]),
        ("box", 2, 201, ["pool", "grow", "farthest", "push", *LAST, "close_holes", "land_or_replace"]),
        ("box", 0, 201, ["pool", "grow", "farthest", *LAST]),
        ("posterior", 2, 5, ["pool", "farthest", *LAST]),
        ("posterior", 1, 5, ["pool", "farthest", *LAST]),
        ("posterior", 1, 201, ["pool", "farthest", *LAST]),
        ("posterior", 0, 5, ["pool", "farthest", *LAST]),
    ],
)
def test_the_steps_of_a_spread(monkeypatch, region, dimension, n, order):
    ran, ours, known = Recorded(monkeypatch, on_sheet(1000, 0)), of_dimension(dimension), on_sheet(1000, 0)

    def propose(count, seed):
        raise AssertionError

    x = spread(ours, n, propose=propose, region=region, seed=4)
    assert ran.order == [*order, "round_or_replace"]
    assert x.shape == (n, 3)
    # Starts, and what grows from them: so many for each design, and at least some.
    (_, count, seed, proposed), more = ran.pool
    assert (count, seed, proposed, more) == (max(400, 2 * n), 4, propose, {"box": region == "box"})
    if region == "box":
        assert (ran.grow[0][2], ran.grow[1]) == (4, {"count": max(200, n)})
    # Of many designs, the first are picked from a part of the solutions: not of points, which stay where they are.
    first = 3 * n if n > 200 and dimension else 1000
    pushed = region == "box" and dimension > 0
    again = pushed and n <= 200
    assert ran.picked_from == ([first, 1000 + 2 * n] if again else [first])
    points, given = ran.breathe[0]
    assert len(points.on_set) == min(max(1600, 6 * n), 1000 + 2 * n * pushed)
    every = ran.lloyd[0][0]
    assert len(every.on_set) == 1000 + 2 * n * pushed
    assert np.array_equal(every.on_set[:1000], known)
    if pushed:
        start = ran.push[0][1]
        assert np.array_equal(every.on_set[1000:], np.concatenate([start + 2, start + 3]))
        assert np.array_equal(given, known[:n] if again else start + 1)
    weight = ours.spacing(every.on_set) if region == "box" else np.ones(len(every.on_set))
    assert np.array_equal(every.weight, weight)


@pytest.mark.parametrize(
    ("n", "images", "count"), [(10, None, 1600), (10, True, 400), (300, None, 1800), (300, 1, 1800)]
)
def test_breathing_sees_some_of_the_points(monkeypatch, n, images, count):
    ran = Recorded(monkeypatch, on_sheet(3000, 0))
    more = {"images": lambda x: np.stack([x, -x], 1)} if images else {}
    spread(of_dimension(0, **more), n)
    assert len(ran.breathe[0][0].on_set) == count


def test_holes_are_looked_for_beside_the_solutions_that_f_is_sure_of(monkeypatch):
    """Designs at 0 and 1; f is sure up to 2; doubtful ones at most as far from a sure one as these are from designs."""
    at = np.array([0.0, 1, 1.5, 2, 2.5, 3, 3.25])  # dyadic: distances are exact
    known = np.stack([16 * at, 0 * at, 0 * at], 1)
    bounds = torch.tensor([[-32.0, -32.0, -32.0], [32.0, 32.0, 32.0]], dtype=torch.float64)
    ours = solutions(None, (0.0,), bounds, trusted=lambda x: x[:, 0] <= 32)
    ran = Recorded(monkeypatch, known)
    spread(ours, 2)
    everywhere, sure, found, x = ran.close_holes[0]
    assert (everywhere.trusted, sure) == (None, ours)
    assert ran.pool[0][0].trusted is None
    assert x[:, 0].tolist() == [0, 16]
    points = ran.lloyd[0][0].on_set
    assert points[:, 0].max() == 32
    assert sorted(set(found[:, 0]) - set(points[:, 0])) == [40.0, 48.0]
