"""Training pairs: generated from a seed if Ω is fast, otherwise read from ``data/``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from ipage_core.networks.store import fingerprint
from ipage_core.problem.task import Task
from ipage_core.runtime.executor import Progress
from ipage_core.runtime.files import replacing
from ipage_core.tasks import TASKS


def pairs(task: Task, n: int | None = None, seed: int = 0) -> tuple[Tensor, Tensor]:
    """n training pairs x ~ p(x), y = Ω(x) → (n, d), (n, m), float64; n is ``data_size`` by default.

    If the task has stored pairs, these are the first n of them, or all, and ``seed`` has no effect.
    """
    return task.pairs(n, seed)


def generate(
    task: str,
    n: int,
    seed: int | None,
    out: Path,
    *,
    kind: str | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    """Write n rows of a task's data to a Parquet file and return its card. A stopped run continues when run again.

    If the task has its own generator, :func:`ipage_core.runtime.executor.run` executes it. ``seed`` None is the seed of
    the shipped data, ``kind`` None the first of the task's kinds of data.

    Raises:
        ValueError: unknown task or kind, or an error of the task's generator.
    """
    if task not in TASKS:
        raise ValueError(f"task '{task}' is not known; accepted: {', '.join(TASKS)}")
    if kind is not None and kind not in (kinds := TASKS[task].data_kinds):
        accepted = f"accepted: {', '.join(kinds)}" if kinds else f"the data of {task} are of one kind; leave it out"
        raise ValueError(f"kind '{kind}' is not known; {accepted}")
    if (own := TASKS[task].generate) is not None:
        where = {} if kind is None else {"kind": kind}
        return own(n, seed, out, **where, workers=workers, scheduler=scheduler, progress=progress)
    x, y = pairs(TASKS[task], n, seed or 0)
    columns = {f"{name}{j + 1}": column for name, values in (("x", x), ("y", y)) for j, column in enumerate(values.T)}
    with replacing(out) as beside:
        pd.DataFrame({name: column.numpy() for name, column in columns.items()}).to_parquet(beside)
    return {"n": n, "seed": seed or 0, "sha256": fingerprint(x, y)}
