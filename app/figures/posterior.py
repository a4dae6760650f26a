"""Before localization: prior and posterior density side by side, and designs in pairs of coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.figures.coordinates import Coordinates, coordinates
from app.figures.layouts import shown_rows
from app.figures.marks import curve, proposal_color, ring
from app.figures.panels import title
from app.figures.playback import Box, Size, static
from app.figures.run import Run
from app.figures.theme import Dict, Palette, axis, faded, packed, palette
from ipage_core.tasks import TASKS

PAIRED = {True: 120, False: 300}
"""Number of samples in each panel of a pair plot, for many coordinates and for few."""


@dataclass(frozen=True)
class Density:
    """Density over the plane of two coordinates; grids are [second coordinate, first coordinate]."""

    kind: str
    """'exact' (Eq. 3, the plane holds all of x), 'slice' (Eq. 3, the rest at the MAP point), 'draws' (histogram)."""
    across: np.ndarray
    """Centres of the grid's columns; ``up`` holds those of its rows."""
    up: np.ndarray
    posterior: np.ndarray | None
    """Per unit of both coordinates; None for a method that has no posterior."""
    prior_across: np.ndarray
    prior_up: np.ndarray
    prior: np.ndarray
    """Histogram of the training designs."""
    likeliest: np.ndarray | None
    """(d,) the MAP point: where p̂(x | y*) by Eq. 3 is largest; None if Eq. 3 is not available."""
    levels: list[np.ndarray]
    """For each target, Ω over the plane; empty if Ω depends on further coordinates or is costly."""


def figure(
    run: Run, density: Density, first: int, second: int, dark: bool, size: Size, chosen: int | None = None
) -> Dict:
    """Prior beside posterior in two coordinates, with the target's level set, the MAP point and the samples."""
    colors, shown = palette(dark), coordinates(run)
    boxes: list[Box] = (
        [((0, 1), (0.56, 1)), ((0, 1), (0, 0.44))] if size.narrow else [((0, 0.47), (0, 1)), ((0.55, 1), (0, 1))]
    )
    axes, data, titles = {}, [], []
    height = {"narrow": 820, "medium": 430, "wide": 560, "large": 760}[size.name]
    start = run.labels[0]
    panels = [
        (
            "<b>Prior</b> p(x), estimated from samples",
            density.prior_across,
            density.prior_up,
            density.prior,
            colors.prior,
        ),
        ("<b>Posterior</b> p̂(x | y*)", density.across, density.up, density.posterior, colors.posterior),
    ]
    for k, (name, across, up, grid, color) in enumerate(panels):
        ids = "" if k == 0 else "2"
        where = {"xaxis": f"x{ids}", "yaxis": f"y{ids}"}
        if grid is not None:
            data.append(_heat(across, up, grid, color, where))
        else:
            name += ": this method has none"
        for j, values in enumerate(density.levels):
            data.append(_level(density, values, run, j, colors, where, legend=k == 1))
        link = {} if k == 0 else {"matches": "x"}
        axes[f"xaxis{ids}"] = axis(colors, shown.labels[first], boxes[k][0], f"y{ids}", **link) | {
            "range": _range(shown, first)
        }
        link = {} if k == 0 else {"matches": "y"}
        axes[f"yaxis{ids}"] = axis(colors, shown.labels[second], boxes[k][1], f"x{ids}", **link) | {
            "range": _range(shown, second)
        }
        titles.append(title(name, boxes[k], size))
    where, pick = {"xaxis": "x2", "yaxis": "y2"}, [first, second]
    rings = {"symbol": "circle-open", "size": 7, "color": proposal_color(run, colors), "line": {"width": 1.2}}
    data.append(_hidden(_cloud(shown.of(run.x[0])[:, pick], start, rings, where), run.localizes))
    if run.localizes:
        dots = {"size": 6, "color": colors.localized, "line": {"width": 1, "color": colors.background}}
        data.append(_hidden(_cloud(shown.of(run.x[-1])[:, pick], "localized", dots, where), density.kind != "draws"))
    if density.likeliest is not None:
        star = {"symbol": "star", "size": 16, "color": colors.highlight, "line": {"width": 1.5, "color": "#1f2430"}}
        plain = {"customdata": None, "hovertemplate": "MAP: %{x:.4g}, %{y:.4g}<extra></extra>"}
        data.append(_cloud(density.likeliest[None, pick], "MAP: most likely", star, where) | plain)
    if chosen is not None:
        data.append(ring(shown.of(run.x[-1, [chosen]])[:, pick], colors, 14, **where))
    return static(run, data, axes, titles, dark, size, height)


