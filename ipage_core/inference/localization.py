"""Localization: move every sample to an exact solution of the surrogate, inside the box (paper, Eq. 8)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ipage_core.runtime.adam import Adam

Optimizer = Literal["lm", "adam", "gd"]
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)
DEFAULT_STEPS: dict[Optimizer, int] = {"lm": 25, "adam": 200, "gd": 200}

LONGEST_STEP, LONGEST_MOVE = 0.2, 0.07
"""Longest Levenberg–Marquardt step in box widths, so that the search stays local.

The first limits the norm, the second the root mean square over coordinates; the larger of the two limits holds.
"""

PINNED, LOOK_INWARD = 1e-2, 0.3
"""A sample at a bound is stuck if its step is shorter than the first, in widths, and leaves most of the residual.

It then searches straight inward, as far as the second, and continues from the best point if that is better.
"""

MANY = 3
"""From this ratio of residuals to coordinates on, derivatives use forward mode, and the step solves for u.

One forward pass per coordinate is then cheaper than one backward pass per residual, and an e × e matrix cheaper than
an r × r one: for 256 outputs of five inputs, 22 times and a thousand times cheaper.
"""

Residual = Callable[[Tensor, Tensor], Tensor]
"""u (k, e) of the samples ``rows`` (k,) → residuals (k, r); each row depends only on its row of u."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The path of n samples in T frames."""

    steps: Tensor
    """(T,) number of optimizer steps at each frame, 0 at the start."""
    u: Tensor
    """(T, n, e) the samples."""
    error: Tensor
    """(T, n) error of each sample by ``measure``: by the surrogate, not by Ω."""
    first: Tensor
    """(n, r) residual at the start."""
    residual: Tensor
    """(n, r) residual of the last frame."""


def localize(
    residual: Residual,
    u0: Tensor,
    bounds: Tensor,
    *,
    optimizer: Optimizer = "lm",
    steps: int | None = None,
    record_every: int = 1,
    enough: float = 1e-6,
    measure: Callable[[Tensor], Tensor] = lambda residual: residual.square().sum(1),
) -> Trajectory:
    """Minimize ‖residual(u)‖² for all n samples at once, within the box.

    The loss is the *sum* over samples: with a mean, each step would shrink as the batch grows. ``lm`` is batched
    Levenberg–Marquardt, ``adam`` is the paper's choice, ``gd`` is plain gradient descent (Eq. 8 with a fixed γ). All
    work in coordinates scaled by the box widths.

    Args:
        residual: see :data:`Residual`.
        u0: (n, e) starting points; clipped to the box first.
        bounds: (2, e) lower and upper limits.
        optimizer: one of ``OPTIMIZERS``.
        steps: maximum number; default 25 for ``lm``, 200 otherwise.
        record_every: number of steps between recorded frames; the first and last are always recorded.
        enough: a sample stops when its residual norm is below this.
        measure: residuals (n, r) → (n,) error for the path; default: the squared norm.

    Returns:
        The path; its last frame is the result.

    Raises:
        ValueError: unknown optimizer, or steps < 1.
    """
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer '{optimizer}' is not known; accepted: {', '.join(OPTIMIZERS)}")
    if steps is not None and steps < 1:
        raise ValueError(f"Expected at least 1 step, got {steps}")
    low, high = bounds.to(u0)
    advance = {"lm": _levenberg_marquardt, "adam": _adam, "gd": _gradient_descent}[optimizer]
    iterates = advance(residual, u0.clamp(low, high), low, high, steps or DEFAULT_STEPS[optimizer], enough)
    frames: list[tuple[int, Tensor, Tensor]] = []
    last: tuple[int, Tensor, Tensor] | None = None
    first = left = u0
    for step, (u, left) in enumerate(iterates):
        first = left if step == 0 else first
        last = (step, u, measure(left))
        if step % record_every == 0:
            frames.append(last)
        if left.square().sum(1).max() <= enough**2:
            break
    assert last is not None
    if frames[-1][0] != last[0]:
        frames.append(last)
    recorded, u_path, error_path = zip(*frames, strict=True)
    return Trajectory(torch.tensor(recorded), torch.stack(u_path), torch.stack(error_path), first, left)


