"""Reliability of a table's candidates: intervals, expected misfits, and measured rows that may be closer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ipage_core.networks.base import Network
from ipage_core.problem.task import Task
from ipage_core.tasks.table.own_data import measured
from ipage_core.tasks.table.surrogate import NORMAL

if TYPE_CHECKING:
    from ipage_core.inference.methods import Loaded

USEFUL = 0.5
"""R² on held-out rows below which predictions are barely better than the mean of all rows."""


@dataclass(frozen=True, eq=False)
class Trust:
    """Reliability of n candidates for targets (n, m)."""

    predicted: Tensor
    """(n, m) predicted measurements."""
    half_width: Tensor
    """(n, m) half-width: predicted ± this holds 90 % of measurements, each property by itself."""
    expected: Tensor
    """(n,) expected misfit of a measurement, see :func:`misfit`."""
    row: Tensor
    """(n,) index of the measured row that is closest to the candidate's target."""
    row_misfit: Tensor
    """(n,) its misfit."""

    @property
    def row_is_closer(self) -> Tensor:
        """(n,) bool: the row's misfit is less than the candidate's expected misfit."""
        return self.row_misfit < self.expected


def misfit(y: Tensor, y_star: Tensor, tolerances: Tensor) -> Tensor:
    """Root mean square over the properties of (y − y*)/tolerance. (…, m), (…, m), (m,) → (…)."""
    return ((y - y_star) / tolerances).square().mean(-1).sqrt()


def expected_misfit(predicted: Tensor, sd: Tensor, y_star: Tensor, tolerances: Tensor) -> Tensor:
    """Expected misfit of a measurement with known mean and standard deviation: √E[misfit²]. (n, m) … → (n,)."""
    return (((predicted - y_star).square() + sd.square()) / tolerances.square()).mean(1).sqrt()


def trust(task: Task, method: Loaded, x: Tensor, y_star: Tensor) -> Trust | None:
    """Expected results of candidates x (n, d) for y_star (n, m); None if the surrogate has no spread."""
    surrogate = method.surrogate
    if not isinstance(surrogate, Network):
        return None
    assert task.models_folder is not None
    with torch.no_grad():
        x = x.to(method.device, surrogate.reads)
        spread = surrogate.spread(x)
        if spread is None:
            return None
        predicted, sd = surrogate.predict(x).cpu().double(), spread.cpu().double()
    y_star, tolerances, rows = y_star.cpu().double(), task.tolerances, measured(task.models_folder).y
    targets, which = y_star.unique(dim=0, return_inverse=True)
    off = torch.stack([misfit(rows, target, tolerances).nan_to_num(nan=torch.inf) for target in targets])
    closest = off.min(1)
    return Trust(
        predicted,
        NORMAL * sd,
        expected_misfit(predicted, sd, y_star, tolerances),
        closest.indices[which],
        closest.values[which],
    )


def advice(task: Task, result: Trust) -> str:
    """A sentence if measured rows are closer to their targets than expected of most candidates; else ''."""
    closer = result.row_is_closer
    if 2 * int(closer.sum()) <= len(closer):
        return ""
    assert task.models_folder is not None
    rows, first = measured(task.models_folder), int(closer.nonzero()[0, 0])
    number, y = int(rows.row[result.row[first]]), rows.y[result.row[first]].tolist()
    named = zip(task.targets, y, strict=True)
    values = ", ".join(f"{known.name} {value:.4g} {known.unit}".strip() for known, value in list(named)[:6])
    values += ", …" if len(y) > 6 else ""
    if len(result.row.unique()) > 1:
        return (
            f"For {int(closer.sum())} of {len(closer)} candidates a measured row is closer to the target than they are "
            f"expected to come, for the first of them row {number} ({values})."
        )
    return (
        f"Row {number} ({values}) is closer to the target than "
        f"{'any' if bool(closer.all()) else f'{int(closer.sum())} of {len(closer)}'} candidate"
        f"{'' if bool(closer.all()) else 's'} can be expected to come."
    )


def warning(task: Task, r2: list[float | None]) -> str:
    """A sentence with the properties whose R² on held-out rows is below ``USEFUL``; else ''."""
    poor = [known.name for known, value in zip(task.targets, r2, strict=True) if value is not None and value < USEFUL]
    if not poor:
        return ""
    return (
        f"The surrogate does not predict {', '.join(poor)}: on held-out rows it is hardly better than the mean of all "
        "rows. Start from the measured rows nearest to the target, and bring more data."
    )
