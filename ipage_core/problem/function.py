"""A task from a Python function: its variables, properties and Ω, checked on a few designs."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ipage_core.problem.variable import Property, Variable, name_and_unit
from ipage_core.runtime.lazy import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor


def fields_of(
    function: Callable[..., Any],
    x: Mapping[str, tuple[float, float] | Variable] | Sequence[Variable],
    y: Mapping[str, float | Property] | Sequence[Property],
    name: str,
    title: str,
    default_target: Sequence[float] | None,
    seconds: float | None,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """The fields of the :class:`~ipage_core.problem.task.Task` whose Ω is ``function``; see ``Task.from_function``.

    Raises:
        ValueError: a name, a bound or a tolerance is not acceptable, or the function fails on eight designs.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise ValueError(f"The task's name '{name}' is not accepted: letters, digits, - and _")
    variables = _variables(x)
    properties = _properties(y)
    omega = _batched(function, len(properties), name)
    low, high = ([getattr(v, end) for v in variables] for end in ("low", "high"))

    whole = [variable.kind != "real" for variable in variables]

    def sample_prior(n: int, generator: Generator) -> Tensor:
        ends = torch.tensor([low, high], dtype=torch.float64)
        unit = torch.rand(n, len(variables), dtype=torch.float64, generator=generator)
        first, last = ends[0].ceil(), ends[1].floor()
        whole_numbers = first + ((last - first + 1) * unit).floor()
        return torch.where(torch.tensor(whole), whole_numbers, ends[0] + (ends[1] - ends[0]) * unit)

    if default_target is None or seconds is None:
        x_test, took, y_test = sample_prior(8, torch.Generator().manual_seed(0)), math.inf, torch.empty(0)
        for _ in range(3):  # other work on the machine may slow down one of them
            start = time.perf_counter()
            y_test = omega(x_test)
            took = min(took, time.perf_counter() - start)
            if took > 0.5 or seconds is not None:
                break
        seconds = took / 8 if seconds is None else seconds
        finite = y_test[y_test.isfinite().all(1)]
        if not len(finite):
            raise ValueError(f"The function of {name} gave no finite number for any of eight designs")
        usual = finite[:, : more.get("n_targets", len(properties))].median(0).values
        default_target = [float(f"{v:.3g}") for v in usual] if default_target is None else default_target
    return {
        "name": name,
        "title": title or name,
        "variables": variables,
        "properties": properties,
        "sample_prior": sample_prior,
        "omega": omega,
        "omega_seconds": seconds,
        "default_target": tuple(float(v) for v in default_target),
        "n_targets": len(properties),
        "support": tuple((v.low, v.high) if v.kind == "real" else None for v in variables),
        "dequantize": tuple(0.5 if w else 0.0 for w in whole) if any(whole) else (),
        "default_method": "ipage",
        "source": getattr(function, "__module__", "") or "the user's function",
        **more,
    }


def _variables(x: Any) -> tuple[Variable, ...]:
    if not isinstance(x, Mapping):
        return tuple(x)
    variables = []
    for label, given in x.items():
        if isinstance(given, Variable):
            variables.append(given)
            continue
        try:
            low, high = map(float, given)
        except (TypeError, ValueError):
            raise ValueError(f"Expected the bounds (low, high) of '{label}', got {given!r}") from None
        variables.append(Variable(*name_and_unit(label), low, high))
    return tuple(variables)


def _properties(y: Any) -> tuple[Property, ...]:
    if not isinstance(y, Mapping):
        return tuple(y)
    return tuple(
        given if isinstance(given, Property) else Property(*name_and_unit(label), float(given))
        for label, given in y.items()
    )


def _batched(function: Callable[..., Any], m: int, name: str) -> Callable[[Tensor], Tensor]:
    """The function as Ω with checked shapes: float64 tensors in and out; arrays in if it fails on tensors."""

    def omega(x: Tensor) -> Tensor:
        if not isinstance(x, torch.Tensor):  # boxes instead of designs, for a proof
            y = function(x)
            return y[:, None] if y.dim() == 1 else y
        try:
            y = function(x)
        except (TypeError, AttributeError) as error:
            try:
                y = function(x.detach().cpu().numpy())
            except Exception as again:
                raise ValueError(f"The function of {name} fails: {type(again).__name__}: {again}") from error
        except Exception as error:  # the user's own code may fail in any way
            raise ValueError(f"The function of {name} fails: {type(error).__name__}: {error}") from error
        y = torch.as_tensor(y, dtype=torch.float64)
        y = y[:, None] if y.dim() == 1 else y
        if y.shape != (len(x), m):
            raise ValueError(f"The function of {name} returned shape {tuple(y.shape)}; expected ({len(x)}, {m})")
        return y

    return omega
