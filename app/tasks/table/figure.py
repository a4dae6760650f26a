"""Figures of own data: the cell of a lattice, as its edges, and candidates along a Pareto front."""

from __future__ import annotations

import numpy as np
from ase.geometry import cellpar_to_cell

from app.figures.marks import line3d
from app.figures.theme import Dict, palette

CORNERS = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
EDGES = [(p, q) for p in range(8) for q in range(p + 1, 8) if np.abs(CORNERS[p] - CORNERS[q]).sum() == 1]


def figure(lattice: np.ndarray, nearest: np.ndarray, dark: bool) -> Dict:
    """The cell a, b, c [Å], α, β, γ [°] (6,) and, dotted, that of the nearest measured row (6,)."""
    colors = palette(dark)
    data = [
        _edges(nearest, "nearest measured row", colors.prior, 3, "dot"),
        _edges(lattice, "candidate", colors.localized, 6, "solid"),
    ]
    for name, end in zip("abc", np.asarray(cellpar_to_cell(lattice)), strict=True):
        data.append(
            {
                "type": "scatter3d",
                "mode": "text",
                "x": [float(end[0]) * 0.5],
                "y": [float(end[1]) * 0.5],
                "z": [float(end[2]) * 0.5],
                "text": [f"<b>{name}</b>"],
                "textfont": {"color": colors.text, "size": 16},
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
    hidden = {"visible": False, "showspikes": False}
    layout = {
        "height": 420,
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "paper_bgcolor": colors.background,
        "font": {"color": colors.text},
        "legend": {"x": 0, "y": 1, "bgcolor": "rgba(0,0,0,0)"},
        "scene": {
            "aspectmode": "data",
            "camera": {"projection": {"type": "orthographic"}, "eye": {"x": 1.1, "y": 1.5, "z": 0.8}},
            "xaxis": hidden,
            "yaxis": hidden,
            "zaxis": hidden,
        },
    }
    return {"data": data, "layout": layout}


def pareto(rows: np.ndarray, front: np.ndarray, candidates: np.ndarray, labels: tuple[str, str], dark: bool) -> Dict:
    """Two properties of measured rows (n, 2), the line of the best rows (k, 2), and the candidates' predictions."""
    colors = palette(dark)
    order = front[:, 0].argsort()
    parts = (
        ("measured rows", rows, {"mode": "markers", "marker": {"size": 4, "color": colors.prior}}),
        (
            "best measured rows",
            front[order],
            {
                "mode": "lines+markers",
                "line": {"shape": "linear", "color": colors.target, "width": 2},
                "marker": {"size": 6, "color": colors.target},
            },
        ),
        (
            "candidates, predicted",
            candidates,
            {"mode": "markers", "marker": {"size": 9, "symbol": "diamond", "color": colors.localized}},
        ),
    )
    data = [
        {"type": "scatter", "name": name, "x": xy[:, 0].tolist(), "y": xy[:, 1].tolist(), **style}
        for name, xy, style in parts
    ]
    axis = {"gridcolor": colors.faint, "zeroline": False, "automargin": True}
    layout = {
        "height": 420,
        "margin": {"l": 10, "r": 10, "t": 10, "b": 10},
        "paper_bgcolor": colors.background,
        "plot_bgcolor": colors.background,
        "font": {"color": colors.text},
        "legend": {"orientation": "h", "y": 1.08},
        "xaxis": axis | {"title": {"text": labels[0]}},
        "yaxis": axis | {"title": {"text": labels[1]}},
    }
    return {"data": data, "layout": layout}


def _edges(lattice: np.ndarray, name: str, color: str, width: float, dash: str) -> Dict:
    corners = CORNERS @ np.asarray(cellpar_to_cell(lattice))
    points = np.concatenate([np.stack((corners[p], corners[q], np.full(3, np.nan))) for p, q in EDGES])
    edges = line3d(points, color, width, name)
    edges["line"]["dash"] = dash
    return edges
