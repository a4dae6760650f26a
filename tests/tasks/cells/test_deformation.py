"""The deformed cell: uniform for a uniform cell, periodic, and as wide as Poisson's ratio predicts."""

import numpy as np
import pytest

from ipage_core.tasks.cells.dataset import cell
from ipage_core.tasks.cells.deformation import deformed
from ipage_core.tasks.cells.homogenization import POISSON, displacements, homogenize, moduli


def test_a_solid_cell_deforms_uniformly() -> None:
    places, strains = deformed(np.ones((4, 6)), 0.1, tiles=2)
    np.testing.assert_allclose(strains, [(0.1, -0.03, 0), (-0.03, 0.1, 0), (0, 0, 0.1)], atol=1e-12)
    y, x = np.mgrid[:9, :13]
    np.testing.assert_allclose(places[0], np.stack((1.1 * x, (1 - 0.1 * POISSON) * y), -1), atol=1e-9)
    np.testing.assert_allclose(places[2], np.stack((x + 0.05 * y, y + 0.05 * x), -1), atol=1e-9)


def test_cells_fit_each_other_and_shrink_by_poisson() -> None:
    pixels = cell(0, 1).pixels
    places, _ = deformed(pixels, 0.1, tiles=2)
    step = places[:, :, 32:] - places[:, :, :-32]
    np.testing.assert_allclose(step, np.broadcast_to(step[:, :1, :1], step.shape), atol=1e-9)
    width, height = step[0, 0, 0, 0] - 32, (places[0, 32, 0] - places[0, 0, 0])[1] - 32
    assert -height / width == pytest.approx(float(moduli(homogenize(pixels)).nu_xy), rel=1e-6)


def test_two_by_two_cells_are_drawn_unless_other_numbers_are_given() -> None:
    rho = np.random.default_rng(0).random((3, 5))
    usual, strains = deformed(rho, 0.2)
    assert usual.shape == (3, 7, 11, 2)
    for tiles in (1, 2, 3):
        places, same = deformed(rho, 0.2, tiles)
        assert places.shape == (3, 3 * tiles + 1, 5 * tiles + 1, 2)
        np.testing.assert_array_equal(same, strains)
        np.testing.assert_array_equal(places[:, :4, :6], usual[:, :4, :6])


def test_each_load_has_the_strains_of_the_compliance() -> None:
    """Pulled or sheared alone, strains are a column of S; corners a cell apart are moved by them."""
    rho = np.random.default_rng(1).random((4, 6))
    s = np.linalg.inv(homogenize(rho))
    places, strains = deformed(rho, 0.05, tiles=3)
    for k in range(3):
        xx, yy, xy = 0.05 * s[:, k] / s[k, k]
        np.testing.assert_allclose(strains[k], (xx, yy, xy), rtol=1e-9)
        right, up = places[k, 1, 14] - places[k, 1, 2], places[k, 9, 2] - places[k, 1, 2]
        np.testing.assert_allclose(right, (12 + 12 * xx, 6 * xy), rtol=1e-9)
        np.testing.assert_allclose(up, (4 * xy, 8 + 8 * yy), rtol=1e-9)


def test_displacements_give_the_stiffness() -> None:
    pixels = cell(0, 1).pixels.astype(float)
    np.testing.assert_allclose(displacements(pixels)[0], homogenize(pixels), atol=1e-12)
    with pytest.raises(ValueError, match="one cell"):
        displacements(pixels[None])
