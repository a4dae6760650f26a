"""A coordinate of a design, and a property that a design has: names, units, bounds and tolerances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Variable:
    """One coordinate of a design and its bounds.

    Raises
    ------
    ValueError
        low ≥ high, a log scale with low ≤ 0, a category with fewer than two different levels, or levels without one.

    Examples
    --------
    >>> Variable("length", "m", 0.5, 2).label
    'length [m]'
    """

    name: str
    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    """For an unbounded prior, low and high enclose its central 99.9 %."""
    kind: Literal["real", "integer", "category"] = "real"
    levels: tuple[str, ...] = ()
    """Names of a category's values; a design holds their index 0, 1, …"""
    scale: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        if self.kind == "category":
            if len(set(self.levels)) < max(2, len(self.levels)):
                raise ValueError(f"Expected two or more different levels of {self.name}, got {self.levels}")
            object.__setattr__(self, "low", 0.0)
            object.__setattr__(self, "high", len(self.levels) - 1.0)
        elif self.levels:
            raise ValueError(f"{self.name} has levels, so its kind is 'category', got '{self.kind}'")
        if not self.low < self.high:
            raise ValueError(f"Expected bounds LOW < HIGH of {self.name}, got {self.low:g} and {self.high:g}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"A log scale needs bounds above 0, got {self.low:g} for {self.name}")

    @property
    def label(self) -> str:
        """Axis title: the name with its unit."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name

    def read(self, text: str) -> float | None:
        """The value that a user types: a finite number, or the index of a category's level; None if it is neither.

        >>> Variable("solvent", kind="category", levels=("ethanol", "water")).read("water")
        1.0
        """
        if self.kind == "category":
            same = [k for k, level in enumerate(self.levels) if level == text]
            same = same or [k for k, level in enumerate(self.levels) if level.lower() == text.lower()]
            return float(same[0]) if len(same) == 1 else None
        try:
            value = float(text)
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    def show(self, value: float) -> float | str:
        """The level of a category, or the number itself."""
        if self.kind != "category" or not math.isfinite(value):
            return value
        return self.levels[min(max(round(value), 0), len(self.levels) - 1)]


SHARE = 0.02
"""Tolerance of a number whose property spans decades, as a share of it: one for all decades would not fit the lower."""


@dataclass(frozen=True)
class Property:
    """One property that Ω computes, and its tolerance.

    Raises
    ------
    ValueError
        The tolerance is not above 0.

    Examples
    --------
    >>> Property("sag", "mm", tolerance=0.1).label
    'sag [mm]'
    """

    name: str
    unit: str = ""
    tolerance: float = math.inf
    """Largest |Ω(x) − y*| of a hit, in ``unit``; infinite for a property that is never a target."""
    scale: Literal["linear", "log"] = "linear"
    floor: float | None = None
    """Detection limit: the lowest value that can be measured, which many data share. None: no limit."""
    limits: tuple[float, float] = (-math.inf, math.inf)
    """No design has a value outside, by a law of physics: such targets are refused before anything runs."""
    limited_by: str = ""
    """This law, for the message."""
    least: float | None = None
    """Smallest known value of a property whose values span decades; None: they do not."""

    def __post_init__(self) -> None:
        if not self.tolerance > 0:
            raise ValueError(f"Expected a tolerance above 0 for {self.name}, got {self.tolerance:g}")

    def tolerance_at(self, value: float) -> float:
        """Tolerance of a goal with this number: where values span decades, ``SHARE`` of it at most.

        >>> rate = Property("rate", tolerance=90_000, least=2000)
        >>> rate.tolerance_at(50_000), rate.tolerance_at(0), rate.tolerance_at(1e8)
        (1000.0, 40.0, 90000)
        """
        if self.least is None or math.isnan(value):
            return self.tolerance
        return min(self.tolerance, SHARE * max(abs(value), self.least))

    @property
    def label(self) -> str:
        """Axis title: the name with its unit."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


def name_and_unit(label: str) -> tuple[str, str]:
    """'length [m]' → ('length', 'm'); the unit is empty if there are no brackets."""
    name, bracket, unit = label.strip().removesuffix("]").partition(" [")
    return name, unit if bracket else ""


def gaussian_bounds(mean: float, sd: float) -> tuple[float, float]:
    """Central 99.9 % of N(mean, sd²)."""
    half_width = 3.2905267314919255 * sd
    return mean - half_width, mean + half_width
