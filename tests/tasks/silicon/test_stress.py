"""Stress of strained silicon, for an energy whose stress is known: as the work against a small strain on top."""

import numpy as np
import pytest
import torch

from ipage_core.tasks.silicon import stress
from ipage_core.tasks.silicon.operator import tensor

STRAINS = np.array(
    [
        [0.02, 0, 0, 0, 0, 0],
        [0, -0.03, 0.01, 0, 0, 0],
        [0.01, 0.02, -0.01, 0.03, 0, 0],
        [0.01, 0.02, -0.01, 0, 0.03, 0],
        [0.01, 0.02, -0.01, 0, 0, 0.03],
        [0.01, -0.02, 0.03, 0.02, -0.03, 0.01],
    ]
)


class Isotropic:
    """Energy 40 (e : e) + 30 (tr e)² + 5 tr e eV per atom: the last term is the stress of the unstrained crystal."""

    def properties(self, x):
        trace = x[:, :3].sum(1)
        energy = 40 * (x[:, :3].square().sum(1) + 2 * x[:, 3:].square().sum(1)) + 30 * trace**2 + 5 * trace
        return torch.stack((10 * x[:, 0], 9 * x[:, 1], energy, 1000 * x[:, 2]), 1)


def energy(cell):
    """Of a cell (3, 3) over the unstrained one, which may be turned: by its right stretch."""
    values = np.sqrt(np.linalg.eigvalsh(cell @ cell.T)) - 1
    return 40 * (values**2).sum() + 30 * values.sum() ** 2 + 5 * values.sum()


def by_work(strain):
    """Normal stresses [GPa]: work of a small stretch along each axis, over the volume."""
    cell, step, normal = np.eye(3) + tensor(strain), 1e-5, []
    volume = np.linalg.det(cell) * 5.469**3 / 8
    for k in range(3):
        more, less = (np.eye(3) + sign * step * np.diag(np.eye(3)[k]) for sign in (1, -1))
        normal.append((energy(cell @ more) - energy(cell @ less)) / (2 * step) / volume * 160.21766)
    return np.array(normal)


def test_stress_is_the_work_of_a_small_stretch_less_that_of_the_unstrained_crystal():
    found = stress.normal_stress(Isotropic(), torch.tensor(STRAINS))
    wanted = np.array([by_work(one) for one in STRAINS]) - by_work(np.zeros(6))
    assert np.abs(wanted).max() > 20
    assert found.numpy() == pytest.approx(wanted, rel=2e-5, abs=2e-3)  # float32 in the network
    assert stress.normal_stress(Isotropic(), torch.zeros(1, 6)).abs().max() == 0
    assert stress.BASIS_SET == 0.33  # the pressure of the unstrained crystal in data/silicon/README.md, by hand


def test_a_uniaxial_stretch_without_tension_at_rest_is_hookes_law():
    class Hooke(Isotropic):
        def properties(self, x):
            return torch.stack((0 * x[:, 0], 0 * x[:, 0], 50 * x[:, 0] ** 2), 1)

    [[along, *across]] = stress.normal_stress(Hooke(), torch.tensor([[0.01, 0, 0, 0, 0, 0]])).tolist()
    assert along == pytest.approx(100 * 0.01 / (5.469**3 / 8) * 160.21766, rel=1e-5)  # the pulled face stays as large
    assert across == [0, 0]
