"""The deformed shape of a cell under each load."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.figures.marks import curve
from app.figures.playback import Size
from app.figures.theme import Dict, axis, palette
from app.tasks.cells.goals.dress import dressed


def loads(
    places: np.ndarray, cell: np.ndarray, strains: np.ndarray, names: Sequence[str], dark: bool, size: Size
) -> Dict:
    """The deformed shape under each load, with the undeformed outline behind it.

    places (3, ny + 1, nx + 1, 2) in pixels; cell (ny, nx) bool; strains (3, 3).
    """
    colors, data, axes, titles = palette(dark), list[Dict](), Dict(), list[Dict]()
    ny, nx = cell.shape
    frame = np.array([(0, 0), (nx, 0), (nx, ny), (0, ny), (0, 0)], dtype=float)
    low = np.minimum(places.min((0, 1, 2)), 0) - 2
    high = np.maximum(places.max((0, 1, 2)), (nx, ny)) + 2
    for k, name in enumerate(names):
        ids = str(k + 1) if k else ""
        if size.narrow:
            across, up = (0.0, 1.0), (1 - (k + 1) / 3 + 0.01, 1 - k / 3 - 0.06)
        else:
            across, up = (k / 3 + 0.01, (k + 1) / 3 - 0.01), (0.0, 1.0)
        where = {"xaxis": f"x{ids}", "yaxis": f"y{ids}", "showlegend": False}
        data.append(
            curve(
                _solid(places[k], cell),
                colors.omega,
                1.5,  # wide enough to close the seams between rows of pixels
                fill="toself",
                fillcolor=colors.omega,
                name=name,
                **where,
            )
        )
        data.append(curve(frame, colors.prior, 1.2, **where) | {"line": {"color": colors.prior, "dash": "dot"}})
        bare = {"visible": False, "fixedrange": True, "constrain": "domain"}
        axes[f"xaxis{ids}"] = axis(colors, "", across, f"y{ids}", range=[low[0], high[0]], **bare)
        axes[f"yaxis{ids}"] = axis(
            colors, "", up, f"x{ids}", range=[low[1], high[1]], scaleanchor=f"x{ids}", constraintoward="top", **bare
        )
        own = np.round(100 * strains[k]) + 0.0  # no "-0"
        titles.append(
            {
                "text": f"<b>{name}</b><br>ε_xx {own[0]:.0f} %, ε_yy {own[1]:.0f} %, γ_xy {own[2]:.0f} %",
                "align": "left",
                "x": across[0],
                "y": up[1] + 0.01,
                "xref": "paper",
                "yref": "paper",
                "xanchor": "left",
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": size.font - 1},
            }
        )
    height = {"narrow": 1150, "medium": 250, "wide": 300, "large": 400}[size.name]
    figure = dressed(data, axes, colors, size, height, left=6)
    figure["layout"] |= {"annotations": titles, "showlegend": False}
    figure["layout"]["margin"] |= {"t": 44, "b": 6}
    return figure


def _solid(places: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """The solid's rows of pixels as closed outlines with gaps between them. places (ny + 1, nx + 1, 2) → (m, 2)."""
    edge = np.diff(np.pad(cell, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    (row, left), (_, right) = np.nonzero(edge == 1), np.nonzero(edge == -1)
    gap = np.full((1, 2), np.nan)
    parts = [
        np.concatenate((places[y, a : b + 1], places[y + 1, a : b + 1][::-1], places[y, a : a + 1], gap))
        for y, a, b in zip(row.tolist(), left.tolist(), right.tolist(), strict=True)
    ]
    return np.concatenate(parts)
