"""The paper's illustrative task: y = sin 3πx₁ + cos 3πx₂ on a square; its solutions form disconnected families."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ipage_core.runtime.lazy import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor

from ipage_core.problem.recipe import Recipe
from ipage_core.problem.task import Property, Task, Variable

LOOP_CENTRES = tuple((x1, x2) for x1 in (-1 / 2, 1 / 6, 5 / 6) for x2 in (-2 / 3, 0.0, 2 / 3))
"""The nine maxima of y inside [−1, 1]²; a target in (0, 2) has one closed loop of solutions around each."""


def omega(x: Tensor) -> Tensor:
    """y = sin 3πx₁ + cos 3πx₂ (paper, "Illustrative Example"). (n, 2) → (n, 1)."""
    return torch.sin(3 * math.pi * x[:, :1]) + torch.cos(3 * math.pi * x[:, 1:])


def sample_prior(n: int, generator: Generator) -> Tensor:
    """x ~ U[−1, 1]²."""
    return 2 * torch.rand(n, 2, dtype=torch.float64, generator=generator) - 1


def loop_of(x: Tensor, y_star: Tensor) -> Tensor:
    """The loop, 0 to 8, on which a solution of y* lies; −1 if on none. (n, 2), (n, 1) → (n,) int.

    For 0 < y* < 2 the set {y ≥ y*} in the plane consists of islands, one around each maximum. Each lies inside the
    square of half-width 1/3 around its maximum (y = 0 is a line on that square's rim), so the nearest centre in the
    maximum norm identifies the loop in ``LOOP_CENTRES``. Below y* = 1 three islands around maxima at x₁ = −7/6 cross
    the edge x₁ = −1: their arcs are no closed loops and get −1. For other targets the level set is not nine loops, and
    all solutions get −1.
    """
    nearest, index = torch.cdist(x.double(), x.new_tensor(LOOP_CENTRES, dtype=torch.float64), p=math.inf).min(dim=1)
    has_loops = (y_star[:, 0] > 0) & (y_star[:, 0] < 2)
    return torch.where(has_loops & (nearest <= 1 / 3), index, -1)


TASK = Task(
    name="sinewave",
    title="Sine wave",
    variables=(Variable("x₁", low=-1.0, high=1.0), Variable("x₂", low=-1.0, high=1.0)),
    properties=(Property("y", tolerance=0.02),),
    sample_prior=sample_prior,
    omega=omega,
    omega_seconds=1e-8,
    default_target=(1.2,),
    support=((-1.0, 1.0), (-1.0, 1.0)),
    modes=loop_of,
    n_modes=9,
    recipes={
        # The posterior of x₂ given x₁ and y has six narrow peaks, so it needs many bins.
        "inn": Recipe({"couplings": 4, "bins": 32, "hidden": 128}, {"epochs": 160}),
        # At 160 epochs, the value of other tasks, the surrogate's error was five times as large.
        "mlp": Recipe(settings={"epochs": 400}),
        "cinn": Recipe({"couplings": 6, "bins": 32, "hidden": 128}, {"epochs": 160}),
        "mdn": Recipe({"components": 432}),
        "cvae": Recipe({"latent": 4, "decoder_sd": 0.05, "layers": 6, "normalized": True, "support": []}),
        # With the INN's couplings, padding and MMD terms its samples were no nearer to the target than random designs.
        "inn-alternating": Recipe(
            {"couplings": 8, "bins": 12, "hidden": 96, "padding_sd": 0.1},
            {"epochs": 160, "lambda_x": 0.0, "lambda_z": 0.0},
        ),
        "na": Recipe({"layers": 4}, {"epochs": 560, "learning_rate": 7.5e-4}),
    },
    log_prior=lambda x: x.new_full((len(x),), -math.log(4.0)),
    source="Bi, Fung and Zhang 2023 (iPage, AAAI), 'Illustrative Example: 2D Sinewave Function'",
)
