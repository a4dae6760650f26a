"""Beside each design of a problem: its expected misfit, and the nearest evaluated design. See :mod:`.table.trust`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ipage_core.inference.basis import MEASURED, VERIFIED
from ipage_core.problem.task import Task
from ipage_core.tasks.command import card as cards
from ipage_core.tasks.command import measured, rows
from ipage_core.tasks.table import trust
from ipage_core.tasks.table.candidates import nearest
from ipage_core.tasks.table.surrogate import TableSurrogate

if TYPE_CHECKING:
    from ipage_core.inference.methods import Loaded
    from ipage_core.inference.solutions import Solutions


class Known(NamedTuple):
    """All results that a problem has: those of Ω that did not fail, then complete measured rows."""

    x: Tensor
    """(k, d)."""
    y: Tensor
    """(k, m)."""
    name: list[str]
    """'evaluated 12', with the row in ``rows.parquet`` from 1; or 'measured'."""


def known(task: Task) -> Known:
    """The known results of a task that :func:`ipage_core.tasks.command.task.load` made."""
    assert task.models_folder is not None
    card = cards.read(task.models_folder)
    now, (x, y) = rows.read(task.models_folder, card), measured.read(task.models_folder, card)
    complete = np.isfinite(y).all(axis=1)
    names = [f"evaluated {i + 1}" for i in now.frame.index[now.fine]] + [MEASURED] * int(complete.sum())
    every_x, every_y = np.concatenate((now.x[now.fine], x[complete])), np.concatenate((now.y[now.fine], y[complete]))
    return Known(torch.from_numpy(every_x), torch.from_numpy(every_y), names)


def expected(task: Task, method: Loaded, solutions: Solutions, x: Tensor, y_star: Tensor) -> trust.Trust | None:
    """Intervals of designs x (n, d) for y_star (n, m); None if the surrogate's spread is not calibrated."""
    there = known(task)
    if not isinstance(method.surrogate, TableSurrogate) or not len(there.x):
        return None
    return trust.trust(task, method, x, y_star, solutions.target, there.y)


def beside(task: Task, method: Loaded, solutions: Solutions, frame: pd.DataFrame) -> pd.DataFrame:
    """``solutions.csv`` with the nearest known row of each design.

    Added columns: ``expected_misfit`` in tolerances, as for own tables, if the surrogate is calibrated on left-out rows
    of its own. ``nearest_row``, ``nearest_distance`` in widths of the box and ``nearest_y1..M``: the nearest design
    with a result, empty where Ω has verified the design itself.
    """
    x = torch.from_numpy(frame[[f"x{j + 1}" for j in range(task.d)]].to_numpy(dtype=np.float64, copy=True))
    m, verified = task.n_targets, (frame["basis"] == VERIFIED).to_numpy()
    y_star = torch.from_numpy(frame[[f"target{j + 1}" for j in range(m)]].to_numpy(dtype=np.float64, copy=True))
    added: dict[str, Any] = {}
    if (result := expected(task, method, solutions, x, y_star)) is not None:
        added["expected_misfit"] = result.expected.numpy()
    if len((there := known(task)).x):
        index, distance = (one.numpy() for one in nearest(task, x, there.x))
        added["nearest_row"] = np.where(verified, "", np.array(there.name, dtype=object)[index])
        added["nearest_distance"] = np.where(verified, math.nan, distance)
        for j in range(m):
            added[f"nearest_y{j + 1}"] = np.where(verified, math.nan, there.y[index, j].numpy())
    return frame.assign(**added)


def summary(task: Task, method: Loaded, solutions: Solutions, frame: pd.DataFrame) -> dict[str, Any]:
    """Further entries of the summary: the interval of the unverified design that is expected to come closest."""
    final = frame[frame["stage"] == frame["stage"].iloc[-1]]
    left = torch.from_numpy((final["basis"] != VERIFIED).to_numpy(copy=True))
    if not bool(left.any()):
        return {}
    result = expected(task, method, solutions, solutions.final.cpu().double()[left], solutions.y_star[left])
    if result is None:
        return {}
    return {"intervals": trust.intervals(task, result, final["sample"].to_numpy()[left.numpy()].tolist())}
