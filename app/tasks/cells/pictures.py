"""Cells as pictures: one heatmap for many, a canvas to draw on, the favourites."""

from __future__ import annotations

import html

import numpy as np

from app.figures.playback import Size
from app.figures.theme import Dict, Palette, faded, packed, palette
from ipage_core.tasks.cells.dataset import SIDE

GAP = 4
"""Gap in pixels between two cells of the gallery."""
SOLID, BLANK = 200, 255
"""Byte values of a solid pixel and of the ground between cells in the gallery; void is 0."""


def mosaic(x: np.ndarray, corners: list, pitch: tuple[int, int], lines: int, columns: int) -> np.ndarray:
    """(k, 1024) densities → one image of bytes, 0 void to ``SOLID``, ``BLANK`` between cells."""
    image = np.full((pitch[1] * lines, pitch[0] * columns - GAP), BLANK, dtype=np.uint8)
    cells = np.round(SOLID * x.clip(0, 1)).astype(np.uint8).reshape(-1, SIDE, SIDE)
    for cell, (left, low) in zip(cells, corners, strict=True):
        image[low : low + SIDE, left : left + SIDE] = cell
    return image


def heatmap(image: np.ndarray, colors: Palette, **more: object) -> Dict:
    void, clear = faded("#808080", 0.16), "rgba(0,0,0,0)"
    full, end = SOLID / BLANK, (SOLID + BLANK) / 2 / BLANK
    return {
        "type": "heatmap",
        "z": packed(image, "u1"),
        "zmin": 0,
        "zmax": BLANK,
        "colorscale": [[0, void], [full, colors.omega], [end, colors.omega], [end, clear], [1, clear]],
        "showscale": False,
        "hoverinfo": "skip",
        **more,
    }


def canvas(solid: np.ndarray, void: np.ndarray, dark: bool) -> Dict:
    """An empty cell on which to draw boxes; (1024,) bool each for pixels that stay solid and void."""
    colors = palette(dark)
    image = np.where(solid, 2, np.where(void, 1, 0)).astype(np.uint8).reshape(SIDE, SIDE)
    free, empty = faded("#808080", 0.18), faded(colors.target, 0.55)
    steps = [[0, free], [1 / 3, free], [1 / 3, empty], [2 / 3, empty], [2 / 3, colors.omega], [1, colors.omega]]
    at = np.arange(SIDE**2)
    bare = {"range": [-0.5, SIDE - 0.5], "visible": False, "fixedrange": True, "constrain": "domain"}
    return {
        "data": [
            heatmap(image, colors) | {"zmin": -0.5, "zmax": 2.5, "colorscale": steps},
            {
                "type": "scatter",
                "mode": "markers",
                "x": packed(at % SIDE),
                "y": packed(at // SIDE),
                "marker": {"size": 5, "opacity": 0},
                "customdata": at.tolist(),
                "hoverinfo": "skip",
                "showlegend": False,
            },
        ],
        "layout": {
            "height": 230,
            "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "dragmode": "select",
            "hovermode": False,
            "meta": {"task": "canvas"},
            "xaxis": {**bare, "constraintoward": "left"},
            "yaxis": {**bare, "scaleanchor": "x"},
        },
    }


def kept(task: str, designs: list[tuple[str, np.ndarray]], dark: bool, size: Size) -> Dict:
    """Each (name, (1024,)) as a picture, with its name and volume fraction."""
    colors, columns = palette(dark), 3 if size.narrow else 8
    lines, width = -(-len(designs) // columns), min(columns, len(designs))
    pitch = SIDE + GAP, SIDE + 14
    corners = [(pitch[0] * (k % columns), pitch[1] * (lines - 1 - k // columns) + 14) for k in range(len(designs))]
    image = mosaic(np.stack([x for _, x in designs]), corners, pitch, lines, width)
    label = {
        "type": "scatter",
        "mode": "text",
        "x": [left + SIDE / 2 for left, _ in corners],
        "y": [low - 1 for _, low in corners],
        "text": [f"<b>{html.escape(name[:14])}</b><br>f {x.mean():.3f}" for name, x in designs],
        "textposition": "bottom center",
        "textfont": {"size": size.font - 2, "color": colors.text},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    bare = {"visible": False, "fixedrange": True, "constrain": "domain"}
    return {
        "data": [heatmap(image, colors), label],
        "layout": {
            "height": 150 * lines + 20,
            "margin": {"l": 0, "r": 0, "t": 10, "b": 10},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "meta": {"task": task},
            "xaxis": {**bare, "range": [-1, pitch[0] * columns], "constraintoward": "left"},
            "yaxis": {**bare, "range": [-1, pitch[1] * lines], "scaleanchor": "x"},
        },
    }
