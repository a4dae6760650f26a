"""Reliability of a table's candidates: intervals, expected misfits, and measured rows that may be closer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ipage_core.inference.target_set import obeying
from ipage_core.networks.base import Network
from ipage_core.problem.constraints import parse
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task
from ipage_core.tasks.table.rows import Measured, measured
from ipage_core.tasks.table.surrogate import NORMAL, TableSurrogate

if TYPE_CHECKING:
    from ipage_core.inference.methods import Loaded

USEFUL = 0.5
"""R² on held-out rows below which predictions are barely better than the mean of all rows."""
NEGLIGIBLE = 0.05
"""A candidate is as good as a row that meets a goal of a range if its expected misfit, in tolerances, is below this."""
NOTED, CLEAR = 0.1, 0.75
"""Noise below the first share of the tolerance does not count. Where it does, both misfits are mostly noise, and its
spread, from twenty similar rows, has an error of 16 %: a row must have less than the second share of a candidate's."""


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
    """(n,) its misfit; of a noisy row, the expected misfit of another measurement."""
    floor: Tensor
    """(m,) lower limit of measurements; −∞: none."""
    noisy: bool = False
    """Whether measurements are noisy, so that rows are compared by what another measurement of them would give."""
    negligible: float = 0.0
    """Candidates whose expected misfit is no more than this are as good as any row."""

    @property
    def low(self) -> Tensor:
        """(n, m) lower ends of the intervals, no lower than a measurement can be."""
        return torch.maximum(self.predicted - self.half_width, self.floor)

    @property
    def high(self) -> Tensor:
        """(n, m) upper ends of the intervals."""
        return self.predicted + self.half_width

    @property
    def row_is_closer(self) -> Tensor:
        """(n,) bool: the row's misfit is less than the candidate's expected misfit, beside noise by a clear margin."""
        limit = (CLEAR if self.noisy else 1.0) * self.expected
        return (self.row_misfit < limit) & (self.expected > self.negligible)


def misfit(y: Tensor, low: Tensor, high: Tensor, tolerances: Tensor) -> Tensor:
    """Distance of y from the range low … high in tolerances, root mean square over the properties that have a goal.

    (…, m) three times, (m,) → (…). A property that may be anything has the range −∞ … ∞.
    """
    off = (torch.clamp(low - y, min=0) + torch.clamp(y - high, min=0)) / tolerances
    return (off.square().sum(-1) / _counted(low, high)).sqrt()


def expected_misfit(predicted: Tensor, sd: Tensor, low: Tensor, high: Tensor, tolerances: Tensor) -> Tensor:
    """Expected misfit of a measurement with known mean and standard deviation: √E[misfit²]. (n, m) … → (n,)."""
    square = (_tail(low - predicted, sd) + _tail(predicted - high, sd)) / tolerances.square()
    return (square.sum(-1) / _counted(low, high)).sqrt()


def _counted(low: Tensor, high: Tensor) -> Tensor:
    """Number of properties with a goal. (…, m) → (…)."""
    return (low.isfinite() | high.isfinite()).sum(-1).clamp(min=1)


def _tail(beyond: Tensor, sd: Tensor) -> Tensor:
    """E[max(0, Y)²] of normal Y with this mean and standard deviation; 0 for a mean of −∞."""
    sd = sd.clamp(min=1e-300)
    z = (beyond / sd).nan_to_num(neginf=-1e9)
    density = torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)
    return torch.where(beyond.isinf(), 0.0, sd.square() * ((z.square() + 1) * torch.special.ndtr(z) + z * density))


def trust(
    task: Task,
    method: Loaded,
    x: Tensor,
    y_star: Tensor,
    target: Target | None = None,
    rows: Tensor | None = None,
    restrictions: Sequence[str] = (),
) -> Trust | None:
    """Expected results of candidates x (n, d) for y_star (n, m); None if the surrogate has no spread.

    ``target``: its goals, of which y_star are the aims; None: each property is to be exactly y_star. ``rows``: the
    known results (k, m), NaN where a property is not known; None: those of the user's table. ``restrictions``: the
    constraints of the designs; rows of the table that do not obey them do not count.
    """
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
    y_star = y_star.cpu().double()
    tolerances = task.tolerances if target is None else target.tolerances(task)
    again, forbidden = None, torch.tensor(False)
    if rows is None:
        known = measured(task.models_folder)
        rows, again = known.y, measured_again(surrogate, known, tolerances)
        forbidden = ~allowed(task, known.x, restrictions)
    ranges = torch.cat((y_star, y_star) if target is None else target.ranges(y_star), dim=1)
    different, which = ranges.unique(dim=0, return_inverse=True)
    off = []
    for low, high in (one.chunk(2) for one in different):
        lacks = (rows.isnan() & (low.isfinite() | high.isfinite())).any(1)
        known_off = misfit(rows.nan_to_num(), low, high, tolerances)
        if again is not None:
            known_off = expected_misfit(*again, low, high, tolerances)
        off.append(known_off.masked_fill(lacks | forbidden, math.inf))
    closest, (low, high) = torch.stack(off).min(1), ranges.chunk(2, 1)
    floor = torch.tensor([-math.inf if one.floor is None else one.floor for one in task.targets]).double()
    if isinstance(surrogate, TableSurrogate):
        floor = torch.maximum(floor, surrogate.bottom.cpu())
    return Trust(
        predicted,
        NORMAL * sd,
        expected_misfit(predicted, sd, low, high, tolerances),
        closest.indices[which],
        closest.values[which],
        floor,
        again is not None,
        0.0 if target is None or target.exact else NEGLIGIBLE,
    )


