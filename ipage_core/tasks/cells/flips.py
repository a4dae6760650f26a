"""Vector flips: single edge pixels that together close the gap in every property at once.

By the adjoint gradient, removing a solid pixel costs about its energy density. Adding a pixel in a void gains about the
mean of its solid neighbours, because the gradient inside a void is valid for infinitesimal steps only. Both estimates
are accurate to some ten per cent, so each round tries several sets of flips, and the operator selects the best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ipage_core.tasks.cells.descent import CellSpace
from ipage_core.tasks.cells.goals import Goals
from ipage_core.tasks.cells.mesh import Operator, on_pixels
from ipage_core.tasks.cells.properties import values_and_gradients
from ipage_core.tasks.cells.topology import is_admissible

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Seen = tuple[Array, Array, Array]
"""A cell by the operator, see :func:`look`."""

ROUNDS, PATIENCE, ASIDE, BACK = 60, 12, 2, 6
"""Rounds per cell at most, and how many in a row may bring no progress. After ASIDE of them the search accepts a worse
cell, and every BACK of them it returns to the best cell.
"""
HOPEFUL = 1.5
"""Largest distance from the goals, in tolerances, at which a cell gets the full patience; beyond it, half."""
TRIALS, MOST, LOOKED_AT = 8, 6, 25
"""Sets of flips per round, flips per set, and candidates examined per set."""
SLACK = 0.5
"""Residuals up to this size, in tolerances, count as zero: goals may be met within tolerance even if not exactly."""
DOUBT = 0.3
"""Spread of the random factor on each effect: it models the error of the first order and makes trials differ."""

_AROUND = ((1, 0), (-1, 0), (1, 1), (-1, 1))


@dataclass(frozen=True, eq=False)
class Finished:
    """A cell and its properties by the operator."""

    cell: Mask
    stiffness: Array
    """(3, 3) in units of E_s."""
    values: Array
    """(k,) of the goals' properties."""
    misfit: float
    """The largest residual, in tolerances: at most 1 where every goal is met."""
    calls: int
    """Number of operator evaluations."""


def finish(
    cell: Mask,
    goals: Goals,
    space: CellSpace,
    rng: np.random.Generator,
    operator: Operator = on_pixels,
    rounds: int = ROUNDS,
    enough: float = 1.0,
) -> Finished:
    """Flip pixels at the edges until every goal is met. The cell stays admissible, symmetric and masked.

    Args:
        cell: (side, side) bool, admissible, allowed by the space.
        goals: the properties and their targets.
        space: the search space.
        rng: of the random choice of flips.
        operator: density → C, ∂C/∂ρ.
        rounds: maximum number of rounds.
        enough: stop once the largest residual, in tolerances, is at most this.
    """

    def misfit(result: Seen) -> float:
        return float(beyond(goals.residual(result[1])))

    seen, calls, stuck = look(cell, goals, operator), 1, 0
    best, tried = (cell, seen), {cell.tobytes()}
    for _ in range(rounds):
        patience = PATIENCE if misfit(best[1]) < HOPEFUL else PATIENCE // 2
        if np.abs(goals.residual(best[1][1])).max() <= enough or stuck >= patience:
            break
        moves, effects = moves_of(cell, seen[2], space)
        step = None
        for _ in range(TRIALS if len(moves) else 0):
            trial = flipped(cell, seen[1], moves, effects, goals, space, rng)
            if trial is None or trial.tobytes() in tried:
                continue
            tried.add(trial.tobytes())
            result = look(trial, goals, operator)
            calls += 1
            if step is None or misfit(result) < misfit(step[1]):
                step = trial, result
            if np.abs(goals.residual(result[1])).max() <= enough:
                step = trial, result
                break
        # If rounds bring no progress, continue from the best trial for a while; never visit a cell twice.
        stuck += 1
        if step is not None and misfit(step[1]) < misfit(best[1]):
            best, stuck = step, 0
        if stuck % BACK == 0:
            cell, seen = best
        elif step is not None and (misfit(step[1]) < misfit(seen) or stuck > ASIDE):
            cell, seen = step
    cell, seen = best
    return Finished(cell, seen[0], seen[1], float(np.abs(goals.residual(seen[1])).max()), calls)


