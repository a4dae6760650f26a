"""A figure as a still picture, PNG or SVG: Plotly's JSON drawn by Matplotlib, for papers and worksheets.

It draws what the flat figures use: scatter traces with lines, markers, text and filled areas, bars, heatmaps, isolines,
titles and legend. Figures in space or in polar coordinates have no still.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from app.figures.theme import Dict, unpacked

FLAT = {"scatter", "scattergl", "bar", "heatmap", "contour"}
"""Types of traces that can be drawn."""
WIDTH, DPI = 1100, 100
"""Pixels: the page's width of a figure, and the resolution at which a Plotly pixel is one pixel; PNG has twice that."""
SYMBOLS = {
    **{0: "o", 1: "s", 2: "D", "circle": "o", "square": "s", "diamond": "D", "star": "*", "x": "X"},
    **{"cross-thin": "+", "triangle-up": "^", "line-ns": "|", "star-diamond": "D"},
}
DASHES = {"solid": "-", "dot": ":", "dash": "--", "dashdot": "-."}


def can(figure: Dict) -> bool:
    """Whether the figure is flat."""
    return all(trace.get("type", "scatter") in FLAT for trace in figure["data"])


def still(figure: Dict, kind: str) -> bytes:
    """The figure at rest, on white; ``kind``: 'png' or 'svg'.

    Raises:
        ValueError: a trace is not flat.
    """
    return _saved(_drawn(figure), kind)


def stills(figures: Mapping[str, Dict]) -> dict[str, bytes]:
    """PNG and SVG of each figure, by file name: both from one drawing, which takes as long as saving it.

    Raises:
        ValueError: a trace is not flat.
    """
    files = {}
    for name, figure in figures.items():
        picture = _drawn(figure)
        files |= {f"{name}.{kind}": _saved(picture, kind) for kind in ("png", "svg")}
    return files


def _saved(picture: Any, kind: str) -> bytes:
    file = io.BytesIO()
    picture.savefig(file, format=kind, dpi=2 * DPI if kind == "png" else DPI)
    return file.getvalue()


def _drawn(figure: Dict) -> Any:
    """The figure at rest as Matplotlib's."""
    from matplotlib.figure import Figure

    if not can(figure):
        raise ValueError("Figures in space have no still; accepted: flat figures")
    layout, height = figure["layout"], figure["layout"].get("height", 500)
    margin = {"l": 60, "r": 14, "t": 60, "b": 60} | layout.get("margin", {})
    picture = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor="white")
    room = WIDTH - margin["l"] - margin["r"], height - margin["t"] - margin["b"]
    font = layout.get("font", {}).get("size", 12) * 72 / DPI

    def place(x: float, y: float) -> tuple[float, float]:
        """Fractions of the plot area → fractions of the picture."""
        return (margin["l"] + x * room[0]) / WIDTH, (margin["b"] + y * room[1]) / height

    axes: dict[str, Any] = {}
    for trace in figure["data"]:
        ids = trace.get("xaxis", "x")[1:]
        if trace.get("visible", True) is not True or trace.get("opacity") == 0:
            continue
        if ids not in axes:
            axes[ids] = _axes(picture, layout, ids, place, font)
        _draw(axes[ids], trace)
    for ids, one in axes.items():
        _limit(one, layout.get(f"xaxis{ids}", {}), layout.get(f"yaxis{ids}", {}))
    for note in layout.get("annotations", []):
        if note.get("xref", "paper") == "paper" and note.get("yref", "paper") == "paper":
            x, y = place(note["x"], note["y"])
            anchors = {"left": "left", "right": "right", "center": "center"}
            side, up = anchors.get(note.get("xanchor", "center"), "center"), {"bottom": "bottom", "top": "top"}
            shift = note.get("yshift", 0) / height
            picture.text(x, y + shift, _text(note["text"]), ha=side, va=up.get(note.get("yanchor", ""), "center"),
                         fontsize=font, fontweight="bold" if note["text"].startswith("<b>") else "normal")  # fmt: skip
    _legend(picture, figure, axes, font, place(0, 1), height)
    return picture


