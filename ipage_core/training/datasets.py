"""Training pairs: generated from a seed where Ω is cheap, read from ``data/`` where it is not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from ipage_core.problem.task import Task
from ipage_core.runtime.executor import Progress
from ipage_core.runtime.files import replacing
from ipage_core.tasks import TASKS


def pairs(task: Task, n: int | None = None, seed: int = 0) -> tuple[Tensor, Tensor]:
    """n training pairs x ~ p(x), y = Ω(x) → (n, d), (n, m), float64; ``data_size`` of them by default.

    Where the task has stored pairs these are the first n of them, or all; ``seed`` then says nothing.
    """
    return task.pairs(n, seed)


def fingerprint(*tensors: Tensor) -> str:
    """SHA-256 over the values rounded to 9 decimals, so that it holds across machines."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(str(tuple(tensor.shape)).encode())
        for rows in tensor.detach().cpu().split(10_000):  # of 10⁸ pixels, only some at a time in float64
            digest.update((rows.double().numpy().round(9) + 0.0).tobytes())
    return digest.hexdigest()


def generate(
    task: str,
    n: int,
    seed: int | None,
    out: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    """Write n rows of a task's data to a Parquet file and return its card. Long runs are resumed by running them again.

    ``architecture`` and ``crystal`` run where :func:`ipage_core.runtime.executor.run` says; the cheap tasks run here.
    ``seed`` is that of the shipped data if None.

    Raises:
        ValueError: unknown task, or what the task's own generator refuses.
    """
    if task == "architecture":
        from ipage_core.tasks.cells import dataset as cells

        seed = cells.read_card()["seed"] if seed is None else seed
        return cells.generate(n, seed, out, workers=workers, scheduler=scheduler, progress=progress)
    if task == "crystal":
        from ipage_core.tasks.crystal import lattices

        seed = lattices.SEED if seed is None else seed
        return lattices.generate(n, seed, out, workers=workers, scheduler=scheduler, progress=progress)
    if task not in TASKS:
        raise ValueError(f"task '{task}' is not known; accepted: architecture, crystal, {', '.join(TASKS)}")
    x, y = pairs(TASKS[task], n, seed or 0)
    columns = {f"{name}{j + 1}": column for name, values in (("x", x), ("y", y)) for j, column in enumerate(values.T)}
    with replacing(out) as beside:
        pd.DataFrame({name: column.numpy() for name, column in columns.items()}).to_parquet(beside)
    return {"n": n, "seed": seed or 0, "sha256": fingerprint(x, y)}
