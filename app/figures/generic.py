"""Figures made of panels that suit every task, and the default picture of a task without its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from app.figures.coordinates import coordinates, plane
from app.figures.layouts import boxes_of, scene_of, shown_rows
from app.figures.marks import along, moves, prior_points, proposals, samples_key, travel
from app.figures.panels import designs_panel, error_panel
from app.figures.playback import WIDE, Box, Scene, Size, assemble
from app.figures.run import Run
from app.figures.theme import Dict, Palette, axis, palette

Pair = tuple[int, int]
"""The two coordinates to draw, across and up."""


def figure(run: Run, dark: bool = False, size: Size = WIDE, chosen: int | None = None, pair: Pair = (0, 1)) -> Dict:
    """Two coordinates of every sample, error against step, and the designs as lines."""
    colors, boxes = palette(dark), boxes_of(size)
    below = (boxes["closeup"][0][0], 1), boxes["extra"][1]
    scene = scene_of(run, size, chosen)
    picture(scene, run, boxes["main"], colors, size, pair)
    error_panel(scene, run, boxes["error"], colors, size)
    designs_panel(scene, run, shown_rows(run, 60), below, colors, size)
    return assemble(run, scene, dark, size)


def picture(scene: Scene, run: Run, box: Box, colors: Palette, size: Size, pair: Pair = (0, 1)) -> None:
    """Two coordinates of every sample, over those of the prior."""
    shown, everyone = coordinates(run), np.ones(run.n, dtype=bool)
    points = plane(shown.of(run.x), pair)
    scene.still.append(prior_points(plane(shown.of(run.prior), pair), colors, showlegend=run.labels[0] != "prior"))
    if run.localizes:
        along(scene, moves(run, points[0], points[-1], colors))
        along(scene, proposals(run, points[0], colors, 8))
    travel(scene, run, points, everyone, colors, 6)
    scene.top.append(samples_key(run, colors))
    pad = 0.03 * (shown.high - shown.low)
    limits = [*np.stack((shown.low - pad, shown.high + pad), axis=1).tolist(), [-1, 1]]
    labels = (*shown.labels, "")
    for name, across, side, j in (("xaxis", "y", box[0], pair[0]), ("yaxis", "x", box[1], pair[1])):
        scene.axes[name] = axis(colors, labels[j], side, across, range=limits[j], **shown.ticks(j))


Panel = Callable[[Scene, Run, Box, Palette, Size], None]
"""Draws one panel of a scene."""


def with_closeup(run: Run, main: Panel, closeup: Panel, dark: bool, size: Size, chosen: int | None) -> Dict:
    """For tasks with their own picture and close-up: both of these, error against step, and the designs as lines."""
    colors, boxes = palette(dark), boxes_of(size)
    scene = scene_of(run, size, chosen)
    main(scene, run, boxes["main"], colors, size)
    closeup(scene, run, boxes["closeup"], colors, size)
    error_panel(scene, run, boxes["error"], colors, size)
    designs_panel(scene, run, shown_rows(run, 30), boxes["extra"], colors, size)
    return assemble(run, scene, dark, size)
