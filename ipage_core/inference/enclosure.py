"""Runs ordinary PyTorch code on boxes: encloses Ω and its gradient over a box, by ``__torch_function__``.

An Ω written with the operations below needs no change. Any other operation raises :class:`NoRule` with its name. The
enclosure is that of the exact function in the code, with its constants in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

import torch
from torch import Tensor

from ipage_core.inference.intervals import RANGES, SLOPES, Interval, power

DOMAINS = {"sqrt": 0.0, "log": 0.0, "log1p": -1.0}
"""From where on these functions have values."""
_seen: ContextVar[set[str] | None] = ContextVar("seen", default=None)


class NoRule(ValueError):
    """Ω uses an operation without a rule here; the message names it."""


def _refuse(what: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise NoRule(f"no proof available: there is no interval rule for {what}")

    return refuse


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


def _note(what: str) -> None:
    if (seen := _seen.get()) is not None:
        seen.add(what)


class Enclosure:
    """Values of Ω over boxes: ``value`` (n, …), and ``gradient`` (n, …, d) with respect to the d inputs.

    The gradient is None for a constant, or if it was not requested.
    """

    def __init__(self, value: Interval, gradient: Interval | None = None) -> None:
        self.value = value
        self.gradient = gradient

    @classmethod
    def variables(cls, box: Interval, gradient: bool = True) -> Enclosure:
        """The inputs x, anywhere in boxes (n, d)."""
        n, d = box.lo.shape
        return cls(box, Interval(torch.eye(d, dtype=torch.float64).expand(n, d, d)) if gradient else None)

    shape = property(lambda self: self.value.lo.shape)
    ndim = property(lambda self: self.value.lo.dim())
    dtype = property(lambda self: torch.float64)
    device = property(lambda self: self.value.lo.device)
    requires_grad = property(lambda self: False)

    def dim(self) -> int:
        """Number of dimensions."""
        return self.value.lo.dim()

    def size(self, dim: int | None = None) -> Any:
        """As for a tensor."""
        return self.shape if dim is None else self.shape[dim]

    def __len__(self) -> int:
        return len(self.value.lo)

    def __iter__(self) -> Any:
        return iter(self.unbind(0))

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Every torch function that meets an Enclosure arrives here.

        A custom function that calls ``torch.overrides.handle_torch_function`` may have its rule in an attribute
        ``enclosure``.
        """
        if hasattr(func, "enclosure"):
            return func.enclosure(*args, **(kwargs or {}))
        return _apply(func.__name__, args, kwargs or {})

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """NumPy's elementwise functions arrive here."""
        if method != "__call__" or kwargs:
            raise NoRule(f"no proof available: there is no interval rule for this use of numpy's '{ufunc.__name__}'")
        return _apply(ufunc.__name__, inputs, {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if not hasattr(Tensor, name):
            raise AttributeError(f"a tensor has no attribute '{name}'")
        return lambda *args, **kwargs: _apply(name, (self, *args), kwargs)

    def __getitem__(self, key: Any) -> Enclosure:
        key = key if isinstance(key, tuple) else (key,)
        if any(isinstance(part, Enclosure) for part in key):
            raise NoRule("no proof available: there is no interval rule for x[…] with an index that depends on x")
        whole = key if not any(part is Ellipsis for part in key) else (*key, slice(None))
        gradient = None if self.gradient is None else self.gradient.each(lambda t: t[whole])
        kind = Condition if isinstance(self, Condition) else Enclosure
        return kind(self.value.each(lambda t: t[key]), gradient)

    __setitem__ = _refuse("assignment to parts of a tensor")
    __bool__ = _refuse("a branch on the value of x, as 'if' and 'max' of Python (torch.where has one)")
    __hash__ = None  # type: ignore[assignment]
    __float__ = __int__ = __index__ = _refuse("a number taken out of a tensor, as functions of 'math' do")
    __array__ = _refuse("numpy")

    def __lt__(self, other: Any) -> Condition:
        return _less(self, other)

    def __gt__(self, other: Any) -> Condition:
        return _less(other, self)

    def __le__(self, other: Any) -> Condition:
        return ~_less(other, self)

    def __ge__(self, other: Any) -> Condition:
        return ~_less(self, other)

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]
        return _equal(self, other)

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]
        return ~_equal(self, other)

    def __abs__(self) -> Enclosure:
        return _elementwise("abs", self)

    def __neg__(self) -> Enclosure:
        return Enclosure(-self.value, None if self.gradient is None else -self.gradient)

    def __add__(self, other: Any) -> Enclosure:
        return _add(self, other)

    def __sub__(self, other: Any) -> Enclosure:
        return _add(self, -_lift(other))

    def __rsub__(self, other: Any) -> Enclosure:
        return _add(other, -self)

    def __mul__(self, other: Any) -> Enclosure:
        return _multiply(self, other)

    def __truediv__(self, other: Any) -> Enclosure:
        return _multiply(self, _elementwise("reciprocal", _lift(other)))

    def __rtruediv__(self, other: Any) -> Enclosure:
        return _multiply(other, _elementwise("reciprocal", self))

    def __pow__(self, exponent: Any) -> Enclosure:
        return _power(self, exponent)

    def __matmul__(self, matrix: Any) -> Enclosure:
        return _linear(self, matrix.T)

    __radd__, __rmul__ = __add__, __mul__
    __rmatmul__ = _refuse("a constant matrix times x (x times a matrix has one)")


