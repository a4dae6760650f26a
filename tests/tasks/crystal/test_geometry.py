"""Bonds, angles and space groups of cells with known answers."""

import numpy as np
import pytest
from ase.geometry import cellpar_to_cell

from ipage_core.tasks.crystal.dft import SITES
from ipage_core.tasks.crystal.geometry import geometry


@pytest.mark.parametrize(
    ("lattice", "group"),
    [
        ((3.95, 3.95, 3.95, 90, 90, 90), "Pm-3m (221)"),
        ((3.9, 3.9, 4.1, 90, 90, 90), "P4/mmm (123)"),
        ((3.8, 3.9, 4.1, 90, 90, 90), "Pmmm (47)"),
        ((3.9, 3.9, 3.9, 87, 87, 87), "R-3m (166)"),
        ((3.8, 4.0, 4.2, 85, 95, 99), "P-1 (2)"),
    ],
)
def test_ideal_sites(lattice, group):
    found = geometry(lattice)
    assert found.space_group == group
    np.testing.assert_allclose(found.bonds, np.array(lattice[:3]) / 2)  # oxygen lies half way between two titaniums
    np.testing.assert_allclose(found.angles, 180, atol=1e-9)
    np.testing.assert_allclose(found.octahedron, [min(v, 180 - v) for v in lattice[3:]], atol=1e-9)


def test_an_oxygen_off_the_axis_bends_its_bond_and_lowers_the_symmetry():
    sites, a, shift = np.array(SITES, dtype=float), 4.0, 0.05
    sites[4, 1] += shift  # the oxygen along a moves along b
    found = geometry((a, a, a, 90, 90, 90), sites)
    assert found.angles[0] == pytest.approx(180 - 2 * np.degrees(np.arctan(2 * shift)), abs=1e-6)
    assert found.bonds[0] == pytest.approx(a * np.hypot(0.5, shift))
    np.testing.assert_allclose(found.angles[1:], 180, atol=1e-4)
    assert found.space_group != "Pm-3m (221)"


def test_a_mirror_may_miss_an_ion_by_a_thousandth_of_an_angstrom():
    for off, group in ((4e-4, "Pm-3m (221)"), (7e-4, "P4mm (99)")):  # the image of titanium is twice as far
        sites = np.array(SITES, dtype=float)
        sites[1, 2] += off / 3.95
        assert geometry((3.95, 3.95, 3.95, 90, 90, 90), sites).space_group == group
    assert geometry((3.95, 3.95, 3.95, 90, 90, 90), sites, symprec=0.01).space_group == "Pm-3m (221)"


def test_bonds_and_angles_of_moved_ions_are_those_to_the_nearest_images():
    rng = np.random.default_rng(0)
    lattice = (3.8, 4.0, 4.2, 85, 95, 99)
    cell = cellpar_to_cell(lattice)
    sites = np.array(SITES, dtype=float) + rng.uniform(-0.04, 0.04, (5, 3)) + rng.integers(-1, 2, (5, 3))
    found = geometry(lattice, sites)
    shifts = np.array(np.meshgrid(*[[-3, -2, -1, 0, 1, 2, 3]] * 3)).reshape(3, -1).T
    arms = []
    for axis, oxygen in enumerate((4, 3, 2)):
        apart = sites[oxygen] - sites[1] + shifts
        near, far = apart[np.argsort(np.abs(apart).max(1))[:2]] @ cell
        assert found.bonds[axis] == pytest.approx((np.linalg.norm(near) + np.linalg.norm(far)) / 2)
        assert found.angles[axis] == pytest.approx(between(near, far))
        arms.append(near)
    for k, (i, j) in enumerate(((1, 2), (0, 2), (0, 1))):
        angle = between(arms[i], arms[j])
        assert found.octahedron[k] == pytest.approx(min(angle, 180 - angle))


def between(u, v):
    return np.degrees(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v)))