def _jacobian(residual: Residual, u: Tensor, rows: Tensor, forward: bool | None = None) -> tuple[Tensor, Tensor]:
    """r (k, r) and ∂r/∂u (k, r, e): one backward pass per residual, or one forward pass per coordinate."""
    forward = _goes_forward(residual, u, rows) if forward is None else forward
    if forward:
        return forward_derivatives(residual, u, rows)
    u, r = residual_with_graph(residual, u, rows)
    return r.detach(), backward_derivatives(r, u)


def _goes_forward(residual: Residual, u: Tensor, rows: Tensor) -> bool:
    with torch.no_grad():
        r = residual(u[:1], rows[:1])
    return len(r[0]) >= MANY * len(u[0])


def forward_derivatives(residual: Residual, u: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Residual (n, q) and its Jacobian (n, q, e) at u (n, e), by dual numbers: one pass per coordinate."""
    columns = []
    with torch.no_grad():
        for direction in torch.eye(u.shape[1], dtype=u.dtype, device=u.device):
            along = direction.expand_as(u).contiguous()
            dual: Any = torch.func.jvp(lambda v: residual(v, rows), (u.detach(),), (along,))
            r = dual[0]
            columns.append(dual[1])
    return r, torch.stack(columns, dim=2)


def residual_with_graph(residual: Residual, u: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """u (n, e) and the residual (n, q) there, with the graph that :func:`backward_derivatives` needs."""
    with torch.enable_grad():
        u = u.detach().requires_grad_(True)
        return u, residual(u, rows)


def backward_derivatives(r: Tensor, u: Tensor) -> Tensor:
    """Jacobian (n, q, e) of residuals r (n, q) with a graph: one backward pass for each residual."""
    last = r.shape[1] - 1
    with torch.enable_grad():
        gradients = [torch.autograd.grad(r[:, j].sum(), u, retain_graph=j < last)[0] for j in range(last + 1)]
    return torch.stack(gradients, dim=1)


def _levenberg_marquardt(residual, u, low, high, steps, enough):  # type: ignore[no-untyped-def]
    """Damped Gauss–Newton in the dual form δ = −Jᵀ(JJᵀ + λI)⁻¹r, whose matrix is r × r for any length of u.

    With many more residuals than coordinates the same step is computed as δ = −(JᵀJ + λI)⁻¹Jᵀr, with an e × e matrix.
    Most samples arrive within five steps; later steps are computed only for the others.
    """
    width = high - low
    rows = torch.arange(len(u), device=u.device)
    forward = _goes_forward(residual, u, rows)
    if forward:
        r, jacobian = forward_derivatives(residual, u, rows)
    else:
        start, with_graph = residual_with_graph(residual, u, rows)
        r = with_graph.detach()
        jacobian = u.new_zeros(len(u), r.shape[1], u.shape[1])
        onward = r.square().sum(1) > enough**2  # many may have arrived already
        if _mostly(onward):
            jacobian = backward_derivatives(with_graph, start)
        elif onward.any():
            jacobian[onward] = _jacobian(residual, u[onward], rows[onward], forward)[1]
        del with_graph, start
    yield u, r
    damping = torch.full((len(u),), 1e-3, dtype=u.dtype, device=u.device)
    eye = torch.eye(r.shape[1], dtype=u.dtype, device=u.device)
    longest = max(LONGEST_STEP, LONGEST_MOVE * math.sqrt(u.shape[1]))

    def gauss_newton(r: Tensor, j: Tensor, damping: Tensor) -> Tensor:
        if forward:
            scale = (j.square().sum((1, 2)) / j.shape[1]).clamp(min=1e-9)
            gram = j.transpose(1, 2) @ j
            gram.diagonal(dim1=1, dim2=2).add_((damping * scale)[:, None])
            return -torch.linalg.solve(gram, j.transpose(1, 2) @ r[:, :, None])[:, :, 0]
        gram = j @ j.transpose(1, 2)
        scale = gram.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-9)
        step = torch.linalg.solve(gram + (damping * scale)[:, None, None] * eye, r[:, :, None])
        return -(j.transpose(1, 2) @ step)[:, :, 0]

    for _ in range(steps):
        rows = (r.square().sum(1) > enough**2).nonzero()[:, 0]
        if not len(rows):
            return
        here, scaled = u[rows], jacobian[rows] * width
        step = gauss_newton(r[rows], scaled, damping[rows])
        # A coordinate that is pushed against its bound stays there; the others compensate.
        blocked = ((here <= low) & (step < 0)) | ((here >= high) & (step > 0))
        freed = gauss_newton(r[rows], scaled.masked_fill(blocked[:, None], 0.0), damping[rows])
        step = torch.where(blocked, 0.0, freed)
        step = step * (longest / step.norm(dim=1, keepdim=True).clamp(min=longest))
        there = (here + width * step).clamp(low, high)
        promised = (r[rows] + (scaled @ step[:, :, None])[:, :, 0]).norm(dim=1)
        stuck = (step.norm(dim=1) < PINNED) & (promised > 0.5 * r[rows].norm(dim=1))
        pinned = (blocked.any(1) & stuck).nonzero()[:, 0]
        if len(pinned):
            inward = torch.where(blocked[pinned], torch.where(here[pinned] <= low, width, -width), 0.0)
            there[pinned] = _best_along(residual, here[pinned], inward, rows[pinned])
        if forward:
            with torch.no_grad():
                with_graph = residual(there, rows)
        else:
            there, with_graph = residual_with_graph(residual, there, rows)
        r_there, there_now = with_graph.detach(), there.detach()
        error = r_there.square().sum(1)
        better = error < r[rows].square().sum(1)
        onward = better & (error > enough**2)
        if not forward and _mostly(onward):
            jacobian[rows[onward]] = backward_derivatives(with_graph, there)[onward]
        elif onward.any():  # cheaper than derivatives of all samples
            jacobian[rows[onward]] = _jacobian(residual, there_now[onward], rows[onward], forward)[1]
        del with_graph, there  # before the next forward pass builds another
        u, r = u.clone(), r.clone()
        u[rows[better]], r[rows[better]] = there_now[better], r_there[better]
        damping[rows] = torch.where(better, damping[rows] * 0.2, damping[rows] * 8).clamp(1e-6, 1e8)
        yield u, r


def _mostly(onward: Tensor) -> bool:
    """Whether derivatives of all samples cost less than another pass of those that move on, (n,) bool."""
    return 2 * int(onward.sum()) > len(onward)


def _best_along(residual: Residual, u: Tensor, direction: Tensor, rows: Tensor) -> Tensor:
    """Of the points u + t·direction, t ≤ ``LOOK_INWARD``, the one with the smallest residual. (k, e) → (k, e)."""
    lengths = torch.linspace(0, LOOK_INWARD, 13, dtype=u.dtype, device=u.device)[1:]
    points = u[:, None] + lengths[:, None] * direction[:, None]
    with torch.no_grad():
        error = residual(points.flatten(0, 1), rows.repeat_interleave(len(lengths))).square().sum(1)
    best = error.view(len(u), -1).argmin(1)
    return points[torch.arange(len(u), device=u.device), best]


def _adam(residual, u, low, high, steps, enough, rate=0.02):  # type: ignore[no-untyped-def]
    """Adam (Kingma and Ba 2015) on the box-scaled coordinates; its rate falls to zero along a cosine."""
    width, rows = high - low, torch.arange(len(u), device=u.device)
    move = torch.zeros_like(u)  # of the scaled coordinates: widths may be 0, so these are not u / width
    adam = Adam([move], lr=rate)
    for k in range(1, steps + 1):
        r, move.grad = _loss_gradient(residual, u, rows, width)
        yield u, r
        adam.param_groups[0]["lr"] = rate * 0.5 * (1 + math.cos(math.pi * k / steps))
        adam.step()
        u = (u + width * move).clamp(low, high)
        move.zero_()
    yield u, residual(u, rows).detach()


def _gradient_descent(residual, u, low, high, steps, enough):  # type: ignore[no-untyped-def]
    """u ← u − γ g with one γ for all samples: the largest that is stable at the steepest starting point."""
    width, rows = high - low, torch.arange(len(u), device=u.device)
    _, jacobian = _jacobian(residual, u, rows)
    gamma = 0.5 / (jacobian * width).square().sum((1, 2)).max().clamp(min=1e-12)
    for _ in range(steps):
        r, gradient = _loss_gradient(residual, u, rows, width)
        yield u, r
        u = (u - gamma * width * gradient).clamp(low, high)
    yield u, residual(u, rows).detach()


def _loss_gradient(residual: Residual, u: Tensor, rows: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """r (n, r) and the gradient (n, e) of Σᵢ‖rᵢ‖² (Eq. 8) with respect to the box-scaled coordinates."""
    with torch.enable_grad():
        u = u.detach().requires_grad_(True)
        r = residual(u, rows)
        (gradient,) = torch.autograd.grad(r.square().sum(), u)
    return r.detach(), gradient * width
