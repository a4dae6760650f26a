"""Which boxes touch, and whether the solutions in a patch are proved to be one graph: against plain references."""

import numpy as np
import pytest
import torch

from ipage_core.inference.components import maps_inside, meeting
from ipage_core.inference.intervals import Interval
from ipage_core.inference.paving import Equation

SQUARE = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def equation(f, y=0.0, bounds=SQUARE):
    return Equation(f, torch.as_tensor(y, dtype=torch.float64), bounds)


# Boxes that touch


def drawn(rng, n, low, width):
    """Boxes with corners on a grid, so that many just touch; some as thin as a point, some across the domain."""
    size = 2.0 ** -rng.integers(1, 9, (n, 1)) * rng.integers(0, 3, (n, len(low))) / 2
    lo = np.minimum(rng.integers(0, 256, (n, len(low))) / 256, 1 - size)
    return Interval(torch.from_numpy(low + lo * width), torch.from_numpy(low + (lo + size) * width))


@pytest.mark.parametrize(("low", "width"), [([-1.0, -1.0], [2.0, 2.0]), ([512.0, -3.0], [4.0, 128.0]), ([1.0], [8.0])])
def test_boxes_that_touch_or_overlap_are_found(low, width):
    low, width = np.array(low), np.array(width)
    rng = np.random.default_rng(len(low))
    a, b = drawn(rng, 150, low, width), drawn(rng, 170, low, width)
    domain = equation(lambda x: x[:, :1], bounds=torch.from_numpy(np.stack([low, low + width])))
    right = ((a.lo[:, None] <= b.hi) & (b.lo <= a.hi[:, None])).all(2).nonzero().tolist()
    assert sorted(set(map(tuple, meeting(a, b, domain).tolist()))) == sorted(map(tuple, right))
    alone = {tuple(pair) for pair in meeting(a, a, domain).tolist()}
    assert all((k, k) in alone for k in range(150))
    assert {(j, i) for i, j in alone} == alone
    assert len(meeting(Interval(a.lo[:0], a.hi[:0]), b, domain)) == 0


def test_boxes_beside_each_other_do_not_touch():
    """Long thin boxes, one above the other: nearer than they are long."""
    domain = equation(lambda x: x[:, :1])
    a = Interval(double([0.0, 0.0]), double([0.5, 0.0]))
    b = Interval(
        double([0.0, 0.1], [0.5, 0.0], [0.25, -0.1], [0.6, 0.0]), double([0.5, 0.1], [0.9, 0.1], [0.3, 0.0], [0.9, 0.0])
    )
    assert meeting(a, b, domain).tolist() == [[0, 1], [0, 2]] or sorted(meeting(a, b, domain).tolist()) == [
        [0, 1],
        [0, 2],
    ]


# Patches


def times(a, b):
    """The product of two intervals (lo, hi)."""
    ends = [a[i] * b[j] for i in (0, 1) for j in (0, 1)]
    return min(ends), max(ends)


@pytest.mark.parametrize(("m", "d"), [(1, 2), (1, 3), (2, 3), (2, 4), (3, 4)])
def test_krawczyk_s_operator_of_a_linear_system(m, d):
    """Its image is known: x_D − Y(Ac − y*) ± |Y A_F| F/2, and (1 − Y A_D)(D − x_D) for a Y that is no exact inverse."""
    rng = np.random.default_rng(m + 10 * d)
    found, right = [], []
    for _ in range(60):
        matrix, dependent = rng.normal(size=(m, d)), np.sort(rng.permutation(d)[:m])
        free = np.setdiff1d(np.arange(d), dependent)
        inverse = np.linalg.inv(matrix[:, dependent]) + 0.15 / m * rng.normal(size=(m, m))
        x = rng.uniform(-0.5, 0.5, d)
        y = matrix @ x + 0.02 * rng.normal(size=m)
        wide = np.where(np.isin(np.arange(d), free), 0.2 / m, 1.0)
        lo, hi = x - wide * rng.uniform(0.01, 0.1, d), x + wide * rng.uniform(0.01, 0.1, d)
        lo[dependent] -= 0.1 * rng.random()
        hi[dependent] += 0.1 * rng.random()
        centre = x.copy()
        centre[free] = (lo + hi)[free] / 2
        reach = np.abs(inverse @ matrix[:, free]) @ (hi - lo)[free] / 2
        middle = x[dependent] - inverse @ (matrix @ centre - y)
        rest = np.eye(m) - inverse @ matrix[:, dependent]
        ends = np.stack([rest * (lo - x)[dependent], rest * (hi - x)[dependent]])
        low, high = middle - reach + ends.min(0).sum(1), middle + reach + ends.max(0).sum(1)
        gap = np.concatenate([low - lo[dependent], hi[dependent] - high])
        if abs(gap).min() < 1e-9:
            continue
        right.append(bool((gap > 0).all()))
        patch = Interval(torch.from_numpy(lo)[None], torch.from_numpy(hi)[None])
        weight = torch.from_numpy(matrix)
        system = equation(lambda x, a=weight: torch.nn.functional.linear(x, a), y, double([-9] * d, [9] * d))
        inside = maps_inside(
            system, patch, torch.from_numpy(x)[None], torch.from_numpy(dependent)[None], torch.from_numpy(inverse)[None]
        )
        found.append(bool(inside))
    assert found == right
    assert 5 < sum(right) < len(right) - 5


def test_krawczyk_s_operator_of_a_circle():
    """Slopes of squares are twice the numbers: over the whole patch in D, over the free range in F."""
    rng = np.random.default_rng(0)
    found, right = [], []
    for _ in range(200):
        x = np.array([rng.uniform(-0.3, 0.3), rng.uniform(0.4, 0.8)])
        y = float(x @ x)
        lo, hi = x - rng.uniform(0.01, 0.2, 2), x + rng.uniform(0.01, 0.2, 2)
        inverse = 1 / (2 * x[1])
        middle = (lo[0] + hi[0]) / 2
        free = times((2 * lo[0] * inverse, 2 * hi[0] * inverse), (lo[0] - middle, hi[0] - middle))
        slope = 1 - 2 * hi[1] * inverse, 1 - 2 * lo[1] * inverse
        rest = times(slope, (lo[1] - x[1], hi[1] - x[1]))
        at = x[1] - inverse * (middle**2 + x[1] ** 2 - y)
        gap = np.array([at - free[1] + rest[0] - lo[1], hi[1] - (at - free[0] + rest[1])])
        if abs(gap).min() < 1e-9:
            continue
        right.append(bool((gap > 0).all()))
        patch = Interval(torch.from_numpy(lo)[None], torch.from_numpy(hi)[None])
        inside = maps_inside(
            equation(lambda x: x.square().sum(1, keepdim=True), [y]), patch, torch.from_numpy(x)[None],
            torch.tensor([[1]]), double([[inverse]]),
        )  # fmt: skip
        found.append(bool(inside))
    assert found == right
    assert 40 < sum(right) < len(right) - 40
