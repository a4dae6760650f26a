"""Training pairs: generated from a seed where Ω is cheap, read from ``data/`` where it is not."""

from __future__ import annotations

import hashlib

from torch import Generator, Tensor

from ipage_core.tasks import Task


def pairs(task: Task, n: int | None = None, seed: int = 0) -> tuple[Tensor, Tensor]:
    """n training pairs x ~ p(x), y = Ω(x) → (n, d), (n, m), float64; ``data_size`` of them by default."""
    if task.omega is None:
        raise ValueError(f"{task.name} has no forward operator to generate data with")
    x = task.sample_prior(n or task.data_size, Generator().manual_seed(seed))
    return x, task.omega(x)[:, : task.n_targets]


def fingerprint(*tensors: Tensor) -> str:
    """SHA-256 over the values rounded to 9 decimals, so that it holds across machines."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update((tensor.detach().cpu().double().numpy().round(9) + 0.0).tobytes())
    return digest.hexdigest()
