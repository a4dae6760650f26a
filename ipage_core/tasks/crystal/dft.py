"""PBE band gaps of SrTiO₃ by density functional theory: Ω of the crystal task, with GPAW through ASE.

The five ions stay at the ideal perovskite sites ("unrelaxed internal coordinates"), so Ω is a function of the
six lattice parameters alone; each site is an inversion centre of any lattice, so no force acts on it. PBE
underestimates gaps: the cubic crystal has 1.9 eV here and about 3.25 eV in experiment. All gaps are signed: a
negative gap is the overlap of the bands.

Sources: GPAW (J. J. Mortensen et al., J. Chem. Phys. 160, 092503, 2024), PBE (J. P. Perdew, K. Burke, M.
Ernzerhof, Phys. Rev. Lett. 77, 3865, 1996), ASE (A. H. Larsen et al., J. Phys.: Condens. Matter 29, 273002, 2017).
Only this module imports gpaw, and only once a calculation begins.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.runtime import executor as cluster
from ipage_core.runtime import records
from ipage_core.runtime.cores import cores
from ipage_core.runtime.paths import in_home

SITES = ((0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5))
"""Fractional coordinates of Sr, Ti, O, O, O."""
VALENCE = 20
"""Occupied bands: 40 valence electrons (Sr 10, Ti 12, O 6 each)."""
SMEARING = 0.05
"""Width of the fallback's Fermi–Dirac smearing [eV]."""
OCCUPATIONS = ("fixed-uniform", f"fermi-dirac-{SMEARING}")
"""Occupations that are tried, one after the other."""
FORM = {
    "gap": float, "direct": float, "energy": float, "cpu_s": float, "iterations": float, "vbm": (3,), "cbm": (3,),
    "edges": (2, None), "occupations": OCCUPATIONS,
}  # fmt: skip
"""Form of a result in the cache."""
CACHE_VARIABLE = "IPAGE_CACHE"
"""Environment variable that overrides the folder for cached results."""

Result = dict[str, Any]
"""Result of :func:`gap` for one lattice, as JSON.

``gap`` [eV], signed: min over k of band 20 − max over k of band 19, counted from 0; ``direct`` [eV], the smallest
difference at one k; ``vbm``, ``cbm``: k-points of those extrema, (3,) in fractions of the reciprocal lattice;
``energy`` [eV per cell] on GPAW's scale, extrapolated to zero smearing; ``iterations``; ``occupations``,
"fixed-uniform" or the fallback "fermi-dirac-0.05"; ``cpu_s``; ``edges`` [eV], (2, k): bands 19 and 20 at the mesh's
k-points. A failed calculation has only ``fail``, one sentence, and ``cpu_s``.
"""


class DFTUnavailable(ValueError):
    """GPAW is not installed. The message is one sentence for the user."""


class Settings(NamedTuple):
    """Settings that may differ between calculations; :func:`ground_state` fixes all others."""

    mesh: int = 4
    """k-points per axis, Γ included."""
    half: bool = True
    """Keep only k-points of even parity: the half of the mesh that is a body-centred lattice of k-points."""
    grid: int = 20
    """Real-space grid points per axis."""
    ecut: float = 600
    """Plane-wave cut-off [eV]."""
    maxiter: int = 60
    """Most SCF steps; beyond them the calculation counts as not converged."""


STANDARD = Settings()
"""Ω: 20 k-points after time reversal; 0.021 ± 0.002 eV below a mesh of 112 (6 per axis, 24 grid
points) on 8 random cells, at an eighth the cost."""


