"""From a structure file to verified relaxed cells, as the README types it; other programs read the files.

The energy and the forces in a CIF are those that the calculator has for the atoms as gemmi and pymatgen read them.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk
from ase.geometry import cellpar_to_cell

from ipage_core.cli.main import main
from ipage_core.tasks.own_crystal import calculators, card, operator

pytest.importorskip("spglib")
gemmi = pytest.importorskip("gemmi", reason="gemmi is not installed (requirements-dev.txt)")
EXAMPLES = Path(card.__file__).with_name("examples")
COARSE = '''
from gpaw import GPAW


def make(reference):
    """GPAW with a few plane waves and k-points: seconds for a relaxation."""
    convergence = {"density": 1e-5, "eigenstates": 1e-7, "bands": "occupied"}
    occupations = {"name": "fermi-dirac", "width": 0.05}
    mesh = {"size": (2, 2, 2), "gamma": True}
    return GPAW(mode={"name": "pw", "ecut": 200}, xc="PBE", kpts=mesh, gpts=(12, 12, 12), occupations=occupations,
                symmetry={"point_group": False}, convergence=convergence, txt=None)
'''


def six_commands(folder, structure, calculator, properties, goal):
    """The commands after ``pip install``; → the folder of the CIFs."""
    csv, out = folder / "cells.csv", folder / "cif"
    new = ["new", str(folder), "--crystal", str(structure), "--calculator", calculator, "--strain", "2%", "--relax"]
    for line in (
        [*new, "--kicks", "1", "--y", properties, "--test", "0"],
        ["dataset", str(folder), "--n", "10", "--workers", "0"],
        ["train", str(folder), "--epochs", "1"],
        ["design", str(folder), "--goal", goal, "--n", "1", "--verify", "all", "--out", str(csv)],
        ["export", str(folder), str(csv), "--format", "cif", "--out", str(out)],
    ):
        assert main(line) in (0, None), line
    found = pd.read_csv(csv)
    assert found.loc[found["stage"] == found["stage"].iloc[-1], "y1"].notna().all()
    return out


def by_gemmi(text):
    small = gemmi.make_small_structure_from_block(gemmi.cif.read_string(text).sole_block())
    sites = [site.fract.tolist() for site in small.sites]
    return Atoms([site.element.name for site in small.sites], cell=cellpar_to_cell(small.cell.parameters), pbc=True,
                 scaled_positions=sites)  # fmt: skip


def by_pymatgen(text):
    Structure = pytest.importorskip("pymatgen.core", reason="pymatgen is not installed").Structure
    read = Structure.from_str(text, fmt="cif", primitive=False)
    return Atoms([site.specie.symbol for site in read], cell=cellpar_to_cell(read.lattice.parameters), pbc=True,
                 scaled_positions=read.frac_coords)  # fmt: skip


def check(path, calculator):
    """Energy to 1 meV, forces to 0.02 eV/Å; → the largest force that the file states."""
    text = path.read_text()
    block = gemmi.cif.read_string(text).sole_block()
    energy = float(block.find_value("_ipage_total_energy_eV"))
    forces = np.array(
        [[float(v) for v in row] for row in block.find("_ipage_force_", [f"{c}_eV_per_A" for c in "xyz"])]
    )
    for read in (by_gemmi, by_pymatgen):
        atoms = read(text)
        atoms.calc = calculator
        assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-3), read
        by_site = [[*site] for site in atoms.get_scaled_positions()]
        order = [int(np.abs(_apart(site, by_site)).sum(1).argmin()) for site in by_gemmi(text).get_scaled_positions()]
        assert np.abs(atoms.get_forces()[order] - forces).max() < 0.02, read
    return np.linalg.norm(forces, axis=1).max()


def _apart(site, others):
    away = np.array(others) - site
    return away - away.round()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path / "home"))


def test_a_cif_states_the_energy_and_forces_of_its_atoms(tmp_path):
    """Copper with a moved atom, by ASE's own potential: forces that are not zero, in a cell that lies askew."""
    from ase.calculators.emt import EMT

    from ipage_core.tasks.structures import cif

    pytest.importorskip("pymatgen", reason="pymatgen is not installed (ipage_core/tasks/own_crystal/requirements.txt)")
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    atoms.set_cell(
        atoms.cell.array @ (np.eye(3) + operator.tensor([0.01, -0.02, 0.03, 0.01, 0, 0.02])), scale_atoms=True
    )
    atoms.positions[1] += [0.04, -0.03, 0.02]
    atoms.rotate(40, (1, 2, 3), rotate_cell=True)
    atoms.calc = EMT()
    atoms.get_forces()
    (tmp_path / "cu.cif").write_bytes(cif(atoms, "Cu"))
    assert check(tmp_path / "cu.cif", EMT()) > 0.03  # else turned forces would pass


@pytest.mark.slow
@pytest.mark.skipif(find_spec("chgnet") is None, reason="CHGNet is not installed")
def test_rutile_by_a_potential(tmp_path):
    folder = tmp_path / "rutile"
    out = six_commands(folder, EXAMPLES / "rutile.cif", "chgnet", "energy,pressure", "pressure=3")
    (path,) = out.iterdir()
    assert check(path, calculators.build("chgnet", card.read(folder).atoms)) <= operator.FORCE


@pytest.mark.slow
@pytest.mark.dft
@pytest.mark.skipif(find_spec("gpaw") is None, reason="GPAW is not installed")
def test_diamond_by_gpaw(tmp_path):
    (tmp_path / "coarse.py").write_text(COARSE)
    factory, folder = f"{tmp_path / 'coarse.py'}:make", tmp_path / "diamond"
    out = six_commands(folder, EXAMPLES / "diamond.cif", factory, "gap,energy", "gap=4")
    (path,) = out.iterdir()
    assert check(path, calculators.build(factory, card.read(folder).atoms)) <= operator.FORCE