class Condition(Enclosure):
    """Whether a comparison holds: 1 in boxes where it does, 0 where it does not, [0, 1] where both occur.

    It may jump there, so its slopes have no bounds. It is no plain 0 or 1: the sum of two conditions is their "or".
    """

    @classmethod
    def of(cls, surely: Tensor, never: Tensor, d: int | None) -> Condition:
        """A condition that surely holds, or never does, (n, …) bool, with slopes for d inputs."""
        value = Interval(surely.double(), (~never).double())
        return cls(value, None if d is None else _jumps(~surely & ~never, d))

    def __invert__(self) -> Condition:
        return Condition(Interval(1 - self.value.hi, 1 - self.value.lo), self.gradient)

    def __and__(self, other: Any) -> Condition:
        a, b = self.value, _condition(other).value
        return Condition.of((a.lo > 0) & (b.lo > 0), (a.hi < 1) | (b.hi < 1), _inputs(self, _lift(other)))

    def __or__(self, other: Any) -> Condition:
        return ~(~self & ~_condition(other))

    def __add__(self, other: Any) -> Enclosure:
        return _add(self, other)

    __rand__, __ror__, __radd__ = __and__, __or__, __add__
    where = _refuse("'where' as a method of a condition (torch.where has one)")


def _jumps(undecided: Tensor, d: int) -> Interval:
    """Slopes (n, …, d) of what is constant except where it is undecided, (n, …) bool."""
    most = torch.where(undecided, math.inf, 0.0).double()[..., None].expand(*undecided.shape, d)
    return Interval(-most, most)


def _condition(value: Any) -> Condition:
    if not _decides(value):
        raise NoRule(
            "no proof available: there is no interval rule for 'and', 'or', 'not' of numbers, only of conditions"
        )
    lifted = _lift(value)
    return Condition(lifted.value, lifted.gradient)


def _less(a: Any, b: Any) -> Condition:
    _note("compares")
    a, b = _lift(a), _lift(b)
    return Condition.of(a.value.hi < b.value.lo, a.value.lo >= b.value.hi, _inputs(a, b))


def _equal(a: Any, b: Any) -> Condition:
    _note("compares")
    a, b = _lift(a), _lift(b)
    x, y = a.value, b.value
    never = (x.hi < y.lo) | (y.hi < x.lo)
    return Condition.of((x.lo == y.hi) & (x.hi == y.lo) & ~never, never, _inputs(a, b))


def _where(condition: Any, a: Any, b: Any) -> Enclosure:
    """The hull of a and b where the condition is undecided; its slopes have no bounds there, because it may jump."""
    if not _decides(condition):
        condition, a = a, condition  # a.where(condition, b)
    if not _decides(condition) or _decides(a):
        raise NoRule("no proof available: there is no interval rule for this use of 'where'")
    condition, a, b = _lift(condition), _lift(a), _lift(b)
    yes, no = condition.value.lo > 0, condition.value.hi < 1
    value, d = _hull(yes, no, a.value, b.value), _inputs(condition, a, b)
    if d is None:
        return Enclosure(value)
    slopes = _hull(yes[..., None], no[..., None], _slopes(a, d), _slopes(b, d))
    jumps = _jumps((~yes & ~no).expand(value.lo.shape), d)
    return Enclosure(value, _filled(slopes + jumps, value))


def _decides(value: Any) -> bool:
    return isinstance(value, Condition) or (isinstance(value, Tensor) and value.dtype == torch.bool)


