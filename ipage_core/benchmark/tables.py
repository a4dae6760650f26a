"""Tables of solutions: one line per cell, with intervals, beside the paper's figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ipage_core.benchmark import paper
from ipage_core.benchmark.metrics import bootstrap_interval
from ipage_core.benchmark.scope import BY_DFT
from ipage_core.benchmark.solutions import NOBODY, OMEGA, squared_error
from ipage_core.inference.methods import METHODS
from ipage_core.tasks import TASKS

PAPER_TABLES = {"many": "Table 2: many different y*, one solution each", "single": "Table 3: many solutions for one y*"}
"""Protocol → the paper's table of it."""
RESAMPLED = {"many": "targets", "single": "solutions"}
"""Protocol → unit that the bootstrap interval of a mean resamples."""
ENOUGH = 50
"""A mean over at least this many targets, or over as many as DFT evaluates, may compete with one over more."""
CELL = ["task", "method", "sampling", "protocol", "training_seed"]


def paper_table(protocol: str) -> str:
    """The paper's table of a protocol: "Table 2" or "Table 3"."""
    return PAPER_TABLES[protocol].split(":")[0]


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per cell: a task, method, sampling, protocol and training.

    Columns: ``by`` source of y (Ω if it ran on any solution; solutions without Ω are then left out); ``n``
    solutions, ``runs``, ``failed_omega``; ``mean, median, p95`` of ‖y − y*‖²; ``failures``, share of solutions that
    are not within the task's tolerance; ``low, high``, 95 % bootstrap interval of the mean over solutions (over
    targets, if they differ); ``seed_sd``, standard deviation of a run's mean over latent seeds; ``in_bounds``,
    ``success`` (share that needed no replacement), ``inference, localization`` median seconds per run; ``paper,
    paper_sd``; ``trainings``, number of training seeds with the same source of y, and ``training_sd``, the standard
    deviation of their means over the ``training_n`` solutions that all of them have. NaN where unknown.
    """
    if not len(rows):
        return pd.DataFrame()
    rows = rows.assign(error=squared_error(rows))
    records = []
    for key, group in rows.groupby(CELL, observed=True, sort=False):
        cell: tuple[Any, ...] = key if isinstance(key, tuple) else (key,)
        by_omega = (group["by"] == OMEGA).to_numpy()
        chosen = group[by_omega] if by_omega.any() else group
        error = chosen["error"].to_numpy()
        finite, judged = error[np.isfinite(error)], str(chosen["by"].iloc[0])
        runs = chosen.groupby("seed", observed=True)
        task, method, _, protocol, _ = cell
        reached = (error <= TASKS[task].tolerance ** 2).mean() if judged != NOBODY else np.nan
        # Repeats share targets, so errors at one target are correlated: average over them, then resample.
        each = chosen.groupby("sample", observed=True)["error"].mean().to_numpy()
        low, high = bootstrap_interval(each)
        reported = paper.reported(task, method, protocol) or (np.nan, np.nan)
        means = runs["error"].mean()
        one = group.groupby("seed", observed=True)[["inference_seconds", "localization_seconds", "success"]].first()
        records.append(
            dict(zip(CELL, cell, strict=True))
            | {
                "by": judged,
                "n": len(chosen),
                "runs": len(means),
                "failed_omega": int((by_omega & ~np.isfinite(group["error"])).sum()),
                "mean": finite.mean() if len(finite) else np.nan,
                "median": np.median(finite) if len(finite) else np.nan,
                "p95": np.quantile(finite, 0.95) if len(finite) else np.nan,
                "failures": 1 - reached,
                "low": low,
                "high": high,
                "seed_sd": means.std() if len(means) > 1 else np.nan,
                "in_bounds": chosen["in_bounds"].mean(),
                "success": one["success"].mean() if METHODS[method].surrogate else np.nan,
                "inference": one["inference_seconds"].median(),
                "localization": one["localization_seconds"].median(),
                "paper": reported[0],
                "paper_sd": reported[1],
            }
        )
    return pd.DataFrame(records).merge(_trainings(rows), on=["task", "method", "sampling", "protocol"], how="left")


def _trainings(rows: pd.DataFrame) -> pd.DataFrame:
    """``trainings, training_n, training_sd`` of every task, method, sampling and protocol."""
    records = []
    for key, group in rows.groupby(CELL[:-1], observed=True, sort=False):
        judged = group[group["by"] == OMEGA] if (group["by"] == OMEGA).any() else group
        trainings = {"trainings": judged["training_seed"].nunique(), "training_n": 0, "training_sd": np.nan}
        if trainings["trainings"] > 1:
            run = ["seed", "sample"]
            errors = judged.pivot_table(index=run, columns="training_seed", values="error", observed=True).dropna()
            trainings |= {"training_n": len(errors), "training_sd": errors.mean().std()}
        records.append(dict(zip(CELL, key, strict=False)) | trainings)
    return pd.DataFrame(records)


def displayed(cells: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """The cells of one of the paper's tables: each method with the sampling used for comparison, training seed 0 first.

    If there is a choice: maximin for iPage and its variants, random sampling for the others.
    """
    chosen = cells[cells["protocol"] == protocol].copy()
    wanted = np.where(chosen["method"].astype(str).str.startswith("ipage"), "maximin", "srs")
    chosen["order"] = (chosen["sampling"].astype(str) != wanted) + 10 * chosen["training_seed"]
    chosen = chosen.sort_values("order", kind="stable").drop_duplicates(["task", "method"])
    return chosen.drop(columns="order")


def best(cells: pd.DataFrame) -> pd.Series:
    """For displayed cells: True at the lowest mean of each task, and at every mean within its 95 % interval.

    Cells compete if Ω evaluated them, on as many targets as any other cell or on at least ``ENOUGH``; those that DFT
    evaluates, on as many as it does.
    """
    judged = cells[cells["by"] == OMEGA]
    each = judged["n"] / judged["runs"]
    of = judged["task"].astype(str)
    most = each.groupby(of).transform("max").clip(upper=of.map(lambda task: BY_DFT.get(task, ENOUGH)))
    judged = judged[each >= 0.9 * most]
    result = pd.Series(False, index=cells.index)
    for _, of_task in judged.groupby("task", observed=True):
        at = int(of_task["mean"].argmin())
        limit = np.fmax(of_task["mean"].iloc[at], of_task["high"].iloc[at])  # a single solution has no interval
        result[of_task.index] = of_task["mean"] <= limit
    return result


def number(value: float) -> str:
    """Two significant digits, such as 0.012 or 2.4e-06."""
    return "–" if not np.isfinite(value) else f"{value:.2g}"


def markdown(cells: pd.DataFrame, missing: dict[str, str], protocol: str) -> str:
    """The paper's Table 2 (``many``) or 3 (``single``) as Markdown: the best in bold (:func:`best`);
    n in every cell; our method first.
    """
    chosen = displayed(cells, protocol)
    bold = best(chosen)
    tasks = [name for name in TASKS if name in set(chosen["task"].astype(str)) | {k.split()[0] for k in missing}]
    lines = ["| | " + " | ".join(TASKS[name].title for name in tasks) + " |", "|---" * (len(tasks) + 1) + "|"]
    for method in METHODS:
        row = []
        for task in tasks:
            at = chosen[(chosen["task"] == task) & (chosen["method"] == method)]
            if not len(at):
                row.append("not available" if f"{task} {method}" in missing else "–")
                continue
            one = at.iloc[0]
            if one["by"] == NOBODY:
                row.append(NOBODY)
                continue
            text = f"{number(one['mean'])} [{number(one['low'])}, {number(one['high'])}]"
            text = f"**{text}**" if bold[at.index[0]] else text
            text += f" ± {number(one['seed_sd'])}" if one["runs"] > 1 else ""
            text += f"; {one['trainings']} trainings ± {number(one['training_sd'])}" if one["trainings"] > 1 else ""
            text += f"; n = {one['n']:,}" + ("" if one["by"] == OMEGA else f"; {one['by']}")
            row.append(text + (f"; paper {one['paper']:g}" if np.isfinite(one["paper"]) else ""))
        if any(cell != "–" for cell in row):
            lines.append(f"| {method} | " + " | ".join(row) + " |")
    return "\n".join(lines)
