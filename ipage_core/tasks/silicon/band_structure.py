"""Band structure of strained silicon: bands along lines of the Brillouin zone, with Ω's atoms, density and settings.

X₁, X₂, X₃ are the ends of the lines Δ on the axes 1, 2, 3, near which the valleys lie: strain tells them apart. L is
that along (1, 1, 1).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.runtime import records
from ipage_core.tasks import band_path
from ipage_core.tasks.band_path import BandPath
from ipage_core.tasks.crystal import dft
from ipage_core.tasks.silicon import operator

PATH = BandPath(
    corners={
        "Γ": (0.0, 0.0, 0.0),
        "X₁": (0.0, 0.5, 0.5),
        "X₂": (0.5, 0.0, 0.5),
        "X₃": (0.5, 0.5, 0.0),
        "L": (0.5, 0.5, 0.5),
    },
    names=("X₁", "Γ", "X₂", "L", "Γ", "X₃"),
    points=10,
    first=0,
    last=7,
    occupied=operator.BANDS,
)
"""The lines, and the bands along them."""
FORM = PATH.form()
"""Form of a result in the cache."""


def many(rows: ArrayLike, settings: operator.Settings = operator.STANDARD, **how: Any) -> list[operator.Result | None]:
    """Band structures of strains (e11, e22, e33, e23, e13, e12); see :func:`ipage_core.tasks.band_path.many`."""
    return band_path.many(rows, work, settings, **how)


def cached(rows: ArrayLike, settings: operator.Settings = operator.STANDARD) -> list[operator.Result | None]:
    """Cached results of rows (n, 7), in their order; None if not cached. Computes nothing."""
    x = np.asarray(rows, dtype=np.float64)
    try:
        return [records.read(_file(row, settings), FORM) for row in x]
    except dft.DFTUnavailable:  # the cache depends on GPAW's version
        return [None] * len(x)


def work(item: dict[str, Any]) -> operator.Result:
    """The band structure of ``row`` (7,) with ``settings`` (a dict), for :func:`ipage_core.runtime.executor.run`."""
    row, settings = np.array(item["row"]), operator.Settings(**item["settings"])
    file = _file(row, settings)
    result = records.read(file, FORM)
    if result is None:
        begun = time.process_time()
        result = operator.attempt(lambda: solve(row[:6], settings, int(row[6])), settings)
        result["cpu_s"] = round(time.process_time() - begun, 2)
        if "fail" not in result:
            dft.keep(file, result)
    return result


def solve(strain: NDArray[np.float64], settings: operator.Settings, points: int = PATH.points) -> operator.Result:
    """The bands of one strain (6,): its relaxed atoms, then their density with the path's k-points."""
    atoms = operator.relaxed(strain, settings).atoms
    return PATH.result(atoms.calc, atoms.cell.array, points)


def _file(row: NDArray[np.float64], settings: operator.Settings) -> Path:
    """Path of the cached result of a row (7,)."""
    beside = operator.cache_file(row[:6], settings, operator.provenance(settings))
    return beside.with_name(f"{beside.stem}-bands-{int(row[6])}.json")
