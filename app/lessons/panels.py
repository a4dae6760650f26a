"""Small panels side by side, or below each other on a phone, and what is drawn in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.figures.marks import curve
from app.figures.panels import title
from app.figures.playback import Size
from app.figures.theme import Dict, Palette, axis, faded, packed, palette, sized
from app.tasks.sinewave.figure import landscape, level_curve

ROOMS = {"narrow": (246, 246), "medium": (210, 130), "wide": (300, 150), "large": (360, 165)}
"""Height in pixels of a panel, for two panels and for more: about the width of a column, so that squares leave no gap
below."""
GAP, TOP, BELOW = 0.1, 64, 54
"""Gaps between panels, in fractions of the width; above and below them, in pixels, for legend and titles."""


@dataclass(frozen=True)
class Panel:
    """Traces with their own axes."""

    title: str
    data: list[Dict]
    x: Dict
    y: Dict
    """Extra options of its axes; ``title`` is their label."""


def side_by_side(panels: list[Panel], dark: bool, size: Size) -> Dict:
    """The figure of a step."""
    colors, count = palette(dark), len(panels)
    layout: Dict = {"annotations": []}
    data = []
    room = ROOMS[size.name][count > 2]
    inner = count * room + (count - 1) * 84 if size.narrow else room
    height = TOP + inner + BELOW
    for k, panel in enumerate(panels):
        ids = str(k + 1) if k else ""
        if size.narrow:
            top = 1 - k * (room + 84) / inner
            box = ((0.0, 1.0), (max(0.0, top - room / inner), top))
        else:
            width = (1 - GAP * (count - 1)) / count
            box = ((k * (width + GAP), min(1.0, k * (width + GAP) + width)), (0.0, 1.0))
        more_x, more_y = dict(panel.x), dict(panel.y)
        layout[f"xaxis{ids}"] = axis(colors, more_x.pop("title"), box[0], f"y{ids}", fixedrange=True, **more_x)
        layout[f"yaxis{ids}"] = axis(colors, more_y.pop("title"), box[1], f"x{ids}", fixedrange=True, **more_y)
        if more_y.get("scaleanchor"):
            layout[f"yaxis{ids}"]["scaleanchor"] = f"x{ids}"
        layout[f"yaxis{ids}"]["title"]["standoff"] = 10
        layout[f"xaxis{ids}"]["title"]["standoff"] = 8 if more_x.get("showticklabels", True) else 14
        sized({name: layout[f"{name}{ids}"] for name in ("xaxis", "yaxis")}, size.font - 1)
        data += [trace | {"xaxis": f"x{ids}", "yaxis": f"y{ids}"} for trace in panel.data]
        layout["annotations"].append(
            title(f"<b>{panel.title}</b>", box, size) | {"font": {"size": size.font, "color": colors.text}}
        )
    layout |= {
        "height": height,
        "margin": {"l": 66, "r": 14, "t": TOP, "b": BELOW, "pad": 0},  # Streamlit's own pad would move the frame
        "font": {"size": size.font, "color": colors.text},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "closest",
        "dragmode": False,
        "barmode": "overlay",
        "showlegend": any(trace.get("showlegend") for trace in data),
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1 + 30 / inner,
            "yanchor": "bottom",
            "bgcolor": "rgba(0,0,0,0)",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        "meta": {"lesson": True},
    }
    return {"data": data, "layout": layout}


def dots(points: np.ndarray, color: Any, name: str = "", size: float = 6, **more: Any) -> Dict:
    """(n, 2) as points, in the legend if named."""
    marker = {"size": size, "color": color, **more.pop("marker", {})}
    trace = {"type": "scatter", "mode": "markers", "x": packed(points[:, 0]), "y": packed(points[:, 1])}
    return trace | {"marker": marker, "name": name, "showlegend": bool(name), "hoverinfo": "skip", **more}


def line(points: np.ndarray, color: str, name: str = "", width: float = 2, dash: str = "solid") -> Dict:
    """(k, 2) as a line, in the legend if named."""
    trace = curve(points, color, width, name=name, showlegend=bool(name))
    trace["line"]["dash"] = dash
    return trace


def bars(values: np.ndarray, edges: np.ndarray, color: str, name: str = "") -> Dict:
    """A histogram: the share of ``values`` (n,) between ``edges``; outliers count in the end bins."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    middles = (edges[1:] + edges[:-1]) / 2
    return {
        "type": "bar",
        "x": packed(middles),
        "y": packed(counts / max(1, len(values))),
        "width": float(edges[1] - edges[0]),
        "marker": {"color": faded(color, 0.65), "line": {"width": 0}},
        "name": name,
        "showlegend": bool(name),
        "hovertemplate": "%{y:.1%}<extra></extra>",
    }


def square(title: str, data: list[Dict], target: float, colors: Palette, zoom: np.ndarray | None = None) -> Panel:
    """The square of designs with the target's level set; ``zoom``: (2, 2) low and high corner of the visible part."""
    low, high = zoom if zoom is not None else np.array([[-1.03, -1.03], [1.03, 1.03]])
    ground = [*landscape(colors), level_curve(target, colors.target, 2.5, name="Ω(x) = y*", showlegend=True)]
    common = {"constrain": "domain", "showgrid": False, "nticks": 6}
    return Panel(
        title,
        [trace | {"hoverinfo": "skip"} for trace in ground] + data,
        {"title": "x₁", "range": [float(low[0]), float(high[0])], "constraintoward": "left", **common},
        {
            "title": "x₂",
            "range": [float(low[1]), float(high[1])],
            "scaleanchor": "x",
            "constraintoward": "top",
            **common,
        },
    )


def within(tolerance: float, top: float, colors: Palette) -> Dict:
    """The tolerance band of hits, behind a histogram."""
    points = np.array([[-tolerance, 0], [-tolerance, top], [tolerance, top], [tolerance, 0]])
    band = line(points, colors.target, "within tolerance", 1, "dot")
    return band | {"fill": "toself", "fillcolor": faded(colors.target, 0.15)}
