"""Interval rules of PyTorch's operations beyond arithmetic, and the table of all: by name of the operation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from ipage_core.inference.enclosed import (
    Enclosed,
    add,
    cast,
    divide,
    elementwise,
    filled,
    inputs,
    lifted,
    multiply,
    negative,
    note,
    only_double,
    pair,
    raised,
    refuse,
    slopes_of,
    subtract,
    total,
)
from ipage_core.inference.intervals import Interval

# Conditions and choices


def _decides(value: Any) -> bool:
    return isinstance(value, Enclosed | Tensor) and value.dtype == torch.bool


def _condition(surely: Tensor, never: Tensor, d: int | None) -> Enclosed:
    """A condition that surely holds, or never does, (n, …) bool, with slopes for d inputs."""
    value = Interval(surely.double(), (~never).double())
    return Enclosed(value, None if d is None else _jumps(~surely & ~never, d), torch.bool)


def _jumps(undecided: Tensor, d: int) -> Interval:
    """Slopes (n, …, d) of what is constant except where it is undecided, (n, …) bool."""
    most = torch.where(undecided, math.inf, 0.0).double()[..., None].expand(*undecided.shape, d)
    return Interval(-most, most)


def _conditions(*values: Any) -> list[Enclosed]:
    if not all(map(_decides, values)):
        refuse("'and', 'or', 'not' of numbers, only of conditions")
    return [lifted(value) for value in values]


def _not(a: Any) -> Enclosed:
    [a] = _conditions(a)
    return Enclosed(Interval(1 - a.value.hi, 1 - a.value.lo), a.gradient, torch.bool)


def _and(a: Any, b: Any) -> Enclosed:
    a, b = _conditions(a, b)
    surely, never = (a.value.lo > 0) & (b.value.lo > 0), (a.value.hi < 1) | (b.value.hi < 1)
    return _condition(surely, never, inputs(a, b))


def _less(a: Any, b: Any) -> Enclosed:
    note("compares")
    a, b = pair(a, b)
    return _condition(a.value.hi < b.value.lo, a.value.lo >= b.value.hi, inputs(a, b))


def _equal(a: Any, b: Any) -> Enclosed:
    note("compares")
    a, b = pair(a, b)
    x, y = a.value, b.value
    never = (x.hi < y.lo) | (y.hi < x.lo)
    return _condition((x.lo == y.hi) & (x.hi == y.lo) & ~never, never, inputs(a, b))


def _where(condition: Any, a: Any, b: Any) -> Enclosed:
    """The hull of a and b where the condition is undecided; its slopes have no bounds there, because it may jump."""
    if not _decides(condition):
        condition, a = a, condition  # a.where(condition, b)
    if not _decides(condition) or _decides(a):
        refuse("this use of 'where'")
    condition, (a, b) = lifted(condition), pair(a, b)
    yes, no = condition.value.lo > 0, condition.value.hi < 1
    value, d = _hull(yes, no, a.value, b.value), inputs(condition, a, b)
    if d is None:
        return Enclosed(value, None, a.dtype)
    slopes = _hull(yes[..., None], no[..., None], slopes_of(a, d), slopes_of(b, d))
    jumps = _jumps((~yes & ~no).expand(value.lo.shape), d)
    return Enclosed(value, filled(slopes + jumps, value), a.dtype)


def _masked_fill(x: Any, mask: Any, value: Any) -> Enclosed:
    x = lifted(x)
    if not x.dtype.is_floating_point:
        refuse(f"'masked_fill' of numbers of {x.dtype}")
    return _where(mask, cast(value, x.dtype), x)


def _hull(yes: Tensor, no: Tensor, a: Interval, b: Interval) -> Interval:
    """a where ``yes``, b where ``no``, else both."""
    lo, hi = torch.minimum(a.lo, b.lo), torch.maximum(a.hi, b.hi)
    return Interval(
        torch.where(yes, a.lo, torch.where(no, b.lo, lo)), torch.where(yes, a.hi, torch.where(no, b.hi, hi))
    )


def _larger(a: Any, b: Any) -> Enclosed:
    """The larger one; where both may be, the hull of their slopes, because it does not jump."""
    note("compares")
    a, b = pair(a, b)
    value = Interval(torch.maximum(a.value.lo, b.value.lo), torch.maximum(a.value.hi, b.value.hi))
    yes, no = a.value.lo > b.value.hi, a.value.hi < b.value.lo
    d = inputs(a, b)
    if d is None:
        return Enclosed(value, None, a.dtype)
    slopes = _hull(yes[..., None], no[..., None], slopes_of(a, d), slopes_of(b, d))
    return Enclosed(value, filled(slopes, value), a.dtype)


def _smaller(a: Any, b: Any) -> Enclosed:
    a, b = pair(a, b)
    return negative(_larger(negative(a), negative(b)))


def _clamp(x: Any, min: Any = None, max: Any = None) -> Enclosed:
    x = lifted(x)
    only_double(x, "clamp")
    if min is not None:
        x = add(elementwise("relu", subtract(x, min)), min)
    return x if max is None else subtract(max, elementwise("relu", subtract(max, x)))


# Parts, sums and shapes


def part(x: Enclosed, key: Any) -> Enclosed:
    """x[key]."""
    key = key if isinstance(key, tuple) else (key,)
    if any(isinstance(one, Enclosed) for one in key):
        refuse("x[…] with an index that depends on x")
    whole = key if not any(one is Ellipsis for one in key) else (*key, slice(None))
    gradient = None if x.gradient is None else x.gradient.each(lambda t: t[whole])
    return Enclosed(x.value.each(lambda t: t[key]), gradient, x.dtype)


def _unbind(x: Enclosed, dim: int = 0) -> tuple[Enclosed, ...]:
    dim = dim if dim >= 0 else x.dim() + dim
    return tuple(part(x, (slice(None),) * dim + (i,)) for i in range(x.shape[dim]))


def _joined(parts: Sequence[Any], dim: int, join: Callable[..., Tensor]) -> Enclosed:
    lifts = [lifted(one) for one in parts]
    dtype = reduce(torch.promote_types, (one.dtype for one in lifts))
    lifts = [cast(one, dtype) for one in lifts]
    value = Interval(join([one.value.lo for one in lifts], dim), join([one.value.hi for one in lifts], dim))
    d, inner = inputs(*lifts), dim if dim >= 0 else dim - 1
    if d is None:
        return Enclosed(value, None, dtype)
    slopes = [slopes_of(one, d) for one in lifts]
    gradient = Interval(join([s.lo for s in slopes], inner), join([s.hi for s in slopes], inner))
    return Enclosed(value, gradient, dtype)


def _sum(x: Enclosed, dim: Any = None, keepdim: bool = False) -> Enclosed:
    if not isinstance(dim, int):
        dims = range(x.dim()) if dim is None else dim
        for one in sorted((k if k >= 0 else x.dim() + k for k in dims), reverse=True):
            x = _sum(x, one, keepdim)
        return x
    dtype = x.dtype
    if dtype != torch.float64:
        dtype = _whole(x, "sum")
    dim = dim if dim >= 0 else x.dim() + dim
    total = Enclosed(x.value.sum(dim), None if x.gradient is None else x.gradient.sum(dim), dtype)
    return _unsqueeze(total, dim) if keepdim else total


def _whole(x: Enclosed, name: str) -> torch.dtype:
    """The type of sums of conditions and whole numbers."""
    if x.dtype.is_floating_point:
        only_double(x, name)
    return torch.int64


def _mean(x: Enclosed, dim: int, keepdim: bool = False) -> Enclosed:
    only_double(x, "mean")
    return divide(_sum(x, dim, keepdim), x.shape[dim])


def _cumsum(x: Enclosed, dim: int) -> Enclosed:
    if x.dtype != torch.float64:
        x = cast(x, _whole(x, "cumsum"))
    parts: list[Enclosed] = []
    for one in _unbind(x, dim):
        parts.append(one if not parts else total(parts[-1], one))
    return _joined(parts, dim, torch.stack)


def _unsqueeze(x: Enclosed, dim: int) -> Enclosed:
    inner = dim if dim >= 0 else dim - 1
    gradient = None if x.gradient is None else x.gradient.each(lambda t: t.unsqueeze(inner))
    return Enclosed(x.value.each(lambda t: t.unsqueeze(dim)), gradient, x.dtype)


def _reshape(x: Enclosed, *shape: Any) -> Enclosed:
    value = x.value.each(lambda t: t.reshape(*shape))
    gradient = x.gradient and x.gradient.each(lambda t: t.reshape(*value.lo.shape, t.shape[-1]))
    return Enclosed(value, gradient, x.dtype)


def _linear(x: Enclosed, weight: Any, bias: Any = None) -> Enclosed:
    """x Wᵀ + b."""
    if isinstance(weight, Enclosed) or weight.dim() != 2:
        refuse("a product of two matrices that depend on x")
    only_double(x, "linear")
    gradient = x.gradient
    if gradient is not None:
        swapped = gradient.each(lambda t: t.transpose(-1, -2)).times_matrix(weight.T)
        gradient = swapped.each(lambda t: t.transpose(-1, -2))
    y = Enclosed(x.value.times_matrix(weight.T), gradient)
    return y if bias is None else add(y, bias)


def _matmul(x: Any, matrix: Any) -> Enclosed:
    if not isinstance(x, Enclosed):
        refuse("a constant matrix times x (x times a matrix has one)")
    return _linear(x, matrix if isinstance(matrix, Enclosed) else matrix.T)


def _norm(
    x: Enclosed,
    p: Any = 2,
    dim: Any = None,
    keepdim: bool = False,
    *,
    ord: Any = None,
    out: None = None,
    dtype: Any = None,
) -> Enclosed:
    order = p if ord is None else ord
    if out is not None or dtype not in (None, torch.float64):
        refuse("this use of 'norm'")
    if order not in (2, "fro"):
        refuse(f"a norm of order {order}")
    return elementwise("sqrt", _sum(elementwise("square", x), dim, keepdim))


def _matrix_norm(x: Enclosed, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Enclosed:
    if ord is not None and not isinstance(dim, int):
        refuse("a norm of matrices")
    return _norm(x, 2, dim, keepdim, ord=ord)


# Types


def _to(x: Any, *args: Any, **kwargs: Any) -> Any:
    """x.to(…): of a type, of another tensor's type, or of a device."""
    given = [getattr(one, "dtype", one) for one in (*args, *kwargs.values())]
    dtype = next((one for one in given if isinstance(one, torch.dtype)), None)
    if not isinstance(x, Enclosed):
        return x if dtype is None else x.to(dtype)
    if dtype in (None, x.dtype):
        return x
    widens = dtype == torch.float64 or x.dtype == torch.bool or (dtype == torch.float32 and x.dtype == torch.int64)
    return cast(x, dtype) if widens else refuse(f"rounding to {dtype}")


