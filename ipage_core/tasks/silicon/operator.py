"""PBE band gap of relaxed silicon under a homogeneous strain: Ω of the silicon task, with GPAW through ASE.

A design is the symmetric strain tensor as x = (e11, e22, e33, e23, e13, e12): it maps the cell A of diamond silicon to
A (I + ε). The two atoms relax against each other; the crystal keeps its inversion centre, so the relaxed state is
unique and its bands are smooth functions of the strain.

The conduction band minimum is searched at Γ, at the four points L, and on the three lines Δ from Γ to X, with a
parabola through three points; the valence band maximum is at Γ. PBE without spin–orbit coupling underestimates gaps:
0.6 eV for the unstrained crystal, 1.17 eV in experiment.

Sources: strained silicon by six numbers, Z. Shi et al., PNAS 116, 4117 (2019), doi:10.1073/pnas.1818555116; internal
strain, L. Kleinman, Phys. Rev. 128, 2614 (1962), doi:10.1103/PhysRev.128.2614; GPAW and PBE as in the crystal task.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.runtime import executor, files, records
from ipage_core.runtime.cores import cores
from ipage_core.tasks.crystal import dft

Floats = NDArray[np.float64]
Result = dict[str, Any]
"""Result of :func:`bands` for one strain, as JSON.

Gap [eV]: ``gap``, signed: lowest conduction edge − highest valence edge; ``direct``, the gap at Γ; ``valley``, the
location of the lowest conduction edge: "G", "L0" … "L3", "D0" … "D2". Band edges [eV] on GPAW's scale: ``valence``
(3,), ascending, at Γ; ``conduction_gamma``; ``conduction_l`` (4,); ``conduction_delta`` (3,), with ``delta_at`` (3,),
the position of each minimum on its line from Γ (0) to X (1). Crystal: ``energy`` [eV per cell] on GPAW's scale;
``stress`` (6,) [GPa] in the order of x, tension positive; ``pressure`` [GPa]; ``shift`` (3,) [Å], displacement of the
second atom from its position in the strained cell before relaxation; ``force`` [eV/Å], the residual force; ``steps``,
SCF calculations of the relaxation; ``forces`` (2, 3) [eV/Å] on both atoms. ``cpu_s`` and ``provenance`` always. A
failed calculation has, besides these two, only ``fail``, a sentence.
"""

LATTICE_CONSTANT = 5.469
"""a₀ [Å]: PBE's value for silicon (experiment 5.431 Å). Strain and elastic energy refer to this cell."""
REFERENCE_ENERGY = -10.779405
"""Energy of the unstrained cell [eV] with the settings of ``STANDARD``."""
INTERNAL_STRAIN = 0.53
"""Kleinman's parameter: the share of bond bending under shear that the ions take up. Only the first guess uses it."""
FORCE_CONSTANT = 13.4
"""Force constant of the two atoms against each other [eV/Å²], cubic silicon: the relaxation divides forces by it."""
STEPS = 6
"""Most SCF calculations; beyond them a relaxation has failed."""
BANDS = 4
"""Occupied bands: 8 valence electrons."""

X_POINTS = np.array([(0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)])
"""(3, 3) in fractions of the reciprocal lattice: X on the axes z, y, x of the crystal, the ends of the lines Δ."""
L_POINTS = np.array([(0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.5), (0.5, 0.5, 0.5)])
"""(4, 3): L along (−1, 1, 1), (1, −1, 1), (1, 1, −1), (1, 1, 1)."""
ON_DELTA = np.array([0.70, 0.78, 0.86, 0.94, 1.0])
"""Positions on the lines Δ where the bands are sampled, from Γ (0) to X (1)."""


class Settings(NamedTuple):
    """Settings that may differ between calculations; this module fixes all others."""

    mesh: int = 3
    """q: the spacing of the k-points is 2π/(q a₀); the mesh has 4 q³ points."""
    ecut: float = 300
    """Plane-wave cut-off [eV]."""
    grid: int = 16
    """Real-space grid points per axis. GPAW's choice, 15 to 18 by the strain, would make the energy jump by 0.2 meV."""
    force: float = 0.01
    """Largest force [eV/Å] on the ions at which the relaxation ends; it takes at least one step."""
    maxiter: int = 100
    """Most SCF steps; beyond them the calculation counts as not converged."""


