"""Inputs of a table that are lattice parameters of a crystal, and their units in structure files."""

from __future__ import annotations

import math

import numpy as np

from ipage_core.problem.task import Task

LENGTHS = {"å": 1.0, "a": 1.0, "ang": 1.0, "angstrom": 1.0, "ångström": 1.0, "ångstrom": 1.0, "nm": 10.0, "pm": 0.01}
LENGTHS |= {"bohr": 0.529177210544, "a0": 0.529177210544, "a.u.": 0.529177210544, "": 1.0}
"""Unit of length, in lower case → Å (Bohr's radius by CODATA 2022)."""
ANGLES = {"°": 1.0, "deg": 1.0, "deg.": 1.0, "degree": 1.0, "degrees": 1.0, "rad": 180 / math.pi, "": 1.0}
"""Unit of angle → degrees."""
LATTICE = (("a",), ("b",), ("c",), ("alpha", "α"), ("beta", "β"), ("gamma", "γ"))
"""Names of lattice parameters, in lower case."""


def lattice(task: Task) -> list[int] | None:
    """Coordinates of a, b, c, α, β, γ, in this order, by their names; None unless all six exist."""
    column_of = {label.split(" [")[0].lower(): j for j, label in reversed(list(enumerate(task.x_labels)))}
    results = [next((column_of[name] for name in names if name in column_of), None) for names in LATTICE]
    return None if None in results else [j for j in results if j is not None]


def lattice_in_angstrom(task: Task) -> tuple[list[int], np.ndarray] | None:
    """As :func:`lattice`, with the factors (6,) that convert its units to Å and degrees.

    Without a unit, lengths are in Å and angles in degrees if the data are plausible in these units.

    Raises:
        ValueError: unknown unit, or no unit and the data look like another one.
    """
    order = lattice(task)
    if order is None:
        return None
    factors = []
    for place, j in enumerate(order):
        name, _, unit = task.x_labels[j].removesuffix("]").partition(" [")
        factors_of = LENGTHS if place < 3 else ANGLES
        accepted = ", ".join(word for word in factors_of if word)
        if unit.strip().lower() not in factors_of:
            raise ValueError(f"The unit '{unit}' of {name} is not known for structure files; accepted: {accepted}")
        if not unit and float(task.bounds[1, j]) < (1.0 if place < 3 else 4.0):
            what = "Å" if place < 3 else "degrees"
            raise ValueError(
                f"{name} has no unit, and with at most {float(task.bounds[1, j]):g} is hardly in {what}; structure "
                f"files need one: {accepted}"
            )
        factors.append(factors_of[unit.strip().lower()])
    return order, np.array(factors)
