"""Simulated annealing of a cell that nearly meets its goals, where flips that only improve end in a dead end.

A step flips one or two edge pixels, mostly those that should help by the gradient. A worse cell is accepted with
probability exp(−Δ/T); the temperature T falls (Kirkpatrick et al. 1983, doi:10.1126/science.220.4598.671).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ipage_core.tasks.cells.descent import CellSpace
from ipage_core.tasks.cells.flips import Finished, beyond, flipped, look, moves_of
from ipage_core.tasks.cells.goals import Goals
from ipage_core.tasks.cells.mesh import Operator, on_pixels
from ipage_core.tasks.cells.topology import is_admissible

Mask = NDArray[np.bool_]

STEPS = 1200
"""Number of steps: about 4 s of CPU at 32 pixels an edge."""
HOT, COLD = 0.8, 0.03
"""First and last temperature, in tolerances."""
DOUBT, MOST = 0.9, 2
"""Spread of the random factor on each effect, and flips per step: both wider apart than where every flip must help."""
AT_RANDOM = 0.25
"""Share of the steps that flip any edge pixel."""


def anneal(
    cell: Mask, goals: Goals, space: CellSpace, rng: np.random.Generator, operator: Operator = on_pixels
) -> Finished:
    """The best cell of one annealing, which ends as soon as every goal is met.

    Args:
        cell: (side, side) bool, admissible, allowed by the space.
        goals: the properties and their targets.
        space: the search space.
        rng: of every random choice.
        operator: density → C, ∂C/∂ρ.
    """

    def misfit(values: NDArray[np.float64]) -> float:
        return float(np.abs(goals.residual(values)).max())

    seen = look(cell, goals, operator)
    best, calls, moves = (cell, seen), 1, None
    for step in range(STEPS):
        if misfit(best[1][1]) <= 1:
            break
        if moves is None:
            moves, effects = moves_of(cell, seen[2], space)
            if not len(moves):
                break
        if rng.random() < AT_RANDOM:
            trial = space.flipped(cell, moves[rng.integers(len(moves))])
            if not (space.allows(trial) and is_admissible(trial)):
                continue
        else:
            guided = flipped(cell, seen[1], moves, effects, goals, space, rng, DOUBT, MOST)
            if guided is None:
                continue
            trial = guided
        result = look(trial, goals, operator)
        calls += 1
        if misfit(result[1]) < misfit(best[1][1]):
            best = trial, result
        worse = float(beyond(goals.residual(result[1])) - beyond(goals.residual(seen[1])))
        if worse <= 0 or rng.random() < math.exp(-worse / (HOT * (COLD / HOT) ** (step / STEPS))):
            cell, seen, moves = trial, result, None
    cell, seen = best
    return Finished(cell, seen[0], seen[1], misfit(seen[1]), calls)
