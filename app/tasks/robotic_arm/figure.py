"""The robotic arm: arms on their rail, all reaching for one point."""

from __future__ import annotations

import numpy as np
import torch

from app.figures.generic import with_closeup
from app.figures.layouts import equal_axes, filling, shown_rows
from app.figures.marks import (
    along,
    closest,
    curve,
    in_sight,
    joined,
    prior_points,
    proposal_color,
    proposals,
    samples_key,
    target_beyond,
    target_cross,
    travel,
)
from app.figures.panels import title
from app.figures.playback import WIDE, Box, Scene, Size
from app.figures.run import Run
from app.figures.theme import Dict, Palette, axis, ticks_about
from ipage_core.tasks import robotic_arm

ANGLES = {
    "robotic_arm": robotic_arm.absolute_angles_ren,
    "robotic_arm_kruse": robotic_arm.absolute_angles_kruse,
}
DRAWN = 30
"""Maximum number of arms drawn."""
RAIL = (-0.82, 0.82)


def figure(run: Run, dark: bool = False, size: Size = WIDE, chosen: int | None = None) -> Dict:
    """The arms, error against step, a close-up of the hands, and the designs as lines."""
    return with_closeup(run, picture, _closeup, dark, size, chosen)


def relative_angles(task: str, angles: np.ndarray) -> np.ndarray:
    """The inverse of ``ANGLES``: absolute angles (3,) → (x₂, x₃, x₄) in radians."""
    if task == "robotic_arm_kruse":
        return np.diff(angles, prepend=0.0)
    first, second = angles[0], angles[0] + angles[1]
    return np.array([first, second, angles[2] + first + second])


def linkages(task: str, x: np.ndarray) -> np.ndarray:
    """(n, 4) designs → (n, 4, 2) metres: mount, two elbows, hand."""
    designs = torch.from_numpy(x.astype(np.float64))
    return robotic_arm.joints(designs, ANGLES[task](designs)).numpy()


def picture(scene: Scene, run: Run, box: Box, colors: Palette, size: Size) -> None:
    """``DRAWN`` of the arms, one of them thick, and the positions of all hands."""
    rows = shown_rows(run, DRAWN)
    thick = 0 if scene.chosen is None else scene.chosen
    everyone = np.ones(run.x.shape[1], dtype=bool)
    arms = [linkages(run.task, x[rows]) for x in run.x]
    start = proposal_color(run, colors)
    rail = np.array([(0.0, RAIL[0]), (0.0, RAIL[1])])
    scene.still.append(prior_points(run.prior_y, colors, showlegend=run.labels[0] != "prior"))
    scene.still.append(curve(rail, colors.prior, 4, name="rail", showlegend=False))
    if run.localizes:
        along(scene, curve(joined(arms[0]), start, 1, opacity=0.3, showlegend=False))
        along(scene, proposals(run, run.y[0], colors, 5))
    for t, frame in enumerate(scene.moving):
        color = colors.localized if t else start
        frame.append(curve(joined(arms[t]), color, 1.3, opacity=0.65, showlegend=False))
        one = curve(linkages(run.task, run.x[t][[thick]])[0], color, 4, showlegend=False, mode="lines+markers")
        frame.append(one | {"marker": {"size": 9, "color": color, "line": {"width": 1.5, "color": colors.background}}})
    travel(scene, run, run.y, everyone, colors, 5)
    scene.top.append(samples_key(run, colors))
    drawn = np.concatenate([arms[0].reshape(-1, 2), arms[-1].reshape(-1, 2), rail])
    low, high = np.nanmin(drawn, axis=0), np.nanmax(drawn, axis=0)
    near = in_sight(low, high, run.y_star)
    low, high = (np.minimum(low, run.y_star), np.maximum(high, run.y_star)) if near else (low, high)
    across, up = filling(low - 0.12, high + 0.12, size)
    if not near:
        scene.top.append(target_beyond(run.y_star, across, up, colors, "m"))
    elif run.exact.all():
        scene.top.append(target_cross(*run.y_star, colors, 16))
    else:
        left, right = np.clip(run.accepted[:, 0], *across)
        bottom, top = np.clip(run.accepted[:, 1], *up)
        border = np.array([(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)])
        scene.top.append(curve(border, colors.target, 2.5, name="target"))
    equal_axes(scene, ("horizontal [m]", "vertical [m]"), box, across, up, colors, ({"dtick": 0.5}, {"dtick": 0.5}))


def _closeup(scene: Scene, run: Run, box: Box, colors: Palette, size: Size) -> None:
    """The hands near the target, with the circle of hits."""
    offset = np.linalg.norm(run.y[0] - run.y_star, axis=1)
    half = float(np.clip(1.3 * np.nanquantile(offset, 0.9), 2 * run.tolerance, 0.3))
    centre, heading = run.y_star, "<b>Close-up</b> of the hands"
    near = (np.abs(run.y - centre) <= half).all(axis=2).any(axis=0)
    if not near.any():
        centre, heading = closest(run).round(2), "<b>Close-up</b> of the closest"
        near = (np.abs(run.y - centre) <= half).all(axis=2).any(axis=0)
    tau = np.linspace(0, 2 * np.pi, 61)
    circle = run.y_star + run.tolerance * np.stack((np.cos(tau), np.sin(tau)), axis=1)
    where = {"xaxis": "x3", "yaxis": "y3", "showlegend": False}
    dotted = {"color": colors.target, "width": 2, "dash": "dot"}
    scene.top.append(curve(circle, colors.target, 1, **where) | {"line": dotted})
    scene.still.append(target_cross(*run.y_star, colors, 26, **where))
    if run.localizes:
        along(scene, proposals(run, run.y[0][near], colors, 7, **where))
    travel(scene, run, run.y[:, near], near, colors, 6, **where)
    (x_range, x_ticks), (y_range, y_ticks) = (
        ([float(c - half), float(c + half)], ticks_about(c, half)) for c in centre
    )
    fixed = {"constrain": "domain", "fixedrange": True}
    scene.axes["xaxis3"] = axis(
        colors, "horizontal [m]", box[0], "y3", range=x_range, tickvals=x_ticks, constraintoward="left", **fixed
    )
    scene.axes["yaxis3"] = axis(
        colors, "vertical [m]", box[1], "x3", range=y_range, tickvals=y_ticks, scaleanchor="x3", **fixed
    )
    scene.titles.append(title(heading, box, size))
