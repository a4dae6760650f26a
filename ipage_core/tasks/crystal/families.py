"""Candidates of the crystal task: merged modulo symmetry, described and ranked, all by the surrogate.

``python -m ipage_core rank solutions.csv --by energy --out ranked.csv``. Gaps are PBE gaps with unrelaxed internal
coordinates; results of Ω keep their own columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ipage_core.runtime.lazy import LazyModule
from ipage_core.tasks.crystal import lattices
from ipage_core.tasks.crystal.box import BOUNDS
from ipage_core.tasks.crystal.strain import CUBIC_LENGTH, STRAIN_UNIT, largest_strain, volume_change

if TYPE_CHECKING:
    import pandas as pd

qmc: Any = LazyModule("scipy.stats.qmc")

Floats = NDArray[np.float64]
BY = ("energy", "cubic", "robustness")

RADIUS = 0.01
"""Cells within this distance (:func:`distances`, 1 % of strain) of a family's best cell belong to the family."""
NOISE = (0.005, 0.5)
"""Fabrication noise for the robustness, uniform: lengths ± 0.5 %, angles ± 0.5°."""
DRAWS = 32
"""Perturbed cells per candidate."""


class Predictor(Protocol):
    """An ensemble for gap, direct gap [eV] and ΔE [eV per cell]: mean and standard deviation."""

    def properties(self, x: Tensor) -> Tensor:
        """Mean of the members. (n, 6) → (n, 3)."""
        ...

    def spread(self, x: Tensor) -> Tensor:
        """Standard deviation of the members. (n, 6) → (n, 3)."""
        ...


def distances(lattice: Floats, others: Floats) -> Floats:
    """Distance of each cell to the nearest of the 24 images of each other cell, in strain. (n, 6), (k, 6) → (n, k)."""
    return to_nearest_image(np.asarray(lattice, dtype=np.float64) / STRAIN_UNIT, lattices.images(others) / STRAIN_UNIT)


def to_nearest_image(x: Floats, images: Floats) -> Floats:
    """Distance of each design (n, d) to the nearest of the s images of each other design (k, s, d). → (n, k)."""
    flat = images.reshape(-1, x.shape[1])
    squared = (x**2).sum(1)[:, None] + (flat**2).sum(1) - 2 * x @ flat.T
    return np.sqrt(np.maximum(squared, 0).reshape(len(x), *images.shape[:2]).min(2))


def families(lattice: Floats, order: Sequence[int] | NDArray[np.int64], radius: float = RADIUS) -> NDArray[np.int64]:
    """The family of each cell: (n, 6) and an order, best first → (n,) row of the family's best cell.

    In that order, a cell joins the nearest family whose best cell is within ``radius``, modulo the 24 symmetries, or
    founds a new family.
    """
    return merged(distances(lattice, lattice), order, radius)


def merged(near: Floats, order: Sequence[int] | NDArray[np.int64], radius: float) -> NDArray[np.int64]:
    """Like :func:`families`, from the distances between the designs (n, n)."""
    founder = np.full(len(near), -1)
    founders: list[int] = []
    for i in order:
        closest = founders[int(near[i, founders].argmin())] if founders else i
        if founders and near[i, closest] <= radius:
            founder[i] = closest
        else:
            founder[i] = i
            founders.append(int(i))
    return founder


def with_ranks(frame: pd.DataFrame, value: Floats, near: Floats, radius: float) -> pd.DataFrame:
    """The frame with ``rank``, ``family``, ``members`` and ``best``; see :func:`table`.

    ``value`` (n,): the least is the best. ``near`` (n, n): distances between the designs, modulo symmetry.
    """
    order = np.argsort(value, kind="stable")
    founder = merged(near, order, radius)
    ranks = np.empty(len(order), dtype=int)
    ranks[order] = np.arange(1, len(order) + 1)
    best = founder == np.arange(len(order))
    number = {int(i): k + 1 for k, i in enumerate(order[best[order]])}
    frame = frame.assign(rank=ranks, family=[number[int(i)] for i in founder])
    return frame.assign(members=frame.groupby("family")["family"].transform("size"), best=best)


