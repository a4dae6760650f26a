"""Interval arithmetic in float64, rounded outward: every result holds all values of the exact operation.

The rules are the standard ones (Moore, Kearfott and Cloud 2009, doi:10.1137/1.9780898717716). An infinite or NaN end
means that there is no bound on that side; no proof uses one, because comparisons with NaN are false.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import torch
from torch import Tensor

EPS = sys.float_info.epsilon
"""Distance from 1 to the next float64: one ulp of a number is at most EPS times its size."""
LIBRARY = 4
"""Ulps by which sin, exp and similar functions are widened; the errors of PyTorch's libraries are about one."""
COMPOSED = 16
"""Ulps for a function computed in a few such steps."""
SILU_LOWEST, SILU_AT = -0.2784646, 1.2784645
"""Just below the minimum of x·sigmoid(x), and where it lies: at −1.27846454…"""


def down(t: Tensor) -> Tensor:
    """The next float64 below."""
    return torch.nextafter(t, torch.full_like(t, -math.inf))


def up(t: Tensor) -> Tensor:
    """The next float64 above."""
    return torch.nextafter(t, torch.full_like(t, math.inf))


def _down(t: Tensor, ulps: int) -> Tensor:
    return down(torch.sub(t, t.abs(), alpha=ulps * EPS))


def _up(t: Tensor, ulps: int) -> Tensor:
    return up(torch.add(t, t.abs(), alpha=ulps * EPS))


class Interval:
    """All numbers from ``lo`` to ``hi``, elementwise: two float64 tensors of one shape."""

    __slots__ = ("hi", "lo")

    def __init__(self, lo: Tensor, hi: Tensor | None = None) -> None:
        self.lo = lo
        self.hi = lo if hi is None else hi

    @classmethod
    def of(cls, value: Interval | Tensor | float) -> Interval:
        """The interval that holds only this number or tensor."""
        return value if isinstance(value, Interval) else cls(torch.as_tensor(value, dtype=torch.float64))

    @property
    def thin(self) -> bool:
        """Whether it certainly holds single numbers."""
        return self.lo is self.hi

    def each(self, rearrange: Callable[[Tensor], Tensor]) -> Interval:
        """Apply a selection or reshaping to both ends."""
        lo = rearrange(self.lo)
        return Interval(lo, lo if self.thin else rearrange(self.hi))

    def mid(self) -> Tensor:
        """A number inside, near the middle."""
        return torch.minimum(torch.maximum((self.lo + self.hi) / 2, self.lo), self.hi)

    def magnitude(self) -> Tensor:
        """The largest absolute value."""
        return torch.maximum(self.lo.abs(), self.hi.abs())

    def holds_zero(self) -> Tensor:
        """Whether 0 may be inside: an end that is NaN does not exclude it."""
        return ~((self.lo > 0) | (self.hi < 0))

    def __neg__(self) -> Interval:
        return Interval(-self.lo) if self.thin else Interval(-self.hi, -self.lo)

    def __add__(self, other: Interval) -> Interval:
        return Interval(down(self.lo + other.lo), up(self.hi + other.hi))

    def __sub__(self, other: Interval) -> Interval:
        return Interval(down(self.lo - other.hi), up(self.hi - other.lo))

    def __mul__(self, other: Interval) -> Interval:
        a, b = (other, self) if self.thin else (self, other)
        one, two = a.lo * b.lo, a.hi * b.lo
        lo, hi = torch.minimum(one, two), torch.maximum(one, two)
        if not b.thin:
            one, two = a.lo * b.hi, a.hi * b.hi
            lo, hi = torch.minimum(lo, torch.minimum(one, two)), torch.maximum(hi, torch.maximum(one, two))
        return Interval(down(lo), up(hi))

    def __truediv__(self, other: Interval) -> Interval:
        return self * reciprocal(other)

    def sum(self, dim: int) -> Interval:
        """Sum along one dimension, term by term."""
        first, *rest = zip(self.lo.unbind(dim), self.hi.unbind(dim), strict=True)
        total = Interval(*first)
        for part in rest:
            total = total + Interval(*part)
        return total

    def times_matrix(self, matrix: Tensor) -> Interval:
        """(…, n) times a constant (n, k) → (…, k), with an a-priori bound of the rounding errors (Rump 1999)."""
        matrix = matrix.double()
        positive, negative = matrix.clamp(min=0), matrix.clamp(max=0)
        lo, hi = self.lo @ positive + self.hi @ negative, self.hi @ positive + self.lo @ negative
        error = (self.magnitude() @ matrix.abs()) * (2 * (len(matrix) + 2) * EPS) + 1e-300
        return Interval(down(lo - error), up(hi + error))


def reciprocal(x: Interval) -> Interval:
    """1/x; the whole real line where x may be 0."""
    everything = x.holds_zero()
    return Interval(torch.where(everything, -math.inf, down(1 / x.hi)), torch.where(everything, math.inf, up(1 / x.lo)))


def absolute(x: Interval) -> Interval:
    """|x|."""
    a, b = x.lo.abs(), x.hi.abs()
    return Interval(torch.where(x.holds_zero(), torch.zeros_like(a) + 0 * (a + b), torch.minimum(a, b)), x.magnitude())


