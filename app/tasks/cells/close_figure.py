"""One cell in detail: tiling, nearest training cell, stiffness by direction, and its place among the data."""

from __future__ import annotations

import numpy as np

from app.figures.marks import curve
from app.figures.panels import title
from app.figures.playback import BOTTOM, WIDE, Box, Size, dressing
from app.figures.run import Run
from app.figures.theme import Dict, axis, packed, palette
from app.tasks.cells.figure import Pairs, background, chosen_mark, modulus, plane_axes
from app.tasks.cells.pictures import SOLID, heatmap
from ipage_core.tasks.cells.dataset import SIDE


def closely(
    run: Run,
    pairs: Pairs,
    sample: int,
    neighbour: np.ndarray,
    directions: tuple[np.ndarray, np.ndarray],
    dark: bool = False,
    size: Size = WIDE,
) -> Dict:
    """One design as a 3×3 tiling, the nearest training cell, E(θ), and its place among the data.

    ``neighbour`` (1024,) of 0 and 1; ``directions``: angles (k,) in rad from x to y, and E (k,) in units of E_s.
    """
    colors = palette(dark)
    if size.narrow:
        boxes: list[Box] = [
            ((0, 1), (0.73, 1)),
            ((0, 0.4), (0.53, 0.67)),
            ((0.58, 0.98), (0.525, 0.655)),
            ((0.02, 1), (0, 0.4)),
        ]
    else:
        boxes = [((0, 0.28), (0, 1)), ((0.31, 0.45), (0.4, 0.86)), ((0.5, 0.68), (0.08, 0.9)), ((0.76, 1), (0, 1))]
    height = {"narrow": 1090, "medium": 400, "wide": 440, "large": 600}[size.name]
    x = run.x[-1, sample].reshape(SIDE, SIDE)
    data, axes, titles = list[Dict](), Dict(), list[Dict]()
    for k, (cell, name) in enumerate(
        ((np.tile(x, (3, 3)), "<b>3 × 3 cells</b>"), (neighbour.reshape(SIDE, SIDE), "<b>Nearest training cell</b>"))
    ):
        ids, box = str(k + 1) if k else "", boxes[k]
        image = np.round(SOLID * cell).astype(np.uint8)
        data.append(heatmap(image, colors, xaxis=f"x{ids}", yaxis=f"y{ids}"))
        side = len(image)
        hidden = {"range": [-0.5, side - 0.5], "fixedrange": True, "constrain": "domain", "showticklabels": False}
        hidden |= {"showgrid": False}
        axes[f"xaxis{ids}"] = axis(colors, "", box[0], f"y{ids}", constraintoward="left", **hidden)
        axes[f"yaxis{ids}"] = axis(
            colors, "", box[1], f"x{ids}", scaleanchor=f"x{ids}", constraintoward="top", **hidden
        )
        titles.append(title(name, box, size))
    outline = 31.5 + SIDE * np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])
    data.append(curve(outline, colors.localized, 2.5, showlegend=False))
    angle, stiffness = directions
    data.append(
        {
            "type": "scatterpolar",
            "mode": "lines",
            "theta": packed(np.degrees(angle)),
            "r": packed(stiffness),
            "line": {"color": colors.localized, "width": 2.5},
            "hovertemplate": "%{theta:.0f}°: E %{r:.3f} E_s<extra></extra>",
            "showlegend": False,
        }
    )
    target = float(modulus(run.aims[sample, 0]))
    data.append(
        {
            "type": "scatterpolar",
            "mode": "markers",
            "theta": [0, 180],
            "r": [target, target],
            "marker": {"symbol": "diamond", "size": 9, "color": colors.target},
            "hovertemplate": f"target: E_x = {target:.3f} E_s<extra></extra>",
            "showlegend": False,
        }
    )
    above = (boxes[2][0], (0, boxes[2][1][1] + (0.02 if size.narrow else 0)))
    titles.append(title("<b>E(θ) [E_s]</b>", above, size))
    where = {"xaxis": "x4", "yaxis": "y4"}
    data += background(colors, run, pairs, where)
    if run.verified[sample]:
        place = chosen_mark(run, sample, colors, where)
        data.append(
            place | {"marker": {"size": 11, "color": colors.localized}, "name": "this design", "showlegend": True}
        )
    axes |= plane_axes(colors, boxes[3], "4")
    titles.append(title("<b>Stiffness against volume</b>", boxes[3], size))
    layout = dressing(run, colors, size, height, 130 if size.narrow else 70)
    if size.narrow:
        layout["legend"]["y"] = 1 + 28 / (height - 130 - BOTTOM)
    faint = {"gridcolor": colors.faint, "linecolor": colors.faint, "tickfont": {"size": size.font - 2}}
    layout["polar"] = {
        "domain": {"x": list(boxes[2][0]), "y": list(boxes[2][1])},
        "bgcolor": "rgba(0,0,0,0)",
        "radialaxis": {
            **faint,
            "range": [0, 1.08 * max(float(stiffness.max()), target)],
            "nticks": 4,
            "angle": 45,
            "tickangle": 45,
        },
        "angularaxis": {**faint, "dtick": 45},
    }
    for name in axes:
        axes[name]["tickfont"]["size"] = axes[name]["title"]["font"]["size"] = size.font - 1
    layout |= {"annotations": titles, "uirevision": f"{run.task}-{sample}", **axes}
    return {"data": data, "layout": layout}
