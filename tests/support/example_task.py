"""A cantilever of steel: which length, width and height let its tip sink by a given amount under 1 kN?"""

import torch
from torch import Generator, Tensor

from ipage_core.problem.task import Property, Task, Variable

FORCE = 1e3  # N
YOUNG = 210e9  # Pa
LOW, HIGH = (0.5, 20.0, 20.0), (2.0, 80.0, 80.0)  # m, mm, mm


def omega(x: Tensor) -> Tensor:
    """Tip deflection F L³ / (3 E I) with I = w h³ / 12 (Euler and Bernoulli). (n, 3) → (n, 1) in mm."""
    length, width, height = x.unbind(1)
    inertia = width * height**3 / 12 * 1e-12  # mm⁴ → m⁴
    return (1e3 * FORCE * length**3 / (3 * YOUNG * inertia))[:, None]


def sample_prior(n: int, generator: Generator) -> Tensor:
    """Uniform within the bounds. → (n, 3)."""
    low, high = torch.tensor((LOW, HIGH), dtype=torch.float64)
    return low + (high - low) * torch.rand(n, 3, dtype=torch.float64, generator=generator)


TASK = Task(
    name="cantilever",
    title="Cantilever",
    variables=(
        Variable("length", "m", LOW[0], HIGH[0]),
        Variable("width", "mm", LOW[1], HIGH[1]),
        Variable("height", "mm", LOW[2], HIGH[2]),
    ),
    properties=(Property("deflection", "mm", tolerance=0.1),),
    sample_prior=sample_prior,
    omega=omega,
    omega_seconds=1e-7,
    default_target=(10.0,),
    source="Euler–Bernoulli beam theory",
    support=tuple(zip(LOW, HIGH, strict=True)),
)
