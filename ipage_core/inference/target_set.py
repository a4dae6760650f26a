"""The solution set of a task's target, by a method's surrogate or by Ω itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ipage_core.inference.components import Pieces, count_pieces
from ipage_core.inference.coverage import DOUBT, WITHIN, Coverage, coverage
from ipage_core.inference.enclosed import NoRule
from ipage_core.inference.followed import follows, rows_alone
from ipage_core.inference.methods import Loaded
from ipage_core.inference.paving import Equation, Progress
from ipage_core.inference.solution_set import SolutionSet
from ipage_core.inference.verification import verify
from ipage_core.problem import constraints
from ipage_core.problem.space import DesignSpace
from ipage_core.problem.task import Task
from ipage_core.runtime.lazy import LazyModule

qmc: Any = LazyModule("scipy.stats.qmc")

ARRIVED, ROUNDING = 2e-3, 2e-5
"""x solves f(x) = y* if the misfit is below 2e-3 tolerances, or below 2e-5 of y* (the limit of float32)."""
EXACT = 1e-6
"""Largest misfit for Ω itself in float64, in tolerances."""
TRUSTED = 0.99
"""An ensemble is trusted where its members disagree no more than on this share of the held-out pairs."""
WIDEST = 64
"""With more free coordinates than this, all designs are about equally far apart."""

QUICK = 2e-4
"""Most seconds for an Ω without derivatives, times the coordinates: about 10⁵ evaluations for each are needed."""

SLIGHT = 1e-3
"""Designs may exceed a bound, a tie or a cap by this share of its range: files hold rounded numbers."""
PROBES, FEW_PROBES = 1024, 64
"""Points at which Ω runs to estimate where it has no value; the second number if it takes more than ``QUICK``."""

Propose = Callable[[int, int], Tensor]
"""(count, seed) → (count, d) posterior samples."""


def spreadable(task: Task, method: Loaded, space: DesignSpace) -> str:
    """The reason why designs cannot be spread over the solution set, as a sentence; empty if they can."""
    free = space.bounds.shape[1]
    if method.surrogate is None:
        return f"Designs are as drawn: {method.name} has no surrogate to spread them on."
    if space.held is not None:
        return "Designs are as drawn: between categories there is no distance."
    if len(space.stages) or free > WIDEST:
        return f"Designs are as drawn: between {free} free coordinates all distances are about equal."
    if free < task.n_targets:
        return f"Designs are as drawn: {free} free coordinate(s) are fewer than the {task.n_targets} targets."
    return ""


def uncoverable(task: Task, method: Loaded | None, space: DesignSpace) -> str:
    """The reason why no coverage can be computed, as a sentence; empty if it can."""
    if len(space.stages) or space.bounds.shape[1] > WIDEST:
        free = space.bounds.shape[1]
        return f"There is no coverage of {task.title}: between {free} free coordinates all distances are about equal."
    if (method is None or method.surrogate is None) and (task.omega is None or not task.verifies_by_default):
        return f"There is no coverage of {task.title}: Ω takes long or is not known, and no surrogate stands in for it."
    return ""


def by_surrogate(task: Task, method: Loaded, space: DesignSpace, y_star: Tensor, unit: Tensor) -> SolutionSet:
    """The set {x: f(x) = y*} of a surrogate f, y* (m,); residuals are in ``unit`` (m,), mostly the tolerances."""
    surrogate = method.surrogate
    assert surrogate is not None
    reach = ARRIVED + ROUNDING * float((y_star.cpu().double() / unit.cpu().double()).norm())
    like = torch.zeros(0, dtype=torch.float32, device=method.device)
    return _set(task, surrogate, space, y_star, unit, reach, like, _trust(task, method))


def by_omega(task: Task, space: DesignSpace, y_star: Tensor) -> tuple[SolutionSet, Equation]:
    """The set {x: Ω(x) = y*}, y* (m,), if Ω is cheap PyTorch code that interval arithmetic can run.

    Raises:
        NoRule: Ω is not such code; the message is a sentence with the reason.
    """
    if task.omega is None:
        raise NoRule(f"no proof available: {task.name} has no forward operator Ω, and a proof about f is none about it")
    if not task.verifies_by_default:
        raise NoRule(f"no proof available: Ω of {task.name} takes {task.omega_seconds:g} s and cannot be run on boxes")
    f = _targets_of(task.omega, task.n_targets)
    if not rows_alone(f, task.bounds.double()):
        raise NoRule(f"no proof available: {_depends(task)}")
    equation = Equation(lambda u: f(space.decode(u)), y_star, space.bounds)
    if not follows(equation, equation.f):
        raise NoRule(
            f"no proof available: the interval rules do not follow Ω of {task.name}: at points it has other values"
        )
    return _omega_set(task, f, space, y_star), equation


def _depends(task: Task) -> str:
    return f"Ω of {task.name} gives different values for the same x, from call to call or with other rows beside it"


def _differentiable(f: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    x = x.clone().requires_grad_(True)
    try:
        torch.autograd.grad(f(x).sum(), x)
        return True
    except Exception:  # the user's own code may fail in any way on a tensor with a graph
        return False


def _targets_of(omega: Callable[[Any], Any], m: int) -> Callable[[Any], Any]:
    return lambda x: omega(x)[:, :m]


def _omega_set(task: Task, f: Callable[[Tensor], Tensor], space: DesignSpace, y_star: Tensor) -> SolutionSet:
    like = torch.zeros(0, dtype=torch.float64)
    return _set(task, f, space, y_star.double(), task.tolerances, EXACT, like, None)


def by_slopes(task: Task, space: DesignSpace, y_star: Tensor) -> SolutionSet:
    """The set {x: Ω(x) = y*}, y* (m,), if Ω is quick: by its derivatives, or else by differences. No proof.

    Raises:
        ValueError: Ω is too slow for that, or gives different values for the same x.
    """
    assert task.omega is not None
    f = _targets_of(task.omega, task.n_targets)
    if not rows_alone(f, task.bounds.double()):
        raise ValueError(_depends(task))
    if not _differentiable(f, task.bounds.double().mean(0, keepdim=True)):
        f = by_differences(f, 1e-6 * (task.bounds[1] - task.bounds[0]))
        if task.omega_seconds * task.d > QUICK:
            raise ValueError(f"Ω of {task.name} takes {task.omega_seconds:g} s and has no derivatives")
    return _omega_set(task, f, space, y_star)


def pieces_of(task: Task, space: DesignSpace, y_star: Tensor, seconds: float = 20.0) -> Pieces:
    """Number of connected pieces of {x admissible: Ω(x) = y*}, y* (m,), proved exactly or as a lower bound.

    Raises:
        NoRule: nothing can be proved; the message is a sentence with the reason.
    """
    if space.whole is not None or space.excess(task.bounds[:1]).shape[1]:
        raise NoRule("no proof available: caps and whole numbers cut the solution set where a proof does not follow")
    return count_pieces(by_omega(task, space, y_star)[1], seconds=seconds)


def _set(
    task: Task,
    f: Callable[[Tensor], Tensor],
    space: DesignSpace,
    y_star: Tensor,
    unit: Tensor,
    arrived: float,
    like: Tensor,
    trusted: Callable[[Tensor], Tensor] | None,
) -> SolutionSet:
    width = (task.bounds[1] - task.bounds[0]).numpy()
    return SolutionSet(
        f,
        y_star.cpu().to(like),
        space,
        width if task.distance_unit is None else task.distance_unit,
        arrived,
        unit=unit.to(like),
        images=task.images,
        integers=tuple(j for j, variable in enumerate(task.variables) if variable.kind == "integer"),
        trusted=trusted,
        like=like,
    )


@lru_cache(maxsize=16)
def _usual_doubt(task: Task, surrogate: Any, device: torch.device) -> Tensor:
    """The limit of :func:`_trust` for each property. Surrogates are loaded once, so this is computed once."""
    pairs = task.held_out or task.stored
    assert pairs is not None
    with torch.no_grad():
        usual = surrogate.spread(pairs()[0].to(device, torch.float32))
        return usual.double().quantile(TRUSTED, dim=0).to(usual)


def _trust(task: Task, method: Loaded) -> Callable[[Tensor], Tensor] | None:
    """Where an ensemble's members agree as well as on held-out pairs; None without an ensemble or without pairs."""
    doubt = getattr(method.surrogate, "spread", None)
    pairs = task.held_out or task.stored
    if doubt is None or pairs is None:
        return None
    most = _usual_doubt(task, method.surrogate, method.device)

    def trusted(x: Tensor) -> Tensor:
        with torch.no_grad():
            return (doubt(x) <= most).all(1)

    return trusted


