"""Cells that meet several goals at once: starts, descent on the operator, clean-up, vector flips, verification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import process_time
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.tasks.cells import starts
from ipage_core.tasks.cells.descent import SHARPNESS, CellSpace, descend
from ipage_core.tasks.cells.flips import Finished, finish
from ipage_core.tasks.cells.goals import Goal, Goals
from ipage_core.tasks.cells.mesh import OPERATORS, Mesh
from ipage_core.tasks.cells.properties import values
from ipage_core.tasks.cells.topology import is_admissible

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Start = Literal["nearest", "noise", "motif", "given"]

ATTEMPTS = 6
"""Starts a design may take before the nearest cell found is what there is."""
CORRECTIONS = 2
"""Times the aims are moved by what the clean-up has cost (output space mapping)."""
FAR = 4.0
"""Misfit of a clean cell, in tolerances, from which moving the aims is worth more than flips."""
ENOUGH = 0.5
"""Residual at which a cell is finished on the extrapolated mesh: what its error may add then stays within the rest."""
FLIPS_ALONE = 40.0
"""Misfit of a stored cell, in tolerances, up to which flips alone are tried on it."""
SHAKEN, FINER = 4.0, 0.72
"""Misfit of the best cell so far up to which every other start is that cell, shaken, with a filter so much finer."""
PUSHES = 12
"""Steps by which a property that is to be minimized or maximized is tightened, at most."""


@dataclass(frozen=True, eq=False)
class FoundCells:
    """n cells, and what the operator says of each; a cell that misses a goal is the nearest one found."""

    cells: Mask
    """(n, side, side), True = solid; admissible, symmetric and masked as asked."""
    stiffness: Array
    """(n, 3, 3) in units of E_s, at the mesh."""
    values: Array
    """(n, k) of the goals' properties, in their order."""
    misfit: Array
    """(n,) the largest residual in tolerances; ≤ 1 where every goal is met."""
    start: list[str]
    """(n,) what the cell was found from."""
    attempts: NDArray[np.intp]
    """(n,) starts it took."""
    calls: NDArray[np.intp]
    """(n,) evaluations of the operator it took, all its starts together."""
    seconds: Array
    """(n,) of CPU."""
    mesh: Mesh

    @property
    def met(self) -> Mask:
        """(n,) whether every goal is met, by the operator at the mesh."""
        return self.misfit <= 1

    def sentence(self) -> str:
        """What a reader has to know of the outcome; never that something is impossible."""
        at = "one element a pixel" if self.mesh == "pixel" else "the extrapolated mesh"
        said = f"{int(self.met.sum())} of {len(self.cells)} cells meet every goal, by finite elements at {at}"
        if not len(self.cells) or self.met.any():
            return said
        best = int(self.misfit.argmin())
        achieved = ", ".join(f"{value:.4g}" for value in self.values[best])
        return f"not found in {int(self.attempts.sum())} starts at {at}; nearest achieved: {achieved}"


