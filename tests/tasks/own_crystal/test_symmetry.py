"""Symmetry of any crystal: its rotations, what they do to a strain, and which boxes they keep."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from ipage_core.tasks.own_crystal import symmetry


def test_rutile_and_quartz_like_crystals_have_their_rotations():
    diamond = bulk("Si", "diamond", a=5.43)
    assert symmetry.space_group(diamond) == "Fd-3m (227)"
    q = symmetry.rotations(diamond)
    assert len(q) == 48
    assert np.allclose(q[0], np.eye(3))
    assert np.allclose(q @ q.swapaxes(1, 2), np.eye(3))
    assert len(symmetry.on_strains(diamond)) == 24
    hexagonal = bulk("Zn", "hcp", a=2.66, c=4.95)
    assert len(symmetry.rotations(hexagonal)) == 24
    assert len(symmetry.on_strains(hexagonal)) == 12
    tetragonal = Atoms("Si", cell=[3, 3, 4], pbc=True)
    assert len(symmetry.on_strains(tetragonal)) == 8


def test_images_are_the_turned_tensors():
    crystal = bulk("Zn", "hcp", a=2.66, c=4.95)
    strain = np.array([0.01, -0.02, 0.03, 0.004, 0.006, -0.008])
    images = symmetry.images(strain, symmetry.on_strains(crystal))
    assert np.allclose(images[0], strain)
    size = ((images * symmetry.MANDEL) ** 2).sum(1)
    assert np.allclose(size, size[0])
    turned = [q @ symmetry.tensor(strain) @ q.T for q in symmetry.rotations(crystal)]
    for image in images:
        assert min(np.abs(symmetry.tensor(image) - one).max() for one in turned) < 1e-12
    assert len({tuple(row) for row in images.round(9).tolist()}) == 12
    assert ((symmetry.MANDEL * strain) ** 2).sum() == pytest.approx((symmetry.tensor(strain) ** 2).sum())
    assert np.allclose(symmetry.MANDEL, [1, 1, 1, 2**0.5, 2**0.5, 2**0.5])


def test_a_box_is_kept_by_operations_that_only_permute_equal_sides():
    cube = symmetry.on_strains(Atoms("Si", cell=[3, 3, 3], pbc=True))
    half = np.array([0.1, 0.1, 0.1, 0.05, 0.05, 0.05])
    assert symmetry.keeps(np.stack((-half, half)), cube)
    assert symmetry.keeps(np.stack((-half, half)) * [1, 1, 1, 0, 0, 0], cube)  # sides of no width
    half[2] = 0.2
    assert not symmetry.keeps(np.stack((-half, half)), cube)
    assert symmetry.keeps(np.stack((-half, half)), symmetry.on_strains(Atoms("Si", cell=[3, 3, 4], pbc=True)))
    hexagonal = symmetry.on_strains(bulk("Zn", "hcp", a=2.66, c=4.95))
    same = np.full(6, 0.1)
    assert not symmetry.keeps(np.stack((-same, same)), hexagonal)


def test_a_turned_crystal_is_turned_back_to_its_usual_axes():
    cube = Atoms("CsCl", cell=[4, 4, 4], pbc=True, scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5)])
    turned = cube.copy()
    turned.rotate(30, "z", rotate_cell=True)
    axes = symmetry.oriented(turned).cell.array
    assert np.allclose(np.sort(np.abs(axes), axis=1), [[0, 0, 4]] * 3, atol=1e-9)
    assert symmetry.oriented(turned).get_scaled_positions()[1].tolist() == pytest.approx([0.5] * 3)
    strain = symmetry.tensor([1, 2, 3, 4, 5, 6])
    assert strain.tolist() == [[1, 6, 5], [6, 2, 4], [5, 4, 3]]


def test_a_symmetry_may_miss_an_atom_by_a_thousandth_of_an_angstrom():
    for off, group in ((4e-4, "Pm-3m (221)"), (7e-4, "P4mm (99)")):  # the image of chlorine is twice as far
        crystal = Atoms("CsCl", cell=[4, 4, 4], pbc=True, positions=[(0, 0, 0), (2, 2, 2 + off)])
        assert symmetry.space_group(crystal) == group
        assert len(symmetry.rotations(crystal)) == (48 if off < 5e-4 else 8)
