"""Calculators by name: ``gpaw``, ``chgnet``, ``emt``, an entry point of ``ipage.calculators``, or MODULE:FACTORY,
where MODULE may be a file, ``mine.py:FACTORY``.

A factory takes the reference crystal (ASE's Atoms) and returns an ASE calculator, so settings that depend on the cell,
such as the k-mesh, are the same for all strains.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

Factory = Callable[["Atoms"], Any]
SPACING = 0.5
"""Largest distance between k-points [1/Å]; ``GRID`` is that between real-space grid points [Å]."""
GRID = 0.19
CUT_OFF = 500.0
"""Plane-wave cut-off [eV]."""


def gpaw(reference: Atoms) -> Any:
    """GPAW: PBE, plane waves to 500 eV, a Γ-centred k-mesh and a grid that are fixed by the reference cell."""
    from gpaw import GPAW

    grid = [4 * int(np.ceil(length / GRID / 4)) for length in reference.cell.lengths()]
    return GPAW(
        mode={"name": "pw", "ecut": CUT_OFF},
        xc="PBE",
        kpts={"size": k_mesh(reference), "gamma": True},
        gpts=grid,
        occupations={"name": "fermi-dirac", "width": 0.05},
        symmetry={"point_group": False},
        convergence={"density": 1e-5, "eigenstates": 1e-7, "bands": "occupied"},
        txt=None,
    )


def k_mesh(reference: Atoms) -> list[int]:
    """Number of k-points along each reciprocal axis, no farther apart than ``SPACING``."""
    lengths = np.linalg.norm(reference.cell.reciprocal().array, axis=1)
    return [max(1, int(np.ceil(2 * np.pi * b / SPACING))) for b in lengths]


def chgnet(reference: Atoms) -> Any:
    """CHGNet, a potential for any element; the package includes its weights: B. Deng et al. 2023.

    doi:10.1038/s42256-023-00716-3. It computes energy, forces and stress, but no eigenvalues and hence no gap.
    """
    from chgnet.model.dynamics import CHGNetCalculator

    return CHGNetCalculator(use_device="cpu", verbose=False)


def emt(reference: Atoms) -> Any:
    """ASE's effective-medium theory of Al, Cu, Ag, Au, Ni, Pd, Pt: rough and fast, for first trials."""
    from ase.calculators.emt import EMT

    return EMT()


BUILT_IN: dict[str, Factory] = {"gpaw": gpaw, "chgnet": chgnet, "emt": emt}
ACCEPTED = "gpaw, chgnet, emt, MODULE:FACTORY or FILE.py:FACTORY"
_INSTALL = {
    "gpaw": "sh ipage_core/tasks/crystal/install-gpaw.sh python",
    "chgnet": "pip install -r ipage_core/tasks/own_crystal/requirements.txt",
}


def factory(name: str) -> Factory:
    """Find the factory of a name.

    Raises:
        ValueError: the name is not known, or MODULE:FACTORY cannot be imported.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    installed = {point.name: point for point in entry_points(group="ipage.calculators")}
    if name in installed:
        loaded: Factory = installed[name].load()
        return loaded
    module, colon, attribute = name.partition(":")
    if not colon:
        accepted = ", ".join([*BUILT_IN, *installed])
        raise ValueError(f"calculator '{name}' is not known; accepted: {accepted}, MODULE:FACTORY or FILE.py:FACTORY")
    try:
        chosen: Factory = getattr(
            _of_file(Path(module)) if module.endswith(".py") else import_module(module), attribute
        )
    except (Exception, SystemExit) as error:  # user code may raise anything
        raise ValueError(f"calculator '{name}' cannot be imported: {type(error).__name__}: {error}") from None
    return chosen


def _of_file(path: Path) -> ModuleType:
    spec = spec_from_file_location(f"ipage_calculator_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    made = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def absolute(name: str) -> str:
    """FILE.py:FACTORY with an absolute path, because other processes need it; any other name unchanged."""
    module, colon, attribute = name.partition(":")
    return f"{Path(module).resolve()}:{attribute}" if colon and module.endswith(".py") else name


def build(name: str, reference: Atoms) -> Any:
    """Build a calculator for the strains of a crystal.

    Raises:
        ValueError: the calculator is not known, not installed, or its factory fails.
    """
    made = factory(name)
    try:
        return made(reference)
    except ImportError as error:
        how = f": {_INSTALL[name]}" if name in _INSTALL else ""
        raise ValueError(f"calculator '{name}' is not installed ({error}){how}") from None
    except (Exception, SystemExit) as error:  # third-party code may raise anything
        raise ValueError(f"calculator '{name}' fails: {type(error).__name__}: {error}") from None


def provenance(name: str, calculator: Any, reference: Atoms) -> dict[str, Any]:
    """Name, settings and versions of a calculator."""
    settings: dict[str, Any] = {"calculator": name, "ase": version("ase")}
    for package in (name, type(calculator).__module__.partition(".")[0]):
        try:
            settings[package] = version(package)
        except PackageNotFoundError:
            continue
    if name == "gpaw":
        settings |= {"xc": "PBE", "ecut": CUT_OFF, "k_mesh": "x".join(map(str, k_mesh(reference))), "gamma": True}
        settings |= {"smearing": "Fermi-Dirac 0.05 eV", "convergence": "density 1e-5, eigenstates 1e-7"}
    return settings
