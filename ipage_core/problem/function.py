"""A task from a Python function: its variables, properties and Ω."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ipage_core.problem.operator import Operator
from ipage_core.problem.variable import Property, Variable, name_and_unit
from ipage_core.runtime.lazy import torch
from ipage_core.runtime.text import error_in_words

if TYPE_CHECKING:
    from torch import Generator, Tensor

FAST, MORE = 0.1, 8
"""An Ω whose first design takes less than so many seconds is timed on so many more."""


def fields_of(
    function: Callable[..., Any],
    x: Mapping[str, tuple[float, float] | tuple[str, ...] | Variable] | Sequence[Variable],
    y: Mapping[str, float | Property] | Sequence[Property],
    name: str,
    title: str,
    default_target: Sequence[float] | None,
    seconds: float | None,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """The fields of the :class:`~ipage_core.problem.task.Task` whose Ω is ``function``; see ``Task.from_function``.

    Raises:
        ValueError: a name, a bound or a tolerance is not acceptable.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", str(name)):
        raise ValueError(f"The task's name '{name}' is not accepted: letters, digits, - and _")
    variables, properties = _variables(x), _properties(y)
    if not callable(function) or not variables or not properties:
        raise ValueError(f"Expected a function, with an input and a property at least, for {name}")
    if seconds is not None and not 0 <= seconds < math.inf:
        raise ValueError(f"seconds={seconds!r} is not accepted: the time of one evaluation, from 0 on")
    _check_target(default_target, more.get("n_targets", len(properties)))
    omega = Operator(_batched(function, len(properties), name), name)
    low, high = ([getattr(v, end) for v in variables] for end in ("low", "high"))

    whole = [variable.kind != "real" for variable in variables]

    def sample_prior(n: int, generator: Generator) -> Tensor:
        ends = torch.tensor([low, high], dtype=torch.float64)
        unit = torch.rand(n, len(variables), dtype=torch.float64, generator=generator)
        first, last = ends[0].ceil(), ends[1].floor()
        whole_numbers = first + ((last - first + 1) * unit).floor()
        return torch.where(torch.tensor(whole), whole_numbers, ends[0] + (ends[1] - ends[0]) * unit)

    @cache
    def measured() -> tuple[float, tuple[float, ...]]:
        """Time of one evaluation, and a usual result. A slow Ω runs on one design, a fast one on more."""
        x_test = sample_prior(MORE, torch.Generator().manual_seed(0))
        took, y_test = _timed(omega, x_test[:1])
        if (took if seconds is None else seconds) < FAST:
            again, y_test = _timed(omega, x_test)
            took = min(took, again)
        finite = y_test[y_test.isfinite().all(1), : more.get("n_targets", len(properties))]
        usual = finite.median(0).values if len(finite) else torch.zeros(finite.shape[1])
        return took, tuple(float(f"{v:.3g}") for v in usual)

    return {
        "name": name,
        "title": title or name,
        "variables": variables,
        "properties": properties,
        "sample_prior": sample_prior,
        "omega": omega,
        "omega_seconds": (lambda: measured()[0]) if seconds is None else seconds,
        "default_target": (lambda: measured()[1]) if default_target is None else tuple(map(float, default_target)),
        "n_targets": len(properties),
        "support": tuple((v.low, v.high) if v.kind == "real" else None for v in variables),
        "dequantize": tuple(0.5 if w else 0.0 for w in whole) if any(whole) else (),
        "default_method": "ipage",
        "source": getattr(function, "__module__", "") or "the user's function",
        **more,
    }


def _variables(x: Any) -> tuple[Variable, ...]:
    if not isinstance(x, Mapping):
        if not all(isinstance(one, Variable) for one in x):
            raise ValueError(f"Expected a dict of inputs and their bounds, or a sequence of Variable, got {x!r}")
        return tuple(x)
    variables = []
    for label, given in x.items():
        _check_label(label)
        if isinstance(given, Variable):
            variables.append(given)
            continue
        if isinstance(given, tuple | list) and given and all(isinstance(one, str) for one in given):
            variables.append(Variable(*name_and_unit(label), kind="category", levels=tuple(given)))
            continue
        try:
            low, high = map(float, given)
        except (TypeError, ValueError):
            raise ValueError(
                f"Expected the bounds (low, high) of '{label}', or its words such as ('Cu', 'Ag'), got {given!r}"
            ) from None
        variables.append(Variable(*name_and_unit(label), low, high))
    return tuple(variables)


def _properties(y: Any) -> tuple[Property, ...]:
    if not isinstance(y, Mapping):
        if not all(isinstance(one, Property) for one in y):
            raise ValueError(f"Expected a dict of properties and tolerances, or a sequence of Property, got {y!r}")
        return tuple(y)
    properties = []
    for label, given in y.items():
        _check_label(label)
        try:
            properties.append(given if isinstance(given, Property) else Property(*name_and_unit(label), float(given)))
        except TypeError:
            raise ValueError(f"Expected the tolerance of '{label}', a number above 0, got {given!r}") from None
    return tuple(properties)


def _check_label(label: object) -> None:
    if not isinstance(label, str):
        raise ValueError(f"Expected a name such as 'length [m]', got {label!r}")


def _check_target(target: Sequence[float] | None, m: int) -> None:
    if target is not None and (len(target) != m or not all(map(math.isfinite, map(float, target)))):
        raise ValueError(f"default_target={target!r} is not accepted: {m} finite number(s)")


def _timed(omega: Callable[[Tensor], Tensor], x: Tensor) -> tuple[float, Tensor]:
    """Seconds for each design, and the results."""
    start = time.perf_counter()
    y = omega(x)
    return (time.perf_counter() - start) / len(x), y


def _batched(function: Callable[..., Any], m: int, name: str) -> Callable[[Tensor], Tensor]:
    """The function as Ω with checked shapes: float64 tensors in and out; arrays in if it fails on tensors."""

    def omega(x: Tensor) -> Tensor:
        if not isinstance(x, torch.Tensor):  # boxes instead of designs, for a proof
            y = function(x)
            return y[:, None] if y.dim() == 1 else y
        try:
            y = function(x.clone())  # it may change its argument before it fails on tensors
        except (TypeError, AttributeError) as error:
            try:
                y = function(x.detach().cpu().numpy())
            except Exception as again:
                raise ValueError(f"The function of {name} fails: {error_in_words(again)}") from error
        except Exception as error:  # the user's own code may fail in any way
            raise ValueError(f"The function of {name} fails: {error_in_words(error)}") from error
        try:
            y = torch.as_tensor(y, dtype=torch.float64, device=x.device)
            y = y if y.layout == torch.strided else y.to_dense()
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            got = f"got {type(y).__name__}"
            raise ValueError(f"Expected numbers of shape ({len(x)}, {m}) from the function of {name}, {got}") from error
        y = y[:, None] if y.dim() == 1 else y
        if y.shape != (len(x), m):
            raise ValueError(f"The function of {name} returned shape {tuple(y.shape)}; expected ({len(x)}, {m})")
        return y

    return omega