def _hull(yes: Tensor, no: Tensor, a: Interval, b: Interval) -> Interval:
    """a where ``yes``, b where ``no``, else both."""
    lo, hi = torch.minimum(a.lo, b.lo), torch.maximum(a.hi, b.hi)
    return Interval(
        torch.where(yes, a.lo, torch.where(no, b.lo, lo)), torch.where(yes, a.hi, torch.where(no, b.hi, hi))
    )


def _inputs(*parts: Enclosure) -> int | None:
    """The number d of inputs, if gradients were requested."""
    return next((part.gradient.lo.shape[-1] for part in parts if part.gradient is not None), None)


def _slopes(part: Enclosure, d: int) -> Interval:
    """The gradient, zero for a constant."""
    return part.gradient or Interval(torch.zeros(*part.shape, d, dtype=torch.float64))


def _larger(a: Any, b: Any) -> Enclosure:
    """The larger one; where both may be, the hull of their slopes, because it does not jump."""
    _note("compares")
    a, b = _lift(a), _lift(b)
    value = Interval(torch.maximum(a.value.lo, b.value.lo), torch.maximum(a.value.hi, b.value.hi))
    yes, no = a.value.lo > b.value.hi, a.value.hi < b.value.lo
    d = _inputs(a, b)
    if d is None:
        return Enclosure(value)
    return Enclosure(value, _filled(_hull(yes[..., None], no[..., None], _slopes(a, d), _slopes(b, d)), value))


def _lift(value: Any) -> Enclosure:
    """The value as an Enclosure; constants are converted."""
    return value if isinstance(value, Enclosure) else Enclosure(Interval.of(value))


def _wider(value: Interval) -> Interval:
    """(n, …) → (n, …, 1), to broadcast with a gradient."""
    return value.each(lambda t: t.unsqueeze(-1))


def _together(a: Interval | None, b: Interval | None) -> Interval | None:
    return a if b is None else b if a is None else a + b


def _add(a: Any, b: Any, *, alpha: float = 1) -> Enclosure:
    if (_decides(a) or isinstance(a, bool)) and (_decides(b) or isinstance(b, bool)):
        raise NoRule("no proof available: there is no interval rule for the sum of two conditions")
    a, b = _lift(a), _lift(b) if alpha == 1 else _multiply(b, alpha)
    value = a.value + b.value
    gradient = _together(a.gradient, b.gradient)
    return Enclosure(value, _filled(gradient, value))


def _filled(gradient: Interval | None, value: Interval) -> Interval | None:
    """The gradient in the shape of the value, which a constant may have broadcast."""
    if gradient is None:
        return None
    shape = (*value.lo.shape, gradient.lo.shape[-1])
    return gradient if gradient.lo.shape == shape else gradient.each(lambda t: t.expand(shape))


def _multiply(a: Any, b: Any) -> Enclosure:
    a, b = _lift(a), _lift(b)
    value = a.value * b.value
    left = None if a.gradient is None else a.gradient * _wider(b.value)
    right = None if b.gradient is None else b.gradient * _wider(a.value)
    return Enclosure(value, _filled(_together(left, right), value))


def _elementwise(name: str, x: Enclosure) -> Enclosure:
    if name == "relu":
        _note("compares")
    elif name in DOMAINS and bool((x.value.lo < DOMAINS[name] - 1e-300).any()):  # rounding moves 0 by less
        _note("has no value")
    value = RANGES[name](x.value)
    gradient = None if x.gradient is None else _wider(SLOPES[name](x.value, value)) * x.gradient
    return Enclosure(value, gradient)


def _power(x: Enclosure, exponent: Any) -> Enclosure:
    if isinstance(exponent, Enclosure | Tensor):
        raise NoRule("no proof available: there is no interval rule for a power whose exponent is a tensor")
    if exponent == 0.5:
        return _elementwise("sqrt", x)
    if not isinstance(exponent, int | float) or exponent != int(exponent) or not -8 <= exponent <= 8 or exponent == 0:
        raise NoRule(f"no proof available: there is no interval rule for a power of {exponent}")
    if exponent < 0:
        return _elementwise("reciprocal", _power(x, -exponent))
    if exponent == 1:
        return x
    n, value = int(exponent), power(x.value, int(exponent))
    slope = Interval.of(float(n)) * (power(x.value, n - 1) if n > 2 else x.value)
    return Enclosure(value, None if x.gradient is None else _wider(slope) * x.gradient)


