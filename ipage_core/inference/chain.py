"""The steps of a design run: propose, localize, replace stalled samples, correct with the true forward operator."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ipage_core.inference.latent_design import latent_design
from ipage_core.inference.localization import Optimizer, Trajectory, localize
from ipage_core.inference.methods import Loaded, Proposal
from ipage_core.networks.base import Network
from ipage_core.problem.space import DesignSpace, Settled, combinations, staged
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task

CAPPED = 0.01
"""Violation of a cap, as a fraction of its range, that weighs as much as one tolerance; for tables."""
STALLED = 0.05
"""A sample has stalled if its surrogate residual, in tolerances, is above this."""
FREE = 1e6
"""Of a tolerance: how far a property that may be anything has to be off to count as much as another by one."""
CORRECTED = 0.005
"""A correction has converged if the expected remaining error, in tolerances, is below this."""
ROUNDS, HOPELESS, MANY = 12, 4, 2000
"""Maximum replacement rounds; the second limit, and that of fresh samples, apply while no sample has converged."""
SCOUTS = 8
"""Samples of a target that try further categories while none has reached it."""
NEAR = 0.25
"""Start of the search between the user's design (0) and the posterior samples (1)."""
CYCLE_TOLERANCE = 2e-2
"""Above this cycle error, in standard deviations of the latent space, a sample is computed again in float64."""

PER_ROW = ("y_star", "z", "posterior", "cycle_error", "predicted_posterior", "x", "predicted")
"""Fields of :class:`Samples` with one row per sample."""


@dataclass
class Samples:
    """State of n samples: row i of every tensor is sample i, in frames and errors column i."""

    y_star: Tensor
    z: Tensor
    posterior: Tensor
    cycle_error: Tensor
    predicted_posterior: Tensor
    x: Tensor
    predicted: Tensor
    labels: list[str]
    frames: Tensor
    errors: Tensor

    def misfit(self, goal: Tensor) -> Tensor:
        """(n, m) f(x) − goal, in units of y."""
        return self.predicted.cpu().to(goal) - goal

    def of(self, rows: Tensor) -> Samples:
        """The samples of some rows, given by indices or as (n,) bool."""
        per_row = {name: getattr(self, name)[rows] for name in PER_ROW}
        return replace(self, **per_row, frames=self.frames[:, rows], errors=self.errors[:, rows])

    def put(self, rows: Tensor, other: Samples) -> None:
        """Replace these rows by ``other``, which has one sample for each row index."""
        for name in PER_ROW:
            getattr(self, name)[rows] = getattr(other, name)
        # Both went through the same stages; the shorter path repeats its last frame until the other's stage ends.
        labels = max(self.labels, other.labels, key=len)
        self.frames, self.errors = _stretched(self, labels), _stretched(self, labels, errors=True)
        self.labels = labels
        self.frames[:, rows] = _stretched(other, labels)
        self.errors[:, rows] = _stretched(other, labels, errors=True)


def _stretched(samples: Samples, labels: list[str], errors: bool = False) -> Tensor:
    """Frames (or errors) of ``samples`` at ``labels``; a missing step repeats the one before it."""
    index: list[int] = []
    for label in labels:
        index.append(samples.labels.index(label) if label in samples.labels else index[-1])
    return (samples.errors if errors else samples.frames)[index].clone()


