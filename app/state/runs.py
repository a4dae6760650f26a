"""The core's results for pages, cached and as plain arrays: training data, models, design runs."""

from __future__ import annotations

import hashlib
from contextlib import nullcontext

import numpy as np
import streamlit as st
import torch

from app.figures.run import CLEANED, Outcome, Run
from app.state.turns import turn
from ipage_core.benchmark.metrics import error_quantiles, nearest_distances
from ipage_core.inference.latent_design import SAMPLINGS
from ipage_core.inference.methods import METHODS, Loaded, folder, load
from ipage_core.inference.solutions import Solutions
from ipage_core.problem.request import DesignRequest
from ipage_core.runtime.cores import threads
from ipage_core.tasks import TASKS

torch.set_num_threads(threads())

WATCHING = 1.0
"""Maximum seconds of Ω for pictures; above this, Ω judges only the first and the last frame."""
PRIOR_SHOWN = 600
"""Number of training designs in the background of figures: draws from the prior."""


@st.cache_resource(max_entries=8, show_spinner=False)
def training(task: str) -> tuple[np.ndarray, np.ndarray]:
    """The training pairs x (N, d), y (N, m); shared by all, so read-only."""
    x, y = (values.numpy() for values in TASKS[task].pairs())
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


def stamp(task: str, method: str) -> int:
    """Changes when one of the method's models is trained anew, so that old results are not shown for the new model."""
    where = folder(TASKS[task], method)
    files = [where / f"{name}.json" for name in METHODS[method].models]
    return max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs={DesignRequest: DesignRequest.key})
def run(request: DesignRequest, stamp: int = 0) -> Run:
    """Run the design and collect the page's data. Networks are loaded once (the core caches them).

    Raises:
        ValueError: a setting is not acceptable or a model is missing; the message is a sentence for the user.
    """
    outside = request.omega_evals and not request.task.verifies_by_default  # an Ω of seconds runs in other processes
    with nullcontext() if outside else turn(f"design {request.task.name}"):
        kinds = tuple(goal.kind for goal in request.target.goals)
        return record(request.run(load(request.task, request.method)), request.target.accepted.numpy(), kinds)


def of(request: DesignRequest, sampling: str | None = None) -> Run:
    """The run of the request, or of the same request with another sampling.

    Raises:
        ValueError: see :func:`run`.
    """
    if sampling is not None:
        request = request.replace(sampling=sampling)
    judged = request.replace(tolerance=1.0)  # the tolerance judges designs but does not change them
    tolerances = request.judged().tolerances(request.task).numpy()
    return run(judged, stamp(request.task.name, request.method)).judged(tolerances)


def trio(request: DesignRequest) -> dict[str, Run]:
    """The same request with each of the three samplings."""
    return {sampling: of(request, sampling) for sampling in SAMPLINGS}


@st.cache_data(max_entries=4096, show_spinner=False, hash_funcs={DesignRequest: DesignRequest.key})
def outcome(request: DesignRequest, stamp: int = 0) -> Outcome:
    """The few numbers of a run that a sweep needs."""
    problem = request.task
    with turn(f"design {problem.name}"):
        designs = request.run(load(request.task, request.method), record_every=1000)
    errors = designs.verification.resim_error.numpy()
    if problem.modes is not None and (designs.modes >= 0).any():
        close = request.judged().within(problem, designs.verification.y[:, : problem.n_targets])
        families = problem.modes(designs.final, designs.y_star)[close & problem.in_bounds(designs.final)]
        count = float(len(set(families.tolist()) - {-1}))
    else:
        low, high = problem.bounds
        count = float(np.median(nearest_distances(((designs.final - low) / (high - low)).double().numpy())))
    if not np.isfinite(errors).any() and designs.path is not None:
        errors = designs.path.surrogate_error[-1].double().numpy()
    return Outcome(count, tuple(error_quantiles(errors, (0.05, 0.5, 0.95)).tolist()))


def loaded(task: str, method: str) -> Loaded:
    """The method's networks."""
    return load(task, method)


