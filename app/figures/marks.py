"""Marks shared by all pictures: curves, prior points, proposals, and moving samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.figures.playback import SMOOTH_UP_TO, Scene
from app.figures.run import Run
from app.figures.theme import Dict, Palette, faded, joined, packed

VISIBLE = 40
"""Length in pixels to which the median sample's path is magnified."""


def curve(points: np.ndarray, color: str, width: float, **more: Any) -> Dict:
    """A line through (k, 2) points, broken where they are NaN."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": packed(points[:, 0]),
        "y": packed(points[:, 1]),
        "line": {"color": color, "width": width},
        "hoverinfo": "skip",
        **more,
    }


def band(x: np.ndarray, low: np.ndarray, high: np.ndarray, color: str, **more: Any) -> Dict:
    """The area between two curves, (k,) each, faintly coloured."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": packed(np.concatenate((x, x[::-1]))),
        "y": packed(np.concatenate((low, high[::-1]))),
        "fill": "toself",
        "fillcolor": faded(color, 0.13),
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        **more,
    }


def line3d(points: np.ndarray, color: str, width: float, name: str, **more: Any) -> Dict:
    """A line in space through (k, 3) points, broken where they are NaN."""
    x, y, z = (packed(column) for column in points.T)
    return {
        "type": "scatter3d",
        "mode": "lines",
        "x": x,
        "y": y,
        "z": z,
        "name": name,
        "line": {"color": color, "width": width},
        "hoverinfo": "name",
        **more,
    }


def prior_points(points: np.ndarray, colors: Palette, **more: Any) -> Dict:
    """Draws from the prior, without a target: (k, 2)."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": packed(points[:, 0]),
        "y": packed(points[:, 1]),
        "name": "prior",
        "marker": {"size": 3.5, "color": colors.prior, "opacity": 0.55},
        "hoverinfo": "skip",
        **more,
    }


def proposals(run: Run, points: np.ndarray, colors: Palette, dot: float, **more: Any) -> Dict:
    """Fixed rings at the proposals of the samples: (n, 2)."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": packed(points[:, 0]),
        "y": packed(points[:, 1]),
        "name": run.labels[0],
        "marker": {
            "size": dot,
            "symbol": "circle-open",
            "color": proposal_color(run, colors),
            "line": {"width": 1.3},
        },
        "hoverinfo": "skip",
        **more,
    }


def moves(run: Run, start: np.ndarray, end: np.ndarray, colors: Palette, **more: Any) -> Dict:
    """A thin line from the proposal to the final place of each sample: (n, 2), (n, 2)."""
    return curve(joined(np.stack((start, end), axis=1)), proposal_color(run, colors), 1, showlegend=False, **more)


def samples(run: Run, t: int, points: np.ndarray, rows: np.ndarray, colors: Palette, dot: float, **more: Any) -> Dict:
    """The samples ``rows`` (n,) bool at frame t, at ``points``; filled if they are hits by Ω."""
    hit = np.zeros(rows.sum(), dtype=bool) if run.arrived is None else run.arrived[t][rows]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": packed(points[:, 0]),
        "y": packed(points[:, 1]),
        "showlegend": False,
        "marker": {
            "size": dot,
            "color": colors.localized if t else proposal_color(run, colors),
            "symbol": np.where(hit, 0, 100).tolist(),
            "line": {"width": 1.2, "color": colors.background},
        },
        "customdata": np.flatnonzero(rows).tolist(),
        "hovertemplate": "sample %{customdata}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
        **more,
    }


def travel(
    scene: Scene, run: Run, points: np.ndarray, rows: np.ndarray, colors: Palette, dot: float, **more: Any
) -> None:
    """The samples ``rows`` (n,) bool in every frame, at ``points`` (T, rows, 2); the chosen one with track and ring.

    A line shows each sample's move since the previous frame. In the main panel samples start from their latent points.
    """
    trails = run.localizes and run.n <= SMOOTH_UP_TO
    begins = run.localizes and run.labels[0] != "prior" and "xaxis" not in more
    latent = _latent_places(run.z[rows]) if begins else None
    for t, frame in enumerate(scene.moving):
        if trails:
            way = joined(np.stack((points[max(t - 1, 0)], points[t]), axis=1))
            color = colors.localized if t > 1 else proposal_color(run, colors)
            if latent is not None:
                scene.trails[len(frame)] = latent, points[0]
            frame.append(curve(way, color, 1.2, **{"opacity": 0.45, "showlegend": False, **more}))
        if latent is not None:
            scene.latent[len(frame)] = latent
        frame.append(samples(run, t, points[t], rows, colors, dot, **more))
    if scene.chosen is None or not rows[scene.chosen]:
        return
    track = points[:, rows[: scene.chosen].sum()]
    if run.localizes:
        scene.still.append(curve(track, colors.text, 1.5, **{"showlegend": False, **more}))
    for t, frame in enumerate(scene.moving):
        frame.append(ring(track[t : t + 1], colors, dot + 7, **more))


