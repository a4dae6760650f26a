"""Several goals at once from the command line: goals and constraints in, the columns of ``solutions.csv`` out.

Localization runs on the operator itself (``--localize-on omega``, a declared extension of the paper), so there is no
posterior stage and no surrogate: rows are final designs. Targets and properties are in E_s, not z-scores.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ipage_core.inference.basis import VERIFIED
from ipage_core.problem.goal import Goal as WantedGoal
from ipage_core.runtime.files import spreadsheet_safe, write_files
from ipage_core.tasks.cells import constraints
from ipage_core.tasks.cells.dataset import SIDE
from ipage_core.tasks.cells.descent import CellSpace
from ipage_core.tasks.cells.features import has_features
from ipage_core.tasks.cells.goal_table import columns as table_columns
from ipage_core.tasks.cells.goal_table import squared_errors, z_score
from ipage_core.tasks.cells.goals import Goal, Goals, Kind, interval
from ipage_core.tasks.cells.mesh import Mesh, stiffness
from ipage_core.tasks.cells.properties import TABLE, cell_property, values
from ipage_core.tasks.cells.solver import STARTS, SolvedCells, solve
from ipage_core.tasks.cells.space import Filtered
from ipage_core.tasks.cells.starts import lookup
from ipage_core.tasks.cells.topology import percolates
from ipage_core.tasks.cells.wallpaper import operations

if TYPE_CHECKING:
    from ipage_core.tasks.cells.layout import Layout
    from ipage_core.tasks.cells.material import Material

_COMPARISON = re.compile(r"([^<>=]+?)\s*(<=|>=|=)\s*([0-9.eE+-]+)")
KINDS_OF_STARTS = ("nearest", "noise", "motif", "posterior")
"""Starts that need no density from the caller."""
_KINDS: dict[str, Kind] = {"<=": "at most", ">=": "at least", "=": "exactly"}


def cell_goals(name: str, wanted: WantedGoal) -> list[Goal]:
    """Convert a goal for the solver: one goal, two for an interval, none for ``anything``.

    Raises:
        ValueError: not a property of cells, or an invalid number.
    """
    name = cell_property(name).name
    if wanted.weight != 1:
        raise ValueError(f"the goal on {name} has a weight, which means nothing where every goal is to be met")
    said = math.nan if wanted.tolerance is None else wanted.tolerance
    if wanted.kind == "between":
        return interval(name, wanted.low, wanted.high)
    if wanted.kind == "exactly":
        return [Goal(name, "exactly", wanted.low, said)]
    if wanted.kind == "at least":
        return [Goal(name, "at least", wanted.low, said)]
    if wanted.kind == "at most":
        return [Goal(name, "at most", wanted.high, said)]
    return [Goal(name, "minimize" if wanted.kind == "minimize" else "maximize")] if wanted.kind != "anything" else []


def space_and_goals(expressions: Sequence[str], side: int = SIDE, feature: int = 1) -> tuple[CellSpace, list[Goal]]:
    """Convert ``--constrain`` of cells for the solver: group and masks define the space, volume and E_y are goals.

    With several goals ``isotropic`` refers to the whole stiffness, not only to E_x = E_y: anisotropy ≤ 0.04.

    Raises:
        ValueError: an expression cannot be parsed, or masks have another resolution than 32 or 64.
    """
    masks, goals, orbits = [], list[Goal](), None
    for said in expressions:
        text = said.strip()
        compared = _COMPARISON.fullmatch(text)
        if compared:
            kind = _KINDS[compared[2]]
            goals.append(Goal(compared[1], kind, _number(said, compared[3])))
        elif text.lower() in ("isotropic", "e_x=e_y", "e_y=e_x"):
            goals.append(Goal("anisotropy", "at most", 0.04))
        else:
            masks.append(said)
    bounds = torch.tensor([[0.0], [1.0]]).expand(2, SIDE * SIDE)
    moves = constraints.parse(Filtered(bounds), lambda modulus: modulus, masks)
    if moves.orbits is not None:
        group = next(text.partition("=")[2].strip() for text in masks if text.strip().startswith("group"))
        orbits = operations(group, side).min(axis=0)
    solid, void = (None if mask is None else _enlarged(mask.numpy(), side) for mask in (moves.solid, moves.void))
    if void is not None and percolates(~void) != (True, True):
        raise ValueError("the void region cuts the cell; accepted: regions that leave a solid way along x and along y")
    return CellSpace(side, feature, orbits, solid, void), goals


def _enlarged(mask: np.ndarray, side: int) -> np.ndarray:
    """A mask of 32 × 32 pixels at another resolution. (1024,) → (side, side) bool."""
    if side % SIDE:
        raise ValueError(f"masks have {SIDE} pixels a side; accepted with them: cells of 32 or 64 pixels, not {side}")
    return mask.reshape(SIDE, SIDE).repeat(side // SIDE, 0).repeat(side // SIDE, 1)


def _number(said: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"constraint '{said}': '{text}' is not a number") from None


@dataclass(frozen=True, eq=False)
class GoalDesigns:
    """The solver's result with its goals."""

    goals: tuple[Goal, ...]
    solved: SolvedCells
    feature: int = 1
    """Requested minimum thickness of walls and gaps, in pixels."""
    cell_mm: float = 10.0
    """Width of a cell for features in millimetres."""

    def __len__(self) -> int:
        return len(self.solved.cells)

    def __repr__(self) -> str:
        said = ", ".join(goal.text for goal in self.goals)
        return f"{len(self)} {'design' if len(self) == 1 else 'designs'} of architecture for {said}\n  {self.note}."

    def _repr_html_(self) -> str:
        """The text and the first six designs as a small HTML table, for notebooks."""
        shown = self.to_frame().head(6).to_html(index=False, escape=True)
        return f"<p>{escape(repr(self)).replace(chr(10), '<br>')}</p>{shown}"

    @property
    def cells(self) -> NDArray[np.bool_]:
        """The designs (n, side, side), True = solid; the first index of a cell runs along y."""
        return self.solved.cells

    def to_frame(self) -> pd.DataFrame:
        """Every property of the designs with its unit, and whether a design meets every goal; without its pixels."""
        achieved = values(list(TABLE), self.solved.stiffness, self.cells.mean((1, 2)))
        named = [f"{name} [{prop.unit}]" if prop.unit else name for name, prop in TABLE.items()]
        columns: dict[str, Any] = {"sample": range(len(self))} | dict(zip(named, achieved.T, strict=True))
        columns |= {goal.name: self.solved.values[:, j] for j, goal in enumerate(self.goals) if goal.name not in TABLE}
        return pd.DataFrame(columns | {"misfit [tolerances]": self.solved.misfit, "hit": self.solved.met})

    def export(
        self, form: str, path: str | Path, layout: Layout | None = None, material: Material | None = None
    ) -> list[Path]:
        """Write the designs to files.

        Args:
            form: ``csv``, ``png``, ``svg``, ``dxf``, ``stl`` or ``3mf``.
            path: a file for ``csv``, a folder for all other formats.
            layout: number and size of the cells; 3 × 3 cells of 10 mm if None.
            material: name and E_s of the solid.

        Returns:
            The files.

        Raises:
            ValueError: another format.
        """
        from ipage_core.tasks.cells.export import FORMATS, files

        path = Path(path)
        if form == "csv":
            return write_files(path.parent, {path.name: spreadsheet_safe(self.frame()).to_csv(index=False).encode()})
        if form not in FORMATS:
            raise ValueError(f"format '{form}' is not known for architecture; accepted: csv, {', '.join(FORMATS)}")
        return write_files(path, files(self.frame(), form, layout, material))

    def remark(self) -> str:
        """The feature size of the cells, for users who print them."""
        if self.feature == 1:
            return "; walls and gaps may be one pixel thin"
        length = self.feature * self.cell_mm / self.cells.shape[-1]
        wide = f"{self.feature} pixels ({length:.3g} mm in a cell of {self.cell_mm:g} mm)"
        thin = int((~has_features(self.solved.cells, self.feature)).sum())
        if thin:
            return f"; {thin} of {len(self.solved.cells)} cells have a wall or a gap thinner than {wide}"
        return f"; no wall and no gap is thinner than {wide}"

    @property
    def note(self) -> str:
        """The outcome, the mesh that verified it, and the features."""
        return self.solved.sentence() + self.remark()

    def frame(self) -> pd.DataFrame:
        """One row per design, with the columns of ``solutions.csv``; then every property, and how it was solved."""
        cells, solved = self.solved.cells, self.solved
        targets = [math.nan if goal.open else goal.value for goal in self.goals]
        columns: dict[str, Any] = {"sample": range(len(cells)), "stage": "localized"}
        columns |= {f"target{j + 1}": value for j, value in enumerate(targets)}
        columns |= {f"x{j + 1}": pixel for j, pixel in enumerate(cells.reshape(len(cells), -1).T.astype(np.float64))}
        columns |= {f"surrogate{j + 1}": math.nan for j in range(len(targets))}
        columns |= {"in_bounds": True, "replaced": solved.attempts > 1}
        columns |= table_columns(self.goals, cells, solved.stiffness, solved.mesh)
        return pd.DataFrame(columns | {"start": solved.start, "omega_calls": solved.calls, "basis": VERIFIED})

    @property
    def lookup(self) -> float:
        """The misfit, in tolerances, of the shipped cell that comes nearest as it is: the control.

        Infinite if no shipped cell has the features.
        """
        return lookup(Goals.of(self.goals), self.feature, self.cells.shape[-1])

    def achieved(self, mesh: Mesh) -> dict[str, float]:
        """The median over the designs of each goal's property on a mesh."""
        names, cells = list(dict.fromkeys(goal.name for goal in self.goals)), self.solved.cells
        c = self.solved.stiffness if mesh == self.solved.mesh else stiffness(cells, mesh)
        middle = np.median(values(names, c, cells.mean((1, 2))), axis=0)
        return dict(zip(names, middle.round(6).tolist(), strict=True))

    def summary(self) -> dict[str, Any]:
        """The JSON object of the command line."""
        solved, errors, control = self.solved, squared_errors(self.goals, self.solved.values), self.lookup
        return {
            "n": len(solved.cells),
            "resim_mse": float(errors.mean()),
            "resim_median": float(np.median(errors)),
            "verified": len(solved.cells),
            "hits": int(solved.met.sum()),
            "in_bounds": len(solved.cells),
            "replaced": int((solved.attempts > 1).sum()),
            "success_before_replacement": int((solved.met & (solved.attempts == 1)).sum()),
            "omega_calls": int(solved.calls.sum()),
            "seconds": {"localization": round(float(solved.seconds.sum()), 4)},
            "goals": [goal.text for goal in self.goals],
            "z_scores": [None if goal.open else round(z_score(goal.name, goal.value), 4) for goal in self.goals],
            "mesh": solved.mesh,
            "achieved": self.achieved(solved.mesh),
            **({"achieved_on_pixels": self.achieved("pixel")} if solved.mesh == "converged" else {}),
            "hits_by_start": dict(Counter(s for s, met in zip(solved.start, solved.met, strict=True) if met)),
            "lookup_misfit": round(control, 4) if math.isfinite(control) else None,
            "feature": self.feature,
            "note": self.note,
        }


