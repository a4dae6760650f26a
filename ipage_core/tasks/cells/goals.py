"""Goals for a cell: several properties at once, exactly, at least, at most, minimized or maximized."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.tasks.cells.homogenization import E_VOID
from ipage_core.tasks.cells.properties import TABLE, cell_property, default_tolerance, limits, same_as

Array = NDArray[np.float64]
Kind = Literal["exactly", "at least", "at most", "minimize", "maximize"]


@dataclass(frozen=True)
class Goal:
    """One property and its goal."""

    name: str
    """Any spelling that :func:`cell_property` accepts; kept as in its table."""
    kind: Kind = "exactly"
    value: float = math.nan
    """In the property's unit; NaN for ``minimize`` and ``maximize``."""
    tolerance: float = math.nan
    """For ``exactly``: |property − value| ≤ tolerance is a hit. For a bound: the solver aims this far inside it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", cell_property(self.name).name)
        if self.kind not in get_args(Kind):
            raise ValueError(f"goal '{self.name}': expected one of {', '.join(get_args(Kind))}, got '{self.kind}'")
        if self.open:
            return
        if not math.isfinite(self.value):
            raise ValueError(f"goal '{self.name}' {self.kind}: expected a number, got {self.value}")
        if math.isnan(self.tolerance):
            object.__setattr__(self, "tolerance", default_tolerance(self.name, self.value))
        if not 0 < self.tolerance < math.inf:
            raise ValueError(f"goal '{self.name}': expected a positive tolerance, got {self.tolerance:g}")
        low, high = limits(self.name)
        if self.ends[0] > high + 1e-9 or self.ends[1] < low - 1e-9:
            said = f"; moduli are in units of the solid's E_s, which has {high:.4g}" if high < math.inf else ""
            said = said if cell_property(self.name).unit == "E_s" else ""
            raise ValueError(f"goal '{self.text}': {self.name} lies between {low:g} and {high:.4g}{said}")

    @property
    def text(self) -> str:
        """The goal in the syntax of ``--goal``."""
        if self.open:
            return f"{self.kind} {self.name}"
        if self.kind == "exactly":
            return f"{self.name}={self.value:.15g}±{self.tolerance:.15g}"
        return f"{self.name}{'<=' if self.kind == 'at most' else '>='}{self.value:.15g}"

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest accepted value."""
        if self.open:
            return -math.inf, math.inf
        slack = self.tolerance if self.kind == "exactly" else 0.0
        low = -math.inf if self.kind == "at most" else self.value - slack
        return low, math.inf if self.kind == "at least" else self.value + slack

    @property
    def open(self) -> bool:
        """Whether the goal is ``minimize`` or ``maximize``."""
        return self.kind in ("minimize", "maximize")


def outcome(goals: Sequence[Goal], achieved: Array, met: NDArray[np.bool_], at: str) -> str:
    """How many cells meet the goals that have a number, and how far the others are pushed. → a sentence.

    Args:
        goals: the k goals.
        achieved: (n, k), their properties.
        met: (n,).
        at: the mesh in words.
    """
    every = "every goal with a number" if any(goal.open for goal in goals) else "every goal"
    said = f"{int(met.sum())} of {len(met)} cells meet {every}, by finite elements at {at}"
    for j, goal in enumerate(goals):
        if goal.open and met.any():
            best, of_all = (np.min, "smallest") if goal.kind == "minimize" else (np.max, "largest")
            said += f"; the {of_all} {goal.name} among them is {best(achieved[met, j]):.4g}"
    return said


def interval(name: str, low: float, high: float) -> list[Goal]:
    """An interval as two goals; the solver aims at most a quarter of the interval inside it."""
    inside = min(default_tolerance(name, low), default_tolerance(name, high), (high - low) / 4)
    return [Goal(name, "at least", low, inside), Goal(name, "at most", high, inside)]