def look(cell: Mask, goals: Goals, operator: Operator) -> Seen:
    """C (3, 3), the k properties of the goals, and their gradients (k, side, side)."""
    stiffness, gradient = operator(cell)
    return stiffness, *values_and_gradients(goals.names, stiffness, gradient, float(cell.mean()))


def beyond(residual: Array) -> Array:
    """Distance of residuals (*, k) from the box of ±SLACK. → (*,)."""
    return np.sqrt((np.maximum(np.abs(residual) - SLACK, 0) ** 2).sum(-1))


def moves_of(cell: Mask, slopes: Array, space: CellSpace) -> tuple[NDArray[np.intp], Array]:
    """Edge pixels, and runs of them along an edge where features are wider than one, with their first-order effects.

    Returns:
        (m, 2) pixels (or orbits) flipped together, the same twice for one alone; (m, k) change of the properties.
    """
    solid_around = sum(np.roll(cell, *n).astype(np.intp) for n in _AROUND)
    energy = np.where(cell, slopes, 0.0)
    around = sum(np.roll(energy, shift, axis=axis + 1) for shift, axis in _AROUND)
    add, remove = ~cell & (solid_around > 0), cell & (solid_around < 4)
    effect = np.where(add, around / np.maximum(solid_around, 1), -energy)
    # The gradient of the volume is uniform: the same in solid and in void.
    uniform = np.ptp(slopes.reshape(len(slopes), -1), axis=1) == 0
    effect[uniform] = np.where(cell, -slopes[uniform], slopes[uniform])
    edge = add | remove
    if space.frozen is not None:
        edge &= ~space.frozen
    number = np.arange(cell.size).reshape(cell.shape)
    pairs = [np.stack((number[edge], number[edge]), axis=1)]
    if space.feature > 1:
        for axis in (0, 1):
            both = edge & np.roll(edge, -1, axis) & (cell == np.roll(cell, -1, axis))
            pairs.append(np.stack((number[both], np.roll(number, -1, axis)[both]), axis=1))
    moves, flat = np.concatenate(pairs), effect.reshape(len(effect), -1)
    if space.orbits is not None:
        moves = np.unique(np.sort(space.orbits[moves], axis=1), axis=0)
        flat = np.stack([np.bincount(space.orbits, row, cell.size) for row in flat])
    alone = moves[:, 0] == moves[:, 1]
    return moves, (flat[:, moves[:, 0]] + np.where(alone, 0.0, flat[:, moves[:, 1]])).T


def flipped(
    cell: Mask,
    value: Array,
    moves: NDArray[np.intp],
    effects: Array,
    goals: Goals,
    space: CellSpace,
    rng: np.random.Generator,
    doubt: float = DOUBT,
    most: int = MOST,
) -> Mask | None:
    """The cell with a few flips chosen greedily from a random subset of the candidates; None if none helps."""
    guess = effects * rng.lognormal(0.0, doubt, (len(effects), 1))
    part = rng.uniform(0.4, 1.1)
    wanted = goals.shifted(-(1 - part) * goals.residual(value) * goals.tolerance)
    hidden = rng.random(len(moves)) >= rng.uniform(0.15, 0.8)
    penalty = np.where(hidden, np.inf, 0.0)
    trial, flips = cell, 0
    for _ in range(LOOKED_AT):
        off = beyond(wanted.residual(value + guess)) + penalty
        j = int(off.argmin())
        if flips == most or off[j] >= 0.985 * beyond(wanted.residual(value)):
            break
        penalty[j] = np.inf
        after = space.flipped(trial, moves[j])
        # Do not flip back an earlier flip, and take no pixel that breaks a wall.
        if (after ^ cell).sum() <= (trial ^ cell).sum() or not space.allows(after):
            continue
        trial, value, flips = after, value + guess[j], flips + 1
    return trial if flips and is_admissible(trial) else None
