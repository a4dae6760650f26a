"""Relaxation of SrTiO₃ cells: DFT relaxes the nudged ions of a designed cell, with the cell fixed.

The ions of a design lie on inversion centres, where no force acts, but mostly at a saddle. Four starts, along the four
body diagonals, lead away from it. A potential (CHGNet, optional) does most of the relaxation, also from four random
starts, and DFT finishes it. All states within ``BRANCHES`` of the lowest are reported, because their gaps may differ.

Settings: those of :mod:`ipage_core.tasks.crystal.dft`, with density 1e-5, eigenstates 1e-7, Fermi–Dirac 0.02 eV:
looser settings make the forces too inaccurate for relaxation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.runtime import executor, records
from ipage_core.runtime.cores import cores
from ipage_core.tasks.crystal import dft
from ipage_core.tasks.crystal.export import structure
from ipage_core.tasks.crystal.strain import CUBIC_ENERGY

if TYPE_CHECKING:
    import pandas as pd
    from ase import Atoms

Floats = NDArray[np.float64]
Result = dict[str, Any]
"""Result of :func:`relax` for one lattice, as JSON.

``branches``: the distinct states, the lowest first, each with ``above`` [eV per cell], ``gap``, ``direct`` [eV],
``energy`` [eV per cell] on GPAW's scale, ``force`` [eV/Å], ``displacement`` [Å], ``space_group``, ``curvature``
[eV/Å²] and ``sites`` (5, 3). ``starts``: "potential, then DFT" or "DFT alone". ``failed``: starts that did not
converge.
"""

DIAGONALS = np.array([(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1)], dtype=float)
"""Body diagonals of the cell; inversion makes their opposites equivalent."""
NUDGE = {"Sr": 0.0, "Ti": 0.02, "O": -0.01}
"""Shift of each ion along a diagonal, in fractions of the cell's edges: Ti against O."""
FORCE = 0.015
"""Largest force at rest [eV/Å]: the energy landscape is flat, 0.3 meV change the gap by 20 meV."""
NOISE, NOISY, NOISE_SEED = 0.08, 4, 2_000_000_011
"""Standard deviation of the displacements of the further starts [Å], their number and their seed."""
STEPS = 40
"""Most DFT steps; beyond them a start has failed."""
SOFT, PUSH = 1.0, 0.2
"""If the potential's curvature at the lowest state is below the first [eV/Å²], that state may be a saddle by DFT:
further starts are pushed that far [Å] to its sides along its softest displacement."""
SOFTEST = 1.0
"""Least curvature [eV/Å²] that the first DFT step assumes along any direction, so that it is no wild one."""
POTENTIAL_STEPS = 200
BRANCHES, ALIKE = 0.020, 0.0007
"""States within the first [eV per cell] of the lowest are reported; states within the second count as equal."""
SMEARING = 0.02
STATE = {
    "above": float, "gap": float, "direct": float, "energy": float, "force": float, "forces": (None, 3),
    "displacement": float, "space_group": str, "sites": (None, 3),
}  # fmt: skip
FORM = {"branches": [STATE], "failed": list, "provenance": dict}
"""Form of a state, and of a result in the cache."""


def starts(lattice: ArrayLike) -> list[Atoms]:
    """The cell (6,) with its ions nudged along each of the four body diagonals, one Atoms per diagonal."""
    items = []
    for diagonal in DIAGONALS:
        atoms = structure(lattice, {})
        along = diagonal @ atoms.cell.array
        atoms.positions += np.array([NUDGE[symbol] for symbol in atoms.get_chemical_symbols()])[:, None] * along
        items.append(atoms)
    return items


def random_starts(lattice: ArrayLike) -> list[Atoms]:
    """The cell (6,) with its ions displaced at random, ``NOISY`` times; every call gives the same ones."""
    rng, items = np.random.default_rng(NOISE_SEED), []
    for _ in range(NOISY):
        atoms = structure(lattice, {})
        atoms.positions += rng.normal(0, NOISE, atoms.positions.shape)
        items.append(atoms)
    return items


