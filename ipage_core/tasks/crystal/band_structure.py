"""Band structure of a strained SrTiO₃ cell: bands along lines of the Brillouin zone, at the converged density of Ω.

Ω sees only the k-points of its mesh; these lines show the bands between them. Ions and settings are those of Ω, see
:mod:`ipage_core.tasks.crystal.dft`. Corners as in a cubic crystal (Setyawan and Curtarolo, Comput. Mater. Sci. 49, 299,
2010); in a strained cell X, Y and Z differ.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.runtime import executor, records
from ipage_core.tasks.crystal import dft

CORNERS = {
    "Γ": (0.0, 0.0, 0.0),
    "X": (0.5, 0.0, 0.0),
    "Y": (0.0, 0.5, 0.0),
    "Z": (0.0, 0.0, 0.5),
    "M": (0.5, 0.5, 0.0),
    "R": (0.5, 0.5, 0.5),
}
"""Named k-points, in fractions of the reciprocal lattice."""
PATH = ("X", "Γ", "Y", "M", "R", "Γ", "Z")
"""From corner to corner."""
POINTS = 6
"""k-points from each corner to the next."""
FIRST, LAST = 11, 24
"""The bands of the result: nine of oxygen's 2p below the gap, four above; counted from 0, the last excluded."""
FORM = {
    "levels": (None, LAST - FIRST), "at": (None,), "corners": (len(PATH),), "gap": float, "direct": float, "top": str,
    "bottom": str, "cpu_s": float,
}  # fmt: skip
"""Form of a result in the cache.

``levels`` [eV], (k, 13): bands along the path, above the highest occupied level on it; ``at`` [1/Å], (k,): distance
from the path's start; ``corners``: that of each corner of ``PATH``; ``gap`` and ``direct`` [eV] on the path, signed as
Ω's; ``top``, ``bottom``: where the occupied bands are highest and the empty ones lowest: a corner, or 'between X and
Γ'. A failed calculation has only ``fail``, one sentence, and ``cpu_s``.
"""


def path(points: int = POINTS) -> NDArray[np.float64]:
    """The k-points of the path → (6·points + 1, 3), in fractions of the reciprocal lattice.

    >>> path(1).shape, path(1)[3].tolist()
    ((7, 3), [0.5, 0.5, 0.0])
    """
    corners = np.array([CORNERS[name] for name in PATH])
    steps = np.arange(points)[:, None] / points
    lines = [a + (b - a) * steps for a, b in pairwise(corners)]
    return np.concatenate([*lines, corners[-1:]])


def many(
    rows: ArrayLike,
    settings: dft.Settings = dft.STANDARD,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[executor.Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> list[dft.Result | None]:
    """Band structures of cells, as :func:`ipage_core.tasks.crystal.dft.gaps` computes gaps; results are cached on disk.

    Args:
        rows: (n, 7): a, b, c [Å], α, β, γ [°], and the k-points from corner to corner.
        settings: those of Ω.
        workers: number of processes; 0 or None: this process.
        scheduler: address of a Dask scheduler whose workers compute instead.
        progress: called at the start and after each cell.
        cancel: called twice a second; if it returns true, running calculations are dropped.

    Returns:
        n results of the form ``FORM``, in the order of the rows; None for rows cancelled before they finished.

    Raises:
        DFTUnavailable: GPAW is not installed where the work runs.
        ValueError: the rows are not seven numbers each, or no scheduler answers.
    """
    if scheduler is None:
        dft.require()
    x = np.asarray(rows, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != 7:
        raise ValueError(f"Expected rows of shape (n, 7): a lattice and the k-points of a line; got {x.shape}.")
    items = [(str(i), {"row": row.tolist(), "settings": settings._asdict()}) for i, row in enumerate(x)]
    done = executor.run(work, items, None, workers=workers or 0, scheduler=scheduler, progress=progress, cancel=cancel)
    return [done.get(str(i)) for i in range(len(x))]


def cached(rows: ArrayLike, settings: dft.Settings = dft.STANDARD) -> list[dft.Result | None]:
    """Cached results of rows (n, 7), in their order; None if not cached. Computes nothing.

    Raises:
        DFTUnavailable: GPAW is not installed; the cache depends on its version.
    """
    return [records.read(_file(row, settings), FORM) for row in np.asarray(rows, dtype=np.float64)]


def work(item: dict[str, Any]) -> dft.Result:
    """The band structure of ``row`` (7,) with ``settings`` (a dict), for :func:`ipage_core.runtime.executor.run`."""
    row, settings = np.array(item["row"]), dft.Settings(**item["settings"])
    file = _file(row, settings)
    result = records.read(file, FORM)
    if result is None:
        result = dft.computed(row[:6], settings, lambda x, how, _: solve(x, how, int(row[6])))
        result.pop("occupations", None)  # always the same, see solve
        if "fail" not in result:
            dft.keep(file, result)
    return result


def solve(lattice: NDArray[np.float64], settings: dft.Settings, points: int = POINTS) -> dft.Result:
    """The bands of one lattice (6,): one SCF calculation, then its density with the path's k-points.

    Occupations are slightly smeared, because GPAW cannot hold a density whose occupations are fixed.
    """
    from ase.geometry import cellpar_to_cell

    calculator, _ = dft.ground_state(lattice, settings, dft.OCCUPATIONS[-1])
    k = path(points)
    lines = calculator.fixed_density(
        kpts=k,
        symmetry={"point_group": False, "time_reversal": False},
        nbands=LAST + 2,
        convergence={"bands": LAST, "eigenstates": 1e-5},
        txt=None,
    )
    if not np.allclose(lines.get_ibz_k_points(), k):
        raise RuntimeError("GPAW reordered the k-points of the path")
    levels = np.array([lines.get_eigenvalues(kpt=i)[FIRST:LAST] for i in range(len(k))])
    if not np.isfinite(levels).all():
        raise FloatingPointError("the eigenvalues are not finite")
    valence, conduction = levels[:, dft.VALENCE - FIRST - 1], levels[:, dft.VALENCE - FIRST]
    steps = np.diff(k, axis=0) @ (2 * np.pi * np.linalg.inv(cellpar_to_cell(lattice)).T)
    at = np.concatenate(([0.0], np.linalg.norm(steps, axis=1).cumsum()))
    return {
        "levels": (levels - valence.max()).round(4).tolist(),
        "at": at.round(5).tolist(),
        "corners": at[::points].round(5).tolist(),
        "gap": round(float(conduction.min() - valence.max()), 5),
        "direct": round(float((conduction - valence).min()), 5),
        "top": place(int(valence.argmax()), points),
        "bottom": place(int(conduction.argmin()), points),
    }


def place(index: int, points: int = POINTS) -> str:
    """The name of a k-point of the path.

    >>> place(6, 6), place(7, 6)
    ('Γ', 'between Γ and Y')
    """
    corner, beyond = divmod(index, points)
    return PATH[corner] if beyond == 0 else f"between {PATH[corner]} and {PATH[corner + 1]}"


def _file(row: NDArray[np.float64], settings: dft.Settings) -> Path:
    """Path of the cached result of a row (7,)."""
    beside = dft.cache_file(row[:6], settings)
    return beside.with_name(f"{beside.stem}-bands-{int(row[6])}.json")