def pairs(run: Run, dark: bool, size: Size, chosen: int | None = None) -> Dict:
    """One panel per pair of coordinates: prior, posterior and localized; on the diagonal each coordinate alone."""
    colors, shown = palette(dark), coordinates(run)
    q = len(shown.labels)
    rows = shown_rows(run, PAIRED[q > 4])
    groups = [("prior", shown.of(run.prior[: len(rows)]), {"size": 3.5, "color": colors.prior, "opacity": 0.6}, None)]
    if run.labels[0] == "posterior":
        rings = {"size": 5.5, "symbol": "circle-open", "color": colors.posterior, "line": {"width": 1.1}}
        groups.append(("posterior", shown.of(run.x[0, rows]), rings, rows))
    if run.localizes:
        groups.append(("localized", shown.of(run.x[-1, rows]), {"size": 4, "color": colors.localized}, rows))
    gap = 0.05 if size.narrow else 0.025
    width = (1 - gap * (q - 1)) / q
    spans = [(k * (width + gap), k * (width + gap) + width) for k in range(q)]
    axes, data, number = {}, [], 0
    for i in range(q):
        for j in range(i + 1):
            number += 1
            ids = "" if number == 1 else str(number)
            where = {"xaxis": f"x{ids}", "yaxis": f"y{ids}"}
            lowest, leftmost = i == q - 1, j == 0
            across = axis(colors, _short(shown.labels[j], size) if lowest else "", spans[j], f"y{ids}")
            up_title = _short(shown.labels[i], size) if leftmost and i else ""
            up = axis(colors, up_title, spans[q - 1 - i], f"x{ids}")
            across |= _scale(shown, j) | {"showticklabels": lowest, "fixedrange": True}
            up |= _scale(shown, i) | {"showticklabels": leftmost and i > 0, "fixedrange": True}
            if i == j:
                data += _alone(groups, i, shown, where)
                up |= {"range": [0, 1.1], "showgrid": False, "showticklabels": False}
            else:
                for name, points, marker, ids_of in groups:
                    legend = {"showlegend": number == 2, "legendgroup": name}
                    ids_given = {"customdata": ids_of.tolist()} if ids_of is not None else {}
                    data.append(_cloud(points[:, [j, i]], name, marker, where) | legend | ids_given)
                if chosen is not None:
                    data.append(ring(shown.of(run.x[-1, [chosen]])[:, [j, i]], colors, 12, **where))
            axes[f"xaxis{ids}"], axes[f"yaxis{ids}"] = across, up
    height = {"narrow": 105, "medium": 130, "wide": 150, "large": 200}[size.name] * max(q, 3) + 90
    return static(run, data, axes, [], dark, size, height)


def _scale(shown: Coordinates, k: int) -> Dict:
    """Range of a small axis, and ticks at the largest round step that has two: one number alone is no scale."""
    low, high = float(shown.low[k]), float(shown.high[k])
    power = 10.0 ** np.ceil(np.log10(high - low))
    for step in power * np.array([0.5, 0.2, 0.1, 0.05]):
        ticks = step * np.arange(np.ceil(low / step), np.floor(high / step) + 1)
        if len(ticks) >= 2:
            break
    return {"range": _range(shown, k), "tickvals": [float(f"{tick:.12g}") + 0.0 for tick in ticks]}


def _range(shown: Coordinates, k: int) -> list[float]:
    pad = 0.02 * (shown.high[k] - shown.low[k])
    return [float(shown.low[k] - pad), float(shown.high[k] + pad)]


def _short(label: str, size: Size) -> str:
    return label.split(" ")[0] if size.narrow and "component" not in label else label.replace("principal ", "")


def _heat(across: np.ndarray, up: np.ndarray, grid: np.ndarray, color: str, where: Dict) -> Dict:
    """Density as a tint of the group's colour; the densest parts may saturate."""
    positive = grid[grid > 1e-3 * grid.max()]
    return {
        **where,
        "type": "heatmap",
        "x": packed(across),
        "y": packed(up),
        "z": packed(grid),
        "zmin": 0,
        "zmax": float(np.quantile(positive, 0.98)) if len(positive) else 1.0,
        "colorscale": [[0, faded(color, 0.0)], [0.02, faded(color, 0.2)], [0.2, faded(color, 0.5)], [1, color]],
        "showscale": False,
        "hovertemplate": "%{x:.3g}, %{y:.3g}<br>density %{z:.3g}<extra></extra>",
    }


def _level(density: Density, values: np.ndarray, run: Run, j: int, colors: Palette, where: Dict, legend: bool) -> Dict:
    """The level set of the target: an isoline of Ω over the plane."""
    label = TASKS[run.task].property_labels[j].split(" [")[0]
    return {
        **where,
        "type": "contour",
        "x": packed(density.across[::2]),
        "y": packed(density.up[::2]),
        "z": packed(values[::2, ::2]),
        "contours": {"type": "constraint", "operation": "=", "value": float(run.y_star[j])},
        "line": {"color": colors.target, "width": 1.5, "dash": ["solid", "dash", "dot"][j % 3]},
        "name": f"{'target: ' if len(density.levels) > 1 else ''}{label} = {run.y_star[j]:.4g}"
        if len(density.levels) > 1
        else f"target y* = {run.y_star[j]:.4g}",
        "showlegend": legend,
        "hoverinfo": "skip",
    }


def _cloud(points: np.ndarray, name: str, marker: Dict, where: Dict, **more: object) -> Dict:
    return {
        **where,
        "type": "scatter",
        "mode": "markers",
        "x": packed(points[:, 0]),
        "y": packed(points[:, 1]),
        "name": name,
        "marker": marker,
        "customdata": None if name == "prior" else list(range(len(points))),
        "hovertemplate": f"{name}, sample %{{customdata}}<br>%{{x:.4g}}, %{{y:.4g}}<extra></extra>"
        if name != "prior"
        else "prior<extra></extra>",
        **more,
    }


def _hidden(cloud: Dict, hidden: bool) -> Dict:
    """The samples; if ``hidden``, only their entry in the legend, which a click shows."""
    return cloud | {"visible": "legendonly", "name": f"{cloud['name']} (click to show)"} if hidden else cloud


def _alone(groups: list, k: int, shown: Coordinates, where: Dict) -> list[Dict]:
    """Histograms of one coordinate as lines, each scaled to its own maximum."""
    edges = np.linspace(shown.low[k], shown.high[k], 31)
    centres = (edges[1:] + edges[:-1]) / 2
    lines = []
    for _, points, marker, _ in groups:
        counts = np.histogram(points[:, k], bins=edges)[0]
        line = curve(np.stack((centres, counts / max(1, counts.max())), axis=1), marker["color"], 2, **where)
        lines.append(line | {"showlegend": False, "line": {"color": marker["color"], "width": 2, "shape": "hvh"}})
    return lines
