"""Designs among the shipped cells: ν against E, and stiffness against volume with its Pareto fronts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.figures.marks import curve
from app.figures.playback import Size
from app.figures.theme import Dict, Palette, axis, packed, palette
from app.tasks.cells.figure import hashin_shtrikman
from app.tasks.cells.goals.dress import dressed, ring, short
from ipage_core.tasks.cells.goals import Goal
from ipage_core.tasks.cells.homogenization import POISSON

SHOWN = 3000
"""Number of cells of the data in a figure."""


def poisson_plane(
    goals: Sequence[Goal],
    data_points: np.ndarray,
    designs: np.ndarray,
    chosen: int | None,
    dark: bool,
    size: Size,
    height: int = 380,
) -> Dict:
    """ν_xy against E_x: the data (N, 2) and their range, designs (n, 2), goals, and a bound. Rows are (ν, E)."""
    colors = palette(dark)
    exact = {goal.name: goal.value for goal in goals if goal.kind == "exactly"}
    nu = np.linspace(-1, 1, 201)
    bound = np.minimum((1 + nu) / (1 + POISSON), (1 - nu) / (1 - POISSON))
    traces = [
        _cloud(data_points, colors, "cells that ship"),
        curve(_highest(data_points), colors.prior, 1.5, name="how far they reach"),
        curve(np.stack((nu, bound), 1), colors.text, 1.5, name="bound, if isotropic"),
    ]
    for name, upright in (("nu_xy", True), ("E_x", False)):
        if name in exact:
            ends = np.array(
                [(exact[name], 0), (exact[name], 1)] if upright else [(-1, exact[name]), (1.5, exact[name])]
            )
            traces.append(curve(ends, colors.target, 1.5, name="goal", showlegend=upright or "nu_xy" not in exact))
    traces += _designs(designs, chosen, colors, "ν_xy %{x:.3f}, E_x %{y:.3f} E_s")
    axes = {
        "xaxis": axis(colors, "ν_xy", (0, 1), "y", range=[-1.02, 1.4]),
        "yaxis": axis(colors, "E_x [E_s]", (0, 1), "x", range=[-0.01, 1.02]),
    }
    return dressed(traces, axes, colors, size, height)


def front(
    name: str,
    data_points: np.ndarray,
    designs: np.ndarray,
    chosen: int | None,
    dark: bool,
    size: Size,
    height: int = 380,
) -> Dict:
    """A modulus against volume: data (N, 2), their Pareto front, the designs' front, and a bound. Rows are (f, E)."""
    colors = palette(dark)
    volume = np.linspace(0, 1, 61)
    traces = [
        _cloud(data_points, colors, "cells that ship"),
        curve(pareto(data_points), colors.prior, 2, name="their Pareto front"),
        curve(np.stack((volume, hashin_shtrikman(volume)), 1), colors.text, 1.5, name="H–S bound, if isotropic"),
        curve(pareto(designs), colors.localized, 2, name="the designs' front"),
        *_designs(designs, chosen, colors, f"f %{{x:.3f}}, {short(name)} %{{y:.3f}} E_s"),
    ]
    axes = {
        "xaxis": axis(colors, "volume fraction f", (0, 1), "y", range=[0.15, 1.01]),
        "yaxis": axis(colors, f"{short(name)} [E_s]", (0, 1), "x", range=[-0.01, 1.02]),
    }
    return dressed(traces, axes, colors, size, height)


def pareto(points: np.ndarray) -> np.ndarray:
    """The points (n, 2) for which no other has both less of the first and more of the second, by the first. (k, 2)."""
    order = np.lexsort((-points[:, 1], points[:, 0]))
    ranked = points[order]
    best = np.maximum.accumulate(ranked[:, 1])
    return ranked[np.append(True, best[1:] > best[:-1])]


def _highest(points: np.ndarray, width: float = 0.05) -> np.ndarray:
    """The largest second number in each bin of the first, as steps. (n, 2) → (k, 2)."""
    edges = np.arange(-1, 1.4 + width, width)
    at = np.digitize(points[:, 0], edges) - 1
    top = np.full(len(edges) - 1, np.nan)
    for k in np.unique(at[(at >= 0) & (at < len(top))]):
        top[k] = points[at == k, 1].max()
    return np.stack((edges.repeat(2)[1:-1], top.repeat(2)), axis=1)


def _cloud(points: np.ndarray, colors: Palette, name: str) -> Dict:
    some = points[:: max(1, len(points) // SHOWN)]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": packed(some[:, 0]),
        "y": packed(some[:, 1]),
        "marker": {"size": 3, "color": colors.prior, "opacity": 0.4},
        "hoverinfo": "skip",
    }


def _designs(points: np.ndarray, chosen: int | None, colors: Palette, said: str) -> list[Dict]:
    traces: list[Dict] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "designs",
            "x": packed(points[:, 0]),
            "y": packed(points[:, 1]),
            "marker": {"size": 7, "color": colors.localized},
            "customdata": list(range(len(points))),
            "hovertemplate": f"design %{{customdata}}<br>{said}<extra></extra>",
        }
    ]
    return traces if chosen is None else [*traces, ring(points[[chosen], 0], points[[chosen], 1], colors)]
