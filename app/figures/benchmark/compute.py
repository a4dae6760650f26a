"""Figure 7, and error against time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from app.figures.benchmark import grid
from app.figures.benchmark.naming import NAMES, color_of, short
from app.figures.theme import Dict, palette


def times(compute: pd.DataFrame, titles_of: dict[str, str], dark: bool) -> Dict:
    """Figure 7: seconds for 1000 solutions, inference and localization, one panel per task.

    One bar per method on one CPU thread; below it, one on the GPU if the method has run there on any task.
    """
    colors = palette(dark)
    rows = compute[compute["kind"] == "time"].astype(dict.fromkeys(("task", "method", "device"), str))
    tasks = [name for name in titles_of if (rows["task"] == name).any()]
    data: list[Dict] = []
    titles: list[Dict] = []
    boxes = []
    gap = 0.02
    width = (1 - gap * (len(tasks) - 1)) / len(tasks)
    there = set(zip(rows["method"], rows["device"], strict=True))
    names = [name for name in NAMES if (rows["method"] == name).any()]
    bars = {
        (name, device): short(name) + said
        for name in names
        for device, said in (("cpu", ""), ("cuda", ", GPU"))
        if device == "cpu" or (name, device) in there
    }
    labels = list(bars.values())
    for k, task in enumerate(tasks):
        own = rows[rows["task"] == task].set_index(["method", "device"]).reindex(list(bars))
        left = k * (width + gap)
        boxes.append(((left, left + width), (0.0, 1.0)))
        for part, color in (("inference", colors.posterior), ("localization", colors.localized)):
            seconds = own[f"{part}_seconds"].fillna(0).tolist()
            data.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "x": seconds,
                    "y": labels,
                    "name": part,
                    "marker": {"color": color},
                    "showlegend": not k,
                    "hovertemplate": f"%{{y}}: {part} %{{x:.3~s}}s<extra></extra>",
                    **grid.on(grid.panel(k)),
                }
            )
        for bar, label in bars.items():
            total = own.loc[bar, ["inference_seconds", "localization_seconds"]].sum(min_count=1)
            missing = "not available" if bar[1] == "cpu" else ""
            text = missing if not np.isfinite(total) else f" {total:.2g} s"
            data.append(
                {
                    "type": "scatter",
                    "mode": "text",
                    "x": [0 if not np.isfinite(total) else float(total)],
                    "y": [label],
                    "text": [text],
                    "textposition": "middle right",
                    "textfont": {"size": 10, "color": colors.text},
                    "showlegend": False,
                    "hoverinfo": "skip",
                    "cliponaxis": False,
                    **grid.on(grid.panel(k)),
                }
            )
        titles.append(grid.title(f"<b>{titles_of[task]}</b>", left, 1))
    axes = grid.axes(colors, boxes, [("seconds", "")] * len(tasks))
    for k in range(len(tasks)):
        ids = grid.suffix(k)
        own = rows[rows["task"] == tasks[k]]
        top = float((own["inference_seconds"] + own["localization_seconds"]).max())
        axes[f"xaxis{ids}"] |= {"range": [0, 1.45 * top], "nticks": 4}
        axes[f"yaxis{ids}"] |= {"type": "category", "categoryarray": labels[::-1]}
        axes[f"yaxis{ids}"] |= {"categoryorder": "array", "showticklabels": not k, "showgrid": False}
        axes[f"yaxis{ids}"] |= {"range": [-0.6, len(labels) - 0.4]}
    spec = grid.figure(data, axes, titles, colors, 90 + (34 if len(labels) == len(names) else 26) * len(labels))
    spec["layout"] |= {"barmode": "stack"}
    spec["layout"]["margin"]["l"] = 145 if len(labels) == len(names) else 175
    return spec


def budget(compute: pd.DataFrame, titles_of: dict[str, str], dark: bool) -> Dict:
    """Mean error against wall-clock seconds for 1000 solutions: more steps, more starts, corrections by Ω (stars)."""
    colors = palette(dark)
    rows = compute[compute["mean"].notna() & (compute["device"] == "cpu")]
    tasks = [name for name in titles_of if (rows["task"] == name).any()]
    data: list[Dict] = []
    boxes, titles = [], []
    width = (1 - 0.07 * (len(tasks) - 1)) / len(tasks)
    dashes = {"ipage": "solid", "ipage-cinn": "dot", "prior-lm": "dash"}
    dashes |= {"na": "solid", "na-published": "solid"}
    for k, task in enumerate(tasks):
        left = k * (width + 0.07)
        boxes.append(((left, left + width), (0.0, 1.0)))
        titles.append(grid.title(f"<b>{titles_of[task]}</b>", left, 1))
        for method in [name for name in NAMES if name in dashes]:
            own = rows[(rows["task"] == task) & (rows["method"] == method)].copy()
            own["seconds"] = own["inference_seconds"] + own["localization_seconds"]
            evaluated, by_adam = own["omega_calls"] > 0, own["setting"].astype(str).str.contains("adam")
            for mask, more, symbol in (
                (~evaluated & ~by_adam, "", "circle-open"),
                (by_adam, ", with its own Adam", "diamond-open"),
                (evaluated, ", with Ω evaluations", "star"),
            ):
                here = own[mask].sort_values("seconds")
                if not len(here):
                    continue
                color, dash = color_of(method, colors), dashes[method]
                trace = grid.line(here["seconds"], here["mean"], color, grid.panel(k), dash=dash)
                name = short(method) + more
                trace |= {"mode": "lines+markers", "name": name, "legendgroup": name, "hoverinfo": "all"}
                trace["showlegend"] = not any(other.get("name") == name for other in data)
                symbol = "square-open" if method == "na-published" else symbol
                trace["marker"] = {"size": 10 if symbol == "star" else 7, "symbol": symbol, "color": color}
                trace |= {"text": [setting or "as set" for setting in here["setting"].astype(str)]}
                trace["hovertemplate"] = f"{name}<br>%{{text}}<br>%{{x:.3g}} s: %{{y:.3g}}<extra></extra>"
                data.append(trace)
    axes = grid.axes(colors, boxes, [("seconds", "mean squared error" if not k else "") for k in range(len(tasks))])
    for k, task in enumerate(tasks):
        own = rows[(rows["task"] == task) & rows["method"].isin(dashes)]
        axes[f"xaxis{grid.suffix(k)}"] |= grid.decades(own["inference_seconds"] + own["localization_seconds"])
        axes[f"yaxis{grid.suffix(k)}"] |= {"type": "log", "exponentformat": "power", "dtick": 2}
    spec = grid.figure(data, axes, titles, colors, 460)
    spec["layout"]["margin"]["l"] = 80
    return spec
