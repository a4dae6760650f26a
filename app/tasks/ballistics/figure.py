"""Ballistics: throws with air drag that all land on one target."""

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
from ipage_core.tasks.ballistics import landing_time, position

DRAWN = 30
"""Maximum number of throws drawn."""
STEEPEST = np.pi / 2
"""The largest angle of the close-up [rad], the unit of all angles on this page."""


def figure(run: Run, dark: bool = False, size: Size = WIDE, chosen: int | None = None) -> Dict:
    """The throws, error against step, a close-up of the landing points, and the designs as lines."""
    return with_closeup(run, picture, _closeup, dark, size, chosen)


def trajectories(x: np.ndarray, points: int = 24) -> np.ndarray:
    """(n, 4) throws → (n, points, 2) metres, from release to landing."""
    designs = torch.from_numpy(x.astype(np.float64))
    with torch.no_grad():
        t = landing_time(designs)[:, None] * torch.linspace(0, 1, points, dtype=torch.float64)
        return torch.stack(position(designs, t), dim=-1).numpy()


def picture(scene: Scene, run: Run, box: Box, colors: Palette, size: Size) -> None:
    """``DRAWN`` of the throws, and the landing points of all."""
    rows = shown_rows(run, DRAWN)
    everyone = np.ones(run.x.shape[1], dtype=bool)
    flights = [trajectories(x[rows]) for x in run.x]
    start = proposal_color(run, colors)

    def on_ground(landing: np.ndarray) -> np.ndarray:
        return np.concatenate((landing, np.zeros_like(landing)), axis=1)

    drawn = np.concatenate([flights[0].reshape(-1, 2), flights[-1].reshape(-1, 2)])
    low, high = np.nanquantile(drawn, 0.002, axis=0), np.nanquantile(drawn, 0.998, axis=0)
    target = np.array([run.y_star[0], 0.0])
    near = in_sight(low, high, target)
    seen = target if near else np.zeros(2)
    low, high = np.minimum(low, seen) - (0.4, 0.5), np.maximum(high, seen) + 0.4
    across, up = filling(low, high, size)
    ground = np.array([(across[0], 0.0), (across[1], 0.0)])
    rug = np.stack((run.prior_y[:, 0], np.full(len(run.prior_y), -0.22)), axis=1)
    scene.still.append(
        prior_points(rug, colors, showlegend=run.labels[0] != "prior")
        | {"marker": {"symbol": "line-ns-open", "size": 8, "color": colors.prior}}
    )
    scene.still.append(curve(ground, colors.prior, 2, showlegend=False))
    if run.localizes:
        along(scene, curve(joined(flights[0]), start, 1, opacity=0.3, showlegend=False))
        along(scene, proposals(run, on_ground(run.y[0]), colors, 8))
    for t, frame in enumerate(scene.moving):
        color = colors.localized if t else start
        frame.append(curve(joined(flights[t]), color, 1.3, opacity=0.7, showlegend=False))
        if scene.chosen is not None:
            frame.append(curve(trajectories(run.x[t][[scene.chosen]])[0], colors.text, 2.5, showlegend=False))
    travel(scene, run, np.stack([on_ground(y) for y in run.y]), everyone, colors, 6)
    scene.top.append(samples_key(run, colors))
    if not near:
        scene.top.append(target_beyond(target, across, up, colors, "m", 0.12 * up[0]))
    elif run.exact.all():
        scene.top.append(target_cross(run.y_star[0], 0.0, colors, 18))
    else:
        ends = np.clip(run.accepted[:, 0], *across)
        scene.top.append(curve(np.stack((ends, np.zeros(2)), axis=1), colors.target, 6, name="target", opacity=0.6))
    equal_axes(scene, ("distance [m]", "height [m]"), box, across, up, colors, ({"nticks": 8}, {"nticks": 6}))


def _closeup(scene: Scene, run: Run, box: Box, colors: Palette, size: Size) -> None:
    """The landing point against the angle of release."""
    target = float(run.y_star[0])
    centre, heading = target, "<b>Close-up</b> of the landing"
    offset = np.abs(run.y[0, :, 0] - target)
    half = float(np.clip(1.3 * np.nanquantile(offset, 0.9), 2 * run.tolerance, 2))
    edges = [(float(border[0]), "solid") for border in run.ends]
    if run.exact.all():
        edges += [(target - run.tolerance, "dot"), (target + run.tolerance, "dot")]
    near = (np.abs(run.y[:, :, 0] - target) <= half).any(axis=0)
    if not near.any() and len(offset):
        centre, heading = round(float(closest(run)[0]), 1), "<b>Close-up</b> of the closest"
        near = (np.abs(run.y[:, :, 0] - centre) <= half).any(axis=0)
    points = np.stack((run.y[:, near, 0], run.x[:, near, 2]), axis=2)
    where = {"xaxis": "x3", "yaxis": "y3", "showlegend": False}
    for at, style in edges:
        line = np.array([(at, 0.0), (at, STEEPEST)])
        width = {"color": colors.target, "width": 2 if style == "solid" else 1.2, "dash": style}
        scene.still.append(curve(line, colors.target, 1, **where) | {"line": width})
    if run.localizes:
        along(scene, proposals(run, points[0], colors, 7, **where))
    travel(scene, run, points, near, colors, 6, **where)
    limits = {
        "range": [centre - half, centre + half],
        "tickvals": ticks_about(centre, half),
        "tickangle": 0,
        "fixedrange": True,
    }
    scene.axes["xaxis3"] = axis(colors, "landing [m]", box[0], "y3", **limits)
    scene.axes["yaxis3"] = axis(
        colors, "angle [rad]", box[1], "x3", range=[0, STEEPEST], tickvals=[0, 0.5, 1, 1.5], fixedrange=True
    )
    scene.titles.append(title(heading, box, size))
