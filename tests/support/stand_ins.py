"""Methods that need no trained model: Ω plus a small bias as surrogate, noisy solutions as posterior."""

from contextlib import contextmanager

import torch

from ipage_core.inference.methods import METHODS, Loaded, Prior
from ipage_core.networks.store import ModelUnavailable
from ipage_core.problem.task import Property, Task, Variable
from ipage_core.tasks import TASKS


@contextmanager
def known(*tasks):
    """Add tasks, or replace those of the same name, while the block runs."""
    before = TASKS.added("test")
    TASKS.extend("test", {**before, **{task.name: task for task in tasks}})
    try:
        yield
    finally:
        TASKS.extend("test", before)


class NoisySolutions:
    """Solutions of the biased Ω from prior starts, displaced by 1 % of the box, like a good posterior."""

    def __init__(self, task, surrogate):
        self.task, self.surrogate, self.latent_dim = task, surrogate, task.d

    def sample(self, y_star, z):
        generator = torch.Generator().manual_seed(int(1e4 * z.abs().sum()))
        low, high = self.task.bounds.to(z)
        x = self.task.sample_prior(len(z), generator).to(z)
        for _ in range(30):  # Gauss–Newton, half a step at a time
            with torch.enable_grad():
                at = x.detach().requires_grad_(True)
                y = self.surrogate(at)
                rows = [torch.autograd.grad(column.sum(), at, retain_graph=True)[0] for column in y.unbind(1)]
            step = torch.linalg.pinv(torch.stack(rows, dim=1)) @ (y.detach() - y_star)[:, :, None]
            x = (x - 0.5 * step[:, :, 0].clamp(-0.3, 0.3)).clamp(low, high)
        return x + 0.01 * (high - low) * torch.randn(x.shape, generator=generator)


def load(task, method, missing=()):
    """Replaces ``ipage_core.inference.methods.load``."""
    row, problem = METHODS[method], TASKS[task] if isinstance(task, str) else task
    if method in missing:
        raise ModelUnavailable(f"There is no trained model '{method}' for {problem.name}")

    def surrogate(x):
        return problem.omega(x.double())[:, : problem.n_targets].to(x) + 0.003 * torch.cos(3 * x[:, :1])

    proposal = NoisySolutions(problem, surrogate) if row.proposal else Prior(problem)
    return Loaded(method, proposal, surrogate if row.surrogate else None, torch.device("cpu"))


def wide_task(d, m=1):
    """A task with d coordinates and m targets without its own figure: y is the mean of every m-th coordinate."""

    def omega(x):
        return torch.stack([x[:, j::m].mean(1) for j in range(m)], dim=1)

    def sample_prior(n, generator):
        return torch.rand(n, d, dtype=torch.float64, generator=generator)

    return Task(
        name=f"wide{d}",
        title=f"{d} coordinates",
        variables=tuple(Variable(f"x{i + 1}", "mm") for i in range(d)),
        properties=tuple(Property(f"mean {j + 1}", "N", 0.01) for j in range(m)),
        n_targets=m,
        sample_prior=sample_prior,
        omega=omega,
        omega_seconds=1e-6,
        default_target=(0.5,) * m,
        source="made up",
        data_size=800,
    )
