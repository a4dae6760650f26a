"""Linear relations of coordinates, such as ``2*a - b <= 3`` and ``Sr + Ba + Ca = 1``: parsed and solved."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ipage_core.problem.space import Cap

_TERM = re.compile(r"([+-]?)([^+\-]+)")
_EXPONENT = re.compile(r"(?<=[0-9.][eE])([+-])(?=[0-9])")
RELATION = re.compile(r"(<=|>=|=)")


class Linear(NamedTuple):
    """The relation row·x (sign) value."""

    row: Tensor
    """(d,) float64."""
    sign: str
    """'=', '<=' or '>='."""
    value: float

    def cap(self, bounds: Tensor) -> Cap:
        """How far x violates the relation, as a fraction of the range of row·x over the box (2, d)."""
        span = float(self.row.abs() @ (bounds[1] - bounds[0]))
        way = -1.0 if self.sign == ">=" else 1.0
        return lambda x: way * (x @ self.row.to(x) - self.value) / span


def read(text: str, index: Callable[[str], int | None], d: int) -> Linear | None:
    """Parse a relation between sums of coordinates with factors and numbers; None: not a relation.

    Args:
        text: such as ``2*a + b/3 - 1 <= c``.
        index: name → index of its coordinate, or None.
        d: number of coordinates.
    """
    parts = RELATION.split(text)
    if len(parts) != 3:
        return None
    row, value = torch.zeros(d, dtype=torch.float64), 0.0
    for side, expression in ((1.0, parts[0]), (-1.0, parts[2])):
        read_side = _sum(expression, index, d)
        if read_side is None:
            return None
        row, value = row + side * read_side[0], value - side * read_side[1]
    return Linear(row, parts[1], value) if row.any() else None


def _sum(text: str, index: Callable[[str], int | None], d: int) -> tuple[Tensor, float] | None:
    """Parse a sum → (d,) factors and a constant."""
    row, constant = torch.zeros(d, dtype=torch.float64), 0.0
    if (whole := index(text.strip())) is not None:  # a name may contain a sign
        row[whole] = 1.0
        return row, constant
    text = _EXPONENT.sub(lambda sign: {"+": "", "-": "\N{MINUS SIGN}"}[sign[1]], text.strip())
    if not text or _TERM.sub("", text).strip():
        return None
    for sign, term in _TERM.findall(text):
        factor, name = -1.0 if sign == "-" else 1.0, None
        for operator, part in re.findall(r"(^|[*/])([^*/]+)", term):
            number = _number(part.replace("\N{MINUS SIGN}", "-"))
            if number is not None and not (operator == "/" and number == 0):
                factor = factor / number if operator == "/" else factor * number
            elif operator != "/" and name is None and (name := index(part.strip())) is not None:
                pass
            else:
                return None
        if name is None:
            constant += factor
        else:
            row[name] += factor
    return row, constant


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def can_hold(relations: list[Linear], bounds: Tensor, group: list[int], whole: Tensor) -> bool:
    """Whether any design within bounds (2, d) meets all relations, by an integer linear program.

    Args:
        relations: of coordinates (d,).
        bounds: (2, d).
        group: (d,) coordinates with the same number are equal.
        whole: (d,) which coordinates are whole numbers.
    """
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp

    rows = torch.stack([relation.row for relation in relations])
    value = torch.tensor([relation.value for relation in relations], dtype=torch.float64)
    above = torch.tensor([relation.sign != "<=" for relation in relations])
    below = torch.tensor([relation.sign != ">=" for relation in relations])
    ties = torch.zeros(0, len(group), dtype=torch.float64)
    pairs = [(j, group.index(g)) for j, g in enumerate(group) if group.index(g) != j]
    if pairs:
        ties = torch.stack([torch.eye(len(group), dtype=torch.float64)[[j, k]].diff(dim=0)[0] for j, k in pairs])
    size = rows.abs() @ (bounds[1] - bounds[0])  # of each relation, for the solver's absolute tolerance
    size = torch.where(size > 0, size, rows.abs() @ bounds[0].abs())  # all its coordinates are fixed
    size = torch.where(size > 0, size, 1.0)
    least = torch.where(above, value / size, -torch.inf)
    most = torch.where(below, value / size, torch.inf)
    met = [LinearConstraint((rows / size[:, None]).numpy(), least.numpy(), most.numpy())]
    if len(ties):
        met.append(LinearConstraint(ties.numpy(), 0.0, 0.0))
    integrality = whole.numpy().astype(int)
    found = milp(np.zeros(len(group)), integrality=integrality, bounds=Bounds(*bounds.numpy()), constraints=met)
    return bool(found.status != 2)  # 2: infeasible; where the solver gives up, the descent decides


class Solved(NamedTuple):
    """x = offset + u @ expand satisfies the equations for every u (e,)."""

    bounds: Tensor
    """(2, e) bounds of the coordinates that are still free."""
    expand: Tensor
    """(e, d)."""
    offset: Tensor
    """(d,)."""
    kept: list[int]
    """Indices of the coordinates that are still free."""


def eliminate(bounds: Tensor, expand: Tensor, offset: Tensor, equations: list[Linear], whole: Tensor) -> Solved:
    """Solve each equation for one of the free coordinates u with bounds (2, e), where x = offset + u @ expand.

    Each equation eliminates the coordinate that it moves most, in box widths, if possible one that is not ``whole``
    (e,). The bounds of eliminated coordinates are lost here and must become caps.

    Raises:
        ValueError: the equations contradict each other, or one follows from the others.
    """
    kept = list(range(len(expand)))
    bounds, expand, offset, whole = bounds.clone(), expand.clone(), offset.clone(), whole.clone()
    for row, _, value in equations:
        of_free, left = expand @ row, value - float(offset @ row)
        reach = (of_free * (bounds[1] - bounds[0])).abs()
        largest = float(reach.max()) if len(reach) else 0.0
        if largest <= 1e-12 * max(1.0, abs(value)):
            raise ValueError("the equations contradict each other, or one repeats another")
        real = (reach > 1e-9 * largest) & ~whole
        k = int(torch.where(real, reach, 0.0).argmax()) if real.any() else int(reach.argmax())
        others = [j for j in range(len(expand)) if j != k]
        offset = offset + expand[k] * left / of_free[k]
        expand = expand[others] - (of_free[others] / of_free[k])[:, None] * expand[k]
        bounds, whole = bounds[:, others], whole[others]
        kept.pop(k)
    return Solved(bounds, expand, offset, kept)