def solve(
    goals: Sequence[Goal],
    n: int = 8,
    *,
    space: CellSpace | None = None,
    mesh: Mesh = "pixel",
    from_: Sequence[Start] = ("nearest", "noise", "motif"),
    given: ArrayLike | None = None,
    attempts: int = ATTEMPTS,
    seed: int = 0,
) -> FoundCells:
    """Find n cells that meet every goal, by finite elements.

    Each design goes through its starts until one ends within the tolerances. A start is a stored cell near the goals
    (flips alone, while they are near), noise, a motif (where a Poisson's ratio is to be negative) or one that is
    given, e.g. a posterior's sample. Goals without a number are then pushed as far as the others allow.

    Args:
        goals: what to reach, all of it.
        n: designs.
        space: resolution, symmetry, masks and the smallest feature; 32 × 32 free pixels if None.
        mesh: ``pixel``: one element a pixel; ``converged``: the extrapolated property.
        from_: kinds of starts, in this order; they take turns once each has had its first.
        given: (m, side, side) densities in [0, 1] for ``given``.
        attempts: starts of a design, at most.
        seed: of every random choice.

    Raises:
        ValueError: a goal, a start or a number is not accepted.
    """
    if n < 1 or attempts < 1:
        raise ValueError(f"expected at least one design and one attempt, got {n} and {attempts}")
    if unknown := sorted(set(from_) - set(get_args(Start))) or not from_:
        raise ValueError(f"start '{unknown[0] if from_ else ''}' is not known; accepted: {', '.join(get_args(Start))}")  # type: ignore[index]
    if mesh not in OPERATORS:
        raise ValueError(f"mesh '{mesh}' is not known; accepted: {', '.join(OPERATORS)}")
    space = space or CellSpace()
    finer = replace(space, radius=FINER * space.radius)
    aims = Goals.of(goals)
    given = None if given is None else np.asarray(given, dtype=np.float64)
    if ("given" in from_) != (given is not None and given.shape[1:] == (space.side, space.side)):
        raise ValueError(f"expected given cells of shape (m, {space.side}, {space.side}) with the start 'given'")
    pool = starts.nearest(aims, n) if "nearest" in from_ else None
    found = []
    for i, child in enumerate(np.random.SeedSequence(seed).spawn(n)):
        began = process_time()
        rng = np.random.default_rng(child)
        best, calls, tried, name = None, 0, 0, ""
        for kind, u in _starts(i, aims, space, from_, pool, given, attempts, rng):
            if best is not None and best.misfit < SHAKEN and kind in ("noise", "motif") and tried % 2 == 0:
                kind, u = "again", starts.shaken(rng, best.cell)
            ended, used = _attempt(kind, u, aims, finer if kind == "again" else space, mesh, rng)
            calls, tried = calls + used, tried + 1
            if ended is not None and (best is None or ended.misfit < best.misfit):
                best, name = ended, kind
            if best is not None and best.misfit <= 1:
                break
        if best is None:  # no start led to a cell that could be cleaned: the full cell is always there
            full = np.ones((space.side, space.side), dtype=bool) if space.void is None else ~space.void
            best, name = finish(full, aims, space, rng, OPERATORS[mesh], rounds=0), "none"
        elif best.misfit <= 1:
            for goal in goals:
                if goal.open:
                    best, used = _pushed(best, goal, aims, space, mesh, rng)
                    calls += used
        found.append((best, name, tried, calls, process_time() - began))
    cells = np.array([best.cell for best, *_ in found])
    stiffness = np.array([best.stiffness for best, *_ in found])
    return FoundCells(
        cells,
        stiffness,
        values([goal.name for goal in goals], stiffness, cells.mean((1, 2))),
        np.array([best.misfit for best, *_ in found]),
        [name for _, name, *_ in found],
        np.array([tried for _, _, tried, *_ in found]),
        np.array([calls for *_, calls, _ in found]),
        np.array([seconds for *_, seconds in found]),
        mesh,
    )


def _starts(
    i: int,
    aims: Goals,
    space: CellSpace,
    kinds: Sequence[Start],
    pool: tuple[Mask, Array] | None,
    given: Array | None,
    attempts: int,
    rng: np.random.Generator,
) -> Iterator[tuple[str, Array]]:
    """Starts of the i-th design: what is at hand once, then noise and motifs in turn."""
    auxetic = any(name.startswith("nu") and aim < 0 for name, aim in zip(aims.names, aims.aim, strict=True))
    fresh = [kind for kind in kinds if kind == "noise" or (kind == "motif" and (auxetic or "noise" not in kinds))]
    left = attempts
    if given is not None and left:
        yield "given", given[i % len(given)]
        left -= 1
    if pool is not None and i < len(pool[0]) and left:
        plain = space.side == len(pool[0][i]) and space.orbits is None and space.feature == 1
        cell, misfit = pool[0][i], float(pool[1][i])
        if plain and misfit <= FLIPS_ALONE and space.allows(cell):
            yield "flips", cell.astype(np.float64)
        else:
            yield "nearest", starts.resized(cell, space.side)
        left -= 1
    for k in range(left if fresh else 0):
        kind = fresh[(i + k) % len(fresh)]
        yield kind, (starts.noise if kind == "noise" else starts.motif)(rng, space.side)