def gpaw() -> Any:
    """GPAW calculator for the relaxation."""
    dft.require()
    from gpaw import GPAW

    return GPAW(
        mode={"name": "pw", "ecut": dft.STANDARD.ecut},
        xc="PBE",
        gpts=(dft.STANDARD.grid,) * 3,
        kpts=dft.k_points(),
        nbands=24,
        occupations={"name": "fermi-dirac", "width": SMEARING},
        symmetry={"point_group": False},
        maxiter=120,
        txt=None,
        convergence={"density": 1e-5, "eigenstates": 1e-7, "bands": dft.VALENCE + 1},
    )


def potential() -> Any | None:
    """CHGNet; None if it is not installed."""
    if find_spec("chgnet") is None:
        return None
    from chgnet.model.dynamics import CHGNetCalculator

    return CHGNetCalculator(use_device="cpu", verbose=False)


def relax(
    lattice: ArrayLike, calculator: Any, quick: Any | None = None, begin: Sequence[Atoms] | None = None
) -> Result:
    """Relax the ions of one lattice (6,) from several starts, first with ``quick`` if given, then with ``calculator``.

    DFT continues only one of the starts that the potential brings to the same state, with the potential's Hessian for
    its first step; from a soft lowest state it starts again to its sides. ``begin``: other starts than the usual ones.
    """
    failed: list[str] = []
    ended: list[Atoms] = []

    def descend(start: Atoms) -> None:
        try:
            ended.append(_descended(start, calculator, quick))
        except Exception as error:  # any error of GPAW on an odd cell belongs to that start
            failed.append(_in_words(error))

    if begin is None:
        begin = [*starts(lattice), *(random_starts(lattice) if quick is not None else ())]
    for start in _distinct_starts(list(begin), quick):
        descend(start)
    if ended:
        lowest = min(ended, key=_energy)
        for way in (PUSH, -PUSH) if lowest.info.get("curvature", SOFT) < SOFT else ():
            pushed = lowest.copy()
            pushed.positions += way * lowest.info["softest"]
            descend(pushed)
            if min(map(_energy, ended)) < _energy(lowest) - ALIKE:
                break  # a saddle: one way down from it is enough
    branches = _branches(ended, structure(lattice, {}))
    by = "potential, then DFT" if quick is not None else "DFT alone"
    return {"branches": branches, "starts": by, "failed": failed, "provenance": provenance(quick)}


def _energy(atoms: Atoms) -> float:
    return float(atoms.get_potential_energy())


class _Unrested(Exception):
    """Forces are left."""


def _in_words(error: Exception) -> str:
    if isinstance(error, _Unrested):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"


def _descended(start: Atoms, calculator: Any, quick: Any | None) -> Atoms:
    """Where the ions come to rest, with energy, forces and gaps; with ``quick`` also the softest displacement there.

    Raises:
        _Unrested: the steps did not suffice.
    """
    from ase.optimize import BFGS

    curvatures = None if quick is None else stiffened(hessian(start, quick))
    start.calc = calculator
    optimizer = BFGS(start, logfile=None, maxstep=0.08)
    if curvatures is not None:
        optimizer.H0 = curvatures
    optimizer.run(fmax=FORCE, steps=STEPS)
    left = float(np.linalg.norm(start.get_forces(), axis=1).max())
    if left > FORCE:
        raise _Unrested(f"a force of {left:.3f} eV/Å is left after {STEPS} steps")
    state = _frozen(start)
    if quick is not None:
        state.info["curvature"], state.info["softest"] = softest(state, quick)
    return state


def provenance(quick: Any | None) -> dict[str, Any]:
    """Settings and versions of a result."""
    installed = version("chgnet") if quick is not None and find_spec("chgnet") else ""
    return {
        "code": "GPAW",
        "xc": "PBE",
        "ecut": dft.STANDARD.ecut,
        "grid": dft.STANDARD.grid,
        "k_mesh": f"even half of 4x4x4, {len(dft.k_points())} points",
        "smearing": f"Fermi-Dirac {SMEARING} eV",
        "convergence": f"density 1e-5, eigenstates 1e-7, force {FORCE} eV/A",
        "starts": "4 body diagonals" + (f" and {NOISY} random, by CHGNet {installed}" if quick is not None else ""),
        "gpaw": dft.gpaw_version(),
        "ase": version("ase"),
    }


def _distinct_starts(items: list[Atoms], quick: Any | None) -> list[Atoms]:
    from ase.optimize import BFGS

    if quick is None:
        return items
    kept: list[Atoms] = []
    energies: list[float] = []
    for atoms in items:
        atoms.calc = quick
        BFGS(atoms, logfile=None).run(fmax=FORCE, steps=POTENTIAL_STEPS)
        energy = _energy(atoms)
        if all(abs(energy - other) > ALIKE for other in energies):
            kept.append(atoms)
            energies.append(energy)
    return kept