def proposer(task: Task, method: Loaded, y_star: Tensor) -> Propose:
    """Posterior sampler for one target y* (m,), from simple random latent points."""

    def propose(count: int, seed: int) -> Tensor:
        z = torch.randn(count, method.proposal.latent_dim, generator=torch.Generator().manual_seed(seed))
        goal = y_star.to(method.device, torch.float32).expand(count, -1)
        with torch.no_grad():
            try:
                return method.proposal.sample(goal, z.to(method.device))
            except AssertionError:  # a spline's inverse fails in float32
                return torch.full((count, task.d), torch.nan)

    return propose


def coverage_of(
    task: Task,
    method: Loaded | None,
    designs: Tensor,
    y_star: Tensor,
    within: float = WITHIN,
    *,
    space: DesignSpace | None = None,
    meets: Tensor | None = None,
    judge: str = "Ω",
    seed: int = 0,
    seconds: float = 20.0,
    progress: Progress | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Coverage:
    """Coverage of the solutions of one target y* (m,) by designs (n, d), by the strongest method available.

    A proof on Ω itself if interval arithmetic can run it, otherwise an estimate on the method's surrogate. Only the
    designs count that obey the ``space`` and meet the target: ``meets`` (n,) bool, by ``judge``; default:
    :func:`meeting` says which.

    Raises:
        ValueError: no design counts, ε ≤ 0, or there is neither a surrogate nor an Ω to find solutions by.
    """
    usual = constraints.parse(task)
    space = space or usual
    if why := uncoverable(task, method, space):
        raise ValueError(why)
    obeys, constrained = obeying(space, designs, task.bounds), _narrower(space, usual, task.bounds)
    if not obeys.any():
        what = "obeys the constraints" if constrained else "lies in the box"
        raise ValueError(f"No design of {len(designs)} {what}; accepted: designs of which at least one does")
    if meets is None:
        meets, judge = meeting(task, method, designs, y_star)
    counts = obeys & meets
    if not counts.any():
        values = ", ".join(f"{value:g}" for value in y_star.tolist())
        raise ValueError(f"By {judge}, no design of {int(obeys.sum())} meets the target {values}: {DOUBT}")
    propose = None if method is None else proposer(task, method, y_star)
    equation: Equation | str
    try:
        solutions, equation = by_omega(task, space, y_star)
    except NoRule as error:
        if method is None or method.surrogate is None:
            try:
                solutions, equation = by_slopes(task, space, y_star), str(error)
            except ValueError as neither:
                raise ValueError(f"{error}; and there is no trained surrogate to estimate by, {neither}") from None
        elif space.held is not None:
            raise ValueError(f"no coverage of {task.name}: between categories there is no distance") from None
        else:
            solutions, equation = by_surrogate(task, method, space, y_star, task.tolerances), str(error)
    covered = coverage(
        solutions,
        designs[counts].detach().double().cpu().numpy(),
        within,
        propose=propose,
        equation=equation,
        decode=space.decode,
        unit=task.distance_name,
        measured=solutions.like.dtype == torch.float64,  # Ω itself; surrogates are of float32
        seed=seed,
        seconds=seconds,
        progress=progress,
        cancel=cancel,
    )
    return replace(
        covered,
        left_out=int((obeys & ~meets).sum()),
        judge=judge,
        violating=int((~obeys).sum()),
        constrained=constrained,
        undefined=_undefined(task, space),
    )


def obeying(space: DesignSpace, x: Tensor, bounds: Tensor) -> Tensor:
    """Which designs (n, d) keep to the space's bounds, ties, whole numbers and caps: (n,) bool."""
    x = x.detach().cpu().double()
    low, high = space.bounds.double()
    nearest = space.project(space.decode(space.encode(x).clamp(low, high)))
    near = (nearest - x).abs() <= SLIGHT * (bounds[1] - bounds[0])
    return near.all(1) & (space.excess(x) <= SLIGHT).all(1)


def _undefined(task: Task, space: DesignSpace) -> float:
    """Share of the space's box in which a fast Ω has no finite value, estimated at Sobol points."""
    if task.omega is None or not task.verifies_by_default:
        return 0.0
    low, high = space.bounds.double()
    count = PROBES if task.omega_seconds <= QUICK else FEW_PROBES
    unit = torch.from_numpy(qmc.Sobol(len(low), seed=0).random(count))
    y = task.omega(space.decode(low + (high - low) * unit))[:, : task.n_targets]
    return float((~y.isfinite().all(1)).double().mean())


def meeting(task: Task, method: Loaded | None, x: Tensor, y_star: Tensor) -> tuple[Tensor, str]:
    """Which designs (n, d) meet y* (m,): by a fast Ω, else by the surrogate. → (n,) bool, what says so."""
    if task.verifies_by_default:
        return verify(task, x, y_star.expand(len(x), -1)).hit, "Ω"
    if method is None or method.surrogate is None:
        return torch.ones(len(x), dtype=torch.bool), "no one"
    with torch.no_grad():
        predicted = method.surrogate(x.to(method.device, torch.float32)).cpu().double()
    return ((predicted - y_star.double()).abs() <= task.tolerances).all(1), "the surrogate f"


def _narrower(space: DesignSpace, usual: DesignSpace, bounds: Tensor) -> bool:
    """Whether constraints restrict the designs further than the task does."""
    caps = [one.excess(bounds).shape[1] for one in (space, usual)]
    return caps[0] != caps[1] or not torch.equal(space.bounds, usual.bounds)


def by_differences(f: Callable[[Tensor], Tensor], step: Tensor) -> Callable[[Tensor], Tensor]:
    """f (n, d) → (n, m) with derivatives by central differences of ``step`` (d,), for code without its own."""

    class Differences(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return f(x)

        @staticmethod
        def backward(ctx: Any, *slopes: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            moved = torch.diag(step.to(x))
            ahead, behind = ((f((x[:, None] + sign * moved).flatten(0, 1))) for sign in (1, -1))
            change = ((ahead - behind).view(len(x), len(step), -1) / (2 * step[:, None])).nan_to_num()
            return (change @ slopes[0][:, :, None])[..., 0]

    return Differences.apply
