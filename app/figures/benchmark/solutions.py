"""Figure 6, the distance of solutions from their target, and plots of Tables 2 and 3."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from app.figures.benchmark import grid
from app.figures.benchmark.naming import NAMES, color_of, counted, short
from app.figures.theme import Dict, faded, packed, palette
from ipage_core.benchmark.solutions import OMEGA, SURROGATE
from ipage_core.benchmark.tables import RESAMPLED


def achieved(rows: pd.DataFrame, title: str, unit: str, dark: bool) -> Dict:
    """Figure 6: each method's distances from the target, as violins; ``rows`` of one task and protocol.

    Solid: by Ω. Outlined: by a surrogate, if Ω has not run.
    """
    colors, data = palette(dark), []
    for method in [name for name in NAMES if (rows["method"] == name).any()]:
        own = rows[rows["method"] == method]
        judged = own[own["by"] == OMEGA]
        by_omega = len(judged) > 0
        off = (judged if by_omega else own)["off1"].to_numpy(float)
        off = off[np.isfinite(off)]
        if not len(off):
            continue
        thinned = off[:: max(1, len(off) // 1000)]
        color = color_of(method, colors) if by_omega else colors.surrogate
        # Names on two lines: neighbours would overlap, and slanted ones be cut off.
        name = re.sub(r"([,:]|NA) ", r"\1<br>", short(method)) + ("" if by_omega else f"<br>{SURROGATE}")
        data.append(
            {
                "type": "violin",
                "y": packed(thinned),
                "name": name,
                "line": {"color": color, "width": 1.5},
                "fillcolor": faded(color, 0.35 if by_omega else 0.0),
                "points": False,
                "meanline": {"visible": True},
                "showlegend": False,
                "hoverinfo": "y+name",
            }
        )
    axes = grid.axes(colors, [((0, 1), (0, 1))], [("", f"y − y* {unit}".strip())])
    axes["xaxis"] |= {"type": "category", "showgrid": False, "tickangle": 0}
    axes["yaxis"] |= {"zeroline": True, "zerolinecolor": colors.target}
    return grid.figure(data, axes, [grid.title(f"<b>{title}</b>", 0, 1)], colors, 420)


def table(cells: pd.DataFrame, floors: pd.DataFrame, titles_of: dict[str, str], dark: bool) -> Dict:
    """A table as dots: our mean with its 95 % interval, the paper's as a hollow diamond; one panel per task, log scale.

    ``cells`` are from :func:`ipage_core.benchmark.tables.displayed`; ``floors`` (task, method, floor) are the
    surrogates' own errors, drawn as bars.
    """
    colors = palette(dark)
    tasks = [name for name in titles_of if (cells["task"] == name).any()]
    names = [name for name in NAMES if (cells["method"] == name).any()][::-1]
    width = (1 - 0.02 * (len(tasks) - 1)) / len(tasks)
    data: list[Dict] = []
    boxes, titles = [], []
    for k, task in enumerate(tasks):
        left, ids = k * (width + 0.02), grid.panel(k)
        boxes.append(((left, left + width), (0.0, 1.0)))
        titles.append(grid.title(f"<b>{titles_of[task]}</b>", left, 1))
        own = cells[cells["task"] == task]
        for by, color, symbol in ((OMEGA, colors.omega, "circle"), (SURROGATE, colors.surrogate, "circle-open")):
            here = own[own["by"] == by]
            if not len(here):
                continue
            mean = here["mean"].to_numpy(float)
            hover = [
                f"{short(str(one.method))}, {one.by}<br>mean {one.mean:.3g}, 95 % interval over "
                f"{RESAMPLED[str(one.protocol)]} [{one.low:.2g}, {one.high:.2g}]<br>{counted(one)}, runs: {one.runs}"
                for one in here.itertuples()
            ]
            data.append(
                grid.points(mean, [short(m) for m in here["method"]], color, 9, ids, symbol, name=f"ours, by {by}")
                | {
                    "error_x": {
                        "type": "data",
                        "symmetric": False,
                        "array": (here["high"] - mean).fillna(0).tolist(),
                        "arrayminus": (mean - here["low"]).fillna(0).tolist(),
                        "thickness": 1.5,
                        "width": 3,
                        "color": color,
                    },
                    "text": hover,
                    "hovertemplate": "%{text}<extra></extra>",
                    "showlegend": not any(trace.get("name") == f"ours, by {by}" for trace in data),
                }
            )
        level = floors[(floors["task"] == task) & floors["method"].isin(own["method"])]
        if len(level):
            at = [short(m) for m in level["method"]]
            bars = grid.points(level["floor"], at, colors.surrogate, 12, ids, "line-ns-open")
            bars["name"] = "the surrogate's own error"
            bars["hovertemplate"] = "the surrogate's error on unseen designs: %{x:.3g}<extra></extra>"
            bars["showlegend"] = not any(trace.get("name") == bars["name"] for trace in data)
            data.append(bars)
        reported = own[own["paper"].notna()]
        data.append(
            grid.points(
                reported["paper"], [short(m) for m in reported["method"]], colors.posterior, 9, ids, "diamond-open"
            )
            | {"name": "the paper", "showlegend": not k, "hovertemplate": "the paper: %{x}<extra></extra>"}
        )
    axes = grid.axes(colors, boxes, [("mean squared error", "")] * len(tasks))
    for k in range(len(tasks)):
        suffix = grid.suffix(k)
        axes[f"xaxis{suffix}"] |= {"type": "log", "exponentformat": "power", "dtick": 2}
        axes[f"yaxis{suffix}"] |= {"type": "category", "categoryorder": "array", "showticklabels": not k}
        axes[f"yaxis{suffix}"] |= {"categoryarray": [short(n) for n in names], "range": [-0.6, len(names) - 0.4]}
    spec = grid.figure(data, axes, titles, colors, 110 + 30 * len(names))
    spec["layout"]["margin"]["l"] = 145
    return spec
