"""A ball thrown through air with linear drag: how far does it fly before it lands? (Kruse et al. 2021)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ipage_core.runtime.lazy import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor

from ipage_core.problem.recipe import Recipe
from ipage_core.problem.task import Property, Task, Variable
from ipage_core.problem.variable import gaussian_bounds

GRAVITY = 9.81  # m/s²
DRAG = 0.25  # kg/s
MASS = 0.2  # kg


def position(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Position of the ball at time t. x ``(n, 4)``, t ``(n,)`` or ``(n, k)`` in s → two tensors shaped like t, in m.

    x(t) = x₀ − (vₓ m/k)(e^(−kt/m) − 1),
    y(t) = y₀ − (m/k²)[(g m + v_y k)(e^(−kt/m) − 1) + g t k]   (Kruse et al. 2021, arXiv:2101.10763).
    """
    x0, y0, angle, v0 = (c if t.dim() == 1 else c[:, None] for c in x.unbind(-1))
    decay = torch.expm1(-DRAG * t / MASS)
    horizontal = x0 - v0 * angle.cos() * MASS / DRAG * decay
    pull = GRAVITY * MASS + v0 * angle.sin() * DRAG
    vertical = y0 - MASS / DRAG**2 * (pull * decay + GRAVITY * DRAG * t)
    return horizontal, vertical


def _vertical_speed(x: Tensor, t: Tensor) -> Tensor:
    _, _, angle, v0 = x.unbind(-1)
    pull = GRAVITY * MASS + v0 * angle.sin() * DRAG
    return (pull * torch.exp(-DRAG * t / MASS) - GRAVITY * MASS) / DRAG


def landing_time(x: Tensor) -> Tensor:
    """Time of the (last) root of y(t) = 0. (n, 4) → (n,) seconds; NaN if the throw never reaches the ground line.

    The height is concave in t, so Newton's method started beyond the root (where the drag-free sink rate alone has
    brought the ball down) descends to it monotonically and needs no bracket. The gradient is the implicit one,
    ∂t/∂x = −(∂y/∂x)/(∂y/∂t), obtained by attaching the graph to one last Newton step.
    """
    if torch.overrides.has_torch_function_unary(x):  # boxes instead of designs
        return torch.overrides.handle_torch_function(landing_time, (x,), x)
    with torch.no_grad():
        _, y0, angle, v0 = x.unbind(-1)
        weight = GRAVITY * MASS
        pull = weight + v0 * angle.sin() * DRAG
        t = DRAG / weight * (y0 + MASS / DRAG**2 * pull)
        for _ in range(60):
            step = position(x, t)[1] / _vertical_speed(x, t)
            t = t - step
            if not (step.abs() > 1e-13 * t.abs().clamp(min=1.0)).any():
                break
        height = position(x, t)[1]
        # A throw from the ground into it lands at once, a rounding error before or after t = 0.
        t = torch.where((height.abs() < 1e-8) & (t >= -1e-12), t, torch.nan)
    return t - position(x, t)[1] / _vertical_speed(x, t).detach()


def _enclosed_landing_time(x: Any) -> Any:
    """Landing times over boxes (n, 4), an Enclosure: they grow with y₀, with v₀, and with the angle below 90°.

    So both ends are landing times at corners. The sign of the enclosed height checks each end: the height is concave
    in t and not negative at t = 0, so it is at or above zero before the landing and below zero afterwards. NaN where
    this check fails.
    """
    from ipage_core.inference.enclosure import Enclosure
    from ipage_core.inference.intervals import Interval

    box: Interval = x.value
    rises = (box.lo[:, 1] >= 0) & (box.lo[:, 2] >= 0) & (box.hi[:, 2] <= 1.57) & (box.lo[:, 3] >= 0)
    ends = []
    for corner, side in ((box.lo, -1), (box.hi, 1)):
        t = (landing_time(corner) * (1 + 1e-9 * side) + 1e-9 * side).clamp(min=0)
        height = _over_boxes(position, Interval(corner), Interval(t))[1].value
        right = (height.lo >= 0) | (t == 0) if side < 0 else height.hi <= 0
        ends.append(torch.where(rises & right, t, torch.nan))
    between = Interval(ends[0], ends[1])
    if x.gradient is None:
        return Enclosure(between)
    by_x = _over_boxes(position, box, between, gradient=True)[1].gradient
    by_t = _over_boxes(_vertical_speed, box, between).value
    slopes = -(by_x / by_t.each(lambda s: s[:, None]))
    return Enclosure(between, (slopes.each(lambda s: s[..., None]) * x.gradient).sum(1))