def _attempt(
    kind: str, u: Array, aims: Goals, space: CellSpace, mesh: Mesh, rng: np.random.Generator
) -> tuple[Finished | None, int]:
    """One start to its end: (cell, evaluations of the operator); no cell where none could be cleaned."""
    if mesh == "pixel":
        return _on_pixels(kind, u, aims, space, rng)
    # Designed on pixels to aims moved by what the mesh hides, then finished on the true property.
    ended, calls = _on_pixels(kind, u, aims, space, rng)
    if ended is None or not ended.misfit < FLIPS_ALONE:
        return None, calls
    true = finish(ended.cell, aims, space, rng, OPERATORS[mesh], rounds=0)
    ended, used = _on_pixels(
        "flips", ended.cell.astype(np.float64), aims.shifted(ended.values - true.values), space, rng
    )
    calls += true.calls + used
    assert ended is not None
    last = finish(ended.cell, aims, space, rng, OPERATORS[mesh], enough=ENOUGH)
    return last, calls + last.calls


def _on_pixels(
    kind: str, u: Array, aims: Goals, space: CellSpace, rng: np.random.Generator
) -> tuple[Finished | None, int]:
    if kind == "flips":
        ended = finish(u > 0.5, aims, space, rng)
        return ended, ended.calls
    best, calls, moved = None, 0, aims
    for k in range(1 + CORRECTIONS):
        u, density, used = descend(u, moved, space, sharpness=SHARPNESS if k == 0 else SHARPNESS[-2:])
        calls += used
        cell = space.clean(density)
        if cell is None:
            continue
        seen = finish(cell, aims, space, rng, rounds=0)
        calls += seen.calls
        if best is None or seen.misfit < best.misfit:
            best = seen
        if seen.misfit < FAR:
            break
        moved = moved.shifted(aims.residual(seen.values).clip(-30, 30) * aims.tolerance)
    if best is None:
        return None, calls
    ended = finish(best.cell, aims, space, rng)
    return ended, calls + ended.calls


def _pushed(
    ended: Finished, goal: Goal, aims: Goals, space: CellSpace, mesh: Mesh, rng: np.random.Generator
) -> tuple[Finished, int]:
    """The property of an open goal pushed by bounds that tighten, while every other goal stays met."""
    sign, calls = (-1 if goal.kind == "minimize" else 1), 0

    def now(cell: Finished) -> float:
        return float(values((goal.name,), cell.stiffness, cell.cell.mean())[0])

    step = 0.1 * max(abs(now(ended)), 0.1)
    for _ in range(PUSHES):
        bound = Goal(goal.name, "at most" if sign < 0 else "at least", now(ended) + sign * step, 0.1 * step)
        tighter = Goals.of([bound])
        both = replace(
            aims,
            names=aims.names + tighter.names,
            aim=np.append(aims.aim, tighter.aim),
            tolerance=np.append(aims.tolerance, tighter.tolerance),
            side=np.append(aims.side, tighter.side),
        )
        trial, used = _attempt("nearest", 0.1 + 0.8 * ended.cell.astype(np.float64), both, space, mesh, rng)
        calls += used
        if trial is not None and trial.misfit <= 1 and is_admissible(trial.cell):
            k = len(aims.names)
            misfit = float(np.abs(aims.residual(trial.values[:k])).max())
            ended = replace(trial, values=trial.values[:k], misfit=misfit)
        else:
            step /= 2
            if step < 0.005 * max(abs(now(ended)), 0.1):
                break
    return ended, calls
