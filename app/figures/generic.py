"""Any other task: two of its coordinates, errors in step, and the designs as lines."""

from __future__ import annotations

import numpy as np

from app.figures.layouts import boxes_of, height_of, shown_rows
from app.figures.marks import moves, prior_points, proposals, samples, samples_key
from app.figures.panels import designs_panel, error_panel
from app.figures.playback import WIDE, Scene, Size, assemble
from app.figures.theme import Dict, axis, palette
from app.runs import Run
from ipage_core.tasks import TASKS


def figure(run: Run, dark: bool = False, size: Size = WIDE) -> Dict:
    """The first two coordinates of every sample, errors in step, and the designs as lines."""
    colors, boxes, task = palette(dark), boxes_of(size), TASKS[run.task]
    below = (boxes["closeup"][0][0], 1), boxes["extra"][1]
    scene = Scene(height=height_of(size), moving=[[] for _ in run.labels])
    everyone = np.ones(run.x.shape[1], dtype=bool)
    scene.still.append(prior_points(run.prior[:, :2], colors, showlegend=run.labels[0] != "prior"))
    if run.localizes:
        scene.still.append(moves(run, run.x[0, :, :2], run.x[-1, :, :2], colors))
        scene.still.append(proposals(run, run.x[0, :, :2], colors, 8))
    for t, frame in enumerate(scene.moving):
        frame.append(samples(run, t, run.x[t, :, :2], everyone, colors, 6))
    scene.top.append(samples_key(run, colors))
    low, high = task.bounds.numpy()
    pad = 0.03 * (high - low)
    limits = np.stack((low - pad, high + pad), axis=1)[:2].tolist()
    scene.axes["xaxis"] = axis(colors, task.x_labels[0], boxes["main"][0], "y", range=limits[0])
    scene.axes["yaxis"] = axis(colors, task.x_labels[1], boxes["main"][1], "x", range=limits[1])
    error_panel(scene, run, boxes["error"], colors, size)
    designs_panel(scene, run, shown_rows(run, 60), below, colors, size)
    return assemble(run, scene, dark, size)
