"""Coverage: the solution set in two coordinates, near a design or not, and the share within ε against ε."""

from __future__ import annotations

import numpy as np
import pandas as pd

from app.figures.playback import Size
from app.figures.theme import Dict, axis, packed, palette
from ipage_core.inference.coverage import Coverage

MARGIN = {"l": 62, "r": 12, "t": 28, "b": 104, "pad": 0}
DASHES = {"proved": "dot", "posterior-weighted": "dash"}
DENSE = 200
"""Points along the curve of the share."""


def figure(
    result: Coverage, designs: np.ndarray, labels: tuple[str, ...], pair: tuple[int, int], dark: bool, size: Size
) -> Dict:
    """Designs (n, d) over the known solutions in the two coordinates ``pair``; beside it the share within ε.

    Solid: over the box, measured on Ω or estimated by the surrogate. Dashed: posterior-weighted. Dotted: proved,
    none below the radius and all beyond it.
    """
    colors, (a, b) = palette(dark), pair
    seen = result.distance <= result.within
    left, right, up = (0.0, 0.46), (0.58, 1.0), (0.0, 1.0)
    if size.narrow:
        left = right = (0.0, 1.0)
    data: list[Dict] = []
    near, far = "within ε of a design", "farther than ε"
    for name, rows, color in ((far, ~seen, colors.posterior), (near, seen, colors.prior)):
        data.append(
            {
                "type": "scattergl", "mode": "markers", "name": f"solutions: {name}",
                "x": packed(result.points[rows, a]), "y": packed(result.points[rows, b]),
                "marker": {"color": color, "size": 4}, "hoverinfo": "skip", "xaxis": "x", "yaxis": "y",
            }
        )  # fmt: skip
    data.append(
        {
            "type": "scattergl", "mode": "markers", "name": "designs",
            "x": packed(designs[:, a]), "y": packed(designs[:, b]),
            "marker": {"color": colors.localized, "size": 7}, "xaxis": "x", "yaxis": "y",
            "hovertemplate": f"{labels[a]}: %{{x:.4g}}<br>{labels[b]}: %{{y:.4g}}<extra>design</extra>",
        }
    )  # fmt: skip
    curves = table(result)
    most, at = float(curves["within"].max()), curves["within"].to_numpy()
    drawn = [(name, at, 100 * curves[name].to_numpy()) for name in curves.columns[1:] if name != "proved"]
    if result.proof is not None:
        radius = result.proof.radius
        drawn.append(("proved", np.array([radius, radius, most]), np.array([0.0, 100.0, 100.0])))
    data += [
        {
            "type": "scatter", "mode": "lines", "name": name, "x": packed(x), "y": packed(y),
            "line": {"color": colors.omega, "width": 2, "dash": DASHES.get(name, "solid")},
            "xaxis": "x2", "yaxis": "y2",
            "hovertemplate": f"{name}: %{{y:.4g}} % within %{{x:.3g}}<extra></extra>",
        }
        for name, x, y in drawn
    ]  # fmt: skip
    data.append(
        {
            "type": "scatter", "mode": "lines", "name": f"ε = {result.within:.3g}", "hoverinfo": "skip",
            "x": packed([result.within] * 2), "y": packed([0, 104]), "line": {"color": colors.target, "width": 2},
            "xaxis": "x2", "yaxis": "y2",
        }
    )  # fmt: skip
    up_left, up_right = ((0.56, 1.0), (0.0, 0.44)) if size.narrow else (up, up)
    height = {"narrow": 820, "medium": 430, "wide": 480, "large": 640}[size.name]
    units = {label.partition("[")[2] for label in (labels[a], labels[b])}
    to_scale = {"constrain": "domain", "constraintoward": "left"} if len(units) == 1 else {}
    up_to_scale = to_scale | {"scaleanchor": "x", "constraintoward": "top"} if to_scale else {}
    layout: Dict = {
        "height": height,
        "margin": MARGIN,
        "xaxis": axis(colors, labels[a], left, "y", **to_scale),
        "yaxis": axis(colors, labels[b], up_left, "x", **up_to_scale),
        "xaxis2": axis(colors, f"ε [{result.unit.removeprefix('of ')}]", right, "y2", range=[0, most]),
        "yaxis2": axis(colors, "solutions within ε [%]", up_right, "x2", range=[0, 104]),
        "legend": {
            "orientation": "h", "x": 0, "xanchor": "left", "yanchor": "top",
            "y": -50 / (height - MARGIN["t"] - MARGIN["b"]), "font": {"color": colors.text},
            "itemsizing": "constant",
        },
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": colors.text, "size": size.font},
    }  # fmt: skip
    return {"data": data, "layout": layout}


def table(result: Coverage) -> pd.DataFrame:
    """The curves: ``within`` (ε) and the share within it, measured or estimated, posterior-weighted, proved."""
    radius = None if result.proof is None else result.proof.radius
    at = np.linspace(0, 1.15 * max([result.within, radius or 0.0, *result.distance]), DENSE)
    curves = {"within": at, "measured" if result.measured else "estimated": np.array([result.share(e) for e in at])}
    if len(result.posterior):
        curves["posterior-weighted"] = np.array([result.likely(e)[0] for e in at])
    if radius is not None:
        curves["proved"] = np.where(at >= radius, 1.0, np.nan)
    return pd.DataFrame(curves)
