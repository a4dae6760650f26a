"""The sine wave: the square of designs, the level set of the target, and nine loops that light up when found."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from app.figures.layouts import boxes_of, scene_of
from app.figures.marks import (
    along,
    curve,
    magnified,
    moves,
    prior_points,
    proposal_color,
    proposals,
    samples_key,
    travel,
)
from app.figures.panels import error_panel, title
from app.figures.playback import WIDE, Box, Scene, Size, assemble
from app.figures.run import Run
from app.figures.theme import Dict, Palette, axis, packed, palette
from ipage_core.tasks.sinewave import LOOP_CENTRES

CENTRES = np.array(LOOP_CENTRES)
COUNTS_FONT = 12
"""Largest size at which the numbers of nine loops fit below one another."""


def figure(run: Run, dark: bool = False, size: Size = WIDE, chosen: int | None = None) -> Dict:
    """The square with the samples, error against step, a close-up, and the number of designs on each loop."""
    colors = palette(dark)
    boxes = boxes_of(size)
    if not run.n_modes:
        boxes = boxes | {"closeup": ((boxes["closeup"][0][0], 1), boxes["closeup"][1])}
    scene = scene_of(run, size, chosen)
    picture(scene, run, boxes["main"], colors, size)
    _closeup(scene, run, boxes["closeup"], colors, size)
    if run.n_modes:
        _counts(scene, run, boxes["extra"], colors, size)
    error_panel(scene, run, boxes["error"], colors, size)
    return assemble(run, scene, dark, size)


def level_set(target: float, points: int = 121) -> np.ndarray:
    """(k, 2) the exact curve sin 3πx₁ + cos 3πx₂ = target on [−1, 1]², NaN between its pieces.

    About every extremum c the level set is the closed curve cos u + cos v = |target| with (u, v) = 3π(x − c), so with
    u = U cos τ, U = arccos(|target| − 1), it is v = ± arccos(|target| − cos u), smooth in τ.
    """
    pieces = []
    for loop in _loops(target, points):
        inside = (np.abs(loop) <= 1 + 1e-9).all(axis=1)
        pieces += [np.where(inside[:, None], loop, np.nan), np.full((1, 2), np.nan)]
    return np.concatenate(pieces) if pieces else np.empty((0, 2))


def level_curve(target: float, color: str, width: float, **more: Any) -> Dict:
    """The level set as a trace; at the extremes, ±2, it is nine points, and a line of no length would not be seen."""
    if abs(abs(target) - 2) > 1e-9:
        return curve(level_set(target), color, width, **more)
    points = level_set(target, 2)
    return curve(points, color, width, mode="markers", marker={"size": 3 * width, "color": color}, **more)


def _loops(target: float, points: int) -> list[np.ndarray]:
    """The closed curves (points, 2) of :func:`level_set` that reach into the square, whole."""
    if abs(target) > 2:
        return []
    tau = np.linspace(0, 2 * math.pi, points)
    u = math.acos(max(-1.0, abs(target) - 1)) * np.cos(tau)
    v = np.sign(np.sin(tau)) * np.arccos(np.clip(abs(target) - np.cos(u), -1, 1))
    loop = np.stack((u, v), axis=-1) / (3 * math.pi)
    shift = 0.0 if target >= 0 else 1 / 3  # minima lie half a period from maxima, in both directions
    loops = []
    for first in (-7 / 6, -1 / 2, 1 / 6, 5 / 6):
        for second in (-4 / 3, -2 / 3, 0, 2 / 3):
            moved = loop + np.array((first + shift, second + shift))
            if (np.abs(moved) <= 1 + 1e-9).all(axis=1).any():
                loops.append(moved)
    return loops


def landscape(colors: Palette) -> list[Dict]:
    """Background, darker for larger y. Filled curves, because a contour trace vanishes when other traces move."""
    square = np.array(((-1, -1), (-1, 1), (1, 1), (1, -1), (-1, -1)))
    fills = [_filled([square], -0.25, colors)]
    for level in (0.0, 0.5, 1.0, 1.5, -0.5, -1.0, -1.5):
        loops = [loop.clip(-1, 1) for loop in _loops(level, 41)]
        fills.append(_filled(loops, level + (0.25 if level >= 0 else -0.25), colors))
    lines = np.concatenate([level_set(level, 41) for level in np.arange(-1.5, 2, 0.5)])
    grid = np.linspace(-1, 1, 65)
    values = {
        "type": "contour",
        "x": packed(grid),
        "y": packed(grid),
        "z": packed(np.sin(3 * np.pi * grid)[None, :] + np.cos(3 * np.pi * grid)[:, None]),
        "contours": {"coloring": "none", "showlines": False},
        "hovertemplate": "x₁ %{x:.3f}, x₂ %{y:.3f}<br>y %{z:.2f}<extra></extra>",
        "showscale": False,
        "showlegend": False,
    }
    return [values, *fills, curve(lines, colors.faint, 0.6, showlegend=False)]


def _filled(loops: list[np.ndarray], y: float, colors: Palette) -> Dict:
    """The inside of closed curves, filled in the background's tint at y."""
    low, high = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) for c in colors.landscape)
    red, green, blue = (low + (high - low) * (y + 2) / 4).round().astype(int)
    points = np.concatenate([np.append(loop, [[np.nan, np.nan]], axis=0) for loop in loops])
    tint = f"rgb({red},{green},{blue})"
    return curve(points, tint, 0, fill="toself", fillcolor=tint, showlegend=False)


