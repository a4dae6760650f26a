"""Starts from the paper's posterior: what the shipped INN draws at a goal on E_x, or on E_y with x and y exchanged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ipage_core.tasks.cells.dataset import SIDE
from ipage_core.tasks.cells.goals import Goals
from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD

Array = NDArray[np.float64]


def posterior_samples(goals: Goals, n: int, seed: int) -> Array:
    """Posterior samples of the shipped INN as densities. → (n, 32, 32) in [0, 1].

    Raises:
        ValueError: no goal on E_x or E_y.
    """
    name = next((name for name in ("E_x", "E_y") if name in goals.names), None)
    if name is None:
        raise ValueError("the start 'posterior' needs a goal on E_x or E_y, which the shipped network knows")
    import torch

    from ipage_core.inference.methods import load
    from ipage_core.tasks import TASKS

    z = torch.randn(n, SIDE * SIDE, generator=torch.Generator().manual_seed(seed))
    y = torch.full((n, 1), float((goals.aim[goals.names.index(name)] - E_X_MEAN) / E_X_SD))
    with torch.no_grad():
        samples = load(TASKS["architecture"], "ipage").proposal.sample(y, z).reshape(n, SIDE, SIDE).double().numpy()
    return np.asarray(samples.clip(0, 1) if name == "E_x" else samples.clip(0, 1).transpose(0, 2, 1))
