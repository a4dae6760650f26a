"""Isotropic cells with a negative Poisson's ratio, from the solver, because random fields are rarely auxetic."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ipage_core.tasks.cells.dataset import Cell
from ipage_core.tasks.cells.descent import CellSpace
from ipage_core.tasks.cells.flips import finish
from ipage_core.tasks.cells.goals import Goal, Goals
from ipage_core.tasks.cells.solver import solve
from ipage_core.tasks.cells.topology import Mask

FAMILY = 4
"""Cells in a family: one starts from noise; flips turn it into the others, at a quarter of the cost."""
RATIOS = {1: (-0.65, -0.15), 2: (-0.5, -0.15)}
"""Range of ν by smallest feature in pixels."""
MODULI = {1: (0.03, 0.1), 2: (0.03, 0.08)}
"""Range of E in units of E_s."""
RETARGETS = 3
"""Targets that a member of a family tries before it starts from noise of its own."""


class _Parent(NamedTuple):
    cell: Mask
    e: float
    nu: float
    attempts: int


def isotropic_goals(e: float, nu: float) -> list[Goal]:
    """E_x, E_y and G within 3 % of an isotropic material's, ν and both couplings within 0.02. E in units of E_s."""
    moduli = (("E_x", e), ("E_y", e), ("G_xy", e / (2 * (1 + nu))))
    ratios = (("nu_xy", nu), ("eta_x", 0.0), ("eta_y", 0.0))
    return [Goal(name, "exactly", v, 0.03 * v) for name, v in moduli] + [
        Goal(name, "exactly", v, 0.02) for name, v in ratios
    ]


def auxetic_cell(seed: int, index: int) -> Cell:
    """The index-th isotropic auxetic cell of a seed; it meets :func:`isotropic_goals` at some E and ν.

    Cells come in families of four. In every second family no wall and no gap is thinner than two pixels. The first cell
    of a family starts from noise; its targets ν and E are drawn evenly (E on a log scale), and drawn again if the
    solver fails. For each other cell E changes by up to a fifth and ν by up to 0.1, and flips reach these targets.
    ``attempts`` counts the solutions tried.
    """
    family, member = divmod(index, FAMILY)
    feature = 1 + family % 2
    parent = _parent(seed, family, 0)
    if member == 0:
        return _cell(parent.cell, parent.attempts)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(family, member)))
    for attempt in range(RETARGETS):
        nu = float(np.clip(parent.nu + rng.uniform(-0.1, 0.1), *RATIOS[feature]))
        goals = Goals.of(isotropic_goals(parent.e * rng.uniform(0.8, 1.2), nu))
        ended = finish(parent.cell, goals, CellSpace(feature=feature), rng)
        if ended.misfit <= 1:
            return _cell(ended.cell, attempt + 1)
    own = _parent(seed, family, member)
    return _cell(own.cell, RETARGETS + own.attempts)


@lru_cache(maxsize=4)
def _parent(seed: int, family: int, member: int) -> _Parent:
    feature, attempts = 1 + family % 2, 0
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(family, member, 0)))
    while True:
        attempts += 1
        e, nu = float(np.exp(rng.uniform(*np.log(MODULI[feature])))), float(rng.uniform(*RATIOS[feature]))
        own = int(rng.integers(2**31))
        kind = ("noise",) if feature == 1 or rng.random() < 0.5 else ("motif",)
        space = CellSpace(feature=feature)
        result = solve(isotropic_goals(e, nu), 1, space=space, from_=kind, attempts=1, seed=own)  # type: ignore[arg-type]
        if result.met[0] and result.start[0] != "none":  # a stored cell would be no new one
            return _Parent(result.cells[0], e, nu, attempts)


def _cell(pixels: Mask, attempts: int) -> Cell:
    return Cell(pixels, "p1", float(pixels.mean()), attempts)
