"""The ablation: effects of start, optimizer, surrogate and sampling."""

from __future__ import annotations

import numpy as np
import pandas as pd

from app.figures.benchmark import grid
from app.figures.benchmark.naming import SAMPLINGS
from app.figures.theme import Dict, Palette, faded, packed, palette

_COMBINATION = ["start", "optimizer", "surrogate", "sampling"]
_BRIEF = {
    "prior": "prior",
    "INN posterior (φ)": "INN",
    "cINN posterior": "cINN",
    "INN's last (φ)": "φ",
    "INN's best (φ*)": "φ*",
    "separate": "separate",
}
"""Short labels of the ablation's starts and surrogates."""
_OPTIMIZERS = {"none": ("x", "none"), "gd": ("triangle-up", "GD"), "adam": ("square", "Adam"), "lm": ("circle", "LM")}


def ablation(rows: pd.DataFrame, titles_of: dict[str, str], dark: bool) -> Dict:
    """The ablation: a row of panels for each task, without the panels that have no data.

    From the left: error, and share that needed no replacement, against seconds; Ω evaluations per solution until the
    mean error is 1e-6, by start and surrogate; loops found with 25 designs, by start and sampling. Colours are starts,
    symbols optimizers; a point is the mean over seeds of one combination of start, optimizer, surrogate and sampling.
    """
    colors = palette(dark)
    tasks = [name for name in titles_of if (rows["task"] == name).any()]
    rows = rows.astype(dict.fromkeys(_COMBINATION, str))
    few = "modes_25" in rows and bool(rows["modes_25"].notna().any())
    across = [(0, 0.2), (0.26, 0.44), (0.51, 0.7), (0.83, 1)] if few else [(0, 0.27), (0.34, 0.61), (0.7, 1)]
    high, gap = 190, 94  # pixels: height of a panel, gap between two
    height = high * len(tasks) + gap * (len(tasks) - 1)
    data = _starts_and_optimizers(rows, colors)
    boxes, names, titles, more = [], [], [], []
    for k, task in enumerate(tasks):
        own = rows[rows["task"] == task]
        means = own.groupby(_COMBINATION).mean(numeric_only=True).reset_index()
        judged = bool(means["mean"].notna().any())
        top = 1 - k * (high + gap) / height
        seconds = means["seconds"]
        panels: list[tuple[int, str, str, list[Dict], Dict, Dict]] = []  # column, title, x axis, traces, axes
        if judged:
            error = {"type": "log", "exponentformat": "power", "dtick": 2}
            traces = _combinations(means, seconds, means["mean"], colors)
            panels.append((0, "mean squared error", "seconds for 200 designs", traces, grid.decades(seconds), error))
        if means["success"].notna().any():
            share = {"tickformat": ".0%", "range": [min(0.84, means["success"].min() - 0.05), 1.01]}
            traces = _combinations(means, seconds, means["success"], colors)
            time = grid.decades(seconds[means["success"].notna()])
            column = 1 if judged else 0
            panels.append((column, "needed no replacement", "seconds for 200 designs", traces, time, share))
        by_lm = own[(own["optimizer"] == "lm") & (own["seed"] == own["seed"].min())]
        if judged and len(by_lm):
            names_of: Dict = {"type": "category", "showgrid": False}
            traces = [_evaluations(by_lm, colors)]
            panels.append(
                (2, "Ω evaluations to 1e-6", "surrogate", traces, names_of, names_of | {"autorange": "reversed"})
            )
        if few and means["modes_25"].notna().any():
            places = means["start"].map(_brief) + ", " + means["sampling"].map(SAMPLINGS)
            order = [f"{start}, {sampling}" for start in _BRIEF.values() for sampling in SAMPLINGS.values()]
            order = [place for place in order if (places == place).any()][::-1]
            up: Dict = {"type": "category", "categoryorder": "array", "categoryarray": order}
            traces = _combinations(means, means["modes_25"], places, colors)
            panels.append(
                (3, "loops found with 25 designs", "loops", traces, {"range": [-0.4, 9.4], "dtick": 3},
                 up | {"range": [-0.6, len(order) - 0.4]})
            )  # fmt: skip
        said = titles_of[task] + ("" if judged else ": Ω has not run")
        titles.append(grid.title(f"<b>{said}</b>", 0, top) | {"yshift": 25})
        for column, title, name, traces, *both in panels:
            data += [trace | grid.on(grid.panel(len(boxes))) for trace in traces]
            boxes.append((across[column], (max(0.0, top - high / height), top)))
            titles.append(grid.title(title, across[column][0], top))
            names.append((name, ""))
            more.append(both)
    axes = grid.axes(colors, boxes, names)
    for k, (x, y) in enumerate(more):
        axes[f"xaxis{grid.suffix(k)}"] |= x
        axes[f"yaxis{grid.suffix(k)}"] |= y
    return grid.figure(data, axes, titles, colors, height + 146)


