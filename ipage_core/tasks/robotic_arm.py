"""A rail-mounted planar arm with three joints: Ω is the position of its hand. Two published parametrizations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ipage_core.runtime.lazy import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor

from ipage_core.problem.recipe import Recipe
from ipage_core.problem.task import Property, Task, Variable
from ipage_core.problem.variable import gaussian_bounds

LENGTHS = (0.5, 0.5, 1.0)
"""Lengths of the three segments [m]."""
PRIOR_SD = (0.25, 0.5, 0.5, 0.5)
"""Standard deviations of the prior: position on the rail [m], joint angles [rad]."""


def absolute_angles_ren(x: Tensor) -> Tensor:
    """θ = (x₂, x₃ − x₂, x₄ − x₂ − x₃), Ren, Padilla and Malof 2020 (arXiv:2009.12919). (n, 4) → (n, 3) radians."""
    _, x2, x3, x4 = x.unbind(-1)
    return torch.stack((x2, x3 - x2, x4 - x2 - x3), dim=-1)


def absolute_angles_kruse(x: Tensor) -> Tensor:
    """θ = (x₂, x₂ + x₃, x₂ + x₃ + x₄), Kruse et al. 2021 (arXiv:2101.10763). (n, 4) → (n, 3) radians."""
    return x[:, 1:].cumsum(dim=-1)


def joints(x: Tensor, angles: Tensor) -> Tensor:
    """(n, 4), (n, 3) absolute angles → (n, 4, 2) metres: rail mount, two elbows, hand."""
    segments = x.new_tensor(LENGTHS)[:, None] * torch.stack((angles.cos(), angles.sin()), dim=-1)
    mount = torch.stack((torch.zeros_like(x[:, 0]), x[:, 0]), dim=-1)
    return torch.cat((mount[:, None], mount[:, None] + segments.cumsum(dim=1)), dim=1)


def omega_ren(x: Tensor) -> Tensor:
    """Hand position (Σ lᵢ cos θᵢ, x₁ + Σ lᵢ sin θᵢ) with Ren et al.'s angles. (n, 4) → (n, 2) metres."""
    return joints(x, absolute_angles_ren(x))[:, -1]


def omega_kruse(x: Tensor) -> Tensor:
    """Hand position (Σ lᵢ cos θᵢ, x₁ + Σ lᵢ sin θᵢ) with Kruse et al.'s angles. (n, 4) → (n, 2) metres."""
    return joints(x, absolute_angles_kruse(x))[:, -1]


def sample_prior(n: int, generator: Generator) -> Tensor:
    """x₁ ~ N(0, 0.25²) metres along the rail, x₂…x₄ ~ N(0, 0.5²) radians."""
    return torch.tensor(PRIOR_SD, dtype=torch.float64) * torch.randn(n, 4, dtype=torch.float64, generator=generator)


def log_prior(x: Tensor) -> Tensor:
    """Log density of the prior. (n, 4) → (n,)."""
    sd = x.new_tensor(PRIOR_SD)
    return -0.5 * ((x / sd).square().sum(1) + 4 * math.log(2 * math.pi)) - sd.log().sum()


TASK = Task(
    name="robotic_arm",
    title="Robotic arm (Ren et al. 2020)",
    variables=tuple(
        Variable(name, unit, *gaussian_bounds(0, sd))
        for name, unit, sd in zip(
            ("x₁ rail", "x₂ joint 1", "x₃ joint 2", "x₄ joint 3"), ("m", "rad", "rad", "rad"), PRIOR_SD, strict=True
        )
    ),
    properties=(Property("hand, horizontal", "m", 0.02), Property("hand, vertical", "m", 0.02)),
    n_targets=2,
    sample_prior=sample_prior,
    omega=omega_ren,
    omega_seconds=1e-8,
    default_target=(1.5, 0.0),
    recipes={
        "inn": Recipe(settings={"epochs": 80}),
        "cinn": Recipe({"hidden": 120}, {"epochs": 80}),
        "mdn": Recipe({"components": 96}),
        "cvae": Recipe({"latent": 4}),
        "na": Recipe(
            {"layers": 3},
            {"epochs": 240, "learning_rate": 3.75e-4},
            descents={"per_design": 64, "steps": 3},
        ),
    },
    log_prior=log_prior,
    published_descent=(((-0.6, -1.2, -1.2, -1.2), (0.6, 1.2, 1.2, 1.2)), (1.0, 1.0, 1.0, 1.0)),
    source="Ren, Padilla and Malof 2020, arXiv:2009.12919",
)
