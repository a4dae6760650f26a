"""``predict`` of a table of cells that were designed for goals: the network's E_x and E_y in units of E_s."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ipage_core.tasks.cells.dataset import SIDE
from ipage_core.tasks.cells.goal_verification import parsed, pixels
from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD

PREDICTED = ("E_x", "E_y")
"""The properties that the network predicts: E_y is E_x of the transposed cell."""


def predict_table(frame: pd.DataFrame, surrogate: Callable[[Tensor], Tensor]) -> tuple[pd.DataFrame, str] | None:
    """Predict E_x and E_y of cells that were designed for goals.

    Args:
        frame: a table with the columns x1 …, ``goals`` and ``mesh``.
        surrogate: cells (n, 1024) → z-scores of E_x (n, 1).

    Returns:
        The table with ``E_x predicted`` and ``E_y predicted`` in E_s, and with ``surrogateJ`` for the J-th goal in the
        unit of that goal, empty for other properties; and what it holds, in a sentence. None for other tables.

    Raises:
        ValueError: the pixels or the goals of a row are not accepted.
    """
    if not {"goals", "mesh"} <= set(frame.columns):
        return None
    cells = pixels(frame)
    if cells.shape[1] != SIDE:
        raise ValueError(f"the network reads cells of {SIDE} pixels a side, not of {cells.shape[1]}; accepted: verify")
    goals = [[goal.name for goal in parsed(text)] for text in frame["goals"].fillna("").astype(str)]
    x = torch.from_numpy(cells.astype(np.float32))
    with torch.no_grad():
        z = {name: surrogate(way.reshape(len(x), -1)) for name, way in (("E_x", x), ("E_y", x.transpose(1, 2)))}
    predicted = {name: E_X_MEAN + E_X_SD * z[name][:, 0].cpu().double().numpy() for name in PREDICTED}
    columns = {f"{name} predicted": values for name, values in predicted.items()}
    for j in range(max(map(len, goals))):
        named = [names[j] if j < len(names) else "" for names in goals]
        columns[f"surrogate{j + 1}"] = np.array(
            [predicted[name][i] if name in PREDICTED else np.nan for i, name in enumerate(named)]
        )
    said = "the network predicts E_x and E_y, in units of E_s and for one element a pixel"
    known = all(name in PREDICTED for names in goals for name in names)
    return frame.assign(**columns), said if known else said + "; it knows no other property"
