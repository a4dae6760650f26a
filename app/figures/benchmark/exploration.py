"""Figures 1 to 5 of the sine wave, and the number of its loops that designs find."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from app.figures.benchmark import grid
from app.figures.benchmark.naming import SAMPLINGS, SYMBOLS, color_of, short
from app.figures.theme import Dict, palette
from ipage_core.tasks.sinewave import TASK as SINEWAVE

LOOPS = np.array([(x, y) for x in (-1 / 2, 1 / 6, 5 / 6) for y in (-2 / 3, 0.0, 2 / 3)])
"""Centres of the sine wave's nine loops of solutions."""
_ROUND = ("#a7770c", "#c56033", "#d94360", "#dd26a3", "#c43be0", "#9961f4",
          "#5f7fe4", "#2890b7", "#0f9788", "#27994f", "#778d11", "#a7770c")  # fmt: skip
PHASE = [[k / 11, color] for k, color in enumerate(_ROUND)]
"""Cyclic colours of an angle, of equal lightness (cmocean's phase). Written out: plotly.js has no cyclic scale by name,
and for an unknown name page and report fall back to different defaults."""


def one_to_many(rows: pd.DataFrame, omega: np.ndarray, prior: np.ndarray, target: float, dark: bool) -> Dict:
    """Figure 1. Left: designs x₁ against y, prior draws (n, 2) and their ``omega`` (n,): many x share one y.

    Right: designs for the target, coloured by the angle of the latent point (z₁, z₂): each z gives its own design.
    ``rows`` are those of one run of the exploration.
    """
    colors = palette(dark)
    turn = np.degrees(np.arctan2(rows["z2"], rows["z1"]))
    left = grid.points(prior[:, 0], omega, colors.prior, 4, "x", name="draws of the prior")
    line = grid.line([-1, 1], [target, target], colors.target, "x", name="target y*")
    on = grid.points(rows["x1"], np.full(len(rows), target), colors.localized, 5, "x", name="designs for y*")
    wheel = {"size": 8, "color": turn.tolist(), "colorscale": PHASE, "cmin": -180, "cmax": 180}
    wheel["colorbar"] = {"title": {"text": "angle of z [°]"}, "len": 0.8, "tickvals": [-180, -90, 0, 90, 180]}
    latents = np.stack((rows["z1"], rows["z2"]), axis=1).round(2).tolist()
    right = grid.points(rows["x1"], rows["x2"], "", 8, "x2", showlegend=False, customdata=latents) | {"marker": wheel}
    right["hovertemplate"] = "x = (%{x:.3f}, %{y:.3f})<br>z = (%{customdata[0]}, %{customdata[1]})<extra></extra>"
    axes = grid.axes(colors, [((0, 0.5), (0, 1)), ((0.6, 1), (0, 1))], [("x₁", "y"), ("x₁", "x₂")])
    axes["yaxis2"] |= {"scaleanchor": "x2"}  # equal scales, and the panel keeps its place beside the colour bar
    for name in ("xaxis", "xaxis2", "yaxis2"):
        axes[name] |= {"range": [-1.05, 1.05], "tickangle": 0, "nticks": 6}
    titles = [grid.title("<b>One y, many x</b>", 0, 1), grid.title("<b>With z, one x each</b>", 0.6, 1)]
    return grid.figure([left, line, on, right], axes, titles, colors, 500)


