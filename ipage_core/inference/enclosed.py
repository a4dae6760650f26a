"""Values over boxes with their gradients, and the interval rules of arithmetic.

An enclosure is that of the exact function in the code, with its constants in float64. Conditions, and what follows from
them and from constants alone, are of other types in PyTorch: bool, int64, float32. Their enclosures hold both the exact
value and the rounded one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

import torch
from torch import Tensor

from ipage_core.inference.intervals import RANGES, SLOPES, Interval, power

DOMAINS = {"sqrt": 0.0, "log": 0.0, "log1p": -1.0}
"""From where on these functions have values."""
EXACT = ("abs", "relu")
"""Functions of one number that do not round, so that their rules hold for every type."""
_seen: ContextVar[set[str] | None] = ContextVar("seen", default=None)


class NoRule(ValueError):
    """Ω uses an operation without a rule here; the message names it."""


def refuse(what: str) -> NoReturn:
    """Raise NoRule for an operation."""
    raise NoRule(f"no proof available: there is no interval rule for {what}")


@contextmanager
def defined_where_it_decides() -> Iterator[None]:
    """Refuse code that compares, or takes the larger, if a root or logarithm in it lacks values in a part of the boxes.

    Where a part has no value, PyTorch gives NaN or takes a comparison for false; the enclosures are of the rest alone.
    """
    seen: set[str] = set()
    token = _seen.set(seen)
    try:
        yield
    finally:
        _seen.reset(token)
    if len(seen) > 1:
        raise NoRule(
            "no proof available: Ω compares values, and a root or logarithm in it has none in a part of the box"
        )


def note(what: str) -> None:
    """Remember for :func:`defined_where_it_decides` that Ω does this."""
    if (seen := _seen.get()) is not None:
        seen.add(what)


class Enclosed:
    """Values over boxes: ``value`` (n, …), and ``gradient`` (n, …, d) with respect to the d inputs.

    The gradient is None for a constant, or if it was not requested. A condition has dtype bool, and is 1 in boxes where
    it holds, 0 where it does not, [0, 1] where both occur; there its slopes have no bounds, because it may jump.
    """

    def __init__(self, value: Interval, gradient: Interval | None = None, dtype: torch.dtype = torch.float64) -> None:
        self.value, self.gradient, self.dtype = value, gradient, dtype

    shape = property(lambda self: self.value.lo.shape)

    def dim(self) -> int:
        """Number of dimensions."""
        return self.value.lo.dim()


def lifted(value: Any) -> Enclosed:
    """The value as an Enclosed; constants are converted."""
    if isinstance(value, Enclosed):
        return value
    return Enclosed(Interval.of(value), None, value.dtype if isinstance(value, Tensor) else torch.float64)


def cast(value: Any, dtype: torch.dtype) -> Enclosed:
    """The value in another type of PyTorch."""
    x = lifted(value)
    return Enclosed(_rounded(x.value, dtype), x.gradient, dtype)


def _rounded(value: Interval, dtype: torch.dtype) -> Interval:
    """The values, and those that they become in another type; rounding keeps their order."""
    if dtype == torch.float64 or not dtype.is_floating_point:
        return value
    lo, hi = (end.to(dtype).double() for end in (value.lo, value.hi))
    return Interval(torch.minimum(value.lo, lo), torch.maximum(value.hi, hi))


def pair(a: Any, b: Any) -> tuple[Enclosed, Enclosed]:
    """Both in the type that PyTorch converts them to before it combines them."""
    dtype = torch.result_type(_like(a), _like(b))
    return cast(a, dtype), cast(b, dtype)


def _like(value: Any) -> Any:
    """A small tensor that counts as much as the value for the type of a result; numbers stay."""
    if isinstance(value, Enclosed):
        return torch.empty((1,) * value.dim(), dtype=value.dtype)
    return value if isinstance(value, int | float) else torch.as_tensor(value)


def only_double(x: Enclosed, name: str) -> None:
    """Refuse an operation whose rounding in other types than float64 has no bound here."""
    if x.dtype != torch.float64:
        refuse(f"'{name}' of numbers of {x.dtype}; accepted: double() before it")


def inputs(*parts: Enclosed) -> int | None:
    """The number d of inputs, if gradients were requested."""
    return next((part.gradient.lo.shape[-1] for part in parts if part.gradient is not None), None)


def slopes_of(part: Enclosed, d: int) -> Interval:
    """The gradient, zero for a constant."""
    return part.gradient or Interval(torch.zeros(*part.shape, d, dtype=torch.float64))


def _wider(value: Interval) -> Interval:
    """(n, …) → (n, …, 1), to broadcast with a gradient."""
    return value.each(lambda t: t.unsqueeze(-1))


def filled(gradient: Interval | None, value: Interval) -> Interval | None:
    """The gradient in the shape of the value, which a constant may have broadcast."""
    if gradient is None:
        return None
    shape = (*value.lo.shape, gradient.lo.shape[-1])
    return gradient if gradient.lo.shape == shape else gradient.each(lambda t: t.expand(shape))


def _together(a: Interval | None, b: Interval | None) -> Interval | None:
    return a if b is None else b if a is None else a + b


# Arithmetic


def _result(value: Interval, gradient: Interval | None, dtype: torch.dtype) -> Enclosed:
    return Enclosed(_rounded(value, dtype), filled(gradient, value), dtype)


def negative(x: Any) -> Enclosed:
    """−x."""
    x = lifted(x)
    return Enclosed(-x.value, None if x.gradient is None else -x.gradient, x.dtype)


def total(a: Enclosed, b: Enclosed) -> Enclosed:
    """a + b, which are of one type."""
    return _result(a.value + b.value, _together(a.gradient, b.gradient), a.dtype)


def add(a: Any, b: Any, *, alpha: float = 1) -> Enclosed:
    """a + alpha b."""
    a, b = pair(a, b if alpha == 1 else multiply(b, alpha))
    if a.dtype == torch.bool:
        refuse("the sum of two conditions")  # their "or"
    return total(a, b)


def subtract(a: Any, b: Any, *, alpha: float = 1) -> Enclosed:
    """a − alpha b."""
    a, b = pair(a, b if alpha == 1 else multiply(b, alpha))
    return total(a, negative(b))


def _product(a: Enclosed, b: Enclosed) -> Enclosed:
    left = None if a.gradient is None else a.gradient * _wider(b.value)
    right = None if b.gradient is None else b.gradient * _wider(a.value)
    return _result(a.value * b.value, _together(left, right), a.dtype)


def multiply(a: Any, b: Any) -> Enclosed:
    """a b."""
    return _product(*pair(a, b))


def divide(a: Any, b: Any) -> Enclosed:
    """a/b."""
    a, b = pair(a, b)
    if not a.dtype.is_floating_point:
        a, b = (cast(x, torch.get_default_dtype()) for x in (a, b))
    return _product(a, mapped("reciprocal", b))


def mapped(name: str, x: Enclosed) -> Enclosed:
    """A function of one number that may be applied to x."""
    value = RANGES[name](x.value)
    gradient = None if x.gradient is None else _wider(SLOPES[name](x.value, value)) * x.gradient
    return Enclosed(value, gradient, x.dtype)


def elementwise(name: str, x: Any, inplace: bool = False) -> Enclosed:
    """A function of one number, by its name in RANGES."""
    if inplace:
        refuse(f"'{name}' with inplace=True")
    x = lifted(x)
    if name not in EXACT:
        only_double(x, name)
    if name == "relu":
        note("compares")
    elif name in DOMAINS and bool((x.value.lo < DOMAINS[name] - 1e-300).any()):  # rounding moves 0 by less
        note("has no value")
    return mapped(name, x)


def raised(x: Any, exponent: Any) -> Enclosed:
    """x to a whole power from −8 to 8, or its root."""
    x = lifted(x)
    only_double(x, "pow")
    if isinstance(exponent, Enclosed | Tensor):
        refuse("a power whose exponent is a tensor")
    if exponent == 0.5:
        return elementwise("sqrt", x)
    if not isinstance(exponent, int | float) or exponent != int(exponent) or not -8 <= exponent <= 8 or exponent == 0:
        refuse(f"a power of {exponent}")
    if exponent < 0:
        return mapped("reciprocal", raised(x, -exponent))
    if exponent == 1:
        return x
    n, value = int(exponent), power(x.value, int(exponent))
    slope = Interval.of(float(n)) * power(x.value, n - 1)
    return Enclosed(value, None if x.gradient is None else _wider(slope) * x.gradient)