def allowed(task: Task, x: Tensor, restrictions: Sequence[str]) -> Tensor:
    """Which rows (k, d) obey the constraints; (k,) bool. Rounding of the parts of a mixture does not count."""
    if not restrictions:
        return torch.ones(len(x), dtype=torch.bool)
    own = parse(task)
    x = own.decode(own.encode(x.double()).clamp(*own.bounds.double()))
    return obeying(parse(task, restrictions), x, task.bounds)


def measured_again(surrogate: Network, known: Measured, tolerances: Tensor) -> tuple[Tensor, Tensor] | None:
    """What another measurement of the rows would give: mean and standard deviation (k, m); None: no noise counts.

    Of many noisy rows, the one closest to a target is mostly a usual one with a lucky error. Candidates are judged with
    the noise of their measurement, so rows must be, too: by the surrogate, which has learned them. If one property is
    noisy, all that the surrogate does not predict exactly count so; those that it does are as measured.
    """
    if not isinstance(surrogate, TableSurrogate):
        return None
    if not (surrogate.noise.cpu() > NOTED * tolerances).any():
        return None
    noisy = surrogate.error.cpu() > NOTED * tolerances
    with torch.no_grad():
        x = known.x.to(surrogate.noise.device)
        mean, sd = surrogate.predict(x).cpu().double(), surrogate.spread(x).cpu().double()
    y = known.y.nan_to_num()
    return torch.where(noisy, mean, y), torch.where(noisy, sd, 1e-6 * tolerances)


def interval_text(low: float, high: float) -> str:
    """A 90 % interval with two digits of half its width.

    >>> interval_text(0.98, 1.02), interval_text(-0.5, 1234.5)
    ('0.980 – 1.020', '0 – 1230')
    """
    half, size = (high - low) / 2, max(abs(low), abs(high))
    if not (math.isfinite(half) and half > 0):
        return "–"
    digits = min(12, 1 - math.floor(math.log10(half)))
    if 1e-4 <= size < 1e7:
        ends = [f"{round(end, digits) + 0.0:.{max(digits, 0)}f}" for end in (low, high)]
    else:
        ends = [f"{end:.{min(15, max(2, math.ceil(math.log10(size / half)) + 2))}g}" for end in (low, high)]
    return " – ".join(end.replace("-", "−") if end.strip("-0.") else end.lstrip("-") for end in ends)


def intervals(task: Task, result: Trust, samples: Sequence[int] | None = None) -> str:
    """The 90 % intervals of the candidate that is expected to come closest to its target, as a sentence.

    ``samples``: the number of each candidate; None: from 0.
    """
    k = int(result.expected.argmin())
    ends = [interval_text(*both) for both in zip(result.low[k].tolist(), result.high[k].tolist(), strict=True)]
    named = [f"{known.name} {text} {known.unit}".strip() for known, text in zip(task.targets, ends, strict=True)]
    values = ", ".join(f"{text} (90 %)" for text in named[:6]) + (", …" if len(named) > 6 else "")
    k = k if samples is None else samples[k]
    return f"Of the candidates, sample {k} is expected to come closest to its target: {values}."


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
    who = "any candidate" if bool(closer.all()) else f"{int(closer.sum())} of {len(closer)} candidates"
    if len(result.row.unique()) > 1:
        again = ", measured again," if result.noisy else ""
        return (
            f"For {int(closer.sum())} of {len(closer)} candidates a measured row{again} is closer to the target than "
            f"they are expected to come, for the first of them row {number} ({values})."
        )
    if result.noisy:
        return f"Row {number} ({values}), measured again, is expected to come closer to the target than {who}."
    return f"Row {number} ({values}) is closer to the target than {who} can be expected to come."


def warning(task: Task, r2: list[float | None]) -> str:
    """A sentence with the properties whose R² on held-out rows is below ``USEFUL``; else ''."""
    poor = [known.name for known, value in zip(task.targets, r2, strict=True) if value is not None and value < USEFUL]
    if not poor:
        return ""
    return (
        f"The surrogate does not predict {', '.join(poor)}: on held-out rows it is hardly better than the mean of all "
        "rows. Start from the measured rows nearest to the target, and bring more data."
    )
