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
HEIGHTS = {"narrow": 1000, "medium": 560, "wide": 516, "large": 560}
ASPECTS = {"narrow": 0.92, "medium": 0.9, "wide": 1.07, "large": 1.15}
"""Approximate width over height of the main panel: the browser's exact width is unknown here."""


def boxes_of(size: Size) -> dict[str, Box]:
    """The domain of each panel."""
    return NARROW if size.narrow else WIDE


def height_of(size: Size) -> int:
    """Height of the figure in pixels."""
    return size.tall or HEIGHTS[size.name]


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
