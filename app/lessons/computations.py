"""Computations of the guided tour by the engine and the shipped networks: plain arrays, cached."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch
from scipy.special import ndtri
from torch import Generator, Tensor

from app.state.runs import loaded
from ipage_core.inference.latent_design import latent_design
from ipage_core.inference.localization import Optimizer, localize
from ipage_core.inference.pipeline import design
from ipage_core.tasks import TASKS
from ipage_core.tasks.sinewave import TASK, loop_of, omega, sample_prior

METHOD = "ipage"
EYES = ("the sample's own padding", "padding zero")
"""Ways to evaluate the INN's y at its own posterior samples; see :func:`seen`."""
Array = np.ndarray


@st.cache_data(max_entries=32, show_spinner=False)
def draws(n: int, seed: int) -> tuple[Array, Array]:
    """Draws x (n, 2) from the prior, and their Ω (n,)."""
    x = sample_prior(n, Generator().manual_seed(seed))
    return x.numpy(), omega(x)[:, 0].numpy()


def omega_of(x: Array) -> Array:
    """Ω of designs (n, 2) → (n,)."""
    return omega(torch.from_numpy(np.asarray(x, dtype=float)))[:, 0].numpy()


def invert(target: float, z: Tensor) -> Tensor:
    """Eq. 1: the designs h(y*, z; φ) of latent points (n, 2) → (n, 2)."""
    with torch.no_grad():
        return loaded(TASK.name, METHOD).proposal.sample(torch.full((len(z), 1), target), z)


@st.cache_data(max_entries=64, show_spinner=False)
def pairs(target: float, n: int) -> tuple[Array, Array]:
    """Latent points (n, 2) and their designs (n, 2)."""
    z = latent_design(n, 2, "maximin", 0)
    return z.numpy(), invert(target, z).numpy()


def loops_of(target: float, unit: Array) -> Array:
    """The loop, 0 to 8, nearest to the design of each point of the unit square; −1 if none is near. (n, 2) → (n,)."""
    x = invert(target, torch.from_numpy(ndtri(unit)).float())
    return loop_of(x, torch.full((len(x), 1), target)).numpy()


@st.cache_data(max_entries=4, show_spinner=False)
def patches(target: float, cells: int) -> Array:
    """The loop of every cell of the unit square: (cells, cells), row by second coordinate."""
    middles = (np.arange(cells) + 0.5) / cells
    first, second = np.meshgrid(middles, middles)
    return loops_of(target, np.column_stack((first.ravel(), second.ravel()))).reshape(cells, cells)


@st.cache_data(max_entries=64, show_spinner=False)
def seen(target: float, n: int, eye: str) -> tuple[Array, Array, Array, Array]:
    """Posterior samples (n, 2), the step by f (n, 2), and the misfits by Ω and by f (n,); f is one of ``EYES``.

    The step is that of Gauss–Newton, −r ∇f/‖∇f‖², with f's own misfit r.
    """
    method = loaded(TASK.name, METHOD)
    inn, y_star = method.proposal, torch.full((n, 1), target)
    with torch.no_grad():
        x, padding = inn.inverse(y_star, latent_design(n, 2, "maximin", 0))
    x = x.requires_grad_(True)
    ask = {EYES[0]: lambda x: inn.transport(x, padding)[0], EYES[1]: method.surrogate}[eye]
    with torch.enable_grad():
        y = ask(x)
        (slope,) = torch.autograd.grad(y.sum(), x)
    x, r = x.detach(), (y - y_star).detach()
    step = -r * slope / slope.square().sum(1, keepdim=True).clamp(min=1e-9)
    truth = omega(x.double())[:, 0] - target
    return x.numpy(), step.numpy(), truth.numpy(), r[:, 0].numpy()


@st.cache_data(max_entries=64, show_spinner=False)
def descent(target: float, n: int, optimizer: Optimizer, steps: int) -> tuple[Array, Array, Array]:
    """Localization by ``optimizer``: samples (T, n, 2), and the median squared errors by f and by Ω (T,)."""
    task, surrogate = TASK, loaded(TASK.name, METHOD).surrogate
    assert surrogate is not None
    x = invert(target, latent_design(n, 2, "maximin", 0))

    def residual(u: Tensor, rows: Tensor) -> Tensor:
        return surrogate(u) - target

    results = localize(residual, x, task.bounds, optimizer=optimizer, steps=steps, enough=task.arrived * task.tolerance)
    truth = (omega(results.u.double().flatten(0, 1)) - target).square().view(results.u.shape[:2])
    return results.u.numpy(), results.error.median(1).values.numpy(), truth.median(1).values.numpy()


@st.cache_data(max_entries=16, show_spinner=False)
def over_targets(task: str, method: str, n: int) -> tuple[Array, Array]:
    """One design for each of n targets that the prior achieves: distance moved, in widths; squared error by Ω (n,)."""
    problem = TASKS[task]
    assert problem.omega is not None
    y = problem.omega(problem.sample_prior(n, Generator().manual_seed(5)))[:, : problem.n_targets]
    results = design(problem, loaded(task, method), y, 1)
    low, high = problem.bounds
    moved = ((results.final - results.posterior) / (high - low)).norm(dim=1)
    return moved.numpy(), results.verification.resim_error.numpy()
