"""Interval arithmetic: every value of a function on a box must lie inside its enclosure."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ipage_core.inference.enclosed import NoRule
from ipage_core.inference.enclosure import Enclosure
from ipage_core.inference.intervals import RANGES, SLOPES, Interval, power
from ipage_core.tasks import TASKS

DOMAIN = {"log": (1e-6, 50), "sqrt": (0, 50), "log1p": (-0.999, 50), "exp": (-9, 9), "expm1": (-9, 9)}
TORCH = {"silu": torch.nn.functional.silu, "reciprocal": torch.reciprocal, "relu": torch.relu}
WEIGHT = torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 3.0]], dtype=torch.float64)
BIAS = torch.tensor([0.1, 0.2], dtype=torch.float64)
BOXES = 20_000


def boxes(low, high, n=BOXES, seed=0):
    """Boxes (n, d) of widths from 1e-6 to all of [low, high], and a random point in each; every tenth at an end."""
    generator = torch.Generator().manual_seed(seed)
    low, high = torch.as_tensor(low).double(), torch.as_tensor(high).double()
    at = torch.rand(n, len(low), dtype=torch.float64, generator=generator)
    width = 10 ** (-6 * torch.rand(n, 1, dtype=torch.float64, generator=generator))
    lo = low + (high - low) * at * (1 - width)
    hi = lo + (high - low) * width
    share = torch.rand(n, len(low), dtype=torch.float64, generator=generator)
    share[::20], share[10::20] = 0.0, 1.0
    return Interval(lo, hi), torch.minimum(torch.maximum(lo + share * (hi - lo), lo), hi)


def outside(value, enclosure, slack=0.0):
    return int(((value < enclosure.lo - slack) | (value > enclosure.hi + slack)).sum())


@pytest.mark.parametrize("name", sorted(RANGES))
def test_ranges_and_slopes_hold_what_the_function_does(name):
    box, x = boxes(*([v] for v in DOMAIN.get(name, (-20, 20))))
    function = TORCH.get(name) or getattr(torch, name)
    x = x.clone().requires_grad_(True)
    y = function(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    value = RANGES[name](box)
    assert outside(y, value) == 0
    fine = slope.isfinite()
    slopes = SLOPES[name](box, value)
    relative = 1e-14 * (1 + slope.abs())  # autograd rounds too
    assert (((slope < slopes.lo - relative) | (slope > slopes.hi + relative)) & fine).sum() == 0
    assert (value.hi - value.lo)[box.hi - box.lo < 1e-4].median() < 1e-1  # and says something


@pytest.mark.parametrize("exponent", [1, 2, 3, 4, 5])
def test_powers(exponent):
    box, x = boxes([-3.0], [3.0])
    assert outside(x**exponent, power(box, exponent)) == 0


@settings(deadline=None, max_examples=200)
@given(
    st.tuples(*[st.floats(-1e6, 1e6)] * 4),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_arithmetic_holds_every_result(ends, s, t):
    a, b = sorted(ends[:2]), sorted(ends[2:])
    x, y = (torch.tensor(v, dtype=torch.float64) for v in (a[0] + s * (a[1] - a[0]), b[0] + t * (b[1] - b[0])))
    x, y = x.clamp(*a), y.clamp(*b)
    u, v = (Interval(*(torch.tensor(w, dtype=torch.float64) for w in ends)) for ends in (a, b))
    for exact, enclosed in ((x + y, u + v), (x - y, u - v), (x * y, u * v)):
        assert outside(exact, enclosed) == 0
    if not v.holds_zero():
        assert outside(x / y, u / v) == 0


def test_outward_rounding_is_strict():
    tenth = Interval(torch.tensor(0.1, dtype=torch.float64))
    total = tenth + tenth + tenth
    assert total.lo < 0.3 < total.hi  # 0.1 + 0.1 + 0.1 in floats is 0.30000000000000004
    assert total.hi - total.lo < 1e-15


def test_division_by_what_may_be_zero_says_nothing():
    one = Interval(torch.tensor(1.0, dtype=torch.float64))
    around = Interval(torch.tensor(-1.0, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64))
    result = one / around
    assert not result.lo > -math.inf
    assert not result.hi < math.inf


def everything(x):
    """A function of (n, 3) that uses most of the operations with a rule."""
    a, b, c = x.unbind(-1)
    s = torch.stack((a * b - 2 / (c + 5), (a**2 + 1).sqrt(), torch.sin(c).abs()), dim=1)
    t = torch.cat((s[:, :1], torch.nn.functional.silu(s[:, 1:])), dim=1)
    u = torch.nn.functional.linear(t, WEIGHT, BIAS)
    v = u.cumsum(dim=-1).clamp(min=-3.0) - x.mean(dim=1, keepdim=True)
    w = torch.tanh(v) + torch.exp(-v.square()) + (1 - v).pow(3).reshape(-1, 2)
    return torch.cat((w, x.norm(dim=1, keepdim=True), (x @ torch.ones(3, 1, dtype=torch.float64)).sigmoid()), dim=-1)


def test_code_as_people_write_it():
    box, x = boxes([-1.0, -2.0, -1.5], [1.0, 2.0, 1.5])
    enclosed = everything(Enclosure.variables(box))
    x = x.clone().requires_grad_(True)
    y = everything(x.double())
    assert outside(y, enclosed.value, 1e-12) == 0
    for j, column in enumerate(y.unbind(1)):
        (slope,) = torch.autograd.grad(column.sum(), x, retain_graph=True)
        assert outside(slope, Interval(enclosed.gradient.lo[:, j], enclosed.gradient.hi[:, j]), 1e-9) == 0


@pytest.mark.parametrize("name", ["sinewave", "robotic_arm", "robotic_arm_kruse", "ballistics"])
def test_the_tasks_are_enclosed_as_they_are(name):
    task = TASKS[name]
    box, x = boxes(*task.bounds)
    enclosed = task.omega(Enclosure.variables(box))
    x = x.clone().requires_grad_(True)
    y = task.omega(x)
    assert outside(y, enclosed.value) == 0
    for j, column in enumerate(y.unbind(1)):
        (slope,) = torch.autograd.grad(column.sum(), x, retain_graph=True)
        assert outside(slope, Interval(enclosed.gradient.lo[:, j], enclosed.gradient.hi[:, j]), 1e-9) == 0
    thin = (box.hi - box.lo).amax(1) < 1e-4
    assert (enclosed.value.hi - enclosed.value.lo)[thin].max() < 0.1


def test_numpy_functions_of_numbers_are_followed():
    box, x = boxes([-1.0, 0.5], [1.0, 2.0])

    def f(x):
        return np.sin(x[:, 0]) * np.sqrt(x[:, 1]) + np.array(2.0) / x[:, 1] - np.power(x[:, 0], 2)

    assert outside(torch.from_numpy(f(x.numpy())), f(Enclosure.variables(box)).value) == 0


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda x: torch.sort(x)[0], "'sort'"),
        (lambda x: torch.special.bessel_j0(x), "'special_bessel_j0'"),
        (lambda x: x if x.sum() > 0 else -x, "a branch"),
        (lambda x: torch.heaviside(x, x), "'heaviside'"),
        (lambda x: max(x[:, 0], x[:, 1]), "a branch"),
        (lambda x: x[x[:, 0] > 0], "an index that depends on x"),
        (lambda x: (x[:, 0] > 0) + (x[:, 1] > 0), "the sum of two conditions"),
        (lambda x: x**x, "a power whose exponent is a tensor"),
        (lambda x: (x > 0).any(), "'any'"),
        (lambda x: np.arctanh(x), "'arctanh'"),
        (lambda x: np.sort(x), "numpy"),
        (lambda x: x * math.sin(x[0, 0]), "'math'"),
        (lambda x: x.add_(1), "in place"),
        (lambda x: x.to(torch.float32), "float32"),
        (lambda x: x**0.3, "a power of 0.3"),
        (lambda x: x @ x.transpose(0, 1), "'transpose'"),
    ],
)
def test_an_unknown_operation_is_refused_by_name(function, named):
    box, _ = boxes([-1.0, -1.0], [1.0, 1.0], n=4)
    with pytest.raises(NoRule, match="no proof available") as refusal:
        function(Enclosure.variables(box))
    assert named in str(refusal.value)


def test_a_jump_and_a_kink_are_enclosed():
    """torch.where jumps at 0, where its slopes have no bounds; maximum has a kink, whose slopes are those of both."""
    box, x = boxes([-1.0, -1.0], [1.0, 1.0])

    def jump(x):
        return torch.where(x[:, 0] + x[:, 1] > 0, x[:, 0].square() + 2, x[:, 1] * (x[:, 0] <= 0.5))

    def kink(x):
        return torch.maximum(x[:, 0], torch.minimum(x[:, 1], 2 * x[:, 0] - 1))

    for f in (jump, kink):
        enclosed, at = f(Enclosure.variables(box)), x.clone().requires_grad_(True)
        y = f(at)
        assert outside(y, enclosed.value) == 0
        (slope,) = torch.autograd.grad(y.sum(), at)
        assert outside(slope, enclosed.gradient, 1e-12) == 0
        low, high = f(box.lo), f(box.hi)  # any two points of a box keep to its slopes
        steps = box.hi - box.lo
        reach = Interval(
            torch.minimum(enclosed.gradient.lo * steps, enclosed.gradient.hi * steps).sum(1),
            torch.maximum(enclosed.gradient.lo * steps, enclosed.gradient.hi * steps).sum(1),
        )
        assert outside(high - low, reach, 1e-9) == 0
    enclosed = jump(
        Enclosure.variables(Interval(torch.tensor([[-0.1, -0.1]]).double(), torch.tensor([[0.1, 0.2]]).double()))
    )
    assert enclosed.gradient.hi.isinf().all()


def test_assignment_into_a_tensor_is_refused():
    x = Enclosure.variables(boxes([-1.0], [1.0], n=4)[0])
    with pytest.raises(NoRule, match="assignment"):
        x[:, 0] = 1.0
    with pytest.raises(NoRule):
        torch.zeros(4, 1, dtype=torch.float64)[:, 0] = x[:, 0]
