"""The designs x behind ``solutions.parquet``, where Ω is dear or the design large: anyone can run Ω on them again.

Each row belongs to the row of ``solutions.parquet`` with the same ``KEY``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ipage_core.benchmark import solutions
from ipage_core.benchmark.rows import pack, unpack
from ipage_core.benchmark.scope import ANALYTIC, Scope, loaded
from ipage_core.benchmark.solutions import KEY as KEY  # the rows are those of the solutions
from ipage_core.benchmark.solutions import designed, names
from ipage_core.runtime.executor import Item, Result


def items(scope: Scope) -> list[Item]:
    """The first latent seed of every run of the solutions with the shipped models, but of the analytic tasks none."""
    return [
        (key, argument)
        for key, argument in solutions.items(scope)
        if argument["task"] not in ANALYTIC and argument["seed"] == 0 and argument["models"] is None
    ]


def work(argument: dict[str, Any]) -> Result:
    """The designs of one run, packed."""
    method = loaded(argument["task"], argument["method"], argument["models"])
    x = designed(argument, method, "none").final
    binary = bool(((x == 0) | (x == 1)).all())
    raw = np.packbits(x.numpy().astype(bool), axis=1) if binary else x.double().numpy()
    return {"x": pack(raw, "u1" if binary else "<f8"), "n": len(raw)}


def unpacked(x: pd.Series[Any], d: int) -> Tensor:
    """The column ``x`` as designs, (n,) → (n, d) float64: one bit a variable if all are 0 or 1, else eight bytes.

    Examples:
        >>> unpacked(pd.Series([b"\\xa0", b"\\x40"]), 3)
        tensor([[1., 0., 1.],
                [0., 1., 0.]], dtype=torch.float64)
    """
    raw = np.frombuffer(b"".join(x), np.uint8).reshape(len(x), -1)
    whole = raw.view("<f8") if raw.shape[1] == 8 * d else np.unpackbits(raw, axis=1, count=d)
    return torch.from_numpy(whole.astype(np.float64))


def frame(scope: Scope, results: dict[str, Result]) -> pd.DataFrame:
    """One row per design: ``x`` as :func:`unpacked` reads it, and the columns that name its row of the solutions."""
    parts = []
    for key, argument in items(scope):
        if key in results:
            raw = unpack(results[key]["x"], "u1").reshape(results[key]["n"], -1)
            columns = names(argument, len(raw))
            columns["x"] = [one.tobytes() for one in raw]
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
