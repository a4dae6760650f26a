"""Bonds, angles and space groups of cells with known answers."""

import numpy as np
import pytest

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
    np.testing.assert_allclose(found.angles, 180, atol=1e-4)
    np.testing.assert_allclose(found.octahedron, [min(v, 180 - v) for v in lattice[3:]], atol=1e-9)


def test_an_oxygen_off_the_axis_bends_its_bond_and_lowers_the_symmetry():
    sites, a, shift = np.array(SITES, dtype=float), 4.0, 0.05
    sites[4, 1] += shift  # the oxygen along a moves along b
    found = geometry((a, a, a, 90, 90, 90), sites)
    assert found.angles[0] == pytest.approx(180 - 2 * np.degrees(np.arctan(2 * shift)), abs=1e-6)
    assert found.bonds[0] == pytest.approx(a * np.hypot(0.5, shift))
    np.testing.assert_allclose(found.angles[1:], 180, atol=1e-4)
    assert found.space_group != "Pm-3m (221)"