def picture(scene: Scene, run: Run, box: Box, colors: Palette, size: Size) -> None:
    """The square of designs, with the level set of the target and a number in each of its loops."""
    dot = 7 if run.x.shape[1] <= 200 else 5
    everyone = np.ones(run.x.shape[1], dtype=bool)
    scene.still += landscape(colors)
    if run.labels[0] != "prior":
        scene.still.append(prior_points(run.prior, colors, visible="legendonly", name="prior (click to show)"))
    for end in run.ends:
        name = f"target y* = {end[0]:g}" if run.exact.all() else f"target: y = {end[0]:g}"
        scene.still.append(level_curve(float(end[0]), colors.target, 2.5, name=name))
    if run.localizes:
        along(scene, proposals(run, run.x[0], colors, dot + 1))
    travel(scene, run, run.x, everyone, colors, dot)
    if run.n_modes:
        _badges(scene, run, colors, size)
    scene.top.append(samples_key(run, colors))
    scene.axes["xaxis"] = axis(
        colors,
        "x₁",
        box[0],
        "y",
        range=[-1.02, 1.02],
        constrain="domain",
        constraintoward="left",
        dtick=0.5,
        showgrid=False,
    )
    scene.axes["yaxis"] = axis(
        colors,
        "x₂",
        box[1],
        "x",
        range=[-1.02, 1.02],
        scaleanchor="x",
        constrain="domain",
        constraintoward="top",
        dtick=0.5,
        showgrid=False,
    )


def _badges(scene: Scene, run: Run, colors: Palette, size: Size) -> None:
    """A number in the middle of each loop, lit when a design within tolerance lies on it."""
    for t, frame in enumerate(scene.moving):
        results = [(run.modes[t] == k).any() for k in range(run.n_modes)]
        frame.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "x": packed(CENTRES[:, 0]),
                "y": packed(CENTRES[:, 1]),
                "text": [f"<b>{k + 1}</b>" for k in range(run.n_modes)],
                "textfont": {"color": "#1f2430", "size": size.font},
                "marker": {
                    "size": size.font + 9,
                    "color": [colors.highlight if f else "#c3c9d1" for f in results],
                    "line": {"width": 1, "color": "#6b7280"},
                },
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )


def _closeup(scene: Scene, run: Run, box: Box, colors: Palette, size: Size) -> None:
    """A close-up of one loop: localization's steps are small, because the posterior already lies close."""
    target = float(run.y_star[0])
    if run.n_modes:
        k = 4
        centre, half = CENTRES[k], np.full(2, 1.25 * max(0.03, math.acos(target - 1) / (3 * math.pi)))
        heading = f"<b>Close-up</b>, loop {k + 1}"
    else:
        centre, half = run.x[-1][np.abs(run.x[-1]).sum(1).argmin()], np.array((0.36, 0.18))
        heading = "<b>Close-up</b>"
    rows = (np.abs(run.x - centre) <= half).all(axis=2).any(axis=0)
    subplot = {"xaxis": "x3", "yaxis": "y3"}
    where = {**subplot, "showlegend": False}
    for end in run.ends:
        scene.still.append(level_curve(float(end[0]), colors.target, 2, **where))
    points, times = run.x[:, rows], 1
    if run.localizes:
        pixels = np.diff(box[0]) * size.width / (2 * half)
        points, times = magnified(points, pixels)
        along(scene, moves(run, points[0], points[-1], colors, **subplot))
        along(scene, proposals(run, points[0], colors, 8, **where))
    if times > 1:
        heading += f": moves × {times}"
    travel(scene, run, points, rows, colors, 7, **where)
    limits = np.stack((centre - half, centre + half), axis=1).tolist()
    scene.axes["xaxis3"] = axis(
        colors,
        "x₁",
        box[0],
        "y3",
        range=limits[0],
        constrain="domain",
        constraintoward="left",
        nticks=4,
        fixedrange=True,
    )
    scene.axes["yaxis3"] = axis(
        colors, "x₂", box[1], "x3", range=limits[1], scaleanchor="x3", constrain="domain", nticks=4, fixedrange=True
    )
    scene.titles.append(title(heading, box, size))


def _counts(scene: Scene, run: Run, box: Box, colors: Palette, size: Size) -> None:
    """The number of designs on each loop, as bars drawn with lines (real bars would need a redraw in every frame)."""
    numbers = np.arange(1, run.n_modes + 1)
    counts = np.stack([[(modes == k).sum() for k in range(run.n_modes)] for modes in run.modes])
    most = max(1, int(counts.max()))
    beside = (run.arrived & (run.modes < 0)).sum(1).tolist()
    where = {"xaxis": "x4", "yaxis": "y4", "type": "scatter", "showlegend": False, "hoverinfo": "skip"}
    for t, frame in enumerate(scene.moving):
        bars = np.stack((np.zeros(9), counts[t], np.full(9, np.nan)), axis=1).reshape(-1)
        heights = np.stack((numbers, numbers, np.full(9, np.nan)), axis=1).reshape(-1)
        frame.append(
            {
                **where,
                "mode": "lines",
                "x": packed(bars),
                "y": packed(heights),
                "line": {"color": colors.localized if t else proposal_color(run, colors), "width": 9},
            }
        )
        frame.append(
            {
                **where,
                "mode": "text",
                "x": packed(counts[t] + 0.06 * most),
                "y": packed(numbers),
                "text": [str(c) for c in counts[t]],
                "textposition": "middle right",
                "textfont": {"size": min(size.font - 1, COUNTS_FONT)},
            }
        )
        frame.append(
            {
                **where,
                "mode": "text",
                "x": [0],
                "y": [-0.15],
                "text": [
                    f"<b>{(counts[t] > 0).sum()}</b> of 9 loops" + (f"; {beside[t]} beside" if beside[-1] else "")
                ],
                "textposition": "middle right",
            }
        )
    scene.axes["xaxis4"] = axis(
        colors, "designs", box[0], "y4", range=[0, most * 1.5], fixedrange=True, nticks=3, mirror=False, showgrid=False
    )
    scene.axes["yaxis4"] = axis(
        colors,
        "loop",
        box[1],
        "x4",
        range=[9.6, -0.9],
        fixedrange=True,
        tickvals=numbers.tolist(),
        tickfont={"color": colors.text, "size": min(size.font, COUNTS_FONT)},
        mirror=False,
        showgrid=False,
    )