def _latent_places(z: np.ndarray) -> np.ndarray:
    """The first two coordinates of latent points (k, ·), from −3 to 3 across the panel: (k, 2) of 0 to 1."""
    places = (0.5 + z[:, :2].astype(float) / 6).clip(0, 1)
    return places if places.shape[1] > 1 else np.column_stack((places, np.full(len(z), 0.5)))


def magnified(points: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, int]:
    """Paths (T, n, 2) of samples, magnified about their ends by one factor so that half of them are visible.

    ``pixels`` (2,) per unit, across and up.
    """
    way = points - points[-1]
    seen = float(np.median(np.linalg.norm(way[0] * pixels, axis=1))) if points.shape[1] else 0.0
    times = next((k for k in (1, 2, 5, 10, 20, 50, 100) if k * seen >= VISIBLE), 100) if seen > 0 else 1
    return points[-1] + times * way, times


def ring(points: np.ndarray, colors: Palette, size: float, **more: Any) -> Dict:
    """Rings round the chosen points: (k, 2). In the text colour, which no group of samples has."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": packed(points[:, 0]),
        "y": packed(points[:, 1]),
        "marker": {"size": size, "symbol": "circle-open", "color": colors.text, "line": {"width": 2.5}},
        "hoverinfo": "skip",
        "showlegend": False,
        **more,
    }


def along(scene: Scene, trace: Dict) -> None:
    """A trace that does not move, but is hidden among the latent points."""
    for frame in scene.moving:
        frame.append(trace)


def samples_key(run: Run, colors: Palette) -> Dict:
    """The samples' entry in the legend, by a separate trace: their own symbols change with the frame."""
    name, color = ("localized", colors.localized) if run.localizes else (run.labels[0], proposal_color(run, colors))
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [None],
        "y": [None],
        "name": name,
        # Without ``maxdisplayed`` this point without coordinates would fade into a corner while others move.
        "marker": {"size": 8, "color": color, "maxdisplayed": 1},
    }


def target_cross(x: float, y: float, colors: Palette, size: float, **more: Any) -> Dict:
    """The target as a point."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [x],
        "y": [y],
        "name": "target",
        "marker": {"symbol": "cross-thin", "size": size, "line": {"width": 2, "color": colors.target}},
        "hovertemplate": "target y*<extra></extra>",
        **more,
    }


def in_sight(low: np.ndarray, high: np.ndarray, target: np.ndarray) -> bool:
    """Whether the picture of the range ``low`` to ``high`` can show the target too without shrinking much."""
    return bool((np.maximum(low - target, target - high) <= 0.6 * (high - low).max()).all())


def closest(run: Run) -> np.ndarray:
    """(m,) the y closest to the target among the results, by Ω."""
    return run.y[-1, np.nanargmin(run.omega_error[-1])].astype(float)


def target_beyond(
    target: np.ndarray, across: list[float], up: list[float], colors: Palette, unit: str, height: float | None = None
) -> Dict:
    """An arrow from the middle towards a far ``target`` (2,), drawn at the picture's edge (at ``height`` if given)."""
    middle, half = np.array([sum(across), sum(up)]) / 2, np.array([across[1] - across[0], up[1] - up[0]]) / 2
    way = (target - middle) / np.abs((target - middle) / half).max()
    at = middle + 0.93 * way
    at[1] = at[1] if height is None else height
    side = "left" if way[0] >= 0 else "right"
    numbers = ", ".join(f"{v:.4g}" for v in target) if target[1] else f"{target[0]:.4g}"
    label = f"target ({numbers}) {unit}" if target[1] else f"target {numbers} {unit}"
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": [float(at[0])],
        "y": [float(at[1])],
        "name": "target, far beyond the picture",
        "marker": {
            "symbol": "arrow",
            "size": 20,
            "angle": float(np.degrees(np.arctan2(way[0], way[1]))),
            "color": colors.target,
            "line": {"width": 0},
        },
        "text": [f"<b>{label}</b>"],
        "textposition": f"bottom {side}",
        "textfont": {"color": colors.target},
        "hovertemplate": f"{label} lies in this direction<extra></extra>",
    }


def proposal_color(run: Run, colors: Palette) -> str:
    """The prior's colour for prior draws, even if a method starts from them; the results' colour for results."""
    inks = {"prior": colors.prior, "stored": colors.prior, "localized": colors.localized, "descended": colors.localized}
    return inks.get(run.labels[0], colors.posterior)