def _frozen(atoms: Atoms) -> Atoms:
    from ase.calculators.singlepoint import SinglePointCalculator

    kept = atoms.copy()
    gaps = _gaps(atoms.calc)
    kept.info = {"gap": gaps[0], "direct": gaps[1]}
    kept.calc = SinglePointCalculator(kept, energy=_energy(atoms), forces=atoms.get_forces().copy())
    return kept


def _gaps(calculator: Any) -> tuple[float, float]:
    """Signed gap and direct gap [eV] from GPAW's bands; NaN for a calculator without bands."""
    if not hasattr(calculator, "get_ibz_k_points"):
        return float("nan"), float("nan")
    count = len(calculator.get_ibz_k_points())
    bands = np.array([calculator.get_eigenvalues(kpt=i)[dft.VALENCE - 1 : dft.VALENCE + 1] for i in range(count)])
    valence, conduction = bands.T
    return float(conduction.min() - valence.max()), float((conduction - valence).min())


def _branches(ended: list[Atoms], ideal: Atoms) -> list[Result]:
    """The distinct states within ``BRANCHES``, the lowest first."""
    ordered = sorted(ended, key=_energy)
    items: list[Result] = []
    for atoms in ordered:
        energy = _energy(atoms)
        above = energy - items[0]["energy"] if items else 0.0
        if above > BRANCHES or any(abs(energy - one["energy"]) < ALIKE for one in items):
            continue
        moved = atoms.positions - ideal.positions
        moved -= moved.mean(axis=0)
        items.append(
            {
                "above": round(above, 5),
                "gap": round(atoms.info["gap"], 5),
                "direct": round(atoms.info["direct"], 5),
                "energy": round(energy, 6),
                "force": round(float(np.linalg.norm(atoms.get_forces(), axis=1).max()), 5),
                "forces": atoms.get_forces().round(5).tolist(),
                "displacement": round(float(np.sqrt((moved**2).sum(1).mean())), 4),
                "space_group": _space_group(atoms),
                "curvature": round(atoms.info["curvature"], 4) if "curvature" in atoms.info else None,
                "sites": atoms.get_scaled_positions(wrap=False).round(7).tolist(),
            }
        )
    return items


