"""Runs ordinary PyTorch code on boxes: encloses Ω and its gradient over a box, by ``__torch_function__``.

An Ω written with the operations of :mod:`ipage_core.inference.rules` needs no change. Any other operation raises
:class:`~ipage_core.inference.enclosed.NoRule` with its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor

from ipage_core.inference.enclosed import Enclosed, NoRule, elementwise, refuse
from ipage_core.inference.intervals import RANGES, Interval
from ipage_core.inference.rules import RULES

SAME = {
    "true_divide": "div", "divide": "div", "multiply": "mul", "subtract": "sub", "negative": "neg", "clip": "clamp",
    "less": "lt", "greater": "gt", "less_equal": "le", "greater_equal": "ge", "not_equal": "ne",
    "bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_not": "logical_not", "and": "logical_and",
    "or": "logical_or", "concat": "cat", "concatenate": "cat", "absolute": "abs", "arctan": "atan", "view": "reshape",
    "vector_norm": "norm", "linalg_vector_norm": "norm", "power": "pow",
}  # fmt: skip
"""Further names of operations."""
VIEWS = ("getitem", "unbind", "reshape", "flatten", "unsqueeze", "squeeze", "detach", "to", "double", "contiguous")
"""Operations whose result may share its memory with the tensor that it is made of."""


def _operator(name: str) -> Any:
    return lambda self, *others: _apply(name, (self, *others), {})


def _reflected(name: str) -> Any:
    return lambda self, other: _apply(name, (other, self), {})


def _in_place(name: str) -> Any:
    def change(self: Enclosure, other: Any) -> Enclosure:
        if self.shared:
            refuse(f"'{name}' in place on a tensor that shares its memory with another one, as x[:, 0] does with x")
        result = _apply(name, (self, other), {})
        if result.dtype != self.dtype or result.shape != self.shape:
            refuse(f"'{name}' in place with another type or shape")
        self.value, self.gradient = result.value, result.gradient
        return self

    return change


def _refused(what: str) -> Callable[..., NoReturn]:
    return lambda *_, **__: refuse(what)


class Enclosure(Enclosed):
    """What stands in for a tensor: values of Ω over boxes (n, …), and their gradient (n, …, d) by the d inputs."""

    shared = False
    """Whether another Enclosure may stand for the same memory."""

    @classmethod
    def variables(cls, box: Interval, gradient: bool = True) -> Enclosure:
        """The inputs x, anywhere in boxes (n, d)."""
        n, d = box.lo.shape
        return cls(box, Interval(torch.eye(d, dtype=torch.float64).expand(n, d, d)) if gradient else None)

    ndim = property(lambda self: self.dim())
    device = property(lambda self: self.value.lo.device)
    requires_grad = property(lambda self: False)

    def size(self, dim: int | None = None) -> Any:
        """As for a tensor."""
        return self.shape if dim is None else self.shape[dim]

    def __len__(self) -> int:
        return len(self.value.lo)

    def __iter__(self) -> Any:
        return iter(_apply("unbind", (self,), {}))

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
            refuse(f"this use of numpy's '{ufunc.__name__}'")
        return _apply(ufunc.__name__, inputs, {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if not hasattr(Tensor, name):
            raise AttributeError(f"a tensor has no attribute '{name}'")
        if not callable(getattr(Tensor, name)):
            refuse(f"the attribute '{name}' of a tensor")
        return lambda *args, **kwargs: _apply(name, (self, *args), kwargs)

    __add__, __sub__, __mul__, __truediv__ = map(_operator, ("add", "sub", "mul", "div"))
    __radd__, __rsub__, __rmul__, __rtruediv__ = map(_reflected, ("add", "sub", "mul", "div"))
    __neg__, __abs__, __pow__, __matmul__, __getitem__ = map(_operator, ("neg", "abs", "pow", "matmul", "getitem"))
    __lt__, __gt__, __le__, __ge__, __eq__, __ne__ = map(_operator, ("lt", "gt", "le", "ge", "eq", "ne"))
    __and__, __or__, __invert__ = map(_operator, ("logical_and", "logical_or", "logical_not"))
    __rand__, __ror__ = __and__, __or__
    __rmatmul__ = _reflected("matmul")
    __iadd__, __isub__, __imul__, __itruediv__ = map(_in_place, ("add", "sub", "mul", "div"))
    __ipow__, __iand__, __ior__ = map(_in_place, ("pow", "logical_and", "logical_or"))
    __setitem__ = _refused("assignment to parts of a tensor")
    __bool__ = _refused("a branch on the value of x, as 'if' and 'max' of Python (torch.where has one)")
    __hash__ = None  # type: ignore[assignment]
    __float__ = __int__ = __index__ = _refused("a number taken out of a tensor, as functions of 'math' do")
    __array__ = _refused("numpy")


def _apply(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    plain = name.strip("_")
    plain = SAME.get(plain, plain)
    if name.endswith("_") and not name.endswith("__"):
        refuse(f"{name}, which changes a tensor in place")
    if plain not in RULES and plain not in RANGES:
        refuse(f"'{plain}'")
    try:
        result = RULES[plain](*args, **kwargs) if plain in RULES else elementwise(plain, *args, **kwargs)
    except (TypeError, KeyError):
        raise NoRule(f"no proof available: there is no interval rule for this use of '{plain}'") from None
    if isinstance(result, tuple):
        return tuple(_stands_in(one, plain, args) for one in result)
    return _stands_in(result, plain, args) if isinstance(result, Enclosed) else result


def _stands_in(result: Enclosed, name: str, args: Sequence[Any]) -> Enclosure:
    made = Enclosure(result.value, result.gradient, result.dtype)
    if name in VIEWS and isinstance(args[0], Enclosure):
        made.shared = args[0].shared = True
    return made
