"""Coverage and ranks of the posteriors before localization."""

from __future__ import annotations

import numpy as np
import pandas as pd

from app.figures.benchmark import grid
from app.figures.benchmark.naming import short
from app.figures.theme import Dict, palette


def calibration(rows: pd.DataFrame, titles_of: dict[str, str], levels: np.ndarray, covered: Dict, dark: bool) -> Dict:
    """Above, expected coverage ``covered[task, method]`` at the levels; below, ranks of the truth over all coordinates.

    One panel per task. A posterior of the right width gives the diagonal above and flat ranks below.
    """
    colors = palette(dark)
    tasks = [name for name in titles_of if (rows["task"] == name).any()]
    dashes = {"inn": "solid", "cinn": "dash", "cvae": "dot", "mdn": "dashdot"}
    data: list[Dict] = []
    boxes, titles, names = [], [], []
    width = (1 - 0.05 * (len(tasks) - 1)) / len(tasks)
    for k, task in enumerate(tasks):
        left = k * (width + 0.05)
        boxes += [((left, left + width), (0.56, 1.0)), ((left, left + width), (0.0, 0.38))]
        titles += [
            grid.title(f"<b>{titles_of[task]}</b>: coverage", left, 1),
            grid.title("ranks of the truth", left, 0.38),
        ]
        names += [("credible region", ""), ("rank", "")]
        data.append(grid.line([0, 1], [0, 1], colors.target, grid.panel(2 * k), showlegend=False))
        data.append(grid.line([0, 199], [1, 1], colors.target, grid.panel(2 * k + 1), showlegend=False))
        for method, dash in dashes.items():
            own = rows[(rows["task"] == task) & (rows["method"] == method)]
            if not len(own):
                continue
            look = {"dash": dash, "width": 2, "name": short(method), "legendgroup": method}
            curve = covered[task, method]
            first = not any(trace.get("name") == short(method) for trace in data)
            data.append(grid.line(levels, curve, colors.posterior, grid.panel(2 * k), showlegend=first, **look))
            ranks = own[[c for c in own if str(c).startswith("rank")]].to_numpy(float).ravel()
            ranks = ranks[np.isfinite(ranks)]
            share = np.histogram(ranks, bins=20, range=(0, 200))[0] / len(ranks) * 20
            data.append(
                grid.line(
                    np.arange(5, 200, 10),
                    share,
                    colors.posterior,
                    grid.panel(2 * k + 1),
                    showlegend=False,
                    shape="hvh",
                    **look,
                )
            )
    axes = grid.axes(colors, boxes, names)
    for k in range(len(tasks)):
        axes[f"yaxis{grid.suffix(2 * k + 1)}"] |= {"rangemode": "tozero", "nticks": 4}
    return grid.figure(data, axes, titles, colors, 560)