def way(rows: pd.DataFrame, dark: bool) -> Dict:
    """Figure 2: proposed and localized designs, and the paths between them; ``rows`` of one run. Right: one loop."""
    colors, data = palette(dark), []
    start, end = rows[["start1", "start2"]].to_numpy(float), rows[["x1", "x2"]].to_numpy(float)
    lines = np.stack((start, end, np.full_like(end, np.nan)), axis=1).reshape(-1, 2)
    for k, ids in enumerate(("x", "x2")):
        data += [
            grid.line(lines[:, 0], lines[:, 1], colors.posterior, ids, width=1, showlegend=False),
            grid.points(start[:, 0], start[:, 1], colors.posterior, 6, ids, "circle-open", name="posterior samples"),
            grid.points(end[:, 0], end[:, 1], colors.localized, 5, ids, name="localized"),
        ]
        for trace in data[3 * k :]:
            trace["showlegend"] = trace.get("showlegend", True) and not k
    axes = grid.axes(colors, [((0, 0.46), (0, 1)), ((0.54, 1), (0, 1))], [("x₁", "x₂"), ("x₁", "x₂")])
    far = np.linalg.norm(end - start, axis=1)
    centre = LOOPS[np.argmin(np.linalg.norm(LOOPS - end[far.argmax()], axis=1))]
    for name, at in (("xaxis2", centre[0]), ("yaxis2", centre[1])):
        axes[name]["range"] = [float(at - 0.22), float(at + 0.22)]
    axes["xaxis"]["range"] = axes["yaxis"]["range"] = [-1.05, 1.05]
    titles = [grid.title("<b>All nine loops</b>", 0, 1), grid.title("<b>One of them, closely</b>", 0.54, 1)]
    spec = grid.figure(data, grid.square(axes), titles, colors, 468)
    spec["layout"]["width"] = 820  # so that both panels are squares
    return spec


def designs(points: dict[str, np.ndarray], dark: bool) -> Dict:
    """Figure 3: designs (n, 2) in the unit square by sampling, with the least distance between two points."""
    colors, data, titles, boxes = palette(dark), [], [], []
    for k, (name, at) in enumerate(points.items()):
        left = k * 0.35
        boxes.append(((left, left + 0.3), (0.0, 1.0)))
        data.append(grid.points(at[:, 0], at[:, 1], colors.omega, 9, grid.panel(k), SYMBOLS[name], showlegend=False))
        apart = np.linalg.norm(at[:, None] - at[None], axis=2)[np.triu_indices(len(at), 1)].min()
        titles.append(grid.title(f"<b>{SAMPLINGS[name]}</b>, least distance {apart:.2g}", left, 1))
    axes = grid.axes(colors, boxes, [("z₁, as a share", "z₂" if not k else "") for k in range(len(boxes))])
    ticks = np.linspace(0, 1, len(next(iter(points.values()))) + 1).round(3).tolist()
    for name in axes:
        axes[name] |= {"range": [0, 1], "tickvals": ticks, "tickfont": {"size": 8, "color": colors.text}}
    return grid.figure(data, grid.square(axes), titles, colors, 440)


def gallery(rows: pd.DataFrame, cells: Sequence[tuple[str, str]], dark: bool) -> Dict:
    """Figures 4 and 5: designs of the sine wave, one row per (method, sampling), one column per count.

    ``rows`` of one seed. Loops of solutions are lines, dotted if no design within tolerance lies on them.
    """
    colors, counts = palette(dark), sorted(rows["count"].unique().tolist())
    data: list[Dict] = []
    titles: list[Dict] = []
    boxes, names = [], []
    high, wide = 1 / len(cells), 1 / len(counts)
    for r, (method, sampling) in enumerate(cells):
        for c, count in enumerate(counts):
            ids = grid.panel(r * len(counts) + c)
            names.append(("x₁" if r == len(cells) - 1 else "", "" if c else "x₂"))
            boxes.append(((c * wide, (c + 0.9) * wide), (1 - (r + 0.87) * high, 1 - r * high)))
            own = (rows["method"] == method) & (rows["sampling"] == sampling) & (rows["count"] == count)
            here = rows[own]
            hit = (here["off1"].abs() <= SINEWAVE.tolerance) & (here["family"] >= 0)
            table = set(here.loc[hit, "family"].tolist())
            for those, dash in ((table, "solid"), (set(range(len(LOOPS))) - table, "dot")):
                loops = np.concatenate([loop(i) for i in sorted(those)]) if those else np.empty((0, 2))
                data.append(grid.line(loops[:, 0], loops[:, 1], colors.target, ids, dash=dash, showlegend=False))
            color, size = color_of(method, colors), 4 if count < 200 else 3
            data.append(grid.points(here["x1"], here["x2"], color, size, ids, showlegend=False))
            name = f"<b>{short(method)}, {SAMPLINGS[sampling]}</b>, " if c == 0 else ""
            name += f"N = {count}: {len(table)} of {len(LOOPS)}"
            titles.append(grid.title(name, boxes[-1][0][0], boxes[-1][1][1], 11))
    axes = grid.axes(colors, boxes, names)
    for one in axes.values():  # numbers instead of a name
        one |= {"range": [-1.05, 1.05], "tickvals": [-1, 0, 1], "showgrid": False}
        one["showticklabels"] = bool(one["title"]["text"])
    return grid.figure(data, grid.square(axes), titles, colors, 60 + 250 * len(cells))


