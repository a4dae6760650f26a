"""The plane of band gap against energy: crystals as a surrogate predicts them, and their results by DFT."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from app.figures.layouts import shown_rows
from app.figures.marks import along, curve, moves, prior_points, proposals, samples_key, travel
from app.figures.playback import Box, Scene
from app.figures.run import Run
from app.figures.theme import Dict, Palette, axis, faded, packed

Places = Callable[[np.ndarray], np.ndarray]
"""Designs (n, 6) → (n, 2) gap and energy by the surrogate."""
Ranges = Callable[[Run, np.ndarray, np.ndarray, np.ndarray], tuple[list[float], list[float]]]
"""Run, samples (T, n, 2), prior (k, 2), DFT results (j, 2) → the ranges of both axes."""
DRAWN = 300
"""Maximum number of samples drawn: the surrogate must predict both properties at every step."""
LOW, HIGH = -99.0, 999.0
"""Ends of vertical lines and bands, beyond every axis."""


def draw(
    scene: Scene,
    run: Run,
    places: Places,
    truth: np.ndarray,
    ranges: Ranges,
    labels: tuple[str, str],
    hover: str,
    box: Box,
    colors: Palette,
    below: Dict | None = None,
) -> None:
    """Samples as the surrogate predicts them, the verified ones by DFT at ``truth`` (k, 2), and the target as a line.

    ``hover``: see :func:`by_dft`; ``below``: a curve drawn below the samples.
    """
    drawn = np.zeros(run.n, dtype=bool)
    drawn[shown_rows(run, DRAWN)] = True
    if scene.chosen is not None:
        drawn[scene.chosen] = True
    points = places(run.x[:, drawn].reshape(-1, run.x.shape[-1])).reshape(len(run.x), drawn.sum(), 2)
    prior = places(run.prior)
    checked = np.flatnonzero(run.verified)
    across, up = ranges(run, points, prior, truth)
    for k, (gap, *_) in enumerate(run.ends):
        line = np.array([(gap, LOW), (gap, HIGH)])
        scene.top.append(curve(line, colors.target, 2.5, name="target", showlegend=k == 0))
        scene.still.append(_band(gap - run.tolerance, gap + run.tolerance, colors))
    scene.still.append(prior_points(prior, colors, showlegend=run.labels[0] != "prior"))
    if below is not None:
        scene.still.append(below)
    if run.localizes:
        along(scene, moves(run, points[0], points[-1], colors, opacity=0.35))
        along(scene, proposals(run, points[0], colors, 7))
    travel(scene, run, points, drawn, colors, 7)
    scene.top.append(samples_key(run, colors))
    if len(checked):
        predicted = places(run.x[-1, checked])
        scene.top.append(moves(run, predicted, truth, colors) | {"line": {"color": colors.omega, "width": 1.2}})
        scene.top.append(by_dft(checked, truth, hover, colors))
    scene.axes["xaxis"] = axis(colors, labels[0], box[0], "y", range=across)
    scene.axes["yaxis"] = axis(colors, labels[1], box[1], "x", range=up)


def by_dft(samples: np.ndarray, points: np.ndarray, hover: str, colors: Palette) -> Dict:
    """Diamonds of the numbered ``samples`` (k,) at ``points`` (k, 2); ``hover`` formats a point."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": packed(points[:, 0]),
        "y": packed(points[:, 1]),
        "name": "by DFT",
        "marker": {
            "symbol": "diamond",
            "size": 10,
            "color": colors.omega,
            "line": {"width": 1.5, "color": colors.background},
        },
        "customdata": samples.tolist(),
        "hovertemplate": f"sample %{{customdata}} by DFT<br>{hover}<extra></extra>",
    }


def _band(left: float, right: float, colors: Palette) -> Dict:
    """The tolerance around a target."""
    corners = np.array([(left, LOW), (right, LOW), (right, HIGH), (left, HIGH)])
    return curve(corners, colors.target, 0, showlegend=False) | {
        "fill": "toself",
        "fillcolor": faded(colors.target, 0.16),
    }
