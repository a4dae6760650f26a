"""Layout shared by the figures of goals."""

from __future__ import annotations

import numpy as np

from app.figures.playback import Size
from app.figures.theme import Dict, Palette, packed
from ipage_core.tasks.cells.properties import cell_property


def dressed(data: list[Dict], axes: Dict, colors: Palette, size: Size, height: int, left: int = 52) -> Dict:
    """Traces and axes as a figure with one panel and its legend below; ``left``: pixels beside it."""
    for one in axes.values():
        one["tickfont"]["size"] = one["title"]["font"]["size"] = size.font - 1
    return {
        "data": data,
        "layout": {
            "height": height,
            "margin": {"l": left, "r": 12, "t": 14, "b": 96, "pad": 0},
            "font": {"size": size.font, "color": colors.text},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "hovermode": "closest",
            "dragmode": False if size.narrow else "zoom",
            "legend": {
                "orientation": "h",
                "x": 0,
                "xanchor": "left",
                "y": -42 / (height - 110),
                "yanchor": "top",
                "font": {"size": size.font - 2},
                "itemsizing": "constant",
                "bgcolor": "rgba(0,0,0,0)",
            },
            "uirevision": "goals",
            **axes,
        },
    }


def ring(x: np.ndarray, y: np.ndarray, colors: Palette) -> Dict:
    """A ring about each point of the chosen design. (k,), (k,)."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": packed(x),
        "y": packed(y),
        "marker": {"size": 13, "symbol": "circle-open", "color": colors.text, "line": {"width": 2}},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def short(name: str) -> str:
    """A property's label without its explanation."""
    return {"volume": "volume", "eta_x": "η_x", "eta_y": "η_y"}.get(name, cell_property(name).label)