def loop(i: int, target: float = 1.2) -> np.ndarray:
    """The i-th closed curve on which sin 3πx₁ + cos 3πx₂ is the target, with a gap at its end. (k, 2)."""
    reach = np.arccos(target - 1)
    t = reach * np.cos(np.linspace(0, np.pi, 60))
    u = np.arccos(np.clip(target - np.cos(t), -1, 1))
    curve = np.concatenate((np.stack((t, u), axis=1), np.stack((t[::-1], -u[::-1]), axis=1)))
    curve = np.concatenate((curve / (3 * np.pi) + LOOPS[i], [[np.nan, np.nan]]))
    return np.where(np.abs(curve) > 1, np.nan, curve)


def recall(table: pd.DataFrame, dark: bool) -> Dict:
    """Against N: loops found, seeds that found all; SD over seeds of the designs per loop and of a run's mean error.

    ``found`` is from :func:`ipage_core.benchmark.exploration.recall`. Thin line: the SD of the designs per loop if each
    design went to a loop at random.
    """
    colors, data = palette(dark), []
    panels = (("found", "loops found, mean over seeds"), ("all_found", "seeds that found all nine"),
              ("count_sd", "SD over seeds: designs on a loop"),
              ("error_sd", "SD over seeds: mean squared error of a run"))  # fmt: skip
    lines = [
        ("ipage", "srs", colors.localized, "dot"), ("ipage", "lhs", colors.localized, "dash"),
        ("ipage", "maximin", colors.localized, "solid"), ("inn", "srs", colors.posterior, "solid"),
        ("cinn", "srs", colors.posterior, "dash"), ("mdn", "srs", colors.posterior, "dot"),
        ("na", "srs", colors.prior, "solid"), ("prior-lm", "srs", colors.prior, "dash"),
    ]  # fmt: skip
    for k, (column, _) in enumerate(panels):
        ids = grid.panel(k)
        for method, sampling, color, dash in lines:
            own = table[(table["method"] == method) & (table["sampling"] == sampling)].sort_values("count")
            if len(own):
                name = f"{short(method)}, {SAMPLINGS[sampling]}" if method == "ipage" else short(method)
                data.append(
                    grid.line(own["count"], own[column], color, ids, dash=dash, width=2, name=name, showlegend=not k)
                    | {"mode": "lines+markers", "marker": {"symbol": SYMBOLS[sampling], "size": 7, "color": color}}
                    | {"hovertemplate": f"{name}: %{{y:.3g}}<extra></extra>", "hoverinfo": "all", "legendgroup": name}
                )
    even = table.drop_duplicates("count").sort_values("count")
    thin = grid.line(even["count"], even["even_sd"], colors.text, grid.panel(2), width=1)
    data.append(thin | {"name": "each to a loop at random"})
    boxes = [((left, left + 0.46), box) for box in ((0.57, 1.0), (0.0, 0.43)) for left in (0.0, 0.54)]
    axes = grid.axes(colors, boxes, [("N", "")] * 4)
    counts = sorted(table["count"].unique().tolist())
    for ids in ("", "2", "3", "4"):
        axes[f"xaxis{ids}"] |= {"type": "log", "tickvals": counts, "ticktext": [str(n) for n in counts]}
    axes["yaxis2"] |= {"tickformat": ".0%"}
    axes["yaxis3"] |= {"rangemode": "tozero"}
    axes["yaxis4"] |= {"type": "log", "exponentformat": "power", "dtick": 1}
    titles = [grid.title(f"<b>{text}</b>", box[0][0], box[1][1]) for (_, text), box in zip(panels, boxes, strict=True)]
    return grid.figure(data, axes, titles, colors, 640)