def _rearranged(parts: Sequence[Any], dim: int, join: Callable[..., Tensor]) -> Enclosure:
    lifted = [_lift(part) for part in parts]
    value = Interval(join([p.value.lo for p in lifted], dim), join([p.value.hi for p in lifted], dim))
    gradients_given = [p.gradient for p in lifted if p.gradient is not None]
    if not gradients_given:
        return Enclosure(value)
    d, inner = gradients_given[0].lo.shape[-1], dim if dim >= 0 else dim - 1
    zero = [Interval(torch.zeros(*p.shape, d, dtype=torch.float64)) for p in lifted]
    gradients = [z if p.gradient is None else p.gradient for p, z in zip(lifted, zero, strict=True)]
    return Enclosure(value, Interval(join([g.lo for g in gradients], inner), join([g.hi for g in gradients], inner)))


def _unbind(x: Enclosure, dim: int = 0) -> tuple[Enclosure, ...]:
    dim = dim if dim >= 0 else x.dim() + dim
    return tuple(x[(slice(None),) * dim + (i,)] for i in range(x.shape[dim]))


def _sum(x: Enclosure, dim: Any = None, keepdim: bool = False) -> Enclosure:
    if not isinstance(dim, int):
        dims = range(x.dim()) if dim is None else dim
        for one in sorted((k if k >= 0 else x.dim() + k for k in dims), reverse=True):
            x = _sum(x, one, keepdim)
        return x
    dim = dim if dim >= 0 else x.dim() + dim
    total = Enclosure(x.value.sum(dim), None if x.gradient is None else x.gradient.sum(dim))
    return _unsqueeze(total, dim) if keepdim else total


def _mean(x: Enclosure, dim: int, keepdim: bool = False) -> Enclosure:
    return _sum(x, dim, keepdim) / x.shape[dim]


def _cumsum(x: Enclosure, dim: int) -> Enclosure:
    parts: list[Enclosure] = []
    for part in _unbind(x, dim):
        parts.append(part if not parts else parts[-1] + part)
    return _rearranged(parts, dim, torch.stack)


def _unsqueeze(x: Enclosure, dim: int) -> Enclosure:
    inner = dim if dim >= 0 else dim - 1
    gradient = None if x.gradient is None else x.gradient.each(lambda t: t.unsqueeze(inner))
    return type(x)(x.value.each(lambda t: t.unsqueeze(dim)), gradient)


def _reshape(x: Enclosure, *shape: Any) -> Enclosure:
    value = x.value.each(lambda t: t.reshape(*shape))
    gradient = x.gradient
    return type(x)(value, gradient and gradient.each(lambda t: t.reshape(*value.lo.shape, t.shape[-1])))


def _linear(x: Enclosure, weight: Tensor, bias: Tensor | None = None) -> Enclosure:
    """x Wᵀ + b."""
    if isinstance(weight, Enclosure) or weight.dim() != 2:
        raise NoRule("no proof available: there is no interval rule for a product of two matrices that depend on x")
    gradient = x.gradient
    if gradient is not None:
        swapped = gradient.each(lambda t: t.transpose(-1, -2)).times_matrix(weight.T)
        gradient = swapped.each(lambda t: t.transpose(-1, -2))
    y = Enclosure(x.value.times_matrix(weight.T), gradient)
    return y if bias is None else y + bias


def _clamp(x: Enclosure, min: float | None = None, max: float | None = None) -> Enclosure:
    if min is not None:
        x = _elementwise("relu", x - min) + min
    return x if max is None else max - _elementwise("relu", max - x)


def _to(x: Any, *args: Any, **kwargs: Any) -> Any:
    wanted = [part for part in (*args, *kwargs.values()) if isinstance(part, torch.dtype)]
    if any(part is not torch.float64 for part in wanted):
        raise NoRule(f"no proof available: there is no interval rule for rounding to {wanted[0]}")
    return x if isinstance(x, Enclosure) else x.double()  # convert a constant to the type of an Enclosure


def _norm(
    x: Enclosure,
    p: Any = 2,
    dim: Any = None,
    keepdim: bool = False,
    *,
    ord: Any = None,
    out: None = None,
    dtype: Any = None,
) -> Enclosure:
    order = p if ord is None else ord
    if out is not None or dtype not in (None, torch.float64):
        raise NoRule("no proof available: there is no interval rule for this use of 'norm'")
    if order not in (2, 2.0, "fro"):
        raise NoRule(f"no proof available: there is no interval rule for a norm of order {order}")
    return _elementwise("sqrt", _sum(_elementwise("square", x), dim, keepdim))