FORM = {
    "gap": float, "direct": float, "valley": str, "valence": (3,), "conduction_gamma": float, "conduction_l": (4,),
    "conduction_delta": (3,), "delta_at": (3,), "energy": float, "stress": (6,), "pressure": float, "shift": (3,),
    "force": float, "forces": (2, 3), "steps": float, "cpu_s": float, "provenance": dict,
}  # fmt: skip
"""Form of a result in the cache."""

STANDARD = Settings()
"""Ω: 54 k-points after time reversal, about 6 s."""
DENSE = Settings(mesh=6, grid=20, force=0.001)
"""For audits of Ω: 432 k-points after time reversal."""


def tensor(strain: ArrayLike) -> Floats:
    """(…, 6): e11, e22, e33, e23, e13, e12 → symmetric (…, 3, 3)."""
    e = np.asarray(strain, dtype=np.float64)
    return e[..., [[0, 5, 4], [5, 1, 3], [4, 3, 2]]]


def k_points(settings: Settings = STANDARD) -> Floats:
    """k-points of the mesh, in fractions of the reciprocal lattice → (4 q³, 3); time reversal halves it.

    A simple cubic mesh, half a step off Γ on each axis: it is invariant under the cube's 48 symmetries, unlike the
    usual Monkhorst–Pack shifts of the primitive cell.
    """
    q = settings.mesh
    axis = (np.arange(-q, q) + 0.5) / q  # in 2π/a₀, over the cube that holds two Brillouin zones
    k = np.array(list(itertools.product(axis, repeat=3)))
    fractions = (k.sum(1, keepdims=True) - k) / 2  # k · a_i / 2π, with cell vectors (0, 1, 1) a₀/2 and so on
    return np.unique(np.round(fractions - np.floor(fractions + 0.5 - 1e-9), 6), axis=0)


def bands(strain: ArrayLike, settings: Settings = STANDARD) -> Result:
    """Ω of one strain (6,), in this process.

    Raises:
        DFTUnavailable: GPAW is not installed.
        ValueError: ``strain`` is not six finite numbers, or compresses the crystal to half its length or less.
    """
    dft.require()
    x = np.asarray(strain, dtype=np.float64)
    if x.shape != (6,) or not np.isfinite(x).all():
        raise ValueError(f"Expected a strain of six finite numbers: e11, e22, e33, e23, e13, e12; got {x.tolist()}.")
    if np.linalg.eigvalsh(tensor(x)).min() <= -0.5:
        raise ValueError(f"The strain {x.tolist()} presses the crystal to less than half its length.")
    begun = time.process_time()
    result = attempt(lambda: solve(x, settings), settings)
    return {**result, "cpu_s": round(time.process_time() - begun, 2), "provenance": provenance(settings)}


def attempt(solver: Callable[[], Result], settings: Settings) -> Result:
    """What a calculation gives, or ``fail``: why it failed, in a sentence."""
    from gpaw import KohnShamConvergenceError

    try:
        return solver()
    except KohnShamConvergenceError:
        return {"fail": f"The SCF did not converge in {settings.maxiter} steps."}
    except NotRelaxed as error:
        return {"fail": str(error)}
    except Exception as error:  # any error of GPAW on an odd strain belongs to that row
        return {"fail": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}


