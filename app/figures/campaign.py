"""A campaign: distinct hits over evaluations, and the property of each evaluated design beside the target."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.figures.playback import Size
from app.figures.theme import Dict, axis, faded, packed, palette

HIT, OFF, FAILED = "hit", "off", "failed"
EXTRA = "<extra></extra>"


def figure(
    hits: np.ndarray,
    wanted: int,
    budget: int,
    y: np.ndarray,
    is_hit: np.ndarray,
    interval: tuple[float, float],
    label: str,
    dark: bool,
    size: Size,
) -> Dict:
    """Two panels, side by side or, on a phone, one below the other.

    Args:
        hits: (n,) distinct hits after each evaluation.
        wanted: hits wanted.
        budget: evaluations at most.
        y: (n,) the first property of each evaluation; NaN where Ω failed.
        is_hit: (n,) whether it is a hit.
        interval: lowest and highest accepted value.
        label: the property's name with its unit.
        dark, size: of the page.
    """
    colors, n = palette(dark), len(hits)
    at = np.arange(1, n + 1)
    sides = ((0, 1), (0.58, 1)), ((0, 1), (0, 0.4))
    boxes = sides if size.narrow else (((0, 0.46), (0, 1)), ((0.56, 1), (0, 1)))
    data: list[Dict] = [
        {
            "type": "scatter", "mode": "lines", "x": packed([0, *at]), "y": packed([0, *hits]),
            "line": {"shape": "hv", "color": colors.localized, "width": 3}, "name": "distinct hits",
            "xaxis": "x", "yaxis": "y", "hovertemplate": "%{y:d} hits after %{x:d} evaluations<extra></extra>",
        },
        {
            "type": "scatter", "mode": "lines", "x": packed([0, budget]), "y": packed([wanted, wanted]),
            "line": {"color": colors.target, "width": 2, "dash": "dot"}, "name": "wanted",
            "xaxis": "x", "yaxis": "y", "hoverinfo": "skip",
        },
    ]  # fmt: skip
    answered = np.isfinite(y)
    lowest = float(np.nanmin(y)) if answered.any() else 0.0
    marks = (
        (HIT, is_hit, colors.localized, "circle"),
        (OFF, answered & ~is_hit, colors.prior, "circle-open"),
        (FAILED, ~answered, colors.posterior, "x"),
    )
    for name, chosen, ink, symbol in marks:
        values = np.where(answered, y, lowest)[chosen]
        hover = f"evaluation %{{x:d}} failed{EXTRA}" if name == FAILED else f"evaluation %{{x:d}}: %{{y:.4g}}{EXTRA}"
        data.append(
            {
                "type": "scatter", "mode": "markers", "x": packed(at[chosen]), "y": packed(values),
                "marker": {"color": ink, "symbol": symbol, "size": 8, "line": {"width": 1.5}}, "name": name,
                "xaxis": "x2", "yaxis": "y2", "hovertemplate": hover,
            }
        )  # fmt: skip
    layout: Dict = {
        "xaxis": axis(colors, "evaluations", boxes[0][0], "y", range=[0, budget + 0.5], fixedrange=True),
        "yaxis": axis(colors, "", boxes[0][1], "x", range=[0, 1.08 * max(wanted, *hits, 1)], fixedrange=True),
        "xaxis2": axis(colors, "evaluations", boxes[1][0], "y2", range=[0, budget + 0.5], fixedrange=True),
        "yaxis2": axis(colors, "", boxes[1][1], "x2", fixedrange=True),
        "shapes": [_band(interval, y[answered], colors.target)],
        "annotations": [
            _title(text, box, colors.text) for text, box in zip(("Distinct hits", f"{label} by Ω"), boxes, strict=True)
        ],
        "height": 560 if size.narrow else 320,
        "margin": {"l": 48, "r": 12, "t": 30, "b": 64},
        "legend": {"orientation": "h", "x": 0, "y": -0.16 if not size.narrow else -0.1, "font": {"color": colors.text}},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": colors.text},
        "uirevision": "campaign",
    }
    return {"data": data, "layout": layout}


def _band(interval: tuple[float, float], y: np.ndarray, ink: str) -> Dict:
    """The accepted values; an open end reaches to the results."""
    low, high = interval
    far = [*y.tolist(), *(end for end in interval if np.isfinite(end)), 0.0][:-1] or [0.0]
    low, high = max(low, min(far)), min(high, max(far))
    return {
        "type": "rect", "xref": "x2 domain", "yref": "y2", "x0": 0, "x1": 1, "y0": low, "y1": high,
        "fillcolor": faded(ink, 0.25), "line": {"color": ink, "width": 1}, "layer": "below",
    }  # fmt: skip


def _title(text: str, box: Any, ink: str) -> Dict:
    return {
        "text": f"<b>{text}</b>", "x": box[0][0], "y": box[1][1], "xref": "paper", "yref": "paper", "xanchor": "left",
        "yanchor": "bottom", "yshift": 4, "showarrow": False, "font": {"color": ink},
    }  # fmt: skip
