"""One design, set by hand, in its task's picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from app.figures.playback import Box, Scene, Size, static
from app.figures.run import Run
from app.figures.theme import Dict, Palette, packed, palette

RING = 13
"""Size of the guess: larger than a sample, because it is alone."""
GRIP = 22
"""Size of the circle about a point that can be dragged."""
HEIGHTS = {"narrow": 420, "medium": 460, "wide": 480, "large": 560}


def figure(
    run: Run,
    picture: Callable[[Scene, Run, Box, Palette, Size], None],
    dark: bool,
    size: Size,
    handles: np.ndarray | None = None,
) -> Dict:
    """``run`` holds the one design; ``picture`` is the task's; ``handles`` (k, 2) are points that can be dragged."""
    scene = Scene(moving=[[]])
    picture(scene, run, ((0, 1), (0, 1)), palette(dark), size)
    shown = [trace for trace in (*scene.still, *scene.moving[0], *scene.top) if trace.get("visible") != "legendonly"]
    hit = run.arrived is not None and bool(run.arrived[-1][0])
    data = [_marked(trace, run.labels[0], hit) for trace in shown]
    spec = static(run, data, scene.axes, [], dark, size, size.tall or HEIGHTS[size.name])
    layout = {"shapes": scene.shapes, "dragmode": False}
    if handles is not None:
        spec["data"].append(_grips(handles, palette(dark)))
        layout["meta"] = spec["layout"]["meta"] | {"handles": handles.tolist()}
    return spec | {"layout": spec["layout"] | layout}


def _grips(handles: np.ndarray, colors: Palette) -> Dict:
    """Thin circles about the points that can be dragged."""
    circle = {"symbol": "circle-open", "size": GRIP, "color": colors.text, "opacity": 0.6, "line": {"width": 1}}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": packed(handles[:, 0]),
        "y": packed(handles[:, 1]),
        "name": "drag",
        "marker": circle,
        "hoverinfo": "skip",
    }


def drawn_as_ring(spec: Dict) -> bool:
    """Whether the picture draws the guess as a marker."""
    return any(_is_guess(trace) for trace in spec["data"])


def _is_guess(trace: Dict) -> bool:
    return trace.get("mode") == "markers" and trace.get("customdata") == [0]


def _marked(trace: Dict, name: str, hit: bool) -> Dict:
    """The guess and its entry in the legend with one marker: a ring, filled by a hit."""
    marker = {"size": RING, "symbol": ["circle" if hit else "circle-open"], "line": {"width": 2.5}}
    if _is_guess(trace):
        return trace | {"marker": trace["marker"] | marker, "hovertemplate": f"{name}<extra></extra>"}
    if trace.get("name") == name and trace.get("mode") == "markers":
        return trace | {"marker": trace["marker"] | marker | {"symbol": marker["symbol"][0]}}
    return trace
