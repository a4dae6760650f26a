"""Output of a campaign: its hits in the form of ``solutions.csv``, and its summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from ipage_core.inference.basis import VERIFIED
from ipage_core.inference.solution_tables import words_of_categories

if TYPE_CHECKING:
    from ipage_core.training.campaign.run import Campaign


def hits_frame(campaign: Campaign) -> pd.DataFrame:
    """One row per distinct hit, verified by Ω: ``sample`` is its evaluation, from 0; ``stage`` is ``campaign``.

    Further columns as in ``solutions.csv``: target, x, surrogate (the earlier prediction; empty if none), y,
    resim_error, in_bounds, replaced, other properties, words of categories. For an interval, the target is the end
    nearer to y.
    """
    task, rows = campaign.task, campaign.distinct_hits
    m = task.n_targets
    x, y, predicted = campaign.x[rows], campaign.y[rows], campaign.predicted[rows]
    low, high = campaign.target.accepted
    aim = y[:, :m].clamp(low, high)
    columns: dict[str, Any] = {"sample": rows, "stage": "campaign"}
    for name, values in (("target", aim), ("x", x), ("surrogate", predicted), ("y", y[:, :m])):
        columns |= {f"{name}{j + 1}": column for j, column in enumerate(values.numpy().T)}
    columns["resim_error"] = (y[:, :m] - aim).square().sum(1).numpy()
    columns["in_bounds"] = task.in_bounds(x).numpy()
    columns["replaced"] = False
    columns |= {label: y[:, m + j].numpy() for j, label in enumerate(task.property_labels[m:])}
    columns["basis"] = VERIFIED
    columns |= words_of_categories(task, x)
    return pd.DataFrame(columns)


def summary(campaign: Campaign) -> dict[str, Any]:
    """The summary as a JSON object, for the command line."""
    figures: dict[str, Any] = {
        "hits": len(campaign.distinct_hits),
        "wanted": campaign.hits,
        "evaluations": campaign.evaluations,
        "budget": campaign.budget,
        "failed": campaign.failed,
        "rows_before": len(campaign.before_x),
        "seconds": round(campaign.seconds, 1),
    }
    if len(campaign.distinct_hits) < campaign.hits and campaign.evaluations >= campaign.budget:
        figures["note"] = " ".join((_all_used(campaign), _nearest(campaign))).strip()
    return figures


def _all_used(campaign: Campaign) -> str:
    alike = int(campaign.hit.sum()) - len(campaign.distinct_hits)
    note = f"The budget is used up; go on with a larger --budget: the {campaign.evaluations} count."
    if alike:
        note += f" {alike} more hits are within --apart {campaign.apart:g} of another one, so they are not distinct."
    return note


def _nearest(campaign: Campaign) -> str:
    """The evaluated design that comes closest to the target, if there is no hit."""
    y = campaign.y[:, : campaign.task.n_targets]
    fine = y.isfinite().all(1)
    if campaign.distinct_hits or not bool(fine.any()):
        return ""
    off = campaign.accepted.off(y).nan_to_num(nan=float("inf"))
    row = int(off.argmin())
    names = zip(campaign.task.targets, y[row].tolist(), strict=True)
    values = ", ".join(f"{v.name} {value:.4g} {v.unit}".strip() for v, value in names)
    return f"There is no hit; evaluation {row + 1} comes closest: {values}."