def robustness(predictor: Predictor, x: Tensor) -> Tensor:
    """Root mean square change of the predicted gap [eV] under ``NOISE``, at ``DRAWS`` Sobol points. (n, 6) → (n,)."""
    unit = torch.from_numpy(qmc.Sobol(6, seed=0).random(DRAWS)).to(x)
    offset = 2 * unit - 1
    with torch.no_grad():
        here = predictor.properties(x)[:, 0]
        squares = torch.zeros_like(here)
        for row in offset:
            moved = torch.cat((x[:, :3] * (1 + NOISE[0] * row[:3]), x[:, 3:] + NOISE[1] * row[3:]), dim=1)
            squares += (predictor.properties(moved)[:, 0] - here).square()
    return (squares / DRAWS).sqrt()


def table(lattice: Tensor, predictor: Predictor, by: str = "energy", radius: float = RADIUS) -> pd.DataFrame:
    """One row per cell (n, 6), in input order, with its family and its rank; rank 1 is the best cell.

    Columns by the surrogate [eV]: ``gap``, ``gap_sd``, ``direct``, ``energy`` (ΔE), ``energy_sd``, ``robustness``.
    Columns by geometry, against the cubic cell of lowest energy, as fractions: ``cubic``, the norm of the strain;
    ``largest_strain``; ``volume``, the change of volume. Then ``rank``; ``family``, numbered from 1 by rank;
    ``members``, the size of the family; and ``best``, whether this cell is the best of its family.

    Raises:
        ValueError: ``by`` is not known.
    """
    import pandas as pd

    if by not in BY:
        raise ValueError(f"ranking by '{by}' is not known; accepted: {', '.join(BY)}")
    x = lattice.detach().cpu().to(torch.float32)
    with torch.no_grad():
        properties, spread = predictor.properties(x).double(), predictor.spread(x).double()
    cells = lattice.detach().cpu().double()
    cubic = distances(np.array([[CUBIC_LENGTH] * 3 + [90.0] * 3]), cells.numpy())[0]
    frame = pd.DataFrame(
        {
            "gap": properties[:, 0],
            "gap_sd": spread[:, 0],
            "direct": properties[:, 1],
            "energy": properties[:, 2],
            "energy_sd": spread[:, 2],
            "cubic": cubic,
            "largest_strain": largest_strain(cells).numpy(),
            "volume": volume_change(cells).numpy(),
            "robustness": robustness(predictor, x).double(),
        }
    )
    near = distances(cells.numpy(), cells.numpy())
    return with_ranks(frame, frame[by].to_numpy(), near, radius)


def rank(frame: pd.DataFrame, source: str, by: str = "energy", radius: float = RADIUS) -> pd.DataFrame:
    """The final designs of a ``solutions.csv`` named ``source``, with the columns of :func:`table`, best first.

    Raises:
        ValueError: it is not a table of crystals, or ``by`` is not known.
    """
    from ipage_core.inference.methods import load
    from ipage_core.tasks.table.columns import numbers

    names = [f"x{j}" for j in range(1, 7)]
    if not {"stage", *names} <= set(frame) or "x7" in frame or any(np.isnan(numbers(frame, n)).any() for n in names):
        raise ValueError(f"{source} is not a table of crystals; accepted: what 'design crystal --out' wrote")
    frame = frame[frame["stage"] == frame["stage"].iloc[-1]].reset_index(drop=True)
    cells = torch.from_numpy(frame[names].to_numpy(dtype=np.float64, copy=True))
    low, high = torch.from_numpy(BOUNDS)
    if not bool(((cells > 0.9 * low) & (cells < 1.1 * high)).all()):  # such as strains of silicon
        raise ValueError(f"{source} has cells far outside SrTiO3's box; accepted: what 'design crystal --out' wrote")
    predictor: Any = load("crystal", "prior-lm").surrogate
    return frame.join(table(cells, predictor, by, radius)).sort_values("rank")
