"""The extrapolated mesh: exact where the mesh is, exact gradients, and closer to the limit than the coarse mesh."""

import numpy as np

from ipage_core.tasks.cells.dataset import cell
from ipage_core.tasks.cells.homogenization import homogenize, moduli
from ipage_core.tasks.cells.mesh import OPERATORS, confirmed, converged, refined, stiffness


def test_refinement_keeps_the_picture() -> None:
    assert (refined([[0, 1], [1, 1]], 2) == [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]).all()


def test_laminates_need_no_extrapolation() -> None:
    rho = np.broadcast_to([1.0, 0.3, 0.6, 0.3], (4, 4))
    np.testing.assert_allclose(stiffness(rho, "converged"), homogenize(rho), atol=1e-13)


def test_gradient_equals_finite_differences() -> None:
    rho, step = np.random.default_rng(0).uniform(0.3, 1, (4, 6)), 1e-5
    for operator in OPERATORS.values():
        _, gradient = operator(rho)
        assert gradient.shape == (3, 3, 4, 6)
        for iy, ix in ((0, 0), (3, 2), (1, 5)):
            change = np.zeros_like(rho)
            change[iy, ix] = step
            numeric = (operator(rho + change)[0] - operator(rho - change)[0]) / (2 * step)
            np.testing.assert_allclose(gradient[..., iy, ix], numeric, atol=1e-7)


def test_nearer_to_a_fine_mesh() -> None:
    pixels = cell(1, 0).pixels[:16, :16]
    fine = moduli(confirmed(pixels)).e_x
    extrapolated, coarse = (moduli(stiffness(pixels, mesh)).e_x for mesh in ("converged", "pixel"))
    assert abs(extrapolated - fine) < 0.35 * abs(coarse - fine)
    np.testing.assert_allclose(converged(pixels)[0], stiffness(pixels, "converged"), atol=1e-12)