def _over_boxes(function: Callable[[Any, Any], Any], box: Any, t: Any, gradient: bool = False) -> Any:
    from ipage_core.inference.enclosure import Enclosure

    return function(Enclosure.variables(box, gradient), Enclosure(t))


landing_time.enclosure = _enclosed_landing_time  # type: ignore[attr-defined]


def omega(x: Tensor) -> Tensor:
    """Horizontal landing point. x = (x₀ [m], y₀ [m], angle [rad], v₀ [m/s]): (n, 4) → (n, 1) metres."""
    return position(x, landing_time(x))[0][:, None]


def sample_prior(n: int, generator: Generator) -> Tensor:
    """x₀ ~ N(0, 0.5²), y₀ ~ max(N(1.5, 0.5²), 0), angle ~ U(9°, 81°), v₀ ~ Poisson(15)."""
    x0 = 0.5 * torch.randn(n, dtype=torch.float64, generator=generator)
    y0 = (1.5 + 0.5 * torch.randn(n, dtype=torch.float64, generator=generator)).clamp(min=0)
    angle = math.pi * (0.05 + 0.4 * torch.rand(n, dtype=torch.float64, generator=generator))
    v0 = torch.poisson(torch.full((n,), 15.0, dtype=torch.float64), generator=generator)
    return torch.stack((x0, y0, angle, v0), dim=-1)


def log_prior(x: Tensor) -> Tensor:
    """Log density of the prior. (n, 4) → (n,).

    The gamma function interpolates the Poisson probabilities of v₀, because localization moves v₀ off the integers. The
    atom of y₀ at 0 counts as a point of the Gaussian.
    """
    x0, y0, _, v0 = x.unbind(1)
    gaussian = -0.5 * ((x0 / 0.5).square() + ((y0 - 1.5) / 0.5).square()) - math.log(2 * math.pi * 0.25)
    return gaussian - math.log(0.4 * math.pi) + v0 * math.log(15.0) - 15.0 - torch.lgamma(v0 + 1)


TASK = Task(
    name="ballistics",
    title="Ballistics",
    variables=(
        Variable("x₀", "m", *gaussian_bounds(0, 0.5)),
        Variable("y₀", "m", 0.0, gaussian_bounds(1.5, 0.5)[1]),
        Variable("angle", "rad", 0.05 * math.pi, 0.45 * math.pi),
        # The 0.05 % and 99.95 % points of Poisson(15), from scipy.stats.poisson.ppf.
        Variable("v₀", "m/s", 4.0, 29.0),
    ),
    properties=(Property("landing point", "m", tolerance=0.05),),
    sample_prior=sample_prior,
    omega=omega,
    omega_seconds=1e-6,
    default_target=(5.0,),
    source="Kruse et al. 2021, arXiv:2101.10763",
    support=(None, None, (0.05 * math.pi, 0.45 * math.pi), None),
    dequantize=(0.0, 0.0, 0.0, 0.5),
    recipes={
        "inn": Recipe({"padding_sd": 0.01}),  # y spreads over metres: at 0.02 the noise alone costs 0.004 m²
        "cinn": Recipe({"hidden": 120}),
        "mdn": Recipe({"components": 48}),
        "cvae": Recipe({"latent": 3}),
        "na": Recipe({"layers": 4}, {"epochs": 260, "learning_rate": 1.5e-3}),
        "na-published": Recipe({"layers": 3}),
    },
    log_prior=log_prior,
    published_descent=(((-1.0, 0.5, 0.157, 6.9), (1.0, 2.5, 1.256, 21.9)), (1.0, 1.0, 1.0, 15.0)),
)