class Chain:
    """Task, networks, settings, clock and Ω count of a run, with the steps that share them."""

    def __init__(
        self,
        task: Task,
        method: Loaded,
        space: DesignSpace,
        optimizer: Optimizer,
        steps: int | None,
        record_every: int,
        seed_design: Tensor | None = None,
        target: Target | None = None,
    ) -> None:
        self.task = task
        self.method = method
        self.space = space
        self.optimizer = optimizer
        self.steps = steps
        self.record_every = record_every
        self.seed_design = seed_design
        self.tolerances = task.tolerances if target is None else target.tolerances(task)
        weights = torch.ones_like(self.tolerances) if target is None else target.weights
        self.unit = self.tolerances / weights
        """(m,) unit of the dimensionless residual (f_j(x) − y*_j) / tolerance_j · weight_j, in units of y."""
        error = getattr(method.surrogate, "error", None)  # the surrogate's error on left-out rows, if known
        self.calibrated = error is not None and isinstance(method.surrogate, Network)
        """Whether the surrogate's spread is calibrated: see :mod:`ipage_core.inference.doubt`."""
        error = torch.zeros_like(self.unit) if error is None else error.cpu().double()
        if task.n_targets > task.d:  # least squares, weighted by the surrogate's error
            self.unit = (self.unit.square() + error.square()).sqrt()
        self.doubt = float((error / self.unit).norm())
        """Norm of the dimensionless residual that the surrogate's own error explains."""
        self.reach = STALLED if task.n_targets <= task.d else max(STALLED, self.doubt)
        """A sample has arrived below this. With more properties than coordinates none gets below ``doubt``."""
        self.double = getattr(method.surrogate, "reads", None) == torch.float64  # so equations hold to 1e-9
        self.cap_unit = self.unit[0] if task.omega is not None else CAPPED
        kinds = ["exactly"] * task.n_targets if target is None else [goal.kind for goal in target.goals]
        self.free = torch.tensor([kind == "anything" for kind in kinds])
        """(m,) bool: properties that may be anything; they do not count, wherever they end."""
        self.unit = torch.where(self.free, FREE * self.unit, self.unit)
        self.tolerances = torch.where(self.free, math.inf, self.tolerances)
        floors = [math.inf if p.floor is None else p.floor for p in task.targets]
        self.floor = torch.tensor(floors, dtype=torch.float64).nan_to_num(posinf=-math.inf)
        self.omega_calls = 0
        self.seconds = dict.fromkeys(("latent", "proposal", "localization", "verification"), 0.0)

    def scaled(self, misfit: Tensor, excess: Tensor) -> Tensor:
        """Misfits (n, m) and cap violations (n, r) → the dimensionless residual (n, m + r).

        The unit of a violation is the first property's; for tables it is ``CAPPED`` times its range.
        """
        return torch.cat((misfit / self.unit.to(misfit), excess / self.cap_unit), dim=1)

    def off(self, predicted: Tensor, goal: Tensor) -> Tensor:
        """(n, m) predicted − goal; any value below the floor meets a goal on the floor."""
        misfit = predicted - goal
        return torch.where(goal <= self.floor.to(goal), misfit.clamp(min=0), misfit)

    def error(self, predicted: Tensor, goal: Tensor) -> Tensor:
        """‖f(x) − goal‖² of the properties that count, in their units. (n, m), (n, m) → (n,)."""
        return (predicted - goal.to(predicted)).masked_fill(self.free.to(predicted.device), 0.0).square().sum(1)

    @contextmanager
    def clock(self, stage: str) -> Iterator[None]:
        """Add the time of this block to a stage of ``seconds``."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def predict(self, x: Tensor) -> Tensor:
        """The surrogate's f(x). (n, d) → (n, m)."""
        assert self.method.surrogate is not None
        with torch.no_grad():
            return self.method.surrogate(x)

    def propose(self, y_star: Tensor, z: Tensor) -> Samples:
        """Posterior samples at z in float32, or in float64 if the inverse is not accurate enough."""
        with self.clock("proposal"):
            y_star, z = y_star.to(self.method.device, torch.float32), z.to(self.method.device)
            proposal = self.method.proposal
            with torch.no_grad():
                x, error = _checked_sample(proposal, y_star, z, self.task.d)
                poor = ~(error <= CYCLE_TOLERANCE) & ~error.isnan() | ~x.isfinite().all(1)
                if poor.any() and isinstance(proposal, torch.nn.Module):
                    exact = copy.deepcopy(proposal).cpu().double()  # in this order: MPS has no float64
                    y64, z64 = y_star[poor].cpu().double(), z[poor].cpu().double()
                    x64, error64 = _checked_sample(exact, y64, z64, self.task.d)
                    x[poor], error[poor] = x64.to(x), error64.to(error)
            if self.seed_design is not None:
                seed = self.seed_design.to(x)
                x = seed + NEAR * (torch.where(x.isfinite(), x, seed) - seed)
            x = self.task.with_levels(x)
            unknown = torch.full_like(y_star, math.nan)
            none = x.new_empty(0, *x.shape), x.new_empty(0, len(x))
            return Samples(y_star, z, x, error, unknown, x.clone(), unknown.clone(), [], *none)

    def localize(self, samples: Samples, goal: Tensor, levels: Tensor | None = None) -> Samples:
        """Lines 11–14 of Algorithm 1, from the posterior samples; records the path.

        ``levels``: of categories (n, as many as the space holds), in the place of those that were drawn.
        """
        with self.clock("localization"):
            start = torch.where(samples.x.isfinite(), samples.x, self.task.bounds.mean(0).to(samples.x))
            if self.double:
                start = start.double()
            u = self.space.encode(start)
            if levels is not None and self.space.held is not None:
                u = u.clone()
                u[:, self.space.held] = levels.to(u)
            path, predicted = self.descend(u, goal)
            predicted_posterior = goal.to(path.u) + path.first[:, : goal.shape[1]] * self.unit.to(path.u)
            elsewhere = (path.u[0] != samples.posterior).any(1).nonzero()[:, 0]  # changed by bounds, ties or filters
            if len(elsewhere):
                predicted_posterior[elsewhere] = self.predict(samples.posterior[elsewhere]).to(predicted_posterior)
            error = self.error(predicted_posterior, goal)
            return replace(
                samples,
                predicted_posterior=predicted_posterior,
                x=path.u[-1],
                predicted=predicted,
                labels=["posterior"] + [f"step {s}" for s in path.steps[1:].tolist()],
                frames=torch.cat((samples.posterior[None], path.u[1:])),
                errors=torch.cat((error[None], path.error[1:])),
            )

    def localize_all(self, samples: Samples, goal: Tensor, seed: int, turns: int | None = None) -> Samples:
        """As :meth:`localize`; a sample that stalls is tried with other levels of its categories, the best is kept.

        Samples begin evenly over all combinations of levels, and each tries them in an order of its own, ``turns`` at
        most: those that reach the target get about as many designs each. Where none does, a few samples look for one.
        """
        if self.space.held is None:
            return self.localize(samples, goal)
        order = combinations(self.space, len(goal), seed)[:, :turns]
        tried = torch.ones(len(goal), dtype=torch.long)
        best = self.localize(samples, goal, order[:, 0])
        _, target = goal[:, ~self.free].unique(dim=0, return_inverse=True)
        for _ in range(2 * order.shape[1]):
            arrived = self.residual(best, goal) <= self.reach
            reachable = torch.zeros(len(goal), dtype=torch.bool)
            reachable[target[arrived]] = True
            rows = (~arrived & (tried < order.shape[1])).nonzero()[:, 0]
            rows = rows[reachable[target[rows]] | (_rank(target[rows]) < SCOUTS)]
            if not len(rows):
                break
            again = self.localize(samples.of(rows), goal[rows], order[rows, tried[rows]])
            tried[rows] += 1
            better = self.residual(again, goal[rows]) < self.residual(best, goal)[rows]
            best.put(rows[better], again.of(better))
        return best

    def descend(self, u: Tensor, goal: Tensor) -> tuple[Trajectory, Tensor]:
        """Localize from u (n, e) towards goal (n, m) through the stages of the space.

        → the path of the designs x with its error ‖f(x) − goal‖², and f of the last designs (n, m).
        """
        goal, surrogate, unit = goal.to(u), self.method.surrogate, self.unit.to(u)
        counted = unit.masked_fill(self.free.to(u.device), 0.0)
        assert surrogate is not None
        parts: list[Trajectory] = []

        def error_of(residual: Tensor) -> Tensor:
            return (residual[:, : len(unit)] * counted).square().sum(1)

        moves: DesignSpace = self.space
        held, whole = self.space.held, self.space.whole
        settles = whole is not None and bool((whole if held is None else whole & ~held).any())
        for moves, share in (*staged(self.space), *([(self.space, 1.0)] if settles else [])):
            if whole is not None and len(parts) > len(self.space.stages):  # they settle; all else makes up for it
                moves = Settled(self.space, u, whole)
            elif held is not None:
                moves = Settled(moves, u, held)

            def residual(u: Tensor, rows: Tensor, moves: DesignSpace = moves) -> Tensor:
                x = moves.decode_rows(u, rows)
                return self.scaled(self.off(surrogate(x), goal[rows]), moves.excess(x))

            part = localize(
                residual,
                u,
                moves.bounds,
                enough=share * self.task.arrived,
                measure=error_of,
                optimizer=self.optimizer,
                steps=self.steps,
                record_every=self.record_every,
            )
            u, taken = part.u[-1], int(parts[-1].steps[-1]) + 1 if parts else 0
            everything = torch.arange(len(u), device=u.device)
            path = torch.stack([moves.decode_rows(v, everything) for v in part.u])
            parts.append(replace(part, steps=part.steps + taken, u=path))
        x, left = parts[-1].u[-1], parts[-1].residual
        beyond = (self.space.excess(x) > 0).any(1).nonzero()[:, 0]
        if len(beyond):
            x[beyond] = self._kept(u, beyond, moves)
            misfit = self.off(self.predict(x[beyond]), goal[beyond])
            left[beyond] = self.scaled(misfit, self.space.excess(x[beyond]))
            parts[-1].error[-1] = error_of(left)
        steps, path, error = (torch.cat([getattr(p, name) for p in parts]) for name in ("steps", "u", "error"))
        return Trajectory(steps, path, error, parts[0].first, left), goal + left[:, : len(unit)] * unit

    def _kept(self, u: Tensor, beyond: Tensor, moves: DesignSpace) -> Tensor:
        """Move designs u[beyond] that violate a cap back to it: if target and cap conflict, the cap holds."""
        path = localize(
            lambda v, rows: moves.excess(moves.decode_rows(v, beyond[rows])), u[beyond], moves.bounds, enough=0.0
        )
        return moves.decode_rows(path.u[-1], beyond)

    def residual(self, samples: Samples, goal: Tensor) -> Tensor:
        """(n,) norm of the dimensionless residual by surrogate and caps; infinite if not a number."""
        excess = self.space.excess(samples.x).cpu().to(goal)
        misfit = self.off(samples.predicted.cpu().to(goal), goal)
        return self.scaled(misfit, excess).norm(dim=1).nan_to_num(nan=math.inf)

    def fresh(self, samples: Samples, goal: Tensor, seed: int, attempt: int) -> Samples:
        """Localized samples at new random latent points, for the targets of ``samples``.

        Every other attempt has the levels of categories that these ended with, the rest those that are drawn.
        """
        with self.clock("latent"):
            k = self.method.proposal.latent_dim
            z = latent_design(len(goal), k, "srs", (seed + 1) * 7_919 + attempt * 104_729)
        held = self.space.held
        levels = self.space.encode(samples.x)[:, held] if held is not None and attempt % 2 == 0 else None
        return self.localize(self.propose(samples.y_star, z), goal, levels)

    def replace_stalled(
        self, samples: Samples, goal: Tensor, threshold: float | Tensor, seed: int, rounds: int = ROUNDS
    ) -> Tensor:
        """Replace samples that stalled, by the surrogate, with fresh ones. → (n,) bool: which were replaced."""
        replaced = torch.zeros(len(goal), dtype=torch.bool, device=goal.device)
        for attempt in range(rounds):
            rows = (self.residual(samples, goal) > threshold).nonzero()[:, 0]
            hopeless = attempt >= HOPELESS or attempt * len(goal) >= MANY
            if not len(rows) or (hopeless and len(rows) == len(goal)):
                break
            fresh = self.fresh(samples.of(rows), goal[rows], seed, attempt)
            better = self.residual(fresh, goal[rows]) < self.residual(samples, goal)[rows]
            samples.put(rows[better], fresh.of(better))
            replaced[rows[better]] = True
        return replaced

    def correct(self, samples: Samples, goal: Tensor, evaluations: int, seed: int, replaceable: Tensor) -> Tensor:
        """Correct with Ω; replace ``replaceable`` (n,) samples that do not converge. → (n,) bool, which were."""
        replaced = torch.zeros(len(goal), dtype=torch.bool, device=goal.device)
        expected = self.correct_once(samples, goal, evaluations)
        for attempt in range(HOPELESS):
            rows = (replaceable & (expected > CORRECTED)).nonzero()[:, 0]
            if not len(rows):
                break
            fresh = self.fresh(samples.of(rows), goal[rows], seed + 2, attempt)
            fresh_expected = self.correct_once(fresh, goal[rows], evaluations)
            better = fresh_expected < expected[rows]
            samples.put(rows[better], fresh.of(better))
            expected[rows[better]] = fresh_expected[better]
            replaced[rows[better]] = True
        return replaced

    def correct_once(self, samples: Samples, goal: Tensor, evaluations: int) -> Tensor:
        """Repeat x ← localize(f, y* + f(x) − Ω(x)) (output space mapping, Bandler et al. 2004).

        → the expected error (n,) in tolerances: the residual of the last localization, plus the last error by Ω times
        the factor by which corrections have reduced it.
        """
        before = last = None
        for k in range(evaluations):
            with self.clock("verification"):
                assert self.task.omega is not None
                y = self.task.omega(samples.x.cpu().double())[:, : self.task.n_targets].to(goal)
                self.omega_calls += len(y)
            before, last = last, ((y - goal) / self.unit).norm(dim=1)
            with self.clock("localization"):
                shifted = goal + samples.predicted.cpu().to(goal) - y
                encoded = self.space.encode(samples.x)
                trajectory, samples.predicted = self.descend(encoded, shifted.nan_to_num(nan=0.0))
                samples.x = trajectory.u[-1]
                samples.labels.append(f"correction {k + 1}")
                samples.frames = torch.cat((samples.frames, samples.x[None]))
                error = self.error(samples.predicted, goal)
                samples.errors = torch.cat((samples.errors, error[None]))
        assert last is not None
        left = (samples.misfit(shifted) / self.unit).norm(dim=1)
        shrinking = 0.0 if before is None else (last / before.clamp(min=1e-10)).clamp(max=1.0)
        return (left + shrinking * last).nan_to_num(nan=math.inf)


def _rank(group: Tensor) -> Tensor:
    """The place of each one among those of its group, from 0. (k,) int → (k,) int.

    >>> _rank(torch.tensor([5, 2, 5, 5])).tolist()
    [0, 0, 1, 2]
    """
    order = group.argsort(stable=True)
    rank = torch.empty_like(group)
    rank[order] = torch.arange(len(group)) - torch.searchsorted(group[order].contiguous(), group[order].contiguous())
    return rank


def _checked_sample(proposal: Proposal, y_star: Tensor, z: Tensor, d: int) -> tuple[Tensor, Tensor]:
    """Samples (n, d) and their cycle error max |z − f_z(x)| (n,); NaN if the proposal is not invertible."""
    try:
        if isinstance(proposal, Network):
            x, back = proposal.cycle(y_star, z)
        else:
            x, back = proposal.sample(y_star, z), None
    except AssertionError:  # nflows asserts real roots of a quadratic; float32 may violate this
        return z.new_full((len(z), d), math.nan), z.new_full((len(z),), math.inf)
    if back is None:
        return x, x.new_full((len(x),), math.nan)
    return x, (back - z).abs().amax(1).nan_to_num(nan=math.inf)