_RULES: dict[str, Callable[..., Any]] = {
    "add": _add,
    "sub": lambda a, b, *, alpha=1: _add(a, -(_lift(b) if alpha == 1 else _multiply(b, alpha))),
    "rsub": lambda a, b: _add(b, -a),
    "mul": _multiply,
    "div": lambda a, b: _multiply(a, _elementwise("reciprocal", _lift(b))),
    "neg": lambda a: -a,
    "lt": lambda a, b: _less(a, b),
    "gt": lambda a, b: _less(b, a),
    "le": lambda a, b: ~_less(b, a),
    "ge": lambda a, b: ~_less(a, b),
    "eq": lambda a, b: _equal(a, b),
    "ne": lambda a, b: ~_equal(a, b),
    "logical_and": lambda a, b: _condition(a) & b,
    "logical_or": lambda a, b: _condition(a) | b,
    "logical_not": lambda a: ~_condition(a),
    "where": lambda condition, a, b: _where(condition, a, b),
    "masked_fill": lambda x, mask, value: _where(mask, value, x),
    "maximum": lambda a, b: _larger(a, b),
    "minimum": lambda a, b: -_larger(-_lift(a), -_lift(b)),
    "pow": _power,
    "stack": lambda parts, dim=0: _rearranged(parts, dim, torch.stack),
    "cat": lambda parts, dim=0: _rearranged(parts, dim, torch.cat),
    "unbind": _unbind,
    "sum": _sum,
    "mean": _mean,
    "cumsum": _cumsum,
    "unsqueeze": _unsqueeze,
    "reshape": _reshape,
    "view": _reshape,
    "flatten": lambda x, start_dim=0: _reshape(x, (*x.shape[:start_dim], -1)),
    "squeeze": lambda x, dim: x if x.shape[dim] != 1 else _unbind(x, dim)[0],
    "linear": _linear,
    "matmul": lambda x, matrix: x @ matrix if isinstance(x, Enclosure) else matrix.__rmatmul__(x),
    "clamp": _clamp,
    "norm": _norm,
    "linalg_norm": lambda x, ord=None, dim=None, keepdim=False: (
        _norm(x, 2, dim, keepdim, ord=ord) if ord is None or isinstance(dim, int) else _refuse("a norm of matrices")()
    ),
    "to": _to,
    "double": lambda x: x,
    "detach": lambda x: x,
    "clone": lambda x: x,
    "contiguous": lambda x: x,
    "new_tensor": lambda x, data, **_: torch.as_tensor(data, dtype=torch.float64),
    "new_zeros": lambda x, *shape, **_: torch.zeros(*shape, dtype=torch.float64),
    "new_ones": lambda x, *shape, **_: torch.ones(*shape, dtype=torch.float64),
    "zeros_like": lambda x, **_: torch.zeros(x.shape, dtype=torch.float64),
    "ones_like": lambda x, **_: torch.ones(x.shape, dtype=torch.float64),
    "full_like": lambda x, value, **_: torch.full(x.shape, value, dtype=torch.float64),
}
_SAME = {
    "true_divide": "div", "divide": "div", "multiply": "mul", "subtract": "sub", "negative": "neg", "clip": "clamp",
    "less": "lt", "greater": "gt", "less_equal": "le", "greater_equal": "ge", "not_equal": "ne",
    "bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_not": "logical_not", "and": "logical_and",
    "or": "logical_or", "concat": "cat", "concatenate": "cat", "absolute": "abs", "arctan": "atan",
    "vector_norm": "norm", "linalg_vector_norm": "norm", "power": "pow",
}  # fmt: skip


def _apply(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    plain = name.strip("_")
    plain = _SAME.get(plain, plain)
    if name.endswith("_") and not name.endswith("__"):
        raise NoRule(f"no proof available: there is no interval rule for {name}, which changes a tensor in place")
    if plain in RANGES and isinstance(args[0], Enclosure):
        return _elementwise(plain, args[0])
    if plain not in _RULES and plain not in RANGES:
        raise NoRule(f"no proof available: there is no interval rule for '{plain}'")
    try:
        return _RULES[plain](*args, **kwargs)
    except (TypeError, KeyError):
        raise NoRule(f"no proof available: there is no interval rule for this use of '{plain}'") from None