def hessian(atoms: Atoms, calculator: Any, step: float = 0.01) -> Floats:
    """(3n, 3n) second derivatives of the energy [eV/Å²] by central differences, symmetric; atoms stay as they are."""
    probe = atoms.copy()
    probe.calc = calculator
    n = 3 * len(probe)
    found = np.empty((n, n))
    for j in range(n):
        pushed = []
        for sign in (1, -1):
            probe.positions = atoms.positions.copy()
            probe.positions[j // 3, j % 3] += sign * step
            pushed.append(probe.get_forces().ravel())
        found[j] = -(pushed[0] - pushed[1]) / (2 * step)
    return (found + found.T) / 2


def stiffened(curvatures: Floats) -> Floats:
    """A Hessian (3n, 3n) whose eigenvalues are sizes of at least ``SOFTEST``, for the first step of a descent."""
    values, vectors = np.linalg.eigh(curvatures)
    return np.asarray((vectors * np.maximum(np.abs(values), SOFTEST)) @ vectors.T)


def softest(atoms: Atoms, calculator: Any, step: float = 0.01) -> tuple[float, Floats]:
    """Least eigenvalue [eV/Å²] of the Hessian without uniform translations, and its displacement (n, 3) of norm 1.

    A negative value marks a saddle.
    """
    curvatures = hessian(atoms, calculator, step)
    n = len(curvatures)
    shifts = np.kron(np.ones((n // 3, 1)), np.eye(3))
    inside = np.linalg.svd(shifts)[0][:, 3:]  # orthonormal, without the translations
    values, vectors = np.linalg.eigh(inside.T @ curvatures @ inside)
    return float(values[0]), (inside @ vectors[:, 0]).reshape(-1, 3)


def _space_group(atoms: Atoms) -> str:
    """Space group by spglib; empty if spglib is not installed."""
    if find_spec("spglib") is None:
        return ""
    import spglib

    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    return str(spglib.get_spacegroup(cell, symprec=0.02) or "")


def work(item: dict[str, Any]) -> Result:
    """Call :func:`relax` on ``lattice``, for the executor; caches relaxed states on disk."""
    quick = potential()
    result = relax(item["lattice"], gpaw(), quick)
    if result["branches"]:
        dft.keep(_file(np.array(item["lattice"]), quick is not None), result)
    return result


def _file(lattice: Floats, quick: bool) -> Any:
    what = {"lattice": lattice.tolist(), "quick": quick, "gpaw": dft.gpaw_version(), "force": FORCE}
    what |= {"starts": [NOISY, NOISE, PUSH]} if quick else {}
    return dft.cache_folder() / f"rx-{hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]}.json"


def many(
    lattices: ArrayLike,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[executor.Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> list[Result | None]:
    """Relax lattices (n, 6) in parallel and cache the results; one process per core unless ``workers`` is given.

    With ``scheduler``, a Dask scheduler's workers relax instead, and cache the results where they are.

    Raises:
        DFTUnavailable: GPAW is not installed.
    """
    dft.require()
    x = np.asarray(lattices, dtype=np.float64)
    results: list[Result | None] = list(cached(x))
    left = [(str(i), {"lattice": x[i].tolist()}) for i, one in enumerate(results) if one is None]
    workers = min(cores(), len(left)) if workers is None else workers
    new = executor.run(work, left, None, workers=workers, scheduler=scheduler, progress=progress, cancel=cancel)
    return [new.get(str(i), one) for i, one in enumerate(results)]


def cached(lattices: ArrayLike) -> list[Result | None]:
    """Cached results of lattices (n, 6), None if not cached. Computes nothing.

    Raises:
        DFTUnavailable: GPAW is not installed; the cache depends on its version.
    """
    quick = find_spec("chgnet") is not None
    return [records.read(_file(row, quick), FORM) for row in np.asarray(lattices, dtype=np.float64)]


def table(lattices: ArrayLike, results: list[Result | None]) -> pd.DataFrame:
    """One row per lattice: the lowest branch, the number of branches, and the spread of their gaps."""
    import pandas as pd

    rows = []
    for result in results:
        branches = [] if result is None else result["branches"]
        failed = "cancelled" if result is None else "; ".join(result["failed"])
        if not branches:
            rows.append({"relaxed_branches": 0, "relaxed_failed": failed})
            continue
        gaps = [branch["gap"] for branch in branches]
        first = branches[0]
        rows.append(
            {
                "relaxed_gap": first["gap"],
                "relaxed_direct_gap": first["direct"],
                "relaxed_delta_e": first["energy"] - CUBIC_ENERGY,
                "relaxed_force": first["force"],
                "relaxed_displacement": first["displacement"],
                "relaxed_space_group": first["space_group"],
                "relaxed_curvature": first["curvature"],
                "relaxed_branches": len(branches),
                "relaxed_gap_spread": max(gaps) - min(gaps),
                "relaxed_failed": failed,
            }
        )
    return pd.DataFrame(rows)


def files(lattices: ArrayLike, results: list[Result | None], samples: list[int]) -> dict[str, bytes]:
    """A CIF for each branch of each lattice, by file name."""
    from ase.calculators.singlepoint import SinglePointCalculator

    from ipage_core.tasks.structures import cif, program

    written = {}
    for lattice, result, sample in zip(np.asarray(lattices, dtype=float), results, samples, strict=True):
        for k, branch in enumerate([] if result is None else result["branches"]):
            about = {name: branch[name] for name in ("gap", "direct", "energy", "force", "displacement", "space_group")}
            about = {"sample": sample, "branch": k, **about, "above_eV_per_cell": branch["above"]}
            about["delta_e_eV_per_cell"] = round(branch["energy"] - CUBIC_ENERGY, 6)
            assert result is not None
            about["provenance"] = f"{program()}; ions relaxed; {json.dumps(result['provenance'], sort_keys=True)}"
            atoms = structure(lattice, about)
            atoms.set_scaled_positions(branch["sites"])
            atoms.calc = SinglePointCalculator(atoms, energy=branch["energy"], forces=np.array(branch["forces"]))
            written[f"srtio3-{sample}-relaxed-{k}.cif"] = cif(atoms, "SrTiO3")
    return written