def _constant(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A new tensor of x's type, if no other is given."""
    return lambda x, *args, dtype=None, **_: make(x, *args).to(x.dtype if dtype is None else dtype)


RULES: dict[str, Callable[..., Any]] = {
    "add": add,
    "sub": subtract,
    "rsub": lambda a, b: subtract(b, a),
    "mul": multiply,
    "div": divide,
    "neg": negative,
    "pow": raised,
    "lt": _less,
    "gt": lambda a, b: _less(b, a),
    "le": lambda a, b: _not(_less(b, a)),
    "ge": lambda a, b: _not(_less(a, b)),
    "eq": _equal,
    "ne": lambda a, b: _not(_equal(a, b)),
    "logical_and": _and,
    "logical_or": lambda a, b: _not(_and(_not(a), _not(b))),
    "logical_not": _not,
    "where": _where,
    "masked_fill": _masked_fill,
    "maximum": _larger,
    "minimum": _smaller,
    "clamp": _clamp,
    "getitem": part,
    "unbind": _unbind,
    "stack": lambda parts, dim=0: _joined(parts, dim, torch.stack),
    "cat": lambda parts, dim=0: _joined(parts, dim, torch.cat),
    "sum": _sum,
    "mean": _mean,
    "cumsum": _cumsum,
    "unsqueeze": _unsqueeze,
    "squeeze": lambda x, dim: x if x.shape[dim] != 1 else _unbind(x, dim)[0],
    "reshape": _reshape,
    "flatten": lambda x, start_dim=0: _reshape(x, (*x.shape[:start_dim], -1)),
    "linear": _linear,
    "matmul": _matmul,
    "norm": _norm,
    "linalg_norm": _matrix_norm,
    "to": _to,
    "double": lambda x: _to(x, torch.float64),
    "float": lambda x: _to(x, torch.float32),
    "detach": lambda x: x,
    "clone": lambda x: x,
    "contiguous": lambda x: x,
    "new_tensor": _constant(lambda x, data: torch.as_tensor(data, dtype=torch.float64)),
    "new_zeros": _constant(lambda x, *shape: torch.zeros(*shape)),
    "new_ones": _constant(lambda x, *shape: torch.ones(*shape)),
    "zeros_like": _constant(lambda x: torch.zeros(x.shape)),
    "ones_like": _constant(lambda x: torch.ones(x.shape)),
    "full_like": _constant(lambda x, value: torch.full(x.shape, value, dtype=torch.float64)),
}
"""Name of an operation → its rule; functions of one number are in RANGES."""
