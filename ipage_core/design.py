"""The chain: target → latent design → posterior samples → localization → correction → verification."""

from __future__ import annotations

import torch
from torch import Tensor

from ipage_core import constraints
from ipage_core.chain import STALLED, Chain
from ipage_core.latent import Sampling, latent_design
from ipage_core.localization import Optimizer
from ipage_core.methods import Loaded
from ipage_core.parametrization import Parametrization
from ipage_core.solutions import Path, Solutions
from ipage_core.tasks import Task
from ipage_core.verification import Verification, rows_to_verify
from ipage_core.verification import verify as verify_designs


def design(
    task: Task,
    method: Loaded,
    y_star: Tensor,
    n: int,
    *,
    sampling: Sampling = "maximin",
    seed: int = 0,
    omega_evals: int = 0,
    verify: str = "auto",
    parametrization: Parametrization | None = None,
    seed_design: Tensor | None = None,
    optimizer: Optimizer = "lm",
    steps: int | None = None,
    record_every: int = 1,
) -> Solutions:
    """Find n designs x with Ω(x) = y*: lines 7–15 of the paper's Algorithm 1, then correction and verification.

    Args:
        task: the inverse problem.
        method: from :func:`ipage_core.methods.load`.
        y_star: (m,) one target, or (t, m) several.
        n: number of designs for each target; sample i belongs to target i // n.
        sampling: how the latent space is laid out.
        seed: fixes everything random.
        omega_evals: true evaluations a design may cost for its correction x ← localize(f, y* + f(x) − Ω(x)).
        verify: ``auto``, ``all``, ``none`` or a number; see :func:`ipage_core.verification.rows_to_verify`.
        parametrization: what localization moves, from :func:`ipage_core.constraints.parse`; unconstrained if None.
        seed_design: (d,) a design of one's own: the samples start a quarter of the way from it to posterior samples,
            the first of each target at the design itself.
        optimizer: ``lm``, ``adam`` or ``gd``.
        steps: at most so many optimizer steps; its default if None.
        record_every: thins the recorded path.

    Raises:
        ValueError: a shape, a number or a name is not acceptable; the message says what is.
    """
    targets = _targets(task, y_star)
    if n < 1:
        raise ValueError(f"Expected at least 1 design, got n={n}")
    y_star, total = targets.repeat_interleave(n, dim=0), n * len(targets)
    to_verify = rows_to_verify(task, total, verify, seed)
    if omega_evals < 0:
        raise ValueError(f"Expected 0 or more true evaluations a design, got {omega_evals}")
    if omega_evals and (task.omega is None or method.surrogate is None):
        lacks = "a surrogate to correct with" if task.omega else "a forward operator Ω"
        raise ValueError(f"{method.name} on {task.name} lacks {lacks}: omega_evals must be 0")
    if seed_design is not None and (seed_design.shape != (task.d,) or not seed_design.isfinite().all()):
        raise ValueError(f"Expected a seed design of {task.d} finite numbers, got shape {tuple(seed_design.shape)}")
    moves = parametrization or constraints.parse(task)
    chain = Chain(task, method, moves, optimizer, steps, record_every, seed_design)

    with chain.clock("latent"):
        k = method.proposal.latent_dim
        # One design a target each: together they fill the space. Several each: every target gets the same full design.
        z = (
            latent_design(total, k, sampling, seed)
            if n == 1
            else latent_design(n, k, sampling, seed).repeat(len(targets), 1)
        )
    samples = chain.propose(y_star, z)
    if seed_design is not None:
        samples.posterior[:: n if len(targets) == 1 or n > 1 else total] = seed_design.to(samples.posterior)
        samples.x = samples.posterior.clone()
    replaced = torch.zeros(total, dtype=torch.bool)
    success, note = total, ""
    if method.surrogate is not None:
        goal = y_star
        samples = chain.localize(samples, goal)
        arrived = chain.residual(samples, goal) <= STALLED * task.tolerance
        success = int(arrived.sum())
        replaced |= chain.replace_stalled(samples, goal, STALLED * task.tolerance, seed)
        if len(targets) == 1 and not (chain.residual(samples, goal) <= STALLED * task.tolerance).any():
            closest = samples.predicted[chain.residual(samples, goal).argmin()]
            goal = closest.cpu().double().expand_as(y_star)
            note = (
                f"The target {_text(y_star[0])} cannot be reached within the bounds; "
                f"these designs aim at the closest that the surrogate achieves, {_text(goal[0])}."
            )
            replaced |= chain.replace_stalled(samples, goal, task.tolerance, seed + 1)
        if omega_evals:
            replaced |= chain.correct(samples, goal, omega_evals, seed, replace_failed=not note)
        samples.x = task.project(samples.x)
        samples.predicted = chain.predict(samples.x)
    with chain.clock("verification"):
        if task.omega is None:
            verification = Verification.nowhere(task, total)
        else:
            verification = verify_designs(task, samples.x, y_star, to_verify)
    localizes = method.surrogate is not None
    return Solutions(
        task=task,
        method=method.name,
        sampling=sampling,
        seed=seed,
        y_star=y_star.cpu(),
        z=samples.z.cpu(),
        posterior=samples.posterior.cpu(),
        localized=samples.x.cpu() if localizes else None,
        surrogate_posterior=chain.predict(samples.posterior).cpu() if localizes else None,
        surrogate=samples.predicted.cpu() if localizes else None,
        verification=verification,
        replaced=replaced.cpu(),
        success_before_replacement=success,
        cycle_error=samples.cycle_error.cpu(),
        path=Path(tuple(samples.labels), samples.frames.cpu(), samples.errors.cpu()) if localizes else None,
        omega_calls=chain.omega_calls + verification.calls,
        seconds=chain.seconds,
        note=note,
    )


def _targets(task: Task, y_star: Tensor) -> Tensor:
    """(t, m) float64 from (m,) or (t, m)."""
    y_star = torch.as_tensor(y_star, dtype=torch.float64)
    y_star = y_star[None] if y_star.dim() == 1 else y_star
    if y_star.dim() != 2 or y_star.shape[1] != task.n_targets or not len(y_star):
        wanted = ", ".join(task.property_labels[: task.n_targets])
        raise ValueError(
            f"Expected {task.n_targets} number(s) a target for {task.name} ({wanted}), got shape {tuple(y_star.shape)}"
        )
    if not y_star.isfinite().all():
        raise ValueError("Expected finite targets, got NaN or infinity")
    return y_star


def _text(y: Tensor) -> str:
    return ", ".join(f"{value:.4g}" for value in y.tolist())