def weights_hash(task: str, method: str) -> str:
    """Eight hexadecimal digits that change with any of the method's weights; empty if it has none."""
    cards = load(task, method).cards
    if not cards:
        return ""
    hashes = "".join(f"{name}{card['sha256']}" for name, card in sorted(cards.items()))
    return hashlib.sha256(hashes.encode()).hexdigest()[:8]


def record(designs: Solutions, accepted: np.ndarray | None = None, kinds: tuple[str, ...] = ()) -> Run:
    """Solutions as plain arrays, with Ω of every frame if Ω is cheap.

    ``accepted`` (2, m) is the accepted range of y; the first sample's target if None.
    """
    task = designs.task
    m = task.n_targets
    if designs.path is None:
        labels, frames, f_error = (start_name(designs.method),), designs.posterior[None], None
    else:
        labels, f_error = (
            (start_name(designs.method), *designs.path.labels[1:]),
            designs.path.surrogate_error.double().numpy(),
        )
        frames = torch.cat((designs.path.x[:-1], designs.final[None]))
        if task.space is not None and designs.surrogate is not None:  # the last step has its own frame
            labels, frames = (*labels, CLEANED), torch.cat((designs.path.x, designs.final[None]))
            believed = (designs.surrogate - designs.y_star).square().sum(1, keepdim=True).T
            f_error = np.concatenate((f_error, believed.double().numpy()))
    shape = frames.shape[:2]
    flat = frames.reshape(-1, task.d)
    prior, prior_y = (values[:PRIOR_SHOWN] for values in training(task.name))
    y = families = None
    distinguishes = False
    table = designs.frame()
    if task.beside is not None:
        table = task.beside(load(task.name, designs.method), designs, table)
    if task.verifies_by_default:
        y = _watched(designs, frames)
        if task.modes is not None:
            families = task.modes(flat, designs.y_star.repeat(shape[0], 1))
            families = torch.where(task.in_bounds(flat), families, -1).reshape(shape).numpy()
            on_prior = task.modes(torch.from_numpy(prior.copy()), designs.y_star[:1].expand(len(prior), m))
            distinguishes = bool((on_prior >= 0).any())
    return Run(
        task=task.name,
        method=designs.method,
        sampling=designs.sampling,
        seed=designs.seed,
        accepted=designs.y_star[[0, 0]].numpy() if accepted is None else accepted,
        aims=designs.y_star.numpy(),
        tolerances=task.tolerances.numpy(),
        labels=labels,
        z=designs.z.numpy(),
        x=frames.numpy().astype(np.float32),
        f_error=f_error,
        y=y,
        families=families,
        n_modes=task.n_modes if distinguishes else 0,
        prior=prior.astype(np.float32),
        prior_y=prior_y,
        replaced=designs.replaced.numpy(),
        cycle_error=designs.cycle_error.double().numpy(),
        achieved=designs.verification.y.numpy(),
        summary=designs.summary(),
        note=designs.note,
        frame=table,
        kinds=kinds,
    )


def _watched(designs: Solutions, frames: torch.Tensor) -> np.ndarray:
    """Ω of the designs in ``frames`` (T, n, d) → (T, n, m); NaN between first and last if Ω is slow."""
    task, m = designs.task, designs.task.n_targets
    count = frames[..., 0].numel()
    if count * task.omega_seconds <= WATCHING or len(frames) == 1:
        return task.omega(frames.reshape(count, -1).double())[:, :m].reshape(*frames.shape[:2], m).numpy()
    y = np.full((*frames.shape[:2], m), np.nan)
    y[0] = task.omega(frames[0].double())[:, :m].numpy()
    y[-1] = designs.verification.y[:, :m].numpy()
    return y


def start_name(method: str) -> str:
    """Name of the samples before localization, or of the results of a method without it.

    A method without a posterior starts from the prior, unless it descends by itself (NA) or looks stored designs up.
    """
    row = METHODS[method]
    if row.proposal:
        return "posterior"
    return "descended" if row.searched else "stored" if row.nearest else "prior"
