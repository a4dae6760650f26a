"""Bring black-and-white cells to an exact modulus: correct for the clean-up, then flip pixels at the edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ipage_core.problem.watch import tell
from ipage_core.tasks.cells.homogenization import young_x_with_gradient
from ipage_core.tasks.cells.modulus import E_X_SD, from_z_score
from ipage_core.tasks.cells.space import Filtered
from ipage_core.tasks.cells.topology import Mask, is_admissible

if TYPE_CHECKING:
    from ipage_core.inference.chain import Chain, Samples

ENOUGH = 2.5e-4
"""|E_x − target| in units of E_s at which a cell is finished: one pixel changes E_x by this much (median)."""
ROUNDS, TRIALS, MOST_FLIPS = 30, 6, 12
"""Maximum rounds per cell, trial cells per round, and pixels (or orbits of pixels) flipped per trial."""
AGAIN = 3
"""How often cells that got stuck are drawn again."""
SLACK = 0.04
"""How far flips may move a cell from its further constraints, in units of their residuals."""

Array = NDArray[np.float64]


def correct(chain: Chain, samples: Samples, goal: Tensor, evaluations: int, seed: int, replaceable: Tensor) -> Tensor:
    """x ← localize(f, y* + f(x) − Ω(project(x))); each sample keeps the best *projected* design that Ω has seen.

    Output space mapping as in :meth:`Chain.correct`; but the clean-up changes y in jumps, so corrections scatter
    about the target instead of converging to it; no sample is redrawn. → (n,) bool.
    """
    moves = chain.space
    best, least = samples.x.clone(), torch.full((len(goal),), torch.inf, dtype=torch.float64)
    assert chain.task.omega is not None
    for k in range(evaluations):
        with chain.clock("verification"):
            projected = moves.project(samples.x)
            y = chain.task.omega(projected.cpu().double())[:, : chain.task.n_targets].to(goal)
            chain.omega_calls += len(y)
        error = (y - goal).norm(dim=1).cpu()
        better = error < least
        best[better], least[better] = projected[better], error[better]
        rows = (least > 0.1 * chain.task.tolerance).nonzero()[:, 0]
        if k + 1 == evaluations or not len(rows):
            break
        with chain.clock("localization"):
            shifted = (goal + samples.predicted.cpu().to(goal) - y)[rows]
            trajectory, samples.predicted[rows] = chain.descend(moves.encode(samples.x[rows]), shifted)
            samples.x[rows] = trajectory.u[-1]
            samples.labels.append(f"correction {k + 1}")
            samples.frames = torch.cat((samples.frames, samples.x[None]))
            misfit = (samples.predicted - goal.to(samples.x)).square().sum(1)
            samples.errors = torch.cat((samples.errors, misfit[None]))
    samples.x, samples.predicted = best, chain.predict(best)
    return torch.zeros(len(goal), dtype=torch.bool)


def finish(chain: Chain, samples: Samples, goal: Tensor, seed: int, replaceable: Tensor) -> Tensor:
    """Bring every sample to its exact target; replace those ``replaceable`` (n,) that get stuck. → (n,) bool: replaced.

    Flips under a symmetry group are coarse: sometimes no admissible flip brings a cell nearer.
    """
    moves = chain.space
    assert isinstance(moves, Filtered)
    target, near = from_z_score(goal[:, 0]), E_X_SD * chain.task.tolerance
    replaced = torch.zeros(len(goal), dtype=torch.bool)
    with chain.clock("verification"):
        samples.x, off, calls = finished(samples.x, target, moves, seed)
        chain.omega_calls += calls
    for attempt in range(AGAIN):
        rows = (replaceable.cpu() & (off > near)).nonzero()[:, 0]
        if not len(rows):
            break
        fresh = chain.fresh(samples.of(rows), goal[rows], seed + 3, attempt)
        with chain.clock("verification"):
            fresh.x, fresh_off, calls = finished(moves.project(fresh.x), target[rows], moves, seed)
            chain.omega_calls += calls
        better = fresh_off < off[rows]
        samples.put(rows[better], fresh.of(better))
        off[rows[better]] = fresh_off[better]
        replaced[rows[better]] = True
    return replaced


def finished(cells: Tensor, target: Tensor, moves: Filtered, seed: int = 0) -> tuple[Tensor, Tensor, int]:
    """Flip pixels at the edges until E_x is the target. The cells stay admissible, symmetric and masked.

    Each round tries a few sets of flips whose effects, by the adjoint gradient, sum to the missing modulus, and keeps
    the best by Ω. Removing a solid pixel costs about its energy density. Adding a pixel in a void gains about the
    energy density of its solid neighbours, because the gradient inside a void is valid for infinitesimal steps only.

    Args:
        cells: (n, 1024) of 0 and 1, admissible.
        target: (n,) E_x in units of E_s.
        moves: the space with symmetry, masks and constraints.
        seed: of the random choice of flips.

    Returns:
        (n, 1024) cells; (n,) distance of their E_x from the target, in units of E_s; and the number of evaluations of
        Ω.
    """
    side = round(cells.shape[1] ** 0.5)
    rng = np.random.default_rng(seed)
    results: list[Mask] = []
    off: list[float] = []
    calls = 0
    for cell, wanted in zip(cells.cpu().numpy().reshape(-1, side, side) > 0.5, target.tolist(), strict=True):
        tell("cells finished", len(results), len(cells))
        result, error, used = _finish_one(cell, wanted, moves, rng)
        results.append(result)
        off.append(abs(error))
        calls += used
    ends = torch.from_numpy(np.array(results, dtype=np.float64).reshape(cells.shape)).to(cells)
    return ends, torch.tensor(off, dtype=torch.float64), calls


def _finish_one(cell: Mask, wanted: float, moves: Filtered, rng: np.random.Generator) -> tuple[Mask, float, int]:
    e_x, gradient = young_x_with_gradient(cell)
    error, calls = wanted - float(e_x), 1
    allowed = max(SLACK, _strain_on(moves, cell[None])[0])
    for _ in range(ROUNDS):
        if abs(error) <= ENOUGH:
            break
        trials = [_flipped(cell, gradient, error, moves, rng) for _ in range(TRIALS)]
        # A flip that leaves a hinge is repaired, not rejected: some cells have almost no other flip.
        trials = [trial if is_admissible(trial) else _mended(trial, moves) for trial in trials]
        trials = [trial for trial in trials if (trial != cell).any()]
        if not trials:
            continue
        kept = np.array(trials)[_strain_on(moves, np.array(trials)) <= allowed]
        if not len(kept):
            continue
        moduli, gradients = young_x_with_gradient(kept)
        calls += len(kept)
        best = int(np.abs(wanted - moduli).argmin())
        if abs(wanted - moduli[best]) < abs(error):
            cell, gradient, error = kept[best], gradients[best], wanted - float(moduli[best])
    return cell, error, calls


def _mended(cell: Mask, moves: Filtered) -> Mask:
    return moves.project(torch.from_numpy(cell.reshape(1, -1).astype(np.float64))).numpy().reshape(cell.shape) > 0.5


def _strain_on(moves: Filtered, cells: Mask) -> Array:
    """Distance of cells (n, side, side) from the further constraints. → (n,)."""
    if not moves.rows:
        return np.zeros(len(cells))
    with torch.no_grad():
        x = torch.from_numpy(cells.reshape(len(cells), -1)).float()
        return moves.excess(x).norm(dim=1).double().numpy()


def _flipped(cell: Mask, gradient: Array, missing: float, moves: Filtered, rng: np.random.Generator) -> Mask:
    """Flip some edge pixels that are together worth about ``missing``. (side, side) → (side, side)."""
    neighbours = [(1, 0), (-1, 0), (1, 1), (-1, 1)]
    solid_around = sum(np.roll(cell, *n).astype(int) for n in neighbours)
    energy_around = sum(np.roll(np.where(cell, gradient, 0.0), *n) for n in neighbours)
    added = (~cell & (solid_around > 0), energy_around / np.maximum(solid_around, 1))
    removed = (cell & (solid_around < 4), gradient)
    orbits = moves.orbits_or_pixels()

    def candidates(edge: Mask, effect: Array) -> tuple[NDArray[np.intp], Array]:
        match = np.unique(orbits[edge.ravel() & ~moves.frozen.numpy()])
        return match, np.bincount(orbits, effect.ravel(), orbits.size)[match]

    wanted, other = (added, removed) if missing > 0 else (removed, added)
    pixels, worth = candidates(*wanted)
    # Large effects tend to come first, so few flips suffice; randomness makes each trial different.
    remaining, chosen = abs(missing) * rng.uniform(0.5, 1.2), list[np.intp]()
    for k in np.argsort(-worth * rng.lognormal(0.0, 1.0, len(worth))):
        if worth[k] <= remaining:
            chosen.append(pixels[k])
            remaining -= worth[k]
        if len(chosen) == MOST_FLIPS or remaining < 0.1 * ENOUGH:
            break
    if moves.rows and rng.random() < 0.5:  # keep the volume: flip as many of the other kind, where they matter least
        pixels, worth = candidates(*other)
        chosen += list(pixels[np.argsort(worth * rng.lognormal(0.0, 1.0, len(worth)))[: len(chosen)]])
    return cell ^ np.isin(orbits, chosen).reshape(cell.shape)
