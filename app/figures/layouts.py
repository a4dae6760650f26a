"""Placement of the panels: one large picture and three small ones, beside it or, on a phone, below it."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.figures.playback import Box, Scene, Size
from app.figures.run import Run
from app.figures.theme import Palette, axis

WIDE: dict[str, Box] = {
    "main": ((0, 0.5), (0, 1)),
    "error": ((0.58, 1), (0.61, 1)),
    "closeup": ((0.58, 0.76), (0, 0.42)),
    "extra": ((0.83, 1), (0, 0.42)),
}
NARROW: dict[str, Box] = {
    "main": ((0, 1), (0.57, 1)),
    "closeup": ((0, 0.44), (0.275, 0.47)),
    "extra": ((0.6, 1), (0.275, 0.47)),
    "error": ((0, 1), (0, 0.155)),
}
LARGE: dict[str, Box] = {
    "main": ((0, 0.37), (0, 1)),
    "error": ((0.43, 1), (0.52, 0.83)),
    "closeup": ((0.43, 0.65), (0, 0.37)),
    "extra": ((0.74, 1), (0, 0.37)),
}
"""The controls stand above the error, beside the main panel, which takes the height."""
TALL: dict[str, Box] = {
    "main": ((0, 0.44), (0, 1)),
    "error": ((0.51, 1), (0.54, 0.85)),
    "closeup": ((0.51, 0.71), (0, 0.4)),
    "extra": ((0.79, 1), (0, 0.4)),
}
"""The same for a projector, whose figure is taller."""
HEIGHTS = {"narrow": 1000, "medium": 560, "wide": 516, "large": 560}
ASPECTS = {"narrow": 0.92, "medium": 0.9, "wide": 1.07, "large": 1.26}
"""Approximate width over height of the main panel: the browser's exact width is unknown here."""


def boxes_of(size: Size) -> dict[str, Box]:
    """The domain of each panel."""
    if size.name == "large":
        return TALL if size.tall else LARGE
    return NARROW if size.narrow else WIDE


def scene_of(run: Run, size: Size, chosen: int | None = None) -> Scene:
    """The scene of an animated figure of such panels."""
    boxes = boxes_of(size)
    beside = boxes["error"][0][0] if size.name == "large" else None
    height = size.tall or HEIGHTS[size.name]
    return Scene(height=height, moving=[[] for _ in run.labels], chosen=chosen, controls=beside)


def filling(low: np.ndarray, high: np.ndarray, size: Size) -> tuple[list[float], list[float]]:
    """Ranges of x and y that hold (low, high) and fill the main panel at equal scales."""
    centre, span = (low + high) / 2, high - low
    width, height = max(span[0], span[1] * ASPECTS[size.name]), max(span[1], span[0] / ASPECTS[size.name])
    return [centre[0] - width / 2, centre[0] + width / 2], [centre[1] - height / 2, centre[1] + height / 2]


def equal_axes(
    scene: Scene,
    labels: tuple[str, str],
    box: Box,
    across: list[float],
    up: list[float],
    colors: Palette,
    ticks: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    """Axes of the main panel at equal scales, in its upper left corner; ``ticks``: options of x and of y."""
    across_is = {"range": across, "constrain": "domain", "constraintoward": "left", **ticks[0]}
    up_is = {"range": up, "scaleanchor": "x", "constrain": "domain", "constraintoward": "top", **ticks[1]}
    scene.axes["xaxis"] = axis(colors, labels[0], box[0], "y", **across_is)
    scene.axes["yaxis"] = axis(colors, labels[1], box[1], "x", **up_is)


def shown_rows(run: Run, at_most: int) -> np.ndarray:
    """The samples drawn in full if all of them would overlap: evenly spread over their ids."""
    n = run.x.shape[1]
    return np.unique(np.linspace(0, n - 1, min(n, at_most)).round().astype(int))