def check_together(goals: Sequence[Goal]) -> None:
    """Refuse goals that no cell can meet together.

    These are two goals on one property without a common value; Poisson's ratios that no stable material has, since
    ν_xy² < E_x/E_y, ν_yx² < E_y/E_x, 0 ≤ ν_xy ν_yx < 1 (Lempriere 1968, doi:10.2514/3.4974); and a modulus above the
    volume fraction times that of the solid (Voigt 1889).

    Raises:
        ValueError: they contradict each other.
    """
    ends = dict[str, tuple[float, float]]()
    given, goals = goals, [replace(goal, name=same_as(goal.name)) for goal in goals]
    for i, goal in enumerate(goals):
        for j, other in enumerate(goals[:i]):
            opposite = {goal.kind, other.kind} == {"minimize", "maximize"}
            if goal.name == other.name and (opposite or _apart(goal.ends, other.ends)):
                said = f"the goals '{given[j].text}' and '{given[i].text}' contradict each other"
                raise ValueError(f"{said}: no {goal.name} meets both")
        known = ends.get(goal.name, limits(goal.name))
        ends[goal.name] = max(known[0], goal.ends[0]), min(known[1], goal.ends[1])
    low, high = ({name: ends.get(name, limits(name))[k] for name in TABLE} for k in (0, 1))
    size = {name: max(low[name], -high[name], 0.0) for name in ("nu_xy", "nu_yx")}
    for ratio, along, across in (("nu_xy", "E_x", "E_y"), ("nu_yx", "E_y", "E_x")):
        if size[ratio] > 0 and high[along] <= size[ratio] ** 2 * low[across]:
            most = math.sqrt(high[along] / low[across])
            said = f"{ratio} is below √({along}/{across}) in size, which is at most {most:.3g} here"
            raise ValueError(f"the goals contradict each other: {said}")
    if low["nu_xy"] > 0 > high["nu_yx"] or low["nu_yx"] > 0 > high["nu_xy"]:
        raise ValueError(
            "the goals contradict each other: nu_xy and nu_yx have the same sign, as nu_xy/E_x = nu_yx/E_y"
        )
    if size["nu_xy"] * size["nu_yx"] >= 1:
        raise ValueError("the goals contradict each other: nu_xy times nu_yx is below 1 for every material")
    for name, (least, _) in ends.items():
        most = limits(name)[1] * (high["volume"] + E_VOID)
        if cell_property(name).unit == "E_s" and least > most + 1e-12:
            said = f"at a volume fraction of {high['volume']:.3g}, {name} is at most {most:.3g} E_s"
            raise ValueError(f"the goals contradict each other: {said}")


def _apart(ends: tuple[float, float], other: tuple[float, float]) -> bool:
    return max(ends[0], other[0]) > min(ends[1], other[1]) + 1e-12


@dataclass(frozen=True, eq=False)
class Goals:
    """Goals with a number, as arrays over the k goals, for descent and flips."""

    names: tuple[str, ...]
    aim: Array
    """(k,) target values; for a bound, one tolerance inside it."""
    tolerance: Array
    """(k,)."""
    side: Array
    """(k,) 0: exactly; +1: at least; −1: at most."""

    @classmethod
    def of(cls, goals: Sequence[Goal]) -> Goals:
        """The goals that have a number; ``minimize`` and ``maximize`` are left out.

        Raises:
            ValueError: none has a number.
        """
        closed = [goal for goal in goals if not goal.open]
        if not closed:
            raise ValueError("expected at least one goal with a number, e.g. E_x = 0.3")
        exact = [goal.name for goal in closed if goal.kind == "exactly"]
        if twice := sorted({name for name in exact if exact.count(name) > 1}):
            raise ValueError(f"{twice[0]} has {exact.count(twice[0])} exact goals; expected one for each property")
        side = np.array([{"exactly": 0.0, "at least": 1.0, "at most": -1.0}[goal.kind] for goal in closed])
        tolerance = np.array([goal.tolerance for goal in closed])
        aim = np.array([goal.value for goal in closed]) + side * tolerance
        return cls(tuple(goal.name for goal in closed), aim, tolerance, side)

    def residual(self, values: ArrayLike) -> Array:
        """Signed gap to the goals in tolerances; a cell meets the goals if all are within ±1. (*, k) → (*, k)."""
        r = (self.aim - np.asarray(values)) / self.tolerance
        return np.where(self.side > 0, np.maximum(r, 0), np.where(self.side < 0, np.minimum(r, 0), r))

    def shifted(self, by: Array) -> Goals:
        """The same goals with their aims shifted by (k,): output space mapping."""
        return Goals(self.names, self.aim + by, self.tolerance, self.side)
