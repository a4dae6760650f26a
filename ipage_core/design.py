"""The chain: target → latent design → posterior samples → localization → correction → verification."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from ipage_core.latent import Sampling, latent_design
from ipage_core.localization import Optimizer, localize
from ipage_core.methods import Loaded
from ipage_core.solutions import Path, Solutions
from ipage_core.tasks import Task
from ipage_core.verification import Verification, rows_to_verify
from ipage_core.verification import verify as verify_designs

STALLED = 0.05
"""A sample has stalled if its surrogate residual stays above this fraction of the task's tolerance."""
ARRIVED = 5e-5
"""A sample rests once its surrogate residual is below this fraction of the tolerance: float32 has no more to give."""
CORRECTED = 0.005
"""A correction is trusted if the error it leaves is expected below this fraction of the tolerance."""
ROUNDS = 4
"""How often the stalled are replaced by fresh samples before the best so far are kept."""
CYCLE_TOLERANCE = 1e-4
"""Cycle error, in units of the box, above which a posterior sample is computed again in float64."""


class Parametrization(Protocol):
    """The one seam for ties, fixed coordinates and filters: localization moves u, and x = decode(u)."""

    bounds: Tensor
    """(2, e) limits of u."""

    def encode(self, x: Tensor) -> Tensor:
        """(n, d) → (n, e): the u nearest to a proposed design."""
        ...

    def decode(self, u: Tensor) -> Tensor:
        """(n, e) → (n, d), differentiable."""
        ...


@dataclass(frozen=True, eq=False)
class Identity:
    """u = x, in the task's box."""

    bounds: Tensor

    def encode(self, x: Tensor) -> Tensor:
        """(n, d) → (n, d)."""
        return x

    def decode(self, u: Tensor) -> Tensor:
        """(n, d) → (n, d)."""
        return u


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
        parametrization: what localization moves; the box ``task.bounds`` by default.
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
    chain = _Chain(task, method, parametrization or Identity(task.bounds), optimizer, steps, record_every)

    with chain.clock("latent"):
        k = method.proposal.latent_dim
        # One design a target each: together they fill the space. Several each: every target gets the same full design.
        z = (
            latent_design(total, k, sampling, seed)
            if n == 1
            else latent_design(n, k, sampling, seed).repeat(len(targets), 1)
        )
    samples = chain.propose(y_star, z)
    replaced = torch.zeros(total, dtype=torch.bool)
    success, note = total, ""
    if method.surrogate is not None:
        goal = y_star
        samples = chain.localize(samples, goal)
        arrived = samples.residual(goal) <= STALLED * task.tolerance
        success = int(arrived.sum())
        replaced |= chain.replace_stalled(samples, goal, STALLED * task.tolerance, seed)
        if len(targets) == 1 and not (samples.residual(goal) <= STALLED * task.tolerance).any():
            closest = samples.predicted[samples.residual(goal).argmin()]
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


@dataclass
class _Samples:
    """n samples on their way; all tensors have them in row i, frames and errors in column i."""

    y_star: Tensor
    z: Tensor
    posterior: Tensor
    cycle_error: Tensor
    x: Tensor
    predicted: Tensor
    labels: list[str] = field(default_factory=list)
    frames: Tensor = field(default_factory=lambda: torch.empty(0))
    errors: Tensor = field(default_factory=lambda: torch.empty(0))

    def residual(self, goal: Tensor) -> Tensor:
        """(n,) ‖f(x) − goal‖; infinite where it is not a number."""
        return (self.predicted.cpu().to(goal) - goal).norm(dim=1).nan_to_num(nan=math.inf)

    def put(self, rows: Tensor, other: _Samples) -> None:
        """Let ``other`` (one sample for each of the row indices) take the place of these rows."""
        for name in ("y_star", "z", "posterior", "cycle_error", "x", "predicted"):
            getattr(self, name)[rows] = getattr(other, name)
        # Both have been through the same stages, in at most as many steps: the shorter one waits at each stage's end.
        labels = max(self.labels, other.labels, key=len)
        self.frames, self.errors = _stretched(self, labels), _stretched(self, labels, errors=True)
        self.labels = labels
        self.frames[:, rows] = _stretched(other, labels)
        self.errors[:, rows] = _stretched(other, labels, errors=True)