def _axes(picture: Any, layout: Dict, ids: str, place: Any, font: float) -> Any:
    across, up = layout.get(f"xaxis{ids}", {}), layout.get(f"yaxis{ids}", {})
    (left, right), (low, high) = across.get("domain", (0, 1)), up.get("domain", (0, 1))
    (x0, y0), (x1, y1) = place(left, low), place(right, high)
    one = picture.add_axes((x0, y0, x1 - x0, y1 - y0))
    for axis, side in ((across, one.xaxis), (up, one.yaxis)):
        side.set_label_text(_text(axis.get("title", {}).get("text", "")), fontsize=font)
        if axis.get("type") == "log":
            (one.set_xscale if side is one.xaxis else one.set_yscale)("log")
        if axis.get("showgrid", True) and axis.get("showticklabels", True):
            side.grid(True, color="#e3e5e9", linewidth=0.6)
        if "tickvals" in axis:
            ticks = _numbers(axis["tickvals"]).tolist()
            named = list(zip(ticks, axis.get("ticktext", [f"{t:g}" for t in ticks]), strict=False))
            side.set_ticks([at for at, _ in named], [_text(str(text)) for _, text in named])
            side.set_tick_params(which="minor", length=0, labelsize=0)
        side.set_tick_params(labelsize=0.9 * font, length=0)
        if not axis.get("showticklabels", True):
            side.set_tick_params(labelbottom=False, labelleft=False)
    if across.get("visible") is False or up.get("visible") is False:
        one.set_axis_off()
    one.set_axisbelow(True)
    for spine in one.spines.values():
        spine.set_color("#c4c8cf")
    if up.get("scaleanchor"):
        one.set_aspect("equal", adjustable="box", anchor="NW")
    return one


def _limit(one: Any, across: Dict, up: Dict) -> None:
    for axis, set_limits in ((across, one.set_xlim), (up, one.set_ylim)):
        if limits := axis.get("range"):
            set_limits(*(10.0 ** np.array(limits) if axis.get("type") == "log" else limits))
    if up.get("rangemode") == "tozero" and "range" not in up:
        one.set_ylim(bottom=0)


def _numbers(values: Any) -> np.ndarray:
    if isinstance(values, dict):
        return unpacked(values)
    if values is None or any(isinstance(value, str) for value in values):
        return np.asarray(values)
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def _draw(one: Any, trace: Dict) -> None:
    kind, fade = trace.get("type", "scatter"), trace.get("opacity", 1)
    if kind == "bar":
        x, y = _numbers(trace["x"]), _numbers(trace["y"])
        color = _color(trace.get("marker", {}).get("color", "#0072B2"))
        if trace.get("orientation") == "h":
            one.barh(y, x, height=trace.get("width", 0.8), color=color)
        else:
            one.bar(x, y, width=trace.get("width", 0.8), color=color)
        return
    if kind in ("heatmap", "contour"):
        _field(one, trace)
        return
    fade = None if fade == 1 else fade  # else it would override the colour's own
    x, y, mode = _numbers(trace["x"]), _numbers(trace["y"]), trace.get("mode", "lines")
    line, marker = trace.get("line", {}), trace.get("marker", {})
    if trace.get("fill") == "toself":
        for part in _parts(x, y):
            one.fill(*part.T, color=_color(trace.get("fillcolor", "#cccccc")), linewidth=0, zorder=1)
    if "lines" in mode and line.get("width", 2) > 0:
        one.plot(x, y, color=_color(line.get("color", "#31333F")), linewidth=0.72 * line.get("width", 2), alpha=fade,
                 linestyle=DASHES.get(line.get("dash", "solid"), "-"),
                 drawstyle="steps-mid" if line.get("shape") == "hvh" else "default")  # fmt: skip
    if "markers" in mode:
        _markers(one, x, y, marker, fade if "opacity" not in marker else (fade or 1) * marker["opacity"])
    if "text" in mode:
        texts = np.broadcast_to(np.asarray(trace.get("text", ""), dtype=object), x.shape)
        places = np.broadcast_to(np.asarray(trace.get("textposition", "middle center"), dtype=object), x.shape)
        for a, b, text, place in zip(x, y, texts, places, strict=True):
            up, side = place.split(" ")
            across = {"left": "right", "right": "left"}.get(side, "center")
            above = {"top": "bottom", "bottom": "top"}.get(up, "center")
            if np.isfinite(a) and np.isfinite(b):
                one.text(a, b, _text(str(text)), fontsize=8, clip_on=True, zorder=6, ha=across, va=above)


def _markers(one: Any, x: np.ndarray, y: np.ndarray, marker: Dict, alpha: float | None) -> None:
    symbols, colors = marker.get("symbol", 0), marker.get("color", "#0072B2")
    symbols = list(symbols) if isinstance(symbols, list | tuple | np.ndarray) else [symbols] * len(x)
    colors = list(colors) if isinstance(colors, list | tuple) else [colors] * len(x)
    sizes = np.broadcast_to(np.asarray(marker.get("size", 6), dtype=float), x.shape)
    edge = marker.get("line", {})
    for symbol in set(symbols):
        for color in {c for c, s in zip(colors, symbols, strict=True) if s == symbol}:
            rows = [k for k, (s, c) in enumerate(zip(symbols, colors, strict=True)) if s == symbol and c == color]
            hollow = (isinstance(symbol, int) and symbol >= 100) or str(symbol).endswith("-open")
            base = symbol % 100 if isinstance(symbol, int) else str(symbol).removesuffix("-open")
            shape = SYMBOLS.get(base, "o")
            if hollow or shape in "+|":
                own = color if hollow else edge.get("color", color)
                style: Dict = {"facecolors": "none" if shape not in "+|" else _color(own), "edgecolors": _color(own)}
                width = max(edge.get("width", 1.2), 1.2)
            else:
                style = {"facecolors": _color(color), "edgecolors": _color(edge.get("color", color))}
                width = edge.get("width", 0)
            if shape in "+|":
                style = {"c": [style["facecolors"]]}
            one.scatter(x[rows], y[rows], s=(0.72 * sizes[rows]) ** 2, marker=shape, linewidths=0.72 * width,
                        alpha=alpha, zorder=3, **style)  # fmt: skip


