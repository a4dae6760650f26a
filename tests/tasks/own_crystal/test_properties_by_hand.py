"""Properties of strained crystals from energies, forces and stresses that are written down here."""

from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.cif import parse_cif
from ase.units import GPa

from ipage_core.tasks import structures
from ipage_core.tasks.own_crystal import calculators, operator, symmetry

PROPERTIES = ("energy", "density", "volume", "displacement", "pressure", "s11", "s22", "s33", "s23", "s13", "s12")


def slanted(**more):
    """Two atoms in a cell of 3 × 4 × 5 Å whose second vector leans along the first, not orthorhombic."""
    cell = [[3.0, 0.0, 0.0], [1.0, 4.0, 0.0], [0.0, 0.0, 5.0]]
    known = {"relax": False, "kicks": 1, "calculator": "by hand", "properties": PROPERTIES, "reference_energy": -2.0}
    atoms = Atoms("NaCl", cell=cell, scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], pbc=True)

    class Crystal(SimpleNamespace):
        @property
        def atoms(self):
            return atoms.copy()

    return Crystal(**(known | more))


def test_a_strain_turns_the_vectors_of_the_cell_on_their_right():
    strain = np.array([0.01, 0.02, 0.03, 0.004, 0.005, 0.006])  # xx, yy, zz, yz, xz, xy
    e = np.array([[0.01, 0.006, 0.005], [0.006, 0.02, 0.004], [0.005, 0.004, 0.03]])
    assert symmetry.tensor(strain) == pytest.approx(e)
    atoms = operator.strained(slanted(), strain)
    b = np.array([1.0, 4.0, 0.0])
    assert atoms.cell.array[1] == pytest.approx(b + b @ e)
    assert atoms.get_scaled_positions()[1] == pytest.approx([0.5] * 3)


def test_the_norm_of_a_strain_counts_its_shears_twice():
    strain = np.array([0.01, 0.02, 0.03, 0.004, 0.005, 0.006])
    assert np.square(symmetry.MANDEL * strain).sum() == pytest.approx(np.square(symmetry.tensor(strain)).sum())


def test_properties_are_per_atom_in_g_per_cm3_and_gpa():
    crystal = slanted()
    atoms, carried = crystal.atoms, crystal.atoms
    atoms.positions += [[0.1, 0.0, 0.2], [0.1, 0.0, 0.0]]  # apart by 0.2 Å along z, and both 0.1 Å along x
    stress = np.array([1.0, 2.0, 6.0, 0.4, 0.5, 0.6]) * GPa  # xx, yy, zz, yz, xz, xy
    atoms.calc = SinglePointCalculator(atoms, energy=-5.0, forces=np.zeros((2, 3)), stress=stress)
    atoms.info["gap"] = 1.5
    found = operator.properties(crystal, atoms, carried)
    assert found["energy"] == pytest.approx(-2.5 + 2.0)
    assert found["volume"] == pytest.approx(30)
    grams = (22.98976928 + 35.45) / 6.02214076e23
    assert found["density"] == pytest.approx(grams / (60e-24), rel=1e-5)
    assert found["displacement"] == pytest.approx(0.1)
    assert found["pressure"] == pytest.approx(-3)
    shown = [found[name] for name in ("s11", "s22", "s33", "s23", "s13", "s12")]
    assert shown == pytest.approx([1, 2, 6, 0.4, 0.5, 0.6])


class Wells(Calculator):
    """No forces; the energy is the distance of the second atom from its first place along x."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": float(atoms.positions[1, 0]), "forces": np.zeros((len(atoms), 3))}


def test_the_lowest_of_the_starts_counts_and_the_starts_depend_on_the_strain():
    crystal = slanted(kicks=6, properties=("energy",), reference_energy=None)
    places = []
    for strain in (np.zeros(6), np.full(6, 1e-5)):
        found, atoms = operator.evaluate(crystal, strain, Wells())
        at_first = operator.strained(crystal, strain).positions[1, 0]
        assert atoms.positions[1, 0] < at_first - 0.01
        assert found["energy"] == pytest.approx(atoms.positions[1, 0] / 2)
        places.append(atoms.positions[1, 0] - at_first)
    assert abs(places[0] - places[1]) > 1e-3


def test_files_of_strains_that_differ_in_the_fourth_digit_are_two(tmp_path):
    a, b = (operator.structure_file(tmp_path, np.full(6, value)) for value in (0.0101, 0.0102))
    assert a != b
    assert operator.structure_file(tmp_path, np.zeros(6)) == operator.structure_file(tmp_path, -np.zeros(6))


def test_a_cif_has_the_total_energy_and_forces_turned_with_its_axes():
    """A CIF puts a along x: of a cell turned by a quarter about z, a force along y is one along x."""
    cell = np.array([[0.0, 3.0, 0.0], [-4.0, 0.0, 0.0], [0.0, 0.0, 5.0]])
    atoms = Atoms("NaCl", cell=cell, scaled_positions=[[-0.1, 0, 0], [0.5, 0.5, 0.5]], pbc=True)
    forces = np.array([[0.0, 0.3, 0.1], [0.2, 0.0, 0.0]])
    atoms.calc = SinglePointCalculator(atoms, energy=-7.25, forces=forces)
    (block,) = parse_cif(structures.io.BytesIO(structures.cif(atoms, "salt")))
    assert block["_ipage_total_energy_ev"] == -7.25
    written = np.stack([block[f"_ipage_force_{axis}_ev_per_a"] for axis in "xyz"], axis=1)
    assert written == pytest.approx(np.array([[0.3, 0.0, 0.1], [0.0, -0.2, 0.0]]))
    assert block["_atom_site_fract_x"] == [-0.1, 0.5]


@pytest.mark.parametrize(("a", "count"), [(3.0, 5), (4.0, 4), (12.0, 2), (13.0, 1), (30.0, 1)])
def test_k_points_are_half_an_inverse_angstrom_apart(a, count):
    """2π/a of 3, 4, 12 and 13 Å: 2.09, 1.57, 0.52 and 0.48 Å⁻¹."""
    assert calculators.k_mesh(Atoms("H", cell=[a, 5.0, 7.0], pbc=True)) == [count, 3, 2]
