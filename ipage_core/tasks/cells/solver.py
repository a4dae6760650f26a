"""Cells that meet several goals at once: starts, descent on the operator, clean-up, vector flips, verification."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from time import process_time
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.tasks.cells import starts
from ipage_core.tasks.cells.attempt import FLIPS_ALONE, attempt, pushed
from ipage_core.tasks.cells.descent import CellSpace
from ipage_core.tasks.cells.flips import finish
from ipage_core.tasks.cells.goals import Goal, Goals
from ipage_core.tasks.cells.mesh import OPERATORS, Mesh
from ipage_core.tasks.cells.properties import values

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Start = Literal["nearest", "noise", "motif", "given"]

ATTEMPTS = 6
"""Starts a design may take before the nearest cell found is what there is."""
SHAKEN, FINER = 4.0, 0.72
"""Misfit of the best cell so far up to which every other start is that cell, shaken, with a filter so much finer."""
CLOSE = 1.6
"""Misfit up to which that start is the best cell as it is, for other flips than before."""


@dataclass(frozen=True, eq=False)
class SolvedCells:
    """n cells, and what the operator says of each; a cell that misses a goal is the nearest one found."""

    cells: Mask
    """(n, side, side), True = solid; admissible, symmetric and masked as requested."""
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
    ways: tuple[tuple[Array, ...], ...] = ()
    """Of each design the densities (side, side) from its start to the end, if they were to be recorded."""

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
        return f"not reached in {int(self.attempts.sum())} starts at {at}; nearest achieved: {achieved}"


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
    record: bool = False,
    progress: Callable[[int], None] | None = None,
) -> SolvedCells:
    """Find n cells that meet every goal, by finite elements.

    Each design goes through its starts until one ends within the tolerances. A start is a stored cell near the goals
    (flips alone, while they are near), noise, a motif (where a Poisson's ratio is to be negative) or one that is
    given, e.g. a posterior's sample. Goals without a number are then pushed as far as the others allow.

    Args:
        goals: what to reach, all of it.
        n: designs.
        space: resolution, symmetry, masks and the smallest feature; 32 × 32 free pixels if None.
        mesh: ``pixel``: one element a pixel; ``converged``: the extrapolated property.
        from_: kinds of starts; what is at hand comes first, then noise and what else is named take turns.
        given: (m, side, side) densities in [0, 1] for ``given``.
        attempts: starts of a design, at most.
        seed: of every random choice.
        record: whether to keep how each design came about, for figures.
        progress: called with the number of designs that are done, after each.

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
    pool = starts.nearest(aims, n * (1 + attempts // 2), space.feature) if "nearest" in from_ else None
    result, ways = [], list[tuple[Array, ...]]()
    for i, child in enumerate(np.random.SeedSequence(seed).spawn(n)):
        began = process_time()
        rng = np.random.default_rng(child)
        best, calls, tried, fresh, name, way = None, 0, 0, 0, "", list[Array]()
        for kind, u in _starts(i, n, aims, space, from_, pool, given, attempts, rng):
            fresh += kind in ("noise", "motif")
            how = kind
            if best is not None and best.misfit < SHAKEN and kind in ("noise", "motif") and fresh % 2 == 0:
                kind = how = "again"
                if best.misfit < CLOSE:
                    how, u = "flips", best.cell.astype(np.float64)
                else:
                    u = starts.shaken(rng, best.cell)
            own = [u] if record else None
            ended, used = attempt(how, u, aims, finer if how == "again" else space, mesh, rng, own)
            calls, tried = calls + used, tried + 1
            if ended is not None and (best is None or ended.misfit < best.misfit):
                best, name, way = ended, kind, own or []
            if best is not None and best.misfit <= 1:
                break
        if best is None:  # no start led to a cell that could be cleaned: the full cell is always there
            full = np.ones((space.side, space.side), dtype=bool) if space.void is None else ~space.void
            best, name = finish(full, aims, space, rng, OPERATORS[mesh], rounds=0), "none"
        elif best.misfit <= 1:
            for goal in goals:
                if goal.open:
                    best, used = pushed(best, goal, aims, space, mesh, rng, way if record else None)
                    calls += used
        result.append((best, name, tried, calls, process_time() - began))
        ways.append((*way, best.cell.astype(np.float64)))
        if progress is not None:
            progress(i + 1)
    cells = np.array([best.cell for best, *_ in result])
    stiffness = np.array([best.stiffness for best, *_ in result])
    return SolvedCells(
        cells,
        stiffness,
        values([goal.name for goal in goals], stiffness, cells.mean((1, 2))),
        np.array([best.misfit for best, *_ in result]),
        [name for _, name, *_ in result],
        np.array([tried for _, _, tried, *_ in result]),
        np.array([calls for *_, calls, _ in result]),
        np.array([seconds for *_, seconds in result]),
        mesh,
        tuple(ways) if record else (),
    )


def _starts(
    i: int,
    n: int,
    aims: Goals,
    space: CellSpace,
    kinds: Sequence[Start],
    pool: tuple[Mask, Array] | None,
    given: Array | None,
    attempts: int,
    rng: np.random.Generator,
) -> Iterator[tuple[str, Array]]:
    """Starts of the i-th of n designs: what is at hand, then fresh ones and further stored cells in turn.

    Where a ratio is to be negative, motifs take turns with noise: one start in eight, because isotropic cells are found
    more often from noise, but half of the starts where no feature may be thin, because there motifs do as well.
    """
    auxetic = any(name.startswith("nu") and aim < 0 for name, aim in zip(aims.names, aims.aim, strict=True))
    often = 7 if auxetic and "motif" in kinds and space.feature == 1 else 1
    fresh: list[Start] = ["noise"] * often if "noise" in kinds else []
    fresh += ["motif"] if "motif" in kinds and (auxetic or not fresh) else []
    near = [] if pool is None else list(zip(pool[0][i::n], pool[1][i::n].tolist(), strict=True))
    left = attempts
    if given is not None:
        yield "given", given[i % len(given)]
        left -= 1
    for k in range(left):
        if near and (k % 2 == 0 or not fresh):
            yield _from_stored(*near.pop(0), space)
        elif fresh:
            kind = fresh[(i + k // 2 if pool is not None else i + k) % len(fresh)]
            yield kind, (starts.noise if kind == "noise" else starts.motif)(rng, space.side)


def _from_stored(cell: Mask, misfit: float, space: CellSpace) -> tuple[str, Array]:
    """A stored cell as a start: flips alone while it is near, else a descent from it."""
    if space.side == len(cell) and space.orbits is None and misfit <= FLIPS_ALONE and space.allows(cell):
        return "flips", cell.astype(np.float64)
    return "nearest", starts.resized(cell, space.side)
