"""Training pairs: generated from a seed if Ω is fast, otherwise read from ``data/``."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pandas as pd
import torch
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


def chosen_rows(text: str, count: int) -> Tensor:
    """The numbers of rows that a text such as ``0:1566,1567:1686:2`` chooses of ``count`` → (n,), int64.

    Each part is START:STOP or START:STOP:STEP, from 0 on and without STOP, as in Python.

    Raises:
        ValueError: not of this form, a row chosen twice, or one that is not there.

    Example:
        >>> chosen_rows("0:3,4:9:2", 10).tolist()
        [0, 1, 2, 4, 6, 8]
    """
    chosen: list[int] = []
    for part in text.split(","):
        words = part.split(":")
        if len(words) not in (2, 3) or not all(word.strip().isdecimal() for word in words) or int(words[-1]) < 1:
            raise ValueError(
                f"rows '{text}' are not accepted: START:STOP or START:STOP:STEP, such as 0:1566,1567:1686:2"
            )
        start, stop, step = (*(int(word) for word in words), 1)[:3]
        if stop > count or start >= stop:
            raise ValueError(
                f"rows '{part}' are not there; accepted: numbers from 0 to {count}, the first below the last"
            )
        chosen += range(start, stop, step)
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"rows '{text}' hold a row twice")
    return torch.tensor(chosen)


def digests(x: Tensor) -> list[bytes]:
    """Short bytes, equal for designs equal to the last digit. (n, d) → n of them."""
    digests = []
    for part in x.cpu().split(10_000):
        small = part.clamp(0, 255).to(torch.uint8)  # pixels are read as one byte each, an eighth of the time
        values = small.numpy() if part.dtype == torch.uint8 else part.double().numpy() + 0.0  # −0 is 0
        for row, pixels, whole in zip(values, small.numpy(), (small == part).all(1).tolist(), strict=True):
            digests.append(blake2b((pixels if whole else row).tobytes(), digest_size=16).digest())
    return digests


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