def _brief(name: str) -> str:
    return _BRIEF.get(name, name)


def _start_color(start: str, colors: Palette) -> str:
    return {"prior": colors.prior, "cINN posterior": colors.localized}.get(start, colors.posterior)


def _starts_and_optimizers(rows: pd.DataFrame, colors: Palette) -> list[Dict]:
    """The legend of the ablation: one colour per start, one symbol per optimizer."""
    looks = [(f"from the {start}", _start_color(start, colors), "circle") for start in rows["start"].unique()]
    looks += [
        ("no localization" if name == "none" else f"by {word}", colors.text, symbol)
        for name, (symbol, word) in _OPTIMIZERS.items()
        if (rows["optimizer"] == name).any()
    ]
    return [grid.points([None], [None], color, 9, "x", symbol, name=name) for name, color, symbol in looks]


def _combinations(means: pd.DataFrame, x: pd.Series, y: pd.Series, colors: Palette) -> list[Dict]:
    """Points of one panel of the ablation, one trace per start and optimizer; ``x, y`` have the length of ``means``."""
    traces = []
    for (start, optimizer), here in means[x.notna() & y.notna()].groupby(["start", "optimizer"], sort=False):
        symbol, word = _OPTIMIZERS[str(optimizer)]
        hover = [f"{one.start}, {word}, {one.surrogate}, {SAMPLINGS[str(one.sampling)]}" for one in here.itertuples()]
        color, at = _start_color(str(start), colors), here.index
        trace = grid.points(x[at], y[at], color, 9, "x", symbol, showlegend=False, text=hover)
        traces.append(trace | {"hovertemplate": "%{text}<br>%{x:.3~g}: %{y:.3~g}<extra></extra>"})
    return traces


def _evaluations(rows: pd.DataFrame, colors: Palette) -> Dict:
    """Ω evaluations per solution by start and surrogate, means over samplings, as a heatmap with numbers."""
    cells = rows.groupby(["start", "surrogate"])["omega_calls"].agg(["mean", "count", "size"])
    starts, surrogates = ([name for name in _BRIEF if name in set(rows[of])] for of in ("start", "surrogate"))
    cells = cells.reindex(pd.MultiIndex.from_product((starts, surrogates)))

    def hover(mean: float, reached: float, tried: float) -> str:
        if not reached > 0:
            return "not<br>reached" if tried > 0 else ""
        return f"{mean:.2g}" + (f"<br>{tried - reached:.0f} of {tried:.0f} not" if reached < tried else "")

    shape = (len(starts), len(surrogates))
    words = np.array([hover(*one) for one in cells.itertuples(index=False)], dtype=object).reshape(shape)
    calls = cells["mean"].to_numpy(float).reshape(shape)
    return {
        "type": "heatmap",
        "x": [_brief(name) for name in surrogates],
        "y": [_brief(name) for name in starts],
        "z": packed(calls),
        "zmin": 0,
        "zmax": 4,  # the benchmark's maximum
        "colorscale": [[0, faded(colors.omega, 0.04)], [1, faded(colors.omega, 0.5)]],
        "showscale": False,
        "text": words.tolist(),
        "texttemplate": "%{text}",
        "textfont": {"size": 11, "color": colors.text},
        "hovertemplate": "start: %{y}, surrogate: %{x}<br>%{z:.3~g} evaluations a solution<extra></extra>",
        "hoverongaps": False,
        "xgap": 2,
        "ygap": 2,
    }