def design(
    goals: Sequence[Goal],
    n: int,
    *,
    expressions: Sequence[str] = (),
    mesh: Mesh = "pixel",
    side: int = SIDE,
    feature: int = 1,
    cell_mm: float = 10.0,
    starts: Sequence[str] = STARTS,
    seed: int = 0,
    record: bool = False,
    progress: Callable[[int], None] | None = None,
) -> GoalDesigns:
    """n cells for several goals under constraints.

    Args:
        goals: the goals, all to be met together.
        n: number of designs.
        expressions: ``--constrain``, as :func:`space_and_goals` reads them.
        mesh: ``pixel`` or ``converged``.
        side: 32, 48 or 64 pixels.
        feature: smallest feature, in pixels.
        cell_mm: width of a cell, to state the feature in millimetres.
        starts: kinds of starts, as :func:`ipage_core.tasks.cells.solver.solve` takes them.
        seed: seed of all random choices.
        record: whether to keep the intermediate densities of each design.
        progress: called after each design with the number of finished designs.

    Raises:
        ValueError: a goal, a constraint or a number is invalid.
    """
    if unknown := [kind for kind in starts if kind not in KINDS_OF_STARTS]:
        raise ValueError(f"start '{unknown[0]}' is not known; accepted: {', '.join(KINDS_OF_STARTS)}")
    if not 0 < cell_mm < math.inf:
        raise ValueError(f"expected a positive width of a cell, got {cell_mm:g} mm")
    space, more = space_and_goals(expressions, side, feature)
    every = (*goals, *more)
    solved = solve(
        every,
        n,
        space=space,
        mesh=mesh,
        from_=starts,  # type: ignore[arg-type]
        seed=seed,
        record=record,
        progress=progress,
    )
    return GoalDesigns(every, solved, feature, cell_mm)
