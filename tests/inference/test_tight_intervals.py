"""Enclosures are not only right but tight: as narrow as the function's own range."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
import torch

from ipage_core.inference.intervals import RANGES, SLOPES, Interval, absolute, down, power, reciprocal, up

DOMAIN = {"log": (0.1, 9), "sqrt": (0, 9), "log1p": (-0.9, 9), "reciprocal": (0.2, 9), "exp": (-4, 4), "expm1": (-4, 4)}
TORCH = {"silu": torch.nn.functional.silu, "reciprocal": torch.reciprocal, "relu": torch.relu}
KINKS = {"relu", "abs"}
EPS = 2.0**-52


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def interval(lo, hi):
    return Interval(double(lo), double(hi))


def ends(interval):
    return [interval.lo.flatten().tolist()[0], interval.hi.flatten().tolist()[0]]


def boxes(name, n=60):
    low, high = DOMAIN.get(name, (-7, 7))
    ends = low + (high - low) * torch.rand(2, n, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return Interval(ends.min(0).values, ends.max(0).values)


@pytest.mark.parametrize("name", sorted(RANGES))
def test_a_range_ends_where_the_functions_values_do(name):
    box = boxes(name)
    grid = box.lo + torch.linspace(0, 1, 4001, dtype=torch.float64)[:, None] * (box.hi - box.lo)
    y = (TORCH.get(name) or getattr(torch, name))(grid)
    value = RANGES[name](box)
    slack = 1e-3 * (1 + y.abs().max(0).values)  # of the grid at a kink
    assert ((y.min(0).values - value.lo).abs() <= slack).all()
    assert ((value.hi - y.max(0).values).abs() <= slack).all()


@pytest.mark.parametrize("name", sorted(set(SLOPES) - KINKS))
def test_slopes_over_a_narrow_box_are_the_derivative(name):
    x = boxes(name).lo.clamp(min=0.1 if name in ("sqrt", "log") else -6).requires_grad_(True)
    (slope,) = torch.autograd.grad((TORCH.get(name) or getattr(torch, name))(x).sum(), x)
    box = Interval(x.detach() - 1e-8, x.detach() + 1e-8)
    slopes = SLOPES[name](box, RANGES[name](box))
    assert (slopes.lo <= slope).all()
    assert (slopes.hi >= slope).all()
    assert ((slopes.hi - slopes.lo) <= 1e-5 * (1 + slope.abs())).all()


@pytest.mark.parametrize(
    ("name", "box", "slopes"),
    [
        ("relu", (-2, -1), (0, 0)),
        ("relu", (-1, 1), (0, 1)),
        ("relu", (1, 2), (1, 1)),
        ("relu", (0, 1), (0, 1)),
        ("relu", (-1, 0), (0, 1)),
        ("abs", (-2, -1), (-1, -1)),
        ("abs", (-1, 1), (-1, 1)),
        ("abs", (1, 2), (1, 1)),
    ],
)
def test_slopes_at_a_kink(name, box, slopes):
    found = SLOPES[name](interval(*box), RANGES[name](interval(*box)))
    assert ends(found) == pytest.approx(slopes, abs=1e-12)


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_a_wave_reaches_its_extrema_and_nothing_beyond(name):
    top = math.pi / 2 if name == "sin" else 0.0
    for k in (-2, 0, 3):
        at = top + 2 * math.pi * k
        assert ends(RANGES[name](interval(at - 0.1, at + 0.1))) == [pytest.approx(math.cos(0.1)), 1]
        assert ends(RANGES[name](interval(at + math.pi - 0.1, at + math.pi + 0.1))) == [
            -1,
            pytest.approx(-math.cos(0.1)),
        ]
        assert ends(RANGES[name](interval(at - 0.1, at + math.pi + 0.1))) == [-1, 1]
        just_before = RANGES[name](interval(at - 0.2, at - 1e-6))
        assert just_before.hi < 1
        assert RANGES[name](interval(at + 1e-6, at + 0.2)).hi < 1
        assert ends(RANGES[name](interval(at - 0.2, at - 1e-14)))[1] == 1  # in case of doubt
        assert ends(RANGES[name](interval(at + 1e-14, at + 0.2)))[1] == 1
        assert ends(RANGES[name](interval(at + math.pi - 0.2, at + math.pi - 1e-14)))[0] == -1
        assert ends(RANGES[name](interval(at + math.pi + 1e-14, at + math.pi + 0.2)))[0] == -1


PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899")


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_a_wave_reaches_its_extrema_far_from_zero_too(name):
    """Billions of periods away floats are farther apart than an extremum is wide."""
    with localcontext() as context:
        context.prec = 60
        for k in range(10**9, 10**10, 10**8 + 7):
            top = 2 * k * PI + (PI / 2 if name == "sin" else 0)
            above = float(top)
            above = above if Decimal(above) >= top else math.nextafter(above, math.inf)
            below = math.nextafter(above, -math.inf)
            for sign in (1, -1):  # both waves are known at −x, and sin turns its sign
                left, right = sorted((sign * below, sign * above))
                for box in ((left, right), (left - 1, right), (left, right + 1)):
                    value = RANGES[name](interval(*box))
                    reached = value.hi if sign == 1 or name == "cos" else -value.lo
                    assert reached.item() == 1


def test_a_single_number_is_widened_by_a_few_units_in_the_last_place():
    one = Interval(double(0.7))
    for name, ulps in (("exp", 4), ("sin", 4), ("log1p", 5), ("tanh", 4), ("sigmoid", 16), ("silu", 16), ("sqrt", 0)):
        value = RANGES[name](one)
        size = value.magnitude().item()
        width = (value.hi - value.lo).item()
        assert 1.2 * ulps * EPS * size < width <= (2 * ulps + 2.1) * EPS * size


@pytest.mark.parametrize(
    ("found", "exact"),
    [
        (lambda: interval(-2, 3) * interval(-5, 1), (-15, 10)),
        (lambda: interval(-2, -1) * interval(-5, -3), (3, 10)),
        (lambda: interval(2, 4) * Interval(double(-3)), (-12, -6)),
        (lambda: Interval(double(-3)) * interval(2, 4), (-12, -6)),
        (lambda: Interval(double(-3)) * Interval(double(2)), (-6, -6)),
        (lambda: interval(1, 2) - interval(3, 5), (-4, -1)),
        (lambda: interval(1, 2) / interval(4, 8), (0.125, 0.5)),
        (lambda: -interval(1, 2), (-2, -1)),
        (lambda: -Interval(double(3)), (-3, -3)),
        (lambda: absolute(interval(-3, 2)), (0, 3)),
        (lambda: absolute(interval(-3, -2)), (2, 3)),
        (lambda: power(interval(-3, 2), 2), (0, 9)),
        (lambda: power(interval(-3, 2), 3), (-27, 8)),
        (lambda: power(interval(2, 3), 4), (16, 81)),
        (lambda: power(interval(-3, -2), 1), (-3, -2)),
        (lambda: reciprocal(interval(-4, -2)), (-0.5, -0.25)),
        (lambda: reciprocal(interval(0, 2)), (-math.inf, math.inf)),
        (lambda: reciprocal(interval(-2, 0)), (-math.inf, math.inf)),
        (lambda: RANGES["relu"](interval(-1, 2)), (0, 2)),
        (lambda: RANGES["sqrt"](interval(-4, 9)), (0, 3)),
        (lambda: RANGES["log"](interval(0, 1)), (-math.inf, 0)),
        (lambda: RANGES["log"](interval(-1, math.e)), (-math.inf, 1)),
        (lambda: RANGES["silu"](interval(-3, 1)), (-0.2784645427610738, 0.7310585786300049)),
        (lambda: RANGES["silu"](interval(-1, 1)), (-0.2689414213699951, 0.7310585786300049)),
        (lambda: RANGES["silu"](interval(-2, -1)), (-0.2784645427610738, -0.2384058440442351)),
        (lambda: interval([[1, 2]], [[2, 3]]).times_matrix(double([1, -1], [0, 2])), (1, 2)),
        (lambda: interval([1, 2, 3], [2, 3, 5]).sum(1), (6, 10)),
    ],
)
def test_arithmetic_is_exact_up_to_round_off(found, exact):
    low, high = ends(found())
    assert low <= exact[0]
    assert high >= exact[1]
    assert [low, high] == pytest.approx(exact, rel=1e-6 if exact[0] == -0.2784645427610738 else 1e-14, abs=1e-300)


def test_matrix_products_are_bounded_on_both_sides():
    matrix = double([1, -1, 0.5], [2, 3, -4])
    value = Interval(double([1, -2]), double([2, -1])).times_matrix(matrix)
    assert value.lo.tolist() == [pytest.approx([-3, -8, 4.5])]
    assert value.hi.tolist() == [pytest.approx([0, -4, 9])]
    assert (value.hi - value.lo - double([3, 4, 4.5])).abs().max() < 1e-13
    generator = torch.Generator().manual_seed(0)
    wide = torch.randn(1, 200, dtype=torch.float64, generator=generator)
    enclosed = Interval(wide).times_matrix(matrix := torch.randn(200, 5, dtype=torch.float64, generator=generator))
    exact = (wide.to(torch.float64).numpy().astype("longdouble") @ matrix.numpy().astype("longdouble"))[0]
    assert all(
        low <= value <= high
        for low, value, high in zip(enclosed.lo[0].tolist(), exact, enclosed.hi[0].tolist(), strict=True)
    )
    size = (wide.abs() @ matrix.abs()).max().item()
    assert 0.99 * 404 * EPS * size < (enclosed.hi - enclosed.lo).max().item() / 2 < 1.01 * 404 * EPS * size


@pytest.mark.parametrize("n", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [1.0, 1e-170])
def test_matrix_products_hold_the_exact_sum(n, size):
    """In fractions; products of numbers near 1e-170 vanish in floats."""
    generator = torch.Generator().manual_seed(n)
    x, wide = (size * torch.rand(40, n, dtype=torch.float64, generator=generator) for _ in range(2))
    matrix = size * torch.randn(n, 2, dtype=torch.float64, generator=generator)
    value = Interval(x, x + wide).times_matrix(matrix)
    ends = zip(x.tolist(), (x + wide).tolist(), value.lo.tolist(), value.hi.tolist(), strict=True)
    for least, most, low, high in ends:
        for j, column in enumerate(matrix.T.tolist()):
            terms = [sorted((Fraction(m) * Fraction(a), Fraction(m) * Fraction(b)))
                     for a, b, m in zip(least, most, column, strict=True)]  # fmt: skip
            assert Fraction(low[j]) <= sum(term[0] for term in terms)
            assert Fraction(high[j]) >= sum(term[1] for term in terms)


LOWEST = -1.278464542761074
"""Where x·sigmoid(x) is least; its value there is this number plus 1."""


@pytest.mark.parametrize("beyond", [1e-3, 9e-7, 5e-7, 1e-7, 1e-9, 1e-12])
def test_silu_reaches_its_minimum_at_the_very_end_of_a_box(beyond):
    for box in ((LOWEST - beyond, -1.0), (-2.0, LOWEST + beyond), (LOWEST - beyond, LOWEST + beyond)):
        assert RANGES["silu"](interval(*box)).lo.item() <= LOWEST + 1
    for box in ((LOWEST + 0.01, -1.0), (-2.0, LOWEST - 0.01)):
        assert RANGES["silu"](interval(*box)).lo.item() > LOWEST + 1 + 1e-6


def test_zero_is_exact_where_a_range_ends_there():
    assert ends(absolute(interval(0, 0))) == [0, 0]
    assert ends(absolute(interval(-1, 2)))[0] == 0
    assert ends(power(interval(-3, 2), 2))[0] == ends(power(interval(-3, 2), 4))[0] == 0
    assert ends(RANGES["sqrt"](interval(0, 4)))[0] == ends(RANGES["relu"](interval(-2, 4)))[0] == 0


def test_what_is_not_a_number_stays_unbounded():
    nan = Interval(double(math.nan), double(1.0))
    for found in (absolute(nan), reciprocal(nan), SLOPES["relu"](nan, nan), SLOPES["abs"](nan, nan)):
        assert not found.lo > -math.inf
    assert not absolute(nan).hi < math.inf


def test_the_neighbours_of_a_number_are_its_nearest():
    assert down(double(1.0)).item() == 1 - EPS / 2
    assert up(double(1.0)).item() == 1 + EPS


def test_the_middle_the_size_and_zero():
    assert interval(1, 3).mid().item() == 2
    assert interval(1, 1 + EPS).mid().item() in (1, 1 + EPS)
    assert interval(-3, 2).magnitude().item() == 3
    assert interval(-2, 3).magnitude().item() == 3
    zero = [bool(interval(*ends).holds_zero()) for ends in ((0, 1), (-1, 0), (-1, 1), (0.1, 1), (-1, -0.1))]
    assert zero == [True, True, True, False, False]
    assert Interval(double(math.nan)).holds_zero()
    assert Interval.of(2).thin
    assert not interval(1, 1).thin
    assert interval(1, 2).each(lambda t: t * 2).hi.item() == 4
    assert Interval.of(2).each(lambda t: t * 2).thin


def test_the_slope_of_silu_stays_in_its_range():
    wide = interval(-50, 50)
    assert ends(SLOPES["silu"](wide, RANGES["silu"](wide))) == [-0.1, 1.1]
