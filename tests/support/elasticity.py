"""Stiffness matrices for tests."""

import numpy as np

from ipage_core.tasks.cells.homogenization import homogenize, moduli


def young_x(density, **more):
    """E_x of cells (*, ny, nx) → (*,), in units of E_s."""
    return moduli(homogenize(density, **more)).e_x


def turned(c, angle):
    """C in axes turned by an angle: strain of the turned frame from strain in this one, γ engineering."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array(
        [
            (cos**2, sin**2, cos * sin),
            (sin**2, cos**2, -cos * sin),
            (-2 * cos * sin, 2 * cos * sin, cos**2 - sin**2),
        ]
    )
    back = np.linalg.inv(turn)
    return back.T @ c @ back
