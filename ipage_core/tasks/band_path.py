"""Lines through the Brillouin zone, and what the bands along them say: the gap, and where its edges lie."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.runtime import executor
from ipage_core.tasks.crystal import dft

Result = dict[str, Any]


class BandPath(NamedTuple):
    """Straight lines from corner to corner, and the bands that are kept along them."""

    corners: dict[str, tuple[float, float, float]]
    """Named k-points, in fractions of the reciprocal lattice."""
    names: tuple[str, ...]
    """From corner to corner."""
    points: int
    """k-points from each corner to the next."""
    first: int
    """The first band of a result, counted from 0."""
    last: int
    """The band after the last one of a result."""
    occupied: int
    """Occupied bands of the crystal, from band 0."""

    @property
    def valence(self) -> int:
        """The highest occupied one of a result's bands."""
        return self.occupied - self.first - 1

    def k_points(self, points: int) -> NDArray[np.float64]:
        """The k-points, with ``points`` from each corner to the next → (k, 3), in fractions of the reciprocal lattice.

        >>> lines = BandPath({"Γ": (0, 0, 0), "X": (0.5, 0, 0)}, ("Γ", "X"), 6, 0, 2, 1)
        >>> lines.k_points(2).tolist()
        [[0.0, 0.0, 0.0], [0.25, 0.0, 0.0], [0.5, 0.0, 0.0]]
        """
        corners = np.array([self.corners[name] for name in self.names], dtype=np.float64)
        steps = np.arange(points)[:, None] / points
        return np.concatenate([*(a + (b - a) * steps for a, b in pairwise(corners)), corners[-1:]])

    def place(self, index: int, points: int) -> str:
        """The name of a k-point of the path.

        >>> lines = BandPath({"Γ": (0, 0, 0), "X": (0.5, 0, 0)}, ("Γ", "X"), 6, 0, 2, 1)
        >>> lines.place(2, 2), lines.place(1, 2)
        ('X', 'between Γ and X')
        """
        corner, beyond = divmod(index, points)
        return self.names[corner] if beyond == 0 else f"between {self.names[corner]} and {self.names[corner + 1]}"

    def form(self) -> dict[str, Any]:
        """Form of a result in the cache, see :meth:`result`; ``cpu_s`` [s] besides.

        A failed calculation has only ``fail``, one sentence, and ``cpu_s``.
        """
        return {
            "levels": (None, self.last - self.first), "at": (None,), "corners": (len(self.names),), "gap": float,
            "direct": float, "top": str, "bottom": str, "cpu_s": float,
        }  # fmt: skip

    def result(self, calculator: Any, cell: ArrayLike, points: int) -> Result:
        """The bands at GPAW's converged density, for a cell (3, 3) [Å].

        Returns:
            ``levels`` [eV], (k, bands): along the path, above the highest occupied level on it; ``at`` [1/Å], (k,):
            distance from the path's start; ``corners``: that of each corner; ``gap`` and ``direct`` [eV] on the path,
            negative where bands overlap; ``top``, ``bottom``: where the occupied bands are highest and the empty ones
            lowest: a corner, or 'between X and Γ'.
        """
        k = self.k_points(points)
        lines = calculator.fixed_density(
            kpts=k,
            symmetry={"point_group": False, "time_reversal": False},
            nbands=self.last + 2,
            convergence={"bands": self.last, "eigenstates": 1e-5},
            txt=None,
        )
        if not np.allclose(lines.get_ibz_k_points(), k):
            raise RuntimeError("GPAW reordered the k-points of the path")
        levels = np.array([lines.get_eigenvalues(kpt=i)[self.first : self.last] for i in range(len(k))])
        if not np.isfinite(levels).all():
            raise FloatingPointError("the eigenvalues are not finite")
        valence, conduction = levels[:, self.valence], levels[:, self.valence + 1]
        steps = np.diff(k, axis=0) @ (2 * np.pi * np.linalg.inv(np.asarray(cell, dtype=np.float64)).T)
        at = np.concatenate(([0.0], np.linalg.norm(steps, axis=1).cumsum()))
        return {
            "levels": (levels - valence.max()).round(4).tolist(),
            "at": at.round(5).tolist(),
            "corners": at[::points].round(5).tolist(),
            "gap": round(float(conduction.min() - valence.max()), 5),
            "direct": round(float((conduction - valence).min()), 5),
            "top": self.place(int(valence.argmax()), points),
            "bottom": self.place(int(conduction.argmin()), points),
        }


def many(
    rows: ArrayLike,
    work: Callable[[dict[str, Any]], Result],
    settings: Any,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[executor.Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> list[Result | None]:
    """Band structures of designs.

    Args:
        rows: (n, 7): a design of six numbers, and the k-points from corner to corner.
        work: computes one ``row`` with ``settings`` (a dict); caches it on disk.
        settings: those of Ω.
        workers: number of processes; 0 or None: this process.
        scheduler: address of a Dask scheduler whose workers compute instead.
        progress: called at the start and after each design.
        cancel: called twice a second; if it returns true, running calculations are dropped.

    Returns:
        n results as in :meth:`BandPath.result`, in the order of the rows; None for rows cancelled before they finished.

    Raises:
        DFTUnavailable: GPAW is not installed where the work runs.
        ValueError: the rows are not seven numbers each, or no scheduler answers.
    """
    if scheduler is None:
        dft.require()
    x = np.asarray(rows, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != 7:
        raise ValueError(f"Expected rows of shape (n, 7): a design and the k-points of a line; got {x.shape}.")
    items = [(str(i), {"row": row.tolist(), "settings": settings._asdict()}) for i, row in enumerate(x)]
    done = executor.run(work, items, None, workers=workers or 0, scheduler=scheduler, progress=progress, cancel=cancel)
    return [done.get(str(i)) for i in range(len(x))]
