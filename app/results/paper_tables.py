"""The paper's tables as HTML: the paper's numbers beside ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from app.figures import benchmark as figures
from app.results.templates import render
from ipage_core.benchmark import paper, tables
from ipage_core.benchmark.solutions import NOBODY, OMEGA
from ipage_core.tasks import TASKS

TITLES = {name: task.title.split(" (")[0] for name, task in TASKS.items() if name != "robotic_arm_kruse"}
TITLES |= {"robotic_arm_kruse": "Robotic arm (Kruse)"}
CSS = """
.cells-table { overflow-x: auto; }
.cells-table table { border-collapse: collapse; font-size: 0.86rem; width: 100%; }
.cells-table th, .cells-table td { padding: 0.28rem 0.6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid rgba(128, 128, 128, 0.25); }
.cells-table th:first-child { text-align: left; }
.cells-table th[colspan] { text-align: center; }
.cells-table th[colspan], .cells-table .paper { border-left: 1px solid rgba(128, 128, 128, 0.4); }
.cells-table .paper { color: color-mix(in srgb, currentColor 70%, transparent); }
.cells-table .n, .cells-table .none, .cells-table .interval { font-size: 0.72rem; opacity: 0.78; }
.cells-table .n { white-space: normal; }
.cells-table .n span { white-space: nowrap; }
.cells-table .by { color: #B8578F; font-size: 0.72rem; }
@media (max-width: 905px) {
  .cells-table::before { content: "Scroll sideways to see all of the table"; display: block; position: sticky; left: 0;
    width: max-content; font-size: 0.8rem; opacity: 0.7; }
}
@media (max-width: 640px) {
  .cells-table th, .cells-table td { padding: 0.28rem 0.35rem; }
  .cells-table th:first-child { white-space: normal; min-width: 5.2rem; }
}
"""


def reasons(missing: dict[str, str]) -> dict[str, str]:
    """Why cells are unavailable: each reason in words, with its cells."""
    values: dict[str, list[str]] = {}
    for key, why in missing.items():
        task, method = key.split()
        values.setdefault(why, []).append(f"{TITLES[task]}, {figures.short(method)}")
    return {why: "; ".join(cells) for why, cells in values.items()}


def table(cells: pd.DataFrame, missing: dict[str, str], protocol: str, intervals: bool = False) -> Markup:
    """One of the paper's tables as HTML: two columns per task, the paper's number and ours, the best in bold.

    A cell's tooltip gives its intervals; with ``intervals``, the cell itself shows the 95 % one. ``cells`` hold the
    tasks and methods to show.
    """
    chosen = tables.displayed(cells, protocol)
    bold = tables.best(chosen)
    gone = {tuple(key.split()): why for key, why in missing.items()}
    names = [m for m in figures.NAMES if (cells["method"] == m).any() or any(method == m for _, method in gone)]
    tasks = [t for t in TITLES if (chosen["task"] == t).any()]

    def cell(task: str, method: str) -> dict[str, Any]:
        at = chosen[(chosen["task"] == task) & (chosen["method"] == method)]
        if len(at):
            return _cell(at.iloc[0], bool(bold[at.index[0]]))
        why, reported = gone.get((task, method), ""), paper.reported(task, method, protocol)
        return {"paper": f"{reported[0]:g}" if reported else "–", "none": "not available" if why else "–", "why": why}

    rows = [
        {"method": method, "name": figures.short(method), "cells": [cell(task, method) for task in tasks]}
        for method in names
    ]
    return render("table", titles=[TITLES[task] for task in tasks], rows=rows, intervals=intervals)


def _cell(one: pd.Series, best: bool) -> dict[str, Any]:
    """The template's values for a cell: its formatted numbers."""
    number = tables.number
    reported = {"paper": f"{one['paper']:g}" if np.isfinite(one["paper"]) else "–"}
    if one["by"] == NOBODY:
        why = "Ω has not run, and the surrogate that could speak is the one these were localized on"
        return reported | {"none": "not verified", "why": why}
    runs = f"; SD over {one['runs']} latent seeds {number(one['seed_sd'])}" if one["runs"] > 1 else ""
    if one["trainings"] > 1:
        runs += (
            f"; SD over {one['trainings']} training seeds {number(one['training_sd'])}, n = {one['training_n']:,} each"
        )
    values = (
        f"95 % bootstrap interval of the mean over {tables.RESAMPLED[str(one['protocol'])]}: "
        f"{number(one['low'])} to {number(one['high'])}{runs}; "
        f"median {number(one['median'])}; 95th percentile {number(one['p95'])}; "
        f"{100 * one['failures']:.2g} % not within the tolerance; {figures.SAMPLINGS[str(one['sampling'])]}"
    )
    counted, bracket, rest = figures.counted(one).partition(" (")
    return reported | {
        "paper_sd": f"± {one['paper_sd']:g}" if np.isfinite(one["paper_sd"]) else "",
        "why": values,
        "mean": number(one["mean"]),
        "best": best,
        "low": number(one["low"]),
        "high": number(one["high"]),
        "by": "" if one["by"] == OMEGA else str(one["by"]),
        "n": [counted, f"({rest}"] if bracket else [counted],  # the line may break here in a narrow column
    }
