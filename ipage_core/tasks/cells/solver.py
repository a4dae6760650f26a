"""Cells that meet several goals at once: starts, descent on the operator, clean-up, vector flips, verification."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from time import thread_time
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.tasks.cells import starts
from ipage_core.tasks.cells.attempt import FLIPS_ALONE, attempt, pushed
from ipage_core.tasks.cells.dataset import SIDE
from ipage_core.tasks.cells.descent import CellSpace
from ipage_core.tasks.cells.flips import finish
from ipage_core.tasks.cells.goals import Goal, Goals, check_together, outcome
from ipage_core.tasks.cells.mesh import MESHES, OPERATORS, Mesh
from ipage_core.tasks.cells.posterior_start import posterior_samples
from ipage_core.tasks.cells.properties import values

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Start = Literal["nearest", "noise", "motif", "posterior", "given"]
STARTS: tuple[Start, ...] = ("nearest", "noise", "motif")
"""Default kinds of starts. The posterior meets no more goals than these, and takes longer (RESULTS.md)."""

ATTEMPTS = 6
"""Maximum number of starts per design; after them the solver returns the nearest cell."""
POOL = 512
"""Most stored cells that serve as starts of one run; more would have to be compared with each other for minutes."""
SHAKEN, FINER = 4.0, 0.72
"""Largest misfit of the best cell at which every other start is this cell, shaken; factor on its filter radius."""
LOOKED_AT = 40
"""Number of stored cells among which a design looks for one to keep as it is, if none of its starts ends clean."""
CLOSE = 1.6
"""Largest misfit at which such a start is the best cell unchanged, to be annealed."""


@dataclass(frozen=True, eq=False)
class SolvedCells:
    """n cells and their properties by the operator; a cell that misses a goal is the nearest one of its design."""

    cells: Mask
    """(n, side, side), True = solid; admissible, symmetric and masked as requested."""
    stiffness: Array
    """(n, 3, 3) in units of E_s, at the mesh."""
    goals: tuple[Goal, ...]
    """The k goals."""
    values: Array
    """(n, k) of these properties."""
    misfit: Array
    """(n,) the largest residual in tolerances; ≤ 1 where every goal is met."""
    start: list[str]
    """(n,) kind of start that led to the cell."""
    attempts: NDArray[np.intp]
    """(n,) number of starts used."""
    calls: NDArray[np.intp]
    """(n,) number of operator evaluations, all starts together."""
    seconds: Array
    """(n,) CPU seconds."""
    mesh: Mesh
    ways: tuple[tuple[Array, ...], ...] = ()
    """For each design the densities (side, side) from its start to the end, if recorded."""

    @property
    def names(self) -> tuple[str, ...]:
        """The k properties of the goals, in their order."""
        return tuple(goal.name for goal in self.goals)

    @property
    def met(self) -> Mask:
        """(n,) whether every goal is met, by the operator on the mesh."""
        return self.misfit <= 1

    def sentence(self) -> str:
        """The outcome in one sentence; it never claims that a goal is impossible."""
        at = MESHES[self.mesh]
        if not len(self.cells) or self.met.any():
            return outcome(self.goals, self.values, self.met, at)
        best = int(self.misfit.argmin())
        achieved = ", ".join(f"{name} = {value:.4g}" for name, value in zip(self.names, self.values[best], strict=True))
        return f"not reached in {int(self.attempts.sum())} starts at {at}; nearest achieved: {achieved}"


def solve(
    goals: Sequence[Goal],
    n: int = 8,
    *,
    space: CellSpace | None = None,
    mesh: Mesh = "pixel",
    from_: Sequence[Start] = STARTS,
    given: ArrayLike | None = None,
    attempts: int = ATTEMPTS,
    seed: int = 0,
    record: bool = False,
    progress: Callable[[int], None] | None = None,
) -> SolvedCells:
    """Find n cells that meet every goal, by finite elements.

    Each design tries its starts until one ends within the tolerances. A start is a stored cell near the goals
    (flips alone while it is near), noise, a motif (if a Poisson's ratio must be negative), a sample of the shipped
    INN's posterior at the goal on E_x or E_y, or a given density. Goals without a number are then pushed as far as the
    others allow.

    Args:
        goals: the goals, all to be met together.
        n: number of designs.
        space: resolution, symmetry, masks and the smallest feature; 32 × 32 free pixels if None.
        mesh: ``pixel``: one element per pixel; ``converged``: the extrapolated property.
        from_: kinds of starts; a given density or posterior sample comes first, then stored cells; then noise and the
            other kinds take turns.
        given: (m, side, side) densities in [0, 1] for ``given``.
        attempts: maximum number of starts per design.
        seed: seed of all random choices.
        record: whether to keep the intermediate densities of each design, for figures.
        progress: called after each design with the number of finished designs.

    Raises:
        ValueError: a goal, a start or a number is invalid.
    """
    if n < 1 or attempts < 1:
        raise ValueError(f"expected at least one design and one attempt, got {n} and {attempts}")
    if unknown := sorted(set(from_) - set(get_args(Start))) or not from_:
        raise ValueError(f"start '{unknown[0] if from_ else ''}' is not known; accepted: {', '.join(get_args(Start))}")  # type: ignore[index]
    if mesh not in OPERATORS:
        raise ValueError(f"mesh '{mesh}' is not known; accepted: {', '.join(OPERATORS)}")
    space = space or CellSpace()
    finer = replace(space, radius=FINER * space.radius)
    aims, extremes = Goals.of(goals), [goal for goal in goals if goal.open]
    check_together(goals)
    given = None if given is None else np.asarray(given, dtype=np.float64)
    if ("given" in from_) != (given is not None and given.shape[1:] == (space.side, space.side)):
        raise ValueError(f"expected given cells of shape (m, {space.side}, {space.side}) with the start 'given'")
    if "posterior" in from_:
        if given is not None:
            raise ValueError("expected the start 'posterior' or 'given', got both")
        samples = posterior_samples(aims, n, seed)
        given = np.array([starts.resized(sample, space.side) for sample in samples])
    looked_up = min(n * (1 + attempts // 2), POOL)
    pool = starts.nearest(aims, looked_up, space.feature, extremes) if "nearest" in from_ else None
    result, ways = [], list[tuple[Array, ...]]()
    for i, child in enumerate(np.random.SeedSequence(seed).spawn(n)):
        began = thread_time()  # of the process, in the app, would count other visitors' runs
        rng = np.random.default_rng(child)
        best, calls, tried, fresh, name, way = None, 0, 0, 0, "", list[Array]()
        for kind, u in _starts(i, n, aims, space, from_, pool, given, attempts, rng):
            fresh += kind in ("noise", "motif")
            how = kind
            if best is not None and best.misfit < SHAKEN and kind in ("noise", "motif") and fresh % 2 == 0:
                kind = how = "again"
                if best.misfit < CLOSE:
                    how, u = "annealed", best.cell.astype(np.float64)
                else:
                    u = starts.shaken(rng, best.cell)
            own = [u] if record else None
            ended, used = attempt(how, u, aims, finer if how == "again" else space, mesh, rng, own)
            calls, tried = calls + used, tried + 1
            if ended is not None and (best is None or ended.misfit < best.misfit):
                best, name, way = ended, kind, own or []
            if best is not None and best.misfit <= 1:
                break
        if best is None:  # no start led to a clean cell
            whole = [finish(cell, aims, space, rng, OPERATORS[mesh], rounds=0) for cell in _unchanged(aims, space)]
            best, name = min(whole, key=lambda ended: ended.misfit), "none"
            calls += len(whole)
        elif best.misfit <= 1:
            for goal in extremes:
                best, used = pushed(best, goal, aims, space, mesh, rng, way if record else None)
                calls += used
        result.append((best, name, tried, calls, thread_time() - began))
        ways.append((*way, best.cell.astype(np.float64)))
        if progress is not None:
            progress(i + 1)
    cells = np.array([best.cell for best, *_ in result])
    stiffness = np.array([best.stiffness for best, *_ in result])
    return SolvedCells(
        cells,
        stiffness,
        tuple(goals),
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
    """Starts of the i-th of n designs: given and stored cells first, then fresh ones and further stored cells in turn.

    For a negative ratio, motifs take turns with noise. Without a limit on features they are one start in eight, because
    noise leads to isotropic cells more often. If no feature may be thin they are half of the starts, because motifs
    then do as well as noise.
    """
    auxetic = any(name.startswith("nu") and aim < 0 for name, aim in zip(aims.names, aims.aim, strict=True))
    often = 7 if auxetic and "motif" in kinds and space.feature == 1 else 1
    fresh: list[Start] = ["noise"] * often if "noise" in kinds else []
    fresh += ["motif"] if "motif" in kinds and (auxetic or not fresh) else []
    near = [] if pool is None else list(zip(pool[0][i::n], pool[1][i::n].tolist(), strict=True))
    left = attempts
    if given is not None:
        yield "posterior" if "posterior" in kinds else "given", given[i % len(given)]
        left -= 1
    for k in range(left):
        if near and (k % 2 == 0 or not fresh):
            yield _from_stored(*near.pop(0), space)
        elif fresh:
            kind = fresh[(i + k // 2 if pool is not None else i + k) % len(fresh)]
            yield kind, (starts.noise if kind == "noise" else starts.motif)(rng, space.side)


def _unchanged(aims: Goals, space: CellSpace) -> list[Mask]:
    """Cells that may stand as they are: the solid but for its masks, and the nearest stored cells that are allowed."""
    full = np.ones((space.side, space.side), dtype=bool) if space.void is None else ~space.void
    if space.side != SIDE or space.orbits is not None:
        return [full]
    return [full, *(cell for cell in starts.nearest(aims, LOOKED_AT, space.feature)[0] if space.allows(cell))]


def _from_stored(cell: Mask, misfit: float, space: CellSpace) -> tuple[str, Array]:
    """A stored cell as a start: flips alone if it is near, else a descent from it."""
    if space.side == len(cell) and space.orbits is None and misfit <= FLIPS_ALONE and space.allows(cell):
        return "flips", cell.astype(np.float64)
    return "nearest", starts.resized(cell, space.side)
