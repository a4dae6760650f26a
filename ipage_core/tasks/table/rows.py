"""The rows of own data, ``rows.safetensors``: designs, properties, which are held out, and their round."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ipage_core.networks.store import ModelUnavailable, load_tensors
from ipage_core.tasks.table import reader as tables
from ipage_core.tasks.table.card import CARD, read_card

ROWS = "rows.safetensors"


@dataclass(frozen=True, eq=False)
class Measured:
    """All rows of a task of own data, in order of arrival."""

    x: Tensor
    """(n, d) float64."""
    y: Tensor
    """(n, m) float64."""
    held_out: Tensor
    """(n,) bool."""
    round: Tensor
    """(n,) int: 0 for the first table, plus one for each set of results."""
    row: Tensor
    """(n,) int: row number in its file; the first row below the header is 1."""


def measured(folder: Path) -> Measured:
    """All rows of the task in ``folder``; cached until they change."""
    path = folder / ROWS
    written = path.stat().st_mtime_ns if path.exists() else 0
    card = read_card(folder)
    return _measured(path, written, len(card["rounds"]), len(card["x"]), len(card["y"]))


@lru_cache(maxsize=4)
def _measured(path: Path, written: int, rounds: int, d: int, m: int) -> Measured:
    tensors, _ = load_tensors(path)
    n = len(tensors["x"]) if "x" in tensors and tensors["x"].dim() else 0
    kinds = {key: (tuple(value.shape), value.dtype) for key, value in tensors.items()}
    wanted = {
        "x": ((n, d), torch.float64),
        "y": ((n, m), torch.float64),
        "held_out": ((n,), torch.bool),
        "round": ((n,), torch.int32),
        "row": ((n,), torch.int64),
    }
    if kinds != wanted or not n or not bool(tensors["x"].isfinite().all()) or bool(tensors["y"].isinf().any()):
        raise ModelUnavailable(f"{path} is damaged: it does not hold the rows that its {CARD} is about.")
    result = Measured(**tensors)
    known = result.round < rounds
    return Measured(**{key: getattr(result, key)[known] for key in tensors})


def complete_pairs(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The rows x (n, d), y (n, m) with every property; if these are few, all rows, gaps filled from the nearest row."""
    complete = ~y.isnan().any(1)
    if int(complete.sum()) >= min(tables.LEAST_ROWS // 2, len(x)):
        return x[complete], y[complete]
    y, width = y.clone(), (x.max(0).values - x.min(0).values).clamp(min=1e-300)
    for column in y.T:
        known = ~column.isnan()
        _, nearest = cKDTree((x[known] / width).numpy()).query((x[~known] / width).numpy())
        column[~known] = column[known][torch.from_numpy(np.atleast_1d(nearest))]
    return x, y
