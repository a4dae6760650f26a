"""Coverage: the distance from solutions to their nearest designs, against N, one column per task."""

from __future__ import annotations

import pandas as pd

from app.figures.benchmark import grid
from app.figures.benchmark.naming import SAMPLINGS, SYMBOLS, short
from app.figures.theme import Dict, palette

ROWS = (("fill", "farthest solution"), ("share", "share within ε"))


def coverage(table: pd.DataFrame, titles: dict[str, str], dark: bool) -> Dict:
    """Above the fill distance, below the share within ε; ``table`` from ``ipage_core.benchmark.coverage.medians``."""
    colors, data, boxes, names, heads = palette(dark), [], [], [], []
    tasks = [name for name in titles if (table["task"] == name).any()]
    lines = [
        ("ipage", "maximin", "box", colors.omega, "solid"), ("ipage", "srs", "off", colors.localized, "dot"),
        ("ipage", "lhs", "off", colors.localized, "dash"), ("ipage", "maximin", "off", colors.localized, "solid"),
        ("ipage-cinn", "maximin", "off", colors.localized, "longdash"),
        ("ipage-paper", "maximin", "off", colors.localized, "dashdot"),
        ("inn", "srs", "off", colors.posterior, "solid"), ("cinn", "srs", "off", colors.posterior, "dash"),
        ("mdn", "srs", "off", colors.posterior, "dot"), ("cvae", "srs", "off", colors.posterior, "longdash"),
        ("na", "srs", "off", colors.prior, "solid"), ("prior-lm", "srs", "off", colors.prior, "dash"),
        ("lookup", "srs", "off", colors.prior, "dot"),
    ]  # fmt: skip
    wide, counts = 1 / max(1, len(tasks)), sorted(table["count"].unique().tolist())
    seen: set[str] = set()
    for r, (column, what) in enumerate(ROWS):
        for c, task in enumerate(tasks):
            ids, own = grid.panel(r * len(tasks) + c), table[table["task"] == task]
            boxes.append(((c * wide, (c + 0.84) * wide), (0.57, 1.0) if r == 0 else (0.0, 0.43)))
            names.append(("N" if r else "", ""))
            epsilon = f", ε = {own['within'].iloc[0]:g}" if r else ""
            heads.append(grid.title(f"<b>{titles[task]}</b>: {what}{epsilon}", boxes[-1][0][0], boxes[-1][1][1], 11))
            for method, sampling, spread, color, dash in lines:
                of = (own["method"] == method) & (own["sampling"] == sampling) & (own["spread"] == spread)
                at = own[of].sort_values("count")
                if not len(at):
                    continue
                name = f"{short(method)}, {SAMPLINGS[sampling]}" if method == "ipage" else short(method)
                name = f"{short(method)}, spread" if spread == "box" else name
                data.append(
                    grid.line(at["count"], at[column], color, ids, dash=dash, name=name, showlegend=name not in seen)
                    | {"mode": "lines+markers", "marker": {"symbol": SYMBOLS[sampling], "size": 6, "color": color}}
                    | {"hovertemplate": f"{name}: %{{y:.3g}}<extra></extra>", "hoverinfo": "all", "legendgroup": name}
                )
                seen.add(name)
    axes = grid.axes(colors, boxes, names)
    for k in range(len(boxes)):
        axes[f"xaxis{grid.suffix(k)}"] |= {"type": "log", "tickvals": counts, "ticktext": [str(n) for n in counts]}
        above = k < len(tasks)
        axes[f"yaxis{grid.suffix(k)}"] |= (
            grid.decades(table.loc[table["task"] == tasks[k], "fill"].dropna())
            if above
            else {"tickformat": ".0%", "range": [0, 1.04]}
        )
    return grid.figure(data, axes, heads, colors, 640)
