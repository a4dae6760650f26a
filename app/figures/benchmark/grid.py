"""Traces, axes and titles of a figure with several panels; each panel is a box in fractions of the figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from app.figures.theme import Dict, Palette, axis, faded, packed

FONT = 12
TOP = 58
"""Pixels above the panels, for their titles and Plotly's buttons above those."""


def suffix(k: int) -> str:
    """Suffix of the k-th panel's axis names: '', '2', …"""
    return "" if k == 0 else str(k + 1)


def panel(k: int) -> str:
    """Name of the k-th panel: 'x', 'x2', …"""
    return f"x{suffix(k)}"


def on(ids: str) -> Dict:
    """The axes of a trace, from a panel's name."""
    return {"xaxis": ids, "yaxis": ids.replace("x", "y")}


def points(x: Any, y: Any, color: str, size: float, ids: str, symbol: str = "circle", **more: Any) -> Dict:
    marker = {"color": color, "size": size, "symbol": symbol, "opacity": 0.85}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": _values(x),
        "y": _values(y),
        "marker": marker,
        **on(ids),
        **more,
    }


def line(
    x: Any, y: Any, color: str, ids: str, *, dash: str = "solid", width: float = 1.5, shape: str = "linear", **more: Any
) -> Dict:
    look = {"color": color, "dash": dash, "width": width, "shape": shape}
    base: Dict = {"type": "scatter", "mode": "lines", "x": _values(x), "y": _values(y), "line": look}
    return {**base, "hoverinfo": "skip", **on(ids), **more}


def _values(values: Any) -> Any:
    """Numbers packed, everything else as a list."""
    array = np.asarray(values)
    return packed(array.astype(float)) if array.dtype.kind in "iuf" else array.tolist()


def axes(colors: Palette, boxes: Sequence[tuple], names: Sequence[tuple[str, str]]) -> Dict:
    """The axes of each panel by Plotly's names: from its box ((x0, x1), (y0, y1)) and the axes' titles."""
    panels_axes: Dict = {}
    for k, (box, (across, up)) in enumerate(zip(boxes, names, strict=True)):
        panels_axes[f"xaxis{suffix(k)}"] = axis(colors, across, box[0], f"y{suffix(k)}")
        panels_axes[f"yaxis{suffix(k)}"] = axis(colors, up, box[1], f"x{suffix(k)}")
    return panels_axes


def decades(values: pd.Series) -> Dict:
    """A logarithmic axis with ticks at powers of ten, and at 2 and 5 if these are few; numbers in full."""
    return {"type": "log", "dtick": "D2" if values.max() < 30 * values.min() else 1, "tickformat": "~r"}


def square(axes: Dict) -> Dict:
    """Equal scales for x and y, so that loops keep their shape; each panel shrinks towards its title."""
    for name in axes:
        toward = "left" if name.startswith("x") else "top"
        axes[name] |= {"constrain": "domain", "constraintoward": toward}
        if name.startswith("y"):
            axes[name] |= {"scaleanchor": name.replace("axis", "").replace("y", "x")}
    return axes


def title(text: str, x: float, y: float, size: int = FONT) -> Dict:
    """A panel's title, flush left above it."""
    where = {"x": x, "y": y, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom", "yshift": 6}
    return {"text": text, "align": "left", "showarrow": False, "font": {"size": size}, **where}


def figure(data: list[Dict], axes: Dict, titles: list[Dict], colors: Palette, height: int) -> Dict:
    """The whole figure, with its legend below; ``height`` in pixels."""
    height += TOP - 34
    for one in axes.values():
        if one.get("exponentformat") == "power":
            one["tickfont"] |= {"size": 0.8 * FONT}  # Plotly draws powers of ten a quarter larger than the set size
    layout: Dict = {
        "height": height,
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": faded(colors.prior, 0.8), "activecolor": colors.text},
        "margin": {"l": 56, "r": 16, "t": TOP, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"size": FONT, "color": colors.text},
        "annotations": titles,
        "hoverlabel": {"align": "left"},
        **axes,
    }
    layout["margin"]["b"] = 90 if any(trace.get("showlegend", True) and trace.get("name") for trace in data) else 48
    below = -50 / (height - TOP - layout["margin"]["b"])  # in heights of the panels: below the axis' title
    layout["legend"] = {"orientation": "h", "x": 0, "xanchor": "left", "y": below, "yanchor": "top"}
    return {"data": data, "layout": layout}
