"""The number of connected pieces of curves and surfaces that are known by their form."""

import math

import pytest
import torch

from ipage_core.inference.components import count_pieces
from ipage_core.inference.paving import Equation

SQUARE = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
CUBE = torch.tensor([[-1.0] * 3, [1.0] * 3], dtype=torch.float64)


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def equation(f, y=0.0, bounds=SQUARE):
    return Equation(f, torch.as_tensor(y, dtype=torch.float64), bounds)


@pytest.mark.parametrize("normal", [(1.0, 2.0, -0.5), (0.8, -0.6, -0.3), (-1.0, 1.0, 1.0), (0.0, 0.0, 1.0)])
def test_a_tilted_circle_in_space_is_one_piece(normal):
    a, b, c = (value / math.hypot(*normal) for value in normal)

    def f(x):
        return torch.stack((x.square().sum(1) - 0.36, a * x[:, 0] + b * x[:, 1] + c * x[:, 2] - 0.05), 1)

    found = count_pieces(equation(f, [0.0, 0.0], CUBE), 0.2)
    assert (found.least, found.exact) == (1, True), found.sentence()


def product(*factors):
    def f(x):
        value = 1.0
        for one in factors:
            value = value * one(x[:, 0], x[:, 1])
        return value[:, None]

    return f


def ring(a, b, r):
    return lambda x, y: (x - a).square() + (y - b).square() - r * r


@pytest.mark.parametrize(
    ("f", "pieces", "exact"),
    [
        (product(lambda x, y: y - 0.3), 1, True),  # from wall to wall, but beyond neither
        (product(lambda x, y: y - 0.3 * x - 0.1), 1, True),
        (product(lambda x, y: y - 0.3, lambda x, y: y + 0.37), 2, True),
        (product(ring(0, 0, 0.5), ring(0.03, 0.01, 0.2)), 2, True),  # one within the other
        (product(ring(0.9, 0.1, 0.3), ring(-0.5, 0, 0.2)), 2, True),  # an arc and a ring
        (product(lambda x, y: x - 0.2 * y - 0.05), 1, True),
        (product(ring(1.0, 1.0, 0.5)), 1, True),  # a quarter
        (product(ring(1.3, 0.0, 0.2)), 0, True),
    ],
)
def test_pieces_of_curves(f, pieces, exact):
    found = count_pieces(equation(f), 0.05)
    assert (found.least, found.exact) == (pieces, exact), found.sentence()


def test_pieces_count_alike_in_every_unit():
    """Two ellipses in a box of 1,000 by 0.02."""
    box = double([2000.0, -0.01], [3000.0, 0.01])

    def f(x):
        a, b = (x[:, 0] - 2500) / 500, x[:, 1] / 0.01
        return (((a - 0.4).square() + b.square() - 0.04) * ((a + 0.4).square() + b.square() - 0.04))[:, None]

    found = count_pieces(equation(f, bounds=box), 0.05)
    assert (found.least, found.exact) == (2, True), found.sentence()


def test_a_surface_is_one_piece():
    sphere = count_pieces(equation(lambda x: x.square().sum(1, keepdim=True), [0.36], CUBE), 0.25)
    assert (sphere.least, sphere.exact) == (1, True), sphere.sentence()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_line_just_beyond_a_wall_is_no_piece(axis, side):
    """s − s is enclosed as not quite 0, so boxes along the wall stay. The solutions are outside,
    by less than the boxes that enclose them are wide.
    """

    def f(x):
        s = 0.01 * torch.sin(60 * x[:, 1 - axis])
        return (side * x[:, axis] - (1 + 1e-9) + (s - s))[:, None]

    found = count_pieces(equation(f), 0.5)
    assert (found.least, found.exact, found.boxes) == (0, False, 2), found.sentence()
    inside = count_pieces(equation(lambda x: f(x) + 0.01), 0.5)
    assert inside.least == 1, inside.sentence()