def k_points(settings: Settings = STANDARD) -> NDArray[np.float64]:
    """k-points of the mesh → (k, 3), fractional; 32 for ``STANDARD``, which time reversal reduces to 20."""
    steps = range(1 - settings.mesh // 2, settings.mesh // 2 + 1)
    mesh = [k for k in itertools.product(steps, repeat=3) if not settings.half or sum(k) % 2 == 0]
    return np.array(mesh) / settings.mesh


def irreducible(settings: Settings = STANDARD) -> NDArray[np.float64]:
    """One of each pair k, −k of the mesh, in the order of ``edges``; both have equal bands. → (k, 3)."""
    k = k_points(settings)
    return np.array([p for p, q in zip(k.tolist(), np.where(k == 0.5, k, -k).tolist(), strict=True) if p >= q])


def gap(lattice: ArrayLike, settings: Settings = STANDARD, *, cache: bool = True) -> Result:
    """Ω of one lattice, in this process.

    Args:
        lattice: (6,): a, b, c [Å], α, β, γ [°].
        settings: see :class:`Settings`.
        cache: read and write the cache on disk. Failures are never cached.

    Raises:
        DFTUnavailable: GPAW is not installed.
        ValueError: ``lattice`` is not six numbers. An impossible lattice gives a result with ``fail`` instead.
    """
    require()
    x = np.asarray(lattice, dtype=np.float64)
    if x.shape != (6,):
        raise ValueError(f"Expected a lattice of shape (6,): a, b, c, α, β, γ; got {x.shape}.")
    file = cache_file(x, settings)
    result = kept(file) if cache else None
    if result is None:
        result = computed(x, settings)
        if cache and "fail" not in result:
            keep(file, result)
    return result


def gaps(
    lattices: ArrayLike,
    settings: Settings = STANDARD,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[cluster.Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> list[Result | None]:
    """Ω of many lattices, on a pool of single-threaded processes, or on a Dask cluster.

    Args:
        lattices: (n, 6): a, b, c [Å], α, β, γ [°].
        settings: see :class:`Settings`.
        workers: number of processes; by default, all cores this process may use. 0 computes in this process.
        scheduler: address of a Dask scheduler whose workers compute instead. They need GPAW and this package, but no
            common file system: their results come back, and are cached here too.
        progress: called as results arrive; ``key`` is the row's number as a string, ``result`` as in :func:`gap`.
            The first call counts the cached results.
        cancel: called twice a second; if it returns true, running calculations are dropped.

    Returns:
        n results as in :func:`gap`, in the order of the rows; None for rows cancelled before they finished.

    Raises:
        DFTUnavailable: GPAW is not installed where the work runs.
        ValueError: the lattices are not rows of six numbers, or no scheduler answers.
    """
    if scheduler is None:
        require()
    x = np.asarray(lattices, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != 6:
        raise ValueError(f"Expected lattices of shape (n, 6), got {x.shape}.")
    results = cached(x, settings) if find_spec("gpaw") else [None] * len(x)
    left = [
        (str(i), {"lattice": x[i].tolist(), "settings": settings._asdict()}) for i, r in enumerate(results) if r is None
    ]
    n_cached = len(x) - len(left)

    def report(p: cluster.Progress) -> None:
        if scheduler is not None and p.key is not None and p.result is not None and "fail" not in p.result:
            keep(cache_file(x[int(p.key)], settings, p.result.pop("gpaw")), p.result)
        if progress is not None:
            progress(p._replace(done=p.done + n_cached, total=len(x)))

    workers = min(cores() if workers is None else workers, len(left))
    does = work if scheduler is None else work_elsewhere
    new = cluster.run(does, left, None, workers=workers, scheduler=scheduler, progress=report, cancel=cancel)
    return [new.get(str(i), result) for i, result in enumerate(results)]


def cached(lattices: ArrayLike, settings: Settings = STANDARD) -> list[Result | None]:
    """Cached results of lattices (n, 6), in the order of the rows; None if not cached. Computes nothing.

    Raises:
        DFTUnavailable: GPAW is not installed; the cache depends on its version.
    """
    installed = gpaw_version()
    return [kept(cache_file(row, settings, installed)) for row in np.asarray(lattices, dtype=np.float64)]


def work(item: dict[str, Any]) -> Result:
    """Call :func:`gap` on ``lattice`` with ``settings`` (a dict) and ``cache``, for :func:`cluster.run`."""
    return gap(item["lattice"], Settings(**item.get("settings", {})), cache=item.get("cache", True))


def work_elsewhere(item: dict[str, Any]) -> Result:
    """:func:`work` on another machine; a result without failure also names its version of GPAW, as ``gpaw``."""
    result = work(item)
    return result if "fail" in result else {**result, "gpaw": gpaw_version()}


def require() -> None:
    """Check that GPAW is installed.

    Raises:
        DFTUnavailable: it is not.
    """
    if find_spec("gpaw") is None:
        raise DFTUnavailable(
            "Band gaps of crystals need GPAW, which is not installed: on Debian or Ubuntu run "
            "'sh ipage_core/tasks/crystal/install-gpaw.sh python', elsewhere see requirements-dft.txt."
        )


def gpaw_version() -> str:
    """Version of the installed GPAW; results depend on it.

    Raises:
        DFTUnavailable: GPAW is not installed.
    """
    require()
    try:
        return version("gpaw")
    except PackageNotFoundError:
        return "unknown"


def solve(lattice: NDArray[np.float64], settings: Settings, occupations: str) -> Result:
    """One SCF calculation with GPAW → a result with its eigenvalues."""
    calculator, energy = ground_state(lattice, settings, occupations)
    k = calculator.get_ibz_k_points()
    bands = np.array([calculator.get_eigenvalues(kpt=i)[VALENCE - 1 : VALENCE + 1] for i in range(len(k))])
    if not (np.isfinite(bands).all() and np.isfinite(energy)):
        raise FloatingPointError("the eigenvalues are not finite")
    valence, conduction = bands.T
    return {
        "gap": round(float(conduction.min() - valence.max()), 5),
        "direct": round(float((conduction - valence).min()), 5),
        "vbm": k[valence.argmax()].round(4).tolist(),
        "cbm": k[conduction.argmin()].round(4).tolist(),
        "energy": round(energy, 6),
        "iterations": int(calculator.get_number_of_iterations()),
        "edges": bands.T.round(4).tolist(),
    }


Solver = Callable[[NDArray[np.float64], Settings, str], Result]
"""Lattice (6,), settings, occupations → a result without ``occupations`` and ``cpu_s``."""


def computed(lattice: NDArray[np.float64], settings: Settings, solver: Solver = solve) -> Result:
    """Compute one lattice; retry with Fermi–Dirac smearing if the first SCF does not converge."""
    from gpaw import KohnShamConvergenceError

    fail, begun = _impossible(lattice), time.process_time()
    # Near a closing gap the SCF may jump between orderings of the bands; slight smearing stabilizes it.
    for occupations in () if fail else OCCUPATIONS:
        try:
            solved = solver(lattice, settings, occupations)
            return {**solved, "occupations": occupations, "cpu_s": round(time.process_time() - begun, 2)}
        except KohnShamConvergenceError:
            fail = (
                f"The SCF did not converge in {settings.maxiter} steps, nor with Fermi–Dirac smearing of {SMEARING} eV."
            )
        except Exception as error:  # any error of GPAW on an odd lattice belongs to that row
            fail = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            break
    return {"fail": fail, "cpu_s": round(time.process_time() - begun, 2)}


def ground_state(lattice: NDArray[np.float64], settings: Settings, occupations: str) -> tuple[Any, float]:
    """A converged SCF calculation: GPAW's calculator, and the energy [eV per cell]."""
    from ase import Atoms
    from ase.geometry import cellpar_to_cell
    from gpaw import GPAW

    fixed = occupations == "fixed-uniform"
    atoms = Atoms("SrTiO3", cell=cellpar_to_cell(lattice), pbc=True, scaled_positions=SITES)
    atoms.calc = GPAW(
        mode={"name": "pw", "ecut": settings.ecut},
        xc="PBE",
        gpts=(settings.grid,) * 3,
        kpts=k_points(settings),
        nbands=24,
        occupations={"name": "fixed-uniform"} if fixed else {"name": "fermi-dirac", "width": SMEARING},
        symmetry={"point_group": False},
        maxiter=settings.maxiter,
        txt=None,
        convergence={"density": 1e-3, "eigenstates": 1e-5, "energy": 1e-3, "bands": VALENCE + 1},
    )
    return atoms.calc, float(atoms.get_potential_energy())


def _impossible(lattice: NDArray[np.float64]) -> str | None:
    """Reason why no crystal can have this lattice; None if one can."""
    if not np.isfinite(lattice).all() or (lattice[:3] <= 0).any():
        return "The lattice parameters are not finite, positive numbers."
    u, v, w = np.cos(np.radians(lattice[3:]))
    square = 1 + 2 * u * v * w - u**2 - v**2 - w**2
    if square <= 0 or (lattice[3:] <= 0).any() or (lattice[3:] >= 180).any():
        return "No cell has these three angles: its volume would not be positive."
    if square < 0.15**2:  # else GPAW searches neighbours in ever more cells until memory runs out
        return "The cell is too flat to compute: its volume is below 0.15 a·b·c."
    return None


def cache_folder() -> Path:
    """Cache folder: ``$IPAGE_CACHE``, else the platform's user cache folder."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen) / "dft"
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return in_home(f"{base}/ipage-explorer/dft", CACHE_VARIABLE)


def cache_file(lattice: NDArray[np.float64], settings: Settings, installed: str = "") -> Path:
    """Path of the cached result of a lattice."""
    what = {"lattice": lattice.tolist(), "settings": settings._asdict(), "gpaw": installed or gpaw_version()}
    return cache_folder() / f"{hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]}.json"


def kept(file: Path) -> Result | None:
    """Result in a cache file; None if there is none, or one of another form: it is computed again."""
    return records.read(file, FORM)


def keep(file: Path, result: Result) -> None:
    """Write atomically: several processes may store the same result at once, and all write the same content."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=file.parent, suffix=".part")
        with os.fdopen(handle, "w") as opened:
            json.dump(result, opened)
        os.replace(beside, file)
    except OSError as error:  # a full or read-only disk must not cost the result itself
        print(f"The result is not cached in {file.parent}: {error}", file=sys.stderr)
