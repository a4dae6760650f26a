"""Band structure of a strained SrTiO₃ cell: bands along lines of the Brillouin zone, at the converged density of Ω.

Ω sees only the k-points of its mesh; these lines show the bands between them. Ions and settings are those of Ω, see
:mod:`ipage_core.tasks.crystal.dft`. Corners as in a cubic crystal (Setyawan and Curtarolo, Comput. Mater. Sci. 49, 299,
2010); in a strained cell X, Y and Z differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.runtime import records
from ipage_core.tasks import band_path
from ipage_core.tasks.band_path import BandPath
from ipage_core.tasks.crystal import dft

PATH = BandPath(
    corners={
        "Γ": (0.0, 0.0, 0.0),
        "X": (0.5, 0.0, 0.0),
        "Y": (0.0, 0.5, 0.0),
        "Z": (0.0, 0.0, 0.5),
        "M": (0.5, 0.5, 0.0),
        "R": (0.5, 0.5, 0.5),
    },
    names=("X", "Γ", "Y", "M", "R", "Γ", "Z"),
    points=6,
    first=11,  # nine bands of oxygen's 2p below the gap, four above
    last=24,
    occupied=dft.VALENCE,
)
"""The lines, and the bands along them."""
FORM = PATH.form()
"""Form of a result in the cache."""


def many(rows: ArrayLike, settings: dft.Settings = dft.STANDARD, **how: Any) -> list[dft.Result | None]:
    """Band structures of cells (a, b, c [Å], α, β, γ [°]); see :func:`ipage_core.tasks.band_path.many`."""
    return band_path.many(rows, work, settings, **how)


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


def solve(lattice: NDArray[np.float64], settings: dft.Settings, points: int = PATH.points) -> dft.Result:
    """The bands of one lattice (6,): one SCF calculation, then its density with the path's k-points.

    Occupations are slightly smeared, because GPAW cannot hold a density whose occupations are fixed.
    """
    from ase.geometry import cellpar_to_cell

    calculator, _ = dft.ground_state(lattice, settings, dft.OCCUPATIONS[-1])
    return PATH.result(calculator, cellpar_to_cell(lattice), points)


def _file(row: NDArray[np.float64], settings: dft.Settings) -> Path:
    """Path of the cached result of a row (7,)."""
    beside = dft.cache_file(row[:6], settings)
    return beside.with_name(f"{beside.stem}-bands-{int(row[6])}.json")
