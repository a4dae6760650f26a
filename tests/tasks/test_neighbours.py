"""Bonds and angles of crystals that are known by hand."""

import numpy as np
import pytest
from ase.build import bulk

from ipage_core.tasks import neighbours


def test_diamond_has_four_bonds_at_the_tetrahedral_angle():
    atoms = bulk("Si", "diamond", a=5.43)
    assert neighbours.lengths(atoms)["Si–Si"] == pytest.approx([5.43 * np.sqrt(3) / 4] * 4)
    assert neighbours.angles(atoms)["Si–Si–Si"] == pytest.approx([np.degrees(np.arccos(-1 / 3))] * 12)


@pytest.mark.parametrize(("structure", "a", "pair", "count"), [
    ("rocksalt", 4.21, "Mg–O", 6), ("cesiumchloride", 2.6, "Mg–O", 8), ("zincblende", 4.5, "Mg–O", 4),
])  # fmt: skip
def test_bonds_of_simple_crystals(structure, a, pair, count):
    atoms = bulk("MgO", structure, a=a)
    found = neighbours.lengths(atoms)
    assert list(found) == [pair]
    assert len(found[pair]) == count


def test_a_strain_along_an_axis_changes_only_bonds_along_it():
    atoms = bulk("MgO", "rocksalt", a=4.2, cubic=True)
    atoms.set_cell(atoms.cell.array @ np.diag([1, 1, 1.03]), scale_atoms=True)
    found = neighbours.lengths(atoms)["Mg–O"]
    assert neighbours.span(found, 3) == "2.100 … 2.163"
    assert (found > 2.13).sum() * 3 == len(found)
    assert set(neighbours.angles(atoms)["O–Mg–O"].round(6)) == {90, 180}


def test_all_nearest_neighbours_of_a_metal_are_bonded():
    assert len(neighbours.lengths(bulk("Cu", "fcc", a=3.6))["Cu–Cu"]) == 6  # twelve, each shared by two atoms
