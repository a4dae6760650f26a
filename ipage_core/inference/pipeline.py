"""A design run: target → latent design → posterior samples → localization → correction → verification."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ipage_core.inference.chain import Chain, Samples
from ipage_core.inference.coverage import FILL_SECONDS, accepted_number
from ipage_core.inference.doubt import replace_doubtful
from ipage_core.inference.latent_design import Sampling, latent_design
from ipage_core.inference.localization import Optimizer
from ipage_core.inference.methods import Loaded
from ipage_core.inference.pareto import ATTEMPTS, optimal_aims, repeated, signs, starts
from ipage_core.inference.prediction import interval, rows_behind
from ipage_core.inference.run_result import Path
from ipage_core.inference.solutions import Solutions
from ipage_core.inference.spread import REGIONS, Region
from ipage_core.inference.spread_stage import CORRECTIONS, Filled, fill_samples, spread_samples
from ipage_core.inference.target_set import spreadable
from ipage_core.inference.verification import Verification, rows_to_verify
from ipage_core.inference.verification import verify as verify_designs
from ipage_core.problem import constraints
from ipage_core.problem.goal import LARGEST
from ipage_core.problem.space import DesignSpace
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task

AT_MOST = 100_000
"""Largest number of designs in one call; limited by the memory for gradients."""
QUICK, QUICK_STEPS = 2, 10
"""While aims still move: fresh samples for one that its former design does not reach, and steps of localization."""
FAR = 1e4
"""Targets further from zero than this, in tolerances, are pulled in: float32 cannot resolve them."""


def design(
    task: Task,
    method: Loaded,
    y_star: Tensor,
    n: int,
    *,
    sampling: Sampling = "maximin",
    seed: int = 0,
    omega_evals: int = 0,
    finish: bool = False,
    verify: str = "auto",
    space: DesignSpace | None = None,
    seed_design: Tensor | None = None,
    optimizer: Optimizer = "lm",
    steps: int | None = None,
    record_every: int = 1,
    target: Target | None = None,
    spread: Region = "off",
    fill: float | None = None,
    fill_seconds: float | None = None,
    start_from: Tensor | None = None,
) -> Solutions:
    """Find n designs x with Ω(x) = y*: lines 7–15 of the paper's Algorithm 1, then correction and verification.

    Args:
        task: the inverse problem.
        method: from :func:`ipage_core.inference.methods.load`.
        y_star: (m,) one target, or (t, m) several.
        n: number of designs for each target; sample i belongs to target i // n.
        sampling: kind of the latent design.
        seed: seed of all random numbers.
        omega_evals: Ω evaluations per design for the correction x ← localize(f, y* + f(x) − Ω(x)).
        finish: bring designs to the exact target by as many Ω evaluations as needed, if their space can.
        verify: ``auto``, ``all``, ``none`` or a number; see :func:`ipage_core.inference.verification.rows_to_verify`.
        space: space of localization, from :func:`ipage_core.problem.constraints.parse`; default: unconstrained.
        seed_design: (d,) the user's design. The samples start a quarter of the way from it to posterior samples;
            the first sample of each target starts at the design itself.
        optimizer: ``lm``, ``adam`` or ``gd``.
        steps: maximum number of optimizer steps; None: the optimizer's default.
        record_every: number of steps between recorded frames.
        target: the target with its own tolerances for hits; None: the properties' tolerances.
        spread: spread the designs of a target evenly over all solutions (``box``) or the likely ones
            (``posterior``), or not (``off``). A fast Ω then corrects them twice, unless ``omega_evals`` is given.
        fill: add designs until every known solution has one within this distance, in box widths; for one target.
        fill_seconds: time for adding designs; None: 8 s.
        start_from: (t·n, d) designs from which localization starts, such as those of :func:`optimal`; default: the
            posterior samples.

    Raises:
        ValueError: a shape, a number or a name is not accepted; the message says what is.
    """
    targets = _targets(task, y_star)
    if n < 1:
        raise ValueError(f"Expected at least 1 design, got n={n}")
    n_each, total = n, n * len(targets)
    if total > AT_MOST:
        raise ValueError(f"Expected at most {AT_MOST} designs in all, got {total}")
    y_star = targets.repeat_interleave(n, dim=0)
    to_verify = rows_to_verify(task, total, verify, seed)
    space = space or constraints.parse(task)
    _check(task, method, space, omega_evals, finish, seed_design, spread)
    why_not = spreadable(task, method, space)
    fill_seconds = FILL_SECONDS if fill_seconds is None else fill_seconds
    if fill is not None:
        _check_fill(fill, fill_seconds, len(targets), why_not)
    chain = Chain(task, method, space, optimizer, steps, record_every, seed_design, target)

    with chain.clock("latent"):
        k = method.proposal.latent_dim
        # With one design per target, all points together fill the latent space. Otherwise every target gets the same
        # points.
        z = (
            latent_design(total, k, sampling, seed)
            if n == 1
            else latent_design(n, k, sampling, seed).repeat(len(targets), 1)
        )
    goal = _pulled_in(task, y_star, chain.unit)
    samples = chain.propose(goal, z)
    if seed_design is not None:
        samples.posterior[:: n if n > 1 else total] = seed_design.to(samples.posterior)
        samples.x = samples.posterior.clone()
    if start_from is not None:
        samples.x = start_from.to(samples.x)
    replaced = torch.zeros(total, dtype=torch.bool)
    lost, success = torch.zeros(len(targets), dtype=torch.bool), total
    filled: Filled | None = None
    if method.surrogate is not None:
        reach = chain.reach
        samples = chain.localize_all(samples, goal, seed) if start_from is None else chain.localize(samples, goal)
        success = int((chain.residual(samples, goal) <= reach).sum())
        replaced |= chain.replace_stalled(samples, goal, reach, seed)
        residual = chain.residual(samples, goal).view(-1, n)
        lost = ~(residual <= max(reach, chain.doubt)).any(1)
        aimless = lost.repeat_interleave(n)
        if lost.any():  # no design reaches this target: all aim at the closest value that one achieves
            best = residual.argmin(1) + n * torch.arange(len(targets))
            goal = torch.where(aimless[:, None], samples.predicted.cpu().to(goal)[best].repeat_interleave(n, 0), goal)
            replaced |= chain.replace_stalled(samples, goal, torch.where(aimless, 1.0, math.inf), seed + 1)
        replaced |= replace_doubtful(chain, samples, goal, seed)
        stays = torch.zeros(total, dtype=torch.bool)
        if spread != "off" and n > 1 and seed_design is None and not why_not:
            stays = spread_samples(chain, samples, goal, n, spread, seed)
            omega_evals = omega_evals or (CORRECTIONS if task.verifies_by_default else 0)
        replaceable = ~aimless & ~stays  # replacing a spread sample would leave a gap
        if fill is not None:
            # Designs for a target that is lost aim elsewhere: nothing is known of its solutions.
            unknown = Filled(fill, 0, total, "no design reaches the target", task.distance_name)
            room = AT_MOST - total
            filled = unknown if lost.any() else fill_samples(chain, samples, goal, fill, seed, room, fill_seconds)
            goal, y_star, replaced, aimless, replaceable = (
                torch.cat((t, t[:1].expand(filled.added, *t.shape[1:])))
                for t in (goal, y_star, replaced, aimless, replaceable)
            )
            replaced[total:] = replaceable[total:] = False
            n = total = total + filled.added
            to_verify = rows_to_verify(task, total, verify, seed)
        if omega_evals:
            correct = space.correct or Chain.correct
            replaced |= correct(chain, samples, goal, omega_evals, seed, replaceable)
        localized = samples.x
        samples.x = space.project(samples.x)
        if finish and space.finish is not None:
            replaced |= space.finish(chain, samples, goal, seed, ~aimless)
        if not torch.equal(samples.x, localized):
            samples.predicted = chain.predict(samples.x)
        free = samples.predicted.cpu().to(y_star)
        y_star = torch.where(chain.free, free, y_star)  # what may be anything is what it is
    else:  # Ω always gets designs that obey the constraints
        samples.posterior = samples.x = space.project(samples.x)
    with chain.clock("verification"):
        if task.omega is None:
            verification = Verification.nowhere(task, total)
        else:
            verification = verify_designs(task, samples.x, y_star, to_verify, chain.tolerances)
    localizes = method.surrogate is not None
    unverified = localizes and not bool(verification.y.isfinite().all())
    ends = [interval(method, at) if unverified else None for at in (samples.posterior, samples.x)]
    note = _note(task, targets, lost, samples.predicted.cpu().double(), verification, chain, target)
    return Solutions(
        task=task,
        method=method.name,
        sampling=sampling,
        seed=seed,
        y_star=y_star.cpu(),
        z=samples.z.cpu(),
        posterior=samples.posterior.cpu(),
        localized=space.exact(samples.x.cpu()) if localizes else None,
        surrogate_posterior=samples.predicted_posterior.cpu() if localizes else None,
        surrogate=samples.predicted.cpu() if localizes else None,
        verification=verification,
        replaced=replaced.cpu(),
        success_before_replacement=success,
        cycle_error=samples.cycle_error.cpu(),
        path=Path(tuple(samples.labels), samples.frames.cpu(), samples.errors.cpu()) if localizes else None,
        omega_calls=chain.omega_calls + verification.calls,
        seconds=chain.seconds,
        note=" ".join(part for part in (note, space.unmet(samples.x.cpu(), verification.y)) if part),
        filled=None if filled is None else filled.summary(),
        not_spread="" if spread == "off" else why_not or _alone(n_each, total, seed_design),
        target=target,
        interval_posterior=ends[0],
        interval=ends[1],
        calibrated_on="" if ends[1] is None else rows_behind(method),
    )


def _check(
    task: Task, method: Loaded, space: DesignSpace, omega_evals: int, finish: bool, start: Tensor | None, spread: str
) -> None:
    """Raise ValueError unless :func:`design` accepts these; the message says what is accepted."""
    if omega_evals < 0:
        raise ValueError(f"Expected 0 or more true evaluations a design, got {omega_evals}")
    if omega_evals and (task.omega is None or method.surrogate is None):
        lacks = "a surrogate to correct with" if task.omega else "a forward operator Ω"
        raise ValueError(f"{method.name} on {task.name} lacks {lacks}: omega_evals must be 0")
    if start is not None and (start.shape != (task.d,) or not start.isfinite().all()):
        raise ValueError(f"Expected a seed design of {task.d} finite numbers, got shape {tuple(start.shape)}")
    if spread not in REGIONS:
        raise ValueError(f"spread '{spread}' is not known; accepted: {', '.join(REGIONS)}")
    if finish and (space.finish is None or method.surrogate is None):
        accepted = "a task with such a step, and a method that localizes"
        raise ValueError(f"{method.name} on {task.name} has no finishing step; accepted: {accepted}")


def _pulled_in(task: Task, y_star: Tensor, unit: Tensor) -> Tensor:
    """Targets (n, m), those beyond ``FAR`` in their direction but nearer; ``unit``: (m,) of distances."""
    size = y_star.abs().amax(1, keepdim=True).clamp(min=1e-300)  # 1e308 has a direction, but its norm overflows
    direction = y_star / size
    length = (direction / unit).norm(dim=1, keepdim=True)
    far = FAR
    if (size * length > far).any():  # −4000 eV may be a normal energy
        usual = torch.tensor(task.default_target, dtype=torch.float64) / unit
        far = max(FAR, 10 * usual.norm().item())
    return torch.where(size * length <= far, y_star, direction * (far / length.clamp(min=1e-300)))


def optimal(task: Task, method: Loaded, target: Target, n: int, seed: int, space: DesignSpace) -> tuple[Tensor, Tensor]:
    """Aims (n, m) of a target that minimizes or maximizes, as far out as the surrogate can follow, and designs (n, d).

    The search starts from measured designs. An aim that has moved a little is mostly reached from the design that
    reached it before. Only where it is not, fresh samples are drawn, also with other levels of categories. Starts near
    the one best row end in one place; then designs elsewhere that are as good within the tolerance replace repeated
    ones.

    Raises:
        ValueError: the method has no surrogate.
    """
    if method.surrogate is None:
        raise ValueError(f"{method.name} has no surrogate to minimize or maximize with; accepted: ipage, prior-lm, …")
    chain = Chain(task, method, space, "lm", QUICK_STEPS, 1000, None, target)
    x, first = starts(task, target, n, seed)
    best = chain.propose(first, latent_design(n, method.proposal.latent_dim, "srs", seed))
    best.x = x.to(best.x)

    def arrived(samples: Samples, aims: Tensor) -> Tensor:
        return chain.residual(samples, aims) <= chain.reach

    def reached(aims: Tensor) -> Tensor:
        best.y_star = aims.to(best.y_star)
        moved = chain.localize(best, aims)
        for attempt in range(QUICK):
            rows = (~arrived(moved, aims)).nonzero()[:, 0]
            if not len(rows):
                break
            fresh = chain.fresh(best.of(rows), aims[rows], seed, attempt)
            there = arrived(fresh, aims[rows])
            moved.put(rows[there], fresh.of(there))
        there = arrived(moved, aims)
        best.x = torch.where(there[:, None], moved.x, best.x.to(moved.x))
        return there

    outermost = optimal_aims(task, target, n, seed, reached)
    aims, tolerance = outermost.clone(), signs(target) * target.tolerances(task)
    for attempt in range(1, ATTEMPTS + 1):
        rows = repeated(task, best.x).nonzero()[:, 0]
        if not len(rows):
            break
        nearer = outermost[rows] - attempt / ATTEMPTS * tolerance
        best.y_star[rows] = nearer.to(best.y_star)
        fresh = chain.fresh(best.of(rows), nearer, seed + 1, attempt)
        there = arrived(fresh, nearer)
        best.x[rows[there]], aims[rows[there]] = fresh.x[there], nearer[there]
    return aims, best.x


def _note(
    task: Task,
    targets: Tensor,
    lost: Tensor,
    predicted: Tensor,
    verification: Verification,
    chain: Chain,
    target: Target | None,
) -> str:
    """A sentence on the targets (t, m) in ``lost`` (t,), which no design reached by the surrogate, if none did by Ω.

    ``target``: its goals, of which the targets are aims; None: each is a target of its own.
    """
    n = len(predicted) // len(targets)
    lost = lost & ~verification.hit.view(-1, n).any(1)
    if target is not None and target.ranged:  # a design that misses its own aim may meet the goals
        lost = lost & ~target.within(task, predicted).view(-1, n).any(1)
    lost = _all_of(lost, targets[:, ~chain.free])
    if not lost.any():
        return ""
    what, together = _missed(task, targets, lost, chain.free, target)
    chosen = lost.clone()
    chosen[int(lost.long().argmax()) + 1 :] &= together
    rows = chosen.repeat_interleave(n)
    achieved, by = verification.y[rows, : task.n_targets], "Ω"
    if not achieved.isfinite().all(1).any():
        achieved, by = predicted[rows], "the surrogate"
    aims = targets.repeat_interleave(n, 0)[rows]
    closest = achieved[((achieved - aims) / chain.unit).norm(dim=1).nan_to_num(nan=math.inf).argmin()]
    designs = "these designs" if together else "their designs"
    if task.omega is None:  # a table cannot prove that the target is impossible
        return (
            f"{what}: no design is predicted that meets it within the surrogate's own error; {designs} aim at "
            f"the closest that is predicted, {_text(task, closest, chain.free)}."
        )
    comma = "" if together else ","
    return (
        f"{what}{comma} cannot be reached within the bounds; {designs} aim at the closest that is achieved, "
        f"{_text(task, closest, chain.free)} by {by}."
    )


def _all_of(lost: Tensor, targets: Tensor) -> Tensor:
    """Which of equal targets (t, k) are ``lost`` (t,): all of them or none."""
    _, which = targets.unique(dim=0, return_inverse=True)
    reached = torch.zeros(len(targets), dtype=torch.bool)
    reached[which[~lost]] = True
    return lost & ~reached[which]


def _missed(task: Task, targets: Tensor, lost: Tensor, free: Tensor, target: Target | None) -> tuple[str, bool]:
    """The ``lost`` (t,) of the targets (t, m) in words, those of one goal in its own; and whether they are one."""
    one = len(targets[:, ~free].unique(dim=0)) == 1
    first = _text(task, targets[int(lost.long().argmax())], free)
    goals = target is not None and (target.ranged or (one and any(g.tolerance is not None for g in target.goals)))
    said = target.in_words(task) if target is not None and goals else first
    if one or (goals and bool(lost.all())):
        return f"The target {said}", True
    count = f"{int(lost.sum())} of {len(targets)}"
    return f"{count} values for {said}, the first {first}" if goals else f"{count} targets, the first {first}", False


def _alone(n_each: int, total: int, seed_design: Tensor | None) -> str:
    """The reason why these designs have no others to spread among, as a sentence; empty if they have."""
    if seed_design is not None:
        return "Designs are as drawn: they stay near the design to start from."
    if n_each > 1:
        return ""
    return f"Designs are as drawn: {'there is only one' if total == 1 else 'each has its own target'}."


def _check_fill(fill: float, seconds: float, targets: int, why_not: str) -> None:
    accepted_number(fill, "fill", "a distance above 0, such as 0.05")
    accepted_number(seconds, "fill_seconds", "a number of seconds above 0")
    if why_not:
        raise ValueError(why_not.replace("Designs are as drawn:", "Gaps cannot be filled:"))
    if targets > 1:
        raise ValueError("Gaps can be filled for one exact target, not for several or for an interval")


def _targets(task: Task, y_star: Tensor) -> Tensor:
    """(m,) or (t, m) → (t, m) float64."""
    y_star = torch.as_tensor(y_star, dtype=torch.float64)
    y_star = y_star[None] if y_star.dim() == 1 else y_star
    if y_star.dim() != 2 or y_star.shape[1] != task.n_targets or not len(y_star):
        wanted = ", ".join(task.property_labels[: task.n_targets])
        raise ValueError(
            f"Expected {task.n_targets} number(s) a target for {task.name} ({wanted}), got shape {tuple(y_star.shape)}"
        )
    if not y_star.isfinite().all():
        raise ValueError("Expected finite targets, got NaN or infinity")
    if len(large := y_star[y_star.abs() > LARGEST]):  # squared errors would overflow
        raise ValueError(f"Expected targets from -{LARGEST:g} to {LARGEST:g}, got {large[0]:g}")
    return y_star


def _text(task: Task, y: Tensor, free: Tensor) -> str:
    """A target with its unit: '5 m', '(1.5, 0) m'; without the properties that may be anything."""
    goals = [
        (label, value) for label, value, any_ in zip(task.property_labels, y.tolist(), free, strict=False) if not any_
    ]
    units = {label.partition("[")[2].rstrip("]") for label, _ in goals}
    values = ", ".join(f"{value:.4g}" for _, value in goals)
    return (f"({values})" if len(goals) > 1 else values) + (f" {units.pop()}" if len(units) == 1 else "").rstrip()
