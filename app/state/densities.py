"""The posterior before localization, in two coordinates: its density, its MAP point, the target's level set."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch
from scipy.ndimage import gaussian_filter
from torch import Generator, Tensor

from app.figures.coordinates import MOST, Coordinates, coordinates
from app.figures.posterior import Density
from app.figures.run import Run
from app.state.runs import loaded, training
from app.state.turns import turn
from ipage_core.inference.methods import METHODS, Loaded
from ipage_core.problem.task import Task
from ipage_core.tasks import TASKS

GRID = 201
"""Grid points per axis. With 101, a fifth of the sine wave's density would fall between them: its ridges are thin."""
BINS = 56
DRAWS = 20_000
"""Number of posterior samples in a histogram."""
WALL = 0.01
"""Minimum distance of the MAP point from the box's walls, in box widths: the Jacobian of the map that keeps samples of
a bounded coordinate inside makes thin spikes of density there."""


def density(run: Run, first: int, second: int, sliced: bool, stamp: int) -> Density:
    """The density for the run's target in two of the run's :func:`coordinates`."""
    shown = coordinates(run)
    with turn(f"density {run.task}"):
        return _density(run.task, run.method, tuple(run.y_star.tolist()), first, second, sliced, stamp, shown)


@st.cache_data(max_entries=48, show_spinner=False)
def _density(
    task: str,
    method: str,
    y_star: tuple[float, ...],
    first: int,
    second: int,
    sliced: bool,
    stamp: int,
    _shown: Coordinates,
) -> Density:
    problem, networks = TASKS[task], loaded(task, method)
    axes, d = [first, second], problem.d
    low, high = _shown.low[axes], _shown.high[axes]
    prior_grid, *edges = _histogram(_shown.of(training(task)[0][:DRAWS])[:, axes], low, high, blur=2.0)
    target = torch.tensor([y_star], dtype=torch.float32)
    draws = posterior_draws(networks, target) if METHODS[method].proposal else None
    likeliest = None if d > MOST else _likeliest(problem, networks, target, draws)
    if likeliest is None:
        sliced = False
    by_eq_3 = likeliest is not None and (d == 2 or sliced)
    levels: list[np.ndarray] = []
    if by_eq_3:
        across, up = (np.linspace(a, b, GRID + 2)[1:-1] for a, b in zip(low, high, strict=True))
        plane = torch.from_numpy(likeliest).repeat(GRID * GRID, 1)
        plane[:, first] = torch.from_numpy(np.tile(across, GRID))
        plane[:, second] = torch.from_numpy(np.repeat(up, GRID))
        posterior = np.exp(_log_prob(networks, plane, target)).reshape(GRID, GRID)
        if problem.verifies_by_default:
            y = problem.omega(plane)[:, : problem.n_targets].numpy()
            levels = [column.reshape(GRID, GRID) for column in y.T]
        kind = "exact" if d == 2 else "slice"
    elif draws is not None:
        posterior, across, up = _histogram(_shown.of(draws.numpy())[:, axes], low, high)
        kind = "draws"
    else:
        posterior, (across, up), kind = None, edges, "draws"
    return Density(kind, across, up, posterior, *edges, prior_grid, likeliest, levels)


def posterior_draws(networks: Loaded, target: Tensor) -> Tensor:
    z = torch.randn(DRAWS, networks.proposal.latent_dim, generator=Generator().manual_seed(0))
    with torch.no_grad():
        x = networks.proposal.sample(target.expand(DRAWS, -1), z)
    return x[x.isfinite().all(1)]


def _log_prob(networks: Loaded, x: Tensor, target: Tensor) -> np.ndarray:
    """log p̂(x | y*) by Eq. 3, −∞ where it is not a number. (n, d) → (n,)."""
    with torch.no_grad():
        values = networks.proposal.log_prob(x.float(), target.expand(len(x), -1))  # type: ignore[attr-defined]
    return values.double().nan_to_num(nan=-np.inf, neginf=-np.inf, posinf=-np.inf).numpy()


def _likeliest(task: Task, networks: Loaded, target: Tensor, draws: Tensor | None) -> np.ndarray | None:
    """The MAP point (d,): the best of 4000 draws, improved by random steps of decreasing length."""
    if draws is None or not hasattr(networks.proposal, "log_prob"):
        return None
    low, high = task.bounds.double()
    width = high - low
    low, high = low + WALL * width, high - WALL * width
    generator = Generator().manual_seed(1)
    points = draws[:4000].double()
    points = points[((points >= low) & (points <= high)).all(1)]
    if not len(points):
        return None
    try:
        values = _log_prob(networks, points, target)
    except ValueError:  # an alternating INN has no closed form
        return None
    best, height = points[int(values.argmax())], values.max()
    for length in 0.05 * 0.5 ** np.arange(8):
        step = length * width * torch.randn(256, task.d, generator=generator, dtype=torch.float64)
        points = (best + step).clamp(low, high)
        values = _log_prob(networks, points, target)
        if values.max() > height:
            best, height = points[int(values.argmax())], values.max()
    return best.numpy()


def _histogram(
    points: np.ndarray, low: np.ndarray, high: np.ndarray, blur: float = 0.6
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Density (bins, bins) of (n, 2) points, smoothed by ``blur`` bins, and the centres of its columns and rows."""
    counts, across, up = np.histogram2d(*points.T, bins=BINS, range=np.stack((low, high), axis=1))
    area = (across[1] - across[0]) * (up[1] - up[0])
    smooth = gaussian_filter(counts.T / (len(points) * area), blur)
    return smooth, (across[1:] + across[:-1]) / 2, (up[1:] + up[:-1]) / 2