def _stretched(samples: _Samples, labels: list[str], errors: bool = False) -> Tensor:
    """Frames (or errors) of ``samples`` at ``labels``, a missing step repeating the one before it."""
    at, index = -1, []
    for label in labels:
        at = samples.labels.index(label) if label in samples.labels else at
        index.append(at)
    return (samples.errors if errors else samples.frames)[index].clone()


class _Chain:
    """What all steps share: the task, the networks, the settings, the clock and the count of Ω's evaluations."""

    def __init__(self, task, method, parametrization, optimizer, steps, record_every):  # type: ignore[no-untyped-def]
        self.task: Task = task
        self.method: Loaded = method
        self.parametrization: Parametrization = parametrization
        self.optimizer: Optimizer = optimizer
        self.steps: int | None = steps
        self.record_every: int = record_every
        self.omega_calls = 0
        self.seconds = dict.fromkeys(("latent", "proposal", "localization", "verification"), 0.0)

    @contextmanager
    def clock(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] += time.perf_counter() - start

    def predict(self, x: Tensor) -> Tensor:
        """The surrogate's f(x). (n, d) → (n, m)."""
        assert self.method.surrogate is not None
        with torch.no_grad():
            return self.method.surrogate(x)

    def propose(self, y_star: Tensor, z: Tensor) -> _Samples:
        """Posterior samples at z, in float32, or in float64 where the closed-form inverse is not accurate enough."""
        with self.clock("proposal"):
            y_star, z = y_star.to(self.method.device, torch.float32), z.to(self.method.device)
            proposal = self.method.proposal
            width = (self.task.bounds[1] - self.task.bounds[0]).to(z)
            with torch.no_grad():
                x, error = _checked_sample(proposal, y_star, z, width)
                poor = ~(error <= CYCLE_TOLERANCE) & ~error.isnan() | ~x.isfinite().all(1)
                if poor.any() and isinstance(proposal, torch.nn.Module):
                    exact = copy.deepcopy(proposal).cpu().double()  # in this order: MPS has no float64
                    y64, z64, width64 = (t.cpu().double() for t in (y_star[poor], z[poor], width))
                    x64, error64 = _checked_sample(exact, y64, z64, width64)
                    x[poor], error[poor] = x64.to(x), error64.to(error)
            predicted = torch.full_like(y_star, math.nan)
            return _Samples(y_star, z, x, error, x.clone(), predicted)

    def localize(self, samples: _Samples, goal: Tensor) -> _Samples:
        """Lines 11–14 of Algorithm 1, from the posterior samples; records the path."""
        with self.clock("localization"):
            start = torch.where(samples.x.isfinite(), samples.x, self.task.bounds.mean(0).to(samples.x))
            u0 = self.parametrization.encode(start)
            trajectory = self._descend(u0, goal)
            decode, surrogate = self.parametrization.decode, self.method.surrogate
            assert surrogate is not None
            x = decode(trajectory.u[-1])
            return replace(
                samples,
                x=x,
                predicted=self.predict(x),
                labels=["posterior"] + [f"step {s}" for s in trajectory.steps[1:].tolist()],
                frames=torch.stack([samples.posterior, *(decode(u) for u in trajectory.u[1:])]),
                errors=torch.stack(
                    [(self.predict(samples.posterior) - goal.to(x)).square().sum(1), *trajectory.error[1:]]
                ),
            )

    def _descend(self, u0: Tensor, goal: Tensor):  # type: ignore[no-untyped-def]
        goal = goal.to(u0)
        surrogate, decode = self.method.surrogate, self.parametrization.decode
        assert surrogate is not None
        return localize(
            lambda u, rows: surrogate(decode(u)) - goal[rows],
            u0,
            self.parametrization.bounds,
            enough=ARRIVED * self.task.tolerance,
            optimizer=self.optimizer,
            steps=self.steps,
            record_every=self.record_every,
        )

    def fresh(self, y_star: Tensor, goal: Tensor, seed: int, attempt: int) -> _Samples:
        """Localized samples at new random latent points."""
        with self.clock("latent"):
            k = self.method.proposal.latent_dim
            z = latent_design(len(goal), k, "srs", (seed + 1) * 7_919 + attempt * 104_729)
        return self.localize(self.propose(y_star, z), goal)

    def replace_stalled(self, samples: _Samples, goal: Tensor, threshold: float, seed: int) -> Tensor:
        """Put fresh samples in the place of those that stalled, judged by the surrogate. Returns which (n,) bool."""
        replaced = torch.zeros(len(goal), dtype=torch.bool, device=goal.device)
        for attempt in range(ROUNDS):
            rows = (samples.residual(goal) > threshold).nonzero()[:, 0]
            if not len(rows):
                break
            fresh = self.fresh(samples.y_star[rows], goal[rows], seed, attempt)
            better = fresh.residual(goal[rows]) < samples.residual(goal)[rows]
            samples.put(rows[better], _rows(fresh, better))
            replaced[rows[better]] = True
        return replaced

    def correct(self, samples: _Samples, goal: Tensor, evaluations: int, seed: int, replace_failed: bool) -> Tensor:
        """Correct with Ω, and replace those samples on which the correction does not converge. Returns which (n,)."""
        replaced = torch.zeros(len(goal), dtype=torch.bool, device=goal.device)
        expected = self._correct(samples, goal, evaluations)
        for attempt in range(ROUNDS if replace_failed else 0):
            rows = (expected > CORRECTED * self.task.tolerance).nonzero()[:, 0]
            if not len(rows):
                break
            fresh = self.fresh(samples.y_star[rows], goal[rows], seed + 2, attempt)
            fresh_expected = self._correct(fresh, goal[rows], evaluations)
            better = fresh_expected < expected[rows]
            samples.put(rows[better], _rows(fresh, better))
            expected[rows[better]] = fresh_expected[better]
            replaced[rows[better]] = True
        return replaced

    def _correct(self, samples: _Samples, goal: Tensor, evaluations: int) -> Tensor:
        """x ← localize(f, y* + f(x) − Ω(x)), so many times (output space mapping, Bandler et al. 2004).

        Returns the error to expect afterwards (n,): what localization left of the last correction, plus the last error
        seen times the factor by which corrections have been shrinking it.
        """
        before = last = None
        for k in range(evaluations):
            with self.clock("verification"):
                assert self.task.omega is not None
                y = self.task.omega(samples.x.cpu().double())[:, : self.task.n_targets].to(goal)
                self.omega_calls += len(y)
            before, last = last, (y - goal).norm(dim=1)
            with self.clock("localization"):
                shifted = goal + samples.predicted.cpu().to(goal) - y
                trajectory = self._descend(self.parametrization.encode(samples.x), shifted.nan_to_num(nan=0.0))
                samples.x = self.parametrization.decode(trajectory.u[-1])
                samples.predicted = self.predict(samples.x)
                samples.labels.append(f"correction {k + 1}")
                samples.frames = torch.cat((samples.frames, samples.x[None]))
                error = (samples.predicted - goal.to(samples.x)).square().sum(1)
                samples.errors = torch.cat((samples.errors, error[None]))
        assert last is not None
        left = (samples.predicted.cpu().to(goal) - shifted).norm(dim=1)
        shrinking = 0.0 if before is None else (last / before.clamp(min=1e-12)).clamp(max=1.0)
        return (left + shrinking * last).nan_to_num(nan=math.inf)


def _rows(samples: _Samples, keep: Tensor) -> _Samples:
    per_row = {k: getattr(samples, k)[keep] for k in ("y_star", "z", "posterior", "cycle_error", "x", "predicted")}
    return replace(samples, **per_row, frames=samples.frames[:, keep], errors=samples.errors[:, keep])


def _checked_sample(proposal, y_star: Tensor, z: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[no-untyped-def]
    """Samples (n, d) and their cycle error (n,) in units of ``width``; NaN where the proposal is not invertible."""
    try:
        x = proposal.sample(y_star, z)
        cycle = proposal.cycle(y_star, z) if hasattr(proposal, "cycle") else None
    except AssertionError:  # nflows asserts that the quadratic to invert has real roots; in float32 it may not
        return z.new_full((len(z), len(width)), math.nan), z.new_full((len(z),), math.inf)
    if cycle is None:
        return x, x.new_full((len(x),), math.nan)
    return x, ((cycle - x).abs() / width).amax(1).nan_to_num(nan=math.inf)


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