def _field(one: Any, trace: Dict) -> None:
    """A heatmap, or the isolines of a contour trace."""
    z = _numbers(trace["z"]) if isinstance(trace["z"], dict) else np.asarray(trace["z"], dtype=float)
    x = _numbers(trace["x"]) if "x" in trace else np.arange(z.shape[1])
    y = _numbers(trace["y"]) if "y" in trace else np.arange(z.shape[0])
    if trace["type"] == "heatmap":
        from matplotlib.colors import LinearSegmentedColormap

        scale = trace.get("colorscale")
        stops = [(float(at), _color(color)) for at, color in scale] if isinstance(scale, list) else None
        shades = LinearSegmentedColormap.from_list("own", stops) if stops else "Greys"
        one.pcolormesh(x, y, z, cmap=shades, vmin=trace.get("zmin"), vmax=trace.get("zmax"), shading="nearest",
                       rasterized=True, zorder=0.7)  # fmt: skip
        return
    value = trace.get("contours", {}).get("value")
    if value is not None and np.nanmin(z) < value < np.nanmax(z):
        line = trace.get("line", {})
        color, dash = _color(line.get("color", "#009E73")), DASHES.get(line.get("dash", "solid"), "-")
        one.contour(x, y, z, levels=[value], colors=[color], linewidths=0.72 * line.get("width", 1.5), linestyles=dash)


def _legend(picture: Any, figure: Dict, axes: Dict, font: float, corner: tuple[float, float], height: int) -> None:
    from matplotlib.lines import Line2D

    if figure["layout"].get("showlegend") is False:
        return
    keys: dict[str, Any] = {}
    for trace in figure["data"]:
        name = trace.get("name")
        if not name or not trace.get("showlegend", True) or trace.get("visible", True) is not True or name in keys:
            continue
        marker, line = trace.get("marker", {}), trace.get("line", {})
        dotted = "markers" in trace.get("mode", "lines" if trace.get("type") == "contour" else "markers")
        color = marker.get("color") if dotted else line.get("color")
        color = color if isinstance(color, str) else line.get("color", marker.get("line", {}).get("color", "#555555"))
        shape = SYMBOLS.get(str(marker.get("symbol", "")).removesuffix("-open"), "o")
        style: Dict = {"marker": shape, "linestyle": ""} if dotted else {"linewidth": 2}
        hollow = {"markerfacecolor": "none"} if str(marker.get("symbol", "")).endswith("open") else {}
        keys[name] = Line2D([], [], color=_color(color), **style, **hollow)
    if keys:
        above = figure["layout"].get("legend", {}).get("y", 1.02)
        lift = max(22.0, (above - 1) * 300) / height
        picture.legend(
            list(keys.values()),
            [_text(name) for name in keys],
            loc="lower left",
            ncols=len(keys),
            bbox_to_anchor=(corner[0] - 0.01, corner[1] + lift),
            frameon=False,
            fontsize=0.95 * font,
        )


def _parts(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Closed areas (k, 2), which Plotly separates by NaN."""
    points = np.stack((x, y), axis=1).astype(float)
    cuts = np.flatnonzero(~np.isfinite(points).all(1))
    return [p for p in (q[np.isfinite(q).all(1)] for q in np.split(points, cuts)) if len(p) > 2]


def _color(color: Any) -> Any:
    """Plotly's colour → Matplotlib's."""
    if isinstance(color, str) and color.startswith("rgb"):
        parts = [float(part) for part in color[color.index("(") + 1 : -1].split(",")]
        return (*(part / 255 for part in parts[:3]), parts[3] if len(parts) > 3 else 1.0)
    return color


def _text(text: str) -> str:
    """Without HTML; superscripts and subscripts of digits as characters."""
    text = re.sub(r"<sup>(.*?)</sup>", lambda m: "$^{" + m.group(1) + "}$", text.replace("<br>", "\n"))
    return re.sub(r"<[^>]*>", "", text)