def power(x: Interval, exponent: int) -> Interval:
    """x to a whole power ≥ 1: an even one is never negative."""
    base = absolute(x) if exponent % 2 == 0 else x
    lo, hi = base.lo, base.hi
    for _ in range(exponent - 1):  # |x| and odd powers grow with x: compute each end separately
        lo, hi = down(lo * base.lo.abs()), up(hi * base.hi.abs())
    return Interval(lo.clamp(min=0) if exponent % 2 == 0 else lo, hi)


def rising(function: Callable[[Tensor], Tensor], ulps: int = LIBRARY) -> Callable[[Interval], Interval]:
    """The range of a non-decreasing function."""
    return lambda x: Interval(_down(function(x.lo), ulps), _up(function(x.hi), ulps))


def _wave(function: Callable[[Tensor], Tensor], top: float) -> Callable[[Interval], Interval]:
    """The range of sin or cos, which is 1 at ``top`` + 2πk and −1 half a period later."""

    def between(x: Interval) -> Interval:
        slack = 1e-12 * (1 + x.magnitude())
        lo, hi = x.lo - slack, x.hi + slack  # include an extremum in case of doubt
        period = 2 * math.pi

        def holds(place: float) -> Tensor:
            return torch.floor((hi - place) / period) >= torch.ceil((lo - place) / period)

        a, b = function(x.lo), function(x.hi)
        least = torch.where(holds(top - math.pi), -1.0, _down(torch.minimum(a, b), LIBRARY))
        most = torch.where(holds(top), 1.0, _up(torch.maximum(a, b), LIBRARY))
        return Interval(least.clamp(min=-1), most.clamp(max=1))

    return between


def _silu(x: Interval) -> Interval:
    a, b = torch.nn.functional.silu(x.lo), torch.nn.functional.silu(x.hi)
    dips = (x.lo <= -SILU_AT + 1e-6) & (x.hi >= -SILU_AT - 1e-6)
    low = torch.where(dips, SILU_LOWEST, _down(torch.minimum(a, b), COMPOSED))
    return Interval(low, _up(torch.maximum(a, b), COMPOSED))


def _root(x: Interval) -> Interval:
    return Interval(down(x.lo.clamp(min=0).sqrt()).clamp(min=0), up(x.hi.sqrt()))  # only x ≥ 0 has a root


def _log(x: Interval) -> Interval:
    low = torch.where(x.lo <= 0, -math.inf, _down(x.lo.log(), LIBRARY))  # only x > 0 has a logarithm
    return Interval(low, _up(x.hi.log(), LIBRARY))


def _step(x: Interval) -> Interval:
    """Slopes of relu: 0 below 0, 1 above, [0, 1] where both occur."""
    low = torch.where(x.lo > 0, 1.0, 0.0) + 0 * x.lo
    return Interval(low.double(), (torch.where(x.hi < 0, 0.0, 1.0) + 0 * x.hi).double())


def _silu_slope(x: Interval, value: Interval) -> Interval:
    s = RANGES["sigmoid"](x)
    slope = s + x * (s * (ONE - s))
    return Interval(slope.lo.clamp(min=-0.1), slope.hi.clamp(max=1.1))  # the slope is always in [−0.0999, 1.0999]


ONE = Interval(torch.tensor(1.0, dtype=torch.float64))
TWO = Interval(torch.tensor(2.0, dtype=torch.float64))

RANGES: dict[str, Callable[[Interval], Interval]] = {
    "sin": _wave(torch.sin, math.pi / 2),
    "cos": _wave(torch.cos, 0.0),
    "exp": rising(torch.exp),
    "expm1": rising(torch.expm1),
    "log": _log,
    "log1p": lambda x: _log(x + ONE),
    "tanh": rising(torch.tanh),
    "sigmoid": rising(torch.sigmoid, COMPOSED),
    "atan": rising(torch.atan),
    "silu": _silu,
    "relu": lambda x: x.each(lambda t: t.clamp(min=0)),
    "abs": absolute,
    "sqrt": _root,
    "square": lambda x: power(x, 2),
    "reciprocal": reciprocal,
}
"""Name of a function of one number → its range over an interval."""

SLOPES: dict[str, Callable[[Interval, Interval], Interval]] = {
    "sin": lambda x, value: RANGES["cos"](x),
    "cos": lambda x, value: -RANGES["sin"](x),
    "exp": lambda x, value: value,
    "expm1": lambda x, value: RANGES["exp"](x),
    "log": lambda x, value: reciprocal(x),
    "log1p": lambda x, value: reciprocal(x + ONE),
    "tanh": lambda x, value: ONE - power(value, 2),
    "sigmoid": lambda x, value: value * (ONE - value),
    "atan": lambda x, value: reciprocal(ONE + power(x, 2)),
    "silu": _silu_slope,
    "relu": lambda x, value: _step(x),
    "abs": lambda x, value: TWO * _step(x) - ONE,
    "sqrt": lambda x, value: reciprocal(TWO * value),
    "square": lambda x, value: TWO * x,
    "reciprocal": lambda x, value: -power(value, 2),
}
"""The same names → an interval of all slopes (f(a) − f(b))/(a − b) with a, b in x, given x and f(x)."""
