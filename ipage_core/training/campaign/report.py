"""Output of a campaign: its hits in the form of ``solutions.csv``, and its summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from ipage_core.inference.basis import VERIFIED
from ipage_core.inference.solution_tables import words_of_categories

if TYPE_CHECKING:
    from ipage_core.training.campaign.run import Campaign

STALE = 10
"""Fewest evaluations without a further hit, and at least a third of all, after which there may be no more hits; fewest
results on one side of the target after which it may be out of reach."""


def hits_frame(campaign: Campaign) -> pd.DataFrame:
    """One row per distinct hit, verified by Ω: ``sample`` is its evaluation, counted from 0; ``stage`` is ``campaign``.

    Further columns as in ``solutions.csv``: target, x, surrogate (the earlier prediction; empty if none), y,
    resim_error, hit, in_bounds, replaced, other properties, words of categories. For an interval, the target is the end
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
    columns["hit"] = True
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
    used = len(campaign.distinct_hits) < campaign.hits and campaign.evaluations >= campaign.budget
    more = f"The budget is used up; a larger --budget goes on: the {campaign.evaluations} count." if used else ""
    if note := " ".join(sentence for sentence in (more, known(campaign)) if sentence):
        figures["note"] = note
    return figures


def known(campaign: Campaign) -> str:
    """The knowledge at the end of the budget, or why there are more hits than wanted, in sentences; else empty."""
    hits, done = campaign.distinct_hits, campaign.evaluations
    if len(hits) >= campaign.hits:
        last = campaign.last_step
        if len(hits) > campaign.hits > sum(row < done - last for row in hits):
            return f"{len(hits)} hits, not {campaign.hits}: the last batch of {last} was finished."
        return ""
    if done < campaign.budget:
        return ""
    if not hits:
        return _nearest(campaign)
    sentences, since = [], done - 1 - hits[-1]
    if since >= max(STALE, done / 3):
        count = f"{len(hits)} distinct hit{'s' if len(hits) > 1 else ''}"
        sentences.append(f"{count}; the last {since} evaluations brought none: there may be no more.")
    if alike := int(campaign.hit.sum()) - len(hits):
        one = "1 more hit is" if alike == 1 else f"{alike} more hits are"
        sentences.append(f"{one} within --apart {campaign.apart:g} of another one, so not distinct.")
    return " ".join(sentences)


def _nearest(campaign: Campaign) -> str:
    """The result that comes closest to the target, and whether the target lies beyond all results."""
    m = campaign.task.n_targets
    y = campaign.y[:, :m]
    fine = y[y.isfinite().all(1)]
    if not len(fine):
        return f"All {len(y)} evaluations failed."
    off = campaign.accepted.off(y).nan_to_num(nan=float("inf"))
    row = int(off.argmin())
    shown = [f"{p.name} {value:.4g} {p.unit}".strip() for p, value in zip(campaign.task.targets, y[row], strict=True)]
    sentences = [f"No evaluation met the target; the closest so far is evaluation {row + 1}: {', '.join(shown)}."]
    every = torch.cat((campaign.before_y[:, :m].to(fine), fine))  # those of earlier campaigns are results, too
    every = every[every.isfinite().all(1)]
    (low, high), least, most = campaign.accepted.ends, every.amin(0), every.amax(0)
    for j, p in enumerate(campaign.task.targets):
        if most[j] < low[j] or least[j] > high[j]:
            between = f"from {least[j]:.4g} to {most[j]:.4g} {p.unit}".strip()
            doubt = ": it may be out of reach" if len(every) >= STALE else ""
            side = "below" if most[j] < low[j] else "above"
            sentences.append(f"All results of {p.name} are {between}, {side} the target{doubt}.")
    return " ".join(sentences)