def many(
    strains: ArrayLike,
    settings: Settings = STANDARD,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[executor.Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> list[Result | None]:
    """Ω of strains (n, 6), on a pool of single-threaded processes: one per core unless ``workers`` is given.

    With ``scheduler``, a Dask scheduler's workers compute instead: they need GPAW and this package, but no common file
    system. Results are cached on disk; failures are recomputed. → n results as in :func:`bands`, in the order of the
    rows; None for rows cancelled before they finished. ``progress`` counts the rows that were not cached.

    Raises:
        DFTUnavailable: GPAW is not installed where the work runs.
        ValueError: the strains are not rows of six numbers, or no scheduler answers.
    """
    if scheduler is None:
        dft.require()
    x = np.asarray(strains, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != 6:
        raise ValueError(f"Expected strains of shape (n, 6), got {x.shape}.")
    results = cached(x, settings)
    left = [
        (str(i), {"strain": x[i].tolist(), "settings": settings._asdict()}) for i, r in enumerate(results) if r is None
    ]

    def report(p: executor.Progress) -> None:
        if scheduler is not None and p.key is not None and p.result is not None:
            _keep(x[int(p.key)], settings, p.result)
        if progress is not None:
            progress(p)

    workers = min(cores(), len(left)) if workers is None else workers
    new = executor.run(work, left, None, workers=workers, scheduler=scheduler, progress=report, cancel=cancel)
    return [new.get(str(i), result) for i, result in enumerate(results)]


def cached(strains: ArrayLike, settings: Settings = STANDARD) -> list[Result | None]:
    """Cached results of strains (n, 6), in the order of the rows; None if not cached. Computes nothing."""
    x = np.asarray(strains, dtype=np.float64)
    try:
        return [_cached(cache_file(row, settings, provenance(settings))) for row in x]
    except dft.DFTUnavailable:  # the cache depends on GPAW's version
        return [None] * len(x)


def work(item: dict[str, Any]) -> Result:
    """Call :func:`bands` on ``strain`` with ``settings`` (a dict), for the executor; caches results except failures."""
    settings = Settings(**item["settings"])
    result = bands(item["strain"], settings)
    _keep(np.array(item["strain"]), settings, result)
    return result


def _keep(strain: Floats, settings: Settings, result: Result) -> None:
    """Cache a result under the versions that computed it, unless it is a failure."""
    if "fail" in result:
        return
    try:
        with files.replacing(cache_file(strain, settings, result["provenance"])) as beside:
            beside.write_text(json.dumps(result))
    except OSError as error:  # a full or read-only disk must not cost the result itself
        print(f"The result is not kept: {error}", file=sys.stderr)


def cache_file(strain: Floats, settings: Settings, by: dict[str, Any]) -> Path:
    """Path of the cached result of a strain (6,) with the settings and versions ``by``, see :func:`provenance`."""
    what = {"strain": strain.tolist(), "provenance": by, "silicon": settings._asdict()}
    return dft.cache_folder() / f"si-{hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]}.json"


def _cached(file: Path) -> Result | None:
    """Result in a cache file; None if there is none, or one of another form: it is computed again."""
    return records.read(file, FORM)


def provenance(settings: Settings = STANDARD) -> dict[str, Any]:
    """Settings, k-mesh and versions of a result."""
    return {
        "code": "GPAW",
        "xc": "PBE",
        "spin_orbit": False,
        "ecut": settings.ecut,
        "k_mesh": f"cubic, shifted, {len(k_points(settings))} points, step 2π/({settings.mesh} a0)",
        "smearing": "Fermi-Dirac 0.01 eV",
        "grid": settings.grid,
        "convergence": f"density 1e-5, eigenstates 1e-7, force {settings.force} eV/Å",
        "gpaw": dft.gpaw_version(),
        "ase": version("ase"),
    }


def structure(strain: ArrayLike, shift: ArrayLike | None = None) -> Any:
    """ASE's Atoms of one strain (6,), the second atom moved by ``shift`` (3,) [Å], else by the linear guess."""
    from ase.build import bulk

    x = np.asarray(strain, dtype=np.float64)
    atoms = bulk("Si", "diamond", a=LATTICE_CONSTANT)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + tensor(x)), scale_atoms=True)
    guess = -INTERNAL_STRAIN * LATTICE_CONSTANT / 2 * x[3:]
    atoms.positions[1] += guess if shift is None else np.asarray(shift)
    return atoms


class NotRelaxed(RuntimeError):
    """The atoms keep a force. The message is one sentence."""


class Relaxed(NamedTuple):
    """The crystal of one strain, its two atoms relaxed against each other."""

    atoms: Any
    """ASE's Atoms with their GPAW calculator."""
    shift: Floats
    """(3,) displacement of the second atom from its position in the strained cell [Å]."""
    forces: Floats
    """(2, 3) [eV/Å]."""
    left: float
    """Residual force [eV/Å]."""
    steps: int
    """SCF calculations."""


def relaxed(strain: Floats, settings: Settings) -> Relaxed:
    """Relax the two atoms with GPAW.

    Raises:
        NotRelaxed: a force above the settings' is left after ``STEPS`` calculations.
    """
    from gpaw import GPAW

    atoms = structure(strain)
    carried = atoms.positions[1] - structure(strain, np.zeros(3)).positions[1]
    atoms.calc = GPAW(
        mode={"name": "pw", "ecut": settings.ecut},
        xc="PBE",
        kpts=k_points(settings),
        gpts=(settings.grid,) * 3,
        nbands=8,
        occupations={"name": "fermi-dirac", "width": 0.01},
        symmetry={"point_group": False},
        maxiter=settings.maxiter,
        txt=None,
        convergence={"density": 1e-5, "eigenstates": 1e-7, "bands": BANDS + 1},
    )
    for steps in range(1, STEPS + 1):
        forces = atoms.get_forces()
        force = (forces[1] - forces[0]) / 2
        left = float(np.linalg.norm(force))
        # Always take one step: stopping at the guess, at forces up to 0.01 eV/Å, would change the gap by up to 3 meV.
        if steps > 1 and left < settings.force:
            return Relaxed(atoms, carried, forces, left, steps)
        atoms.positions[1] += force / FORCE_CONSTANT
        carried += force / FORCE_CONSTANT
    raise NotRelaxed(f"The ions did not relax in {STEPS} steps: a force of {left:.3f} eV/Å is left.")


def solve(strain: Floats, settings: Settings) -> Result:
    """Relax the two atoms with GPAW and compute the bands → a result."""
    from ase.units import GPa

    found = relaxed(strain, settings)
    stress = found.atoms.get_stress() / GPa
    return {
        **_edges(found.atoms.calc),
        "energy": round(float(found.atoms.get_potential_energy()), 6),
        "stress": stress.round(4).tolist(),
        "pressure": round(float(-stress[:3].mean()), 4),
        "shift": found.shift.round(5).tolist(),
        "force": round(found.left, 5),
        "forces": found.forces.round(5).tolist(),
        "steps": found.steps,
    }


def _edges(calculator: Any) -> Result:
    """Band edges of a converged density, at Γ, L and on the lines Δ."""
    on_lines = (ON_DELTA[:, None] * X_POINTS[:, None]).reshape(-1, 3)
    k = np.concatenate([np.zeros((1, 3)), L_POINTS, on_lines])
    fixed = calculator.fixed_density(
        kpts=k,
        symmetry={"point_group": False, "time_reversal": False},
        nbands=BANDS + 3,
        convergence={"bands": BANDS + 1, "eigenstates": 1e-7},
        txt=None,
    )
    if not np.allclose(fixed.get_ibz_k_points(), k):
        raise RuntimeError("GPAW reordered the k-points of the band edges")
    levels = np.array([fixed.get_eigenvalues(kpt=i) for i in range(len(k))])
    if not np.isfinite(levels).all():
        raise FloatingPointError("the eigenvalues are not finite")
    valence, conduction = levels[0, BANDS - 3 : BANDS], levels[:, BANDS]
    lines = conduction[1 + len(L_POINTS) :].reshape(len(X_POINTS), len(ON_DELTA))
    delta, delta_at = zip(*(line_minimum(ON_DELTA, line) for line in lines), strict=True)
    edges = {"G": conduction[0], **{f"L{i}": conduction[1 + i] for i in range(4)}}
    edges |= {f"D{i}": delta[i] for i in range(3)}
    valley = min(edges, key=lambda name: edges[name])
    return {
        "gap": round(float(edges[valley] - valence[-1]), 5),
        "direct": round(float(conduction[0] - valence[-1]), 5),
        "valley": valley,
        "valence": valence.round(5).tolist(),
        "conduction_gamma": round(float(conduction[0]), 5),
        "conduction_l": conduction[1 : 1 + len(L_POINTS)].round(5).tolist(),
        "conduction_delta": np.round(delta, 5).tolist(),
        "delta_at": np.round(delta_at, 4).tolist(),
    }


def line_minimum(at: Floats, values: Floats) -> tuple[float, float]:
    """Minimum of the parabola through the smallest value and its neighbours → its value, its position.

    If the smallest value is at an end of the line, that end is the result.
    """
    j = int(values.argmin())
    if not 0 < j < len(at) - 1:
        return float(values[j]), float(at[j])
    a, b, c = np.polyfit(at[j - 1 : j + 2], values[j - 1 : j + 2], 2)
    place = -b / (2 * a)
    return float(c + b * place / 2), float(place)
