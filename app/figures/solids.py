"""Parts of pictures of crystals in space: spheres for atoms, lines, meshes, and the ellipsoid of a strain."""

from __future__ import annotations

import numpy as np

from app.figures.playback import undimmed
from app.figures.theme import Dict, Palette, packed

LARGEST = 0.4
"""Largest principal strain of a drawn ellipsoid: small strains are magnified to about this."""


def lines(points: np.ndarray, color: str, width: float, name: str, showlegend: bool) -> Dict:
    """A line through points (k, 3), broken at NaN."""
    x, y, z = (packed(column) for column in points.T)
    line = {"color": color, "width": width}
    more = {"name": name, "hoverinfo": "skip", "showlegend": showlegend}
    return {"type": "scatter3d", "mode": "lines", "x": x, "y": y, "z": z, "line": line, **more}


def spheres(centres: np.ndarray, color: str, radius: float, name: str, showlegend: bool) -> Dict:
    """All atoms (k, 3) of an element as one mesh."""
    unit, faces = _sphere()
    points = (centres[:, None] + radius * unit).reshape(-1, 3)
    every = (faces[None] + len(unit) * np.arange(len(centres))[:, None, None]).reshape(-1, 3)
    return mesh(points, every, color, name, showlegend)


def mesh(points: np.ndarray, faces: np.ndarray, color: str, name: str, showlegend: bool) -> Dict:
    """Triangles (f, 3) of points (k, 3)."""
    x, y, z = (packed(column) for column in points.T)
    i, j, k = (packed(column, "i4") for column in faces.T)
    return undimmed(
        {
            "type": "mesh3d",
            **{"x": x, "y": y, "z": z, "i": i, "j": j, "k": k},
            "color": color,
            "name": name,
            "showlegend": showlegend,
            "hoverinfo": "name",
            "lighting": {"ambient": 0.6, "diffuse": 0.7, "specular": 0.2},
        }
    )


def ellipsoid(strain: np.ndarray, times: float, colors: Palette) -> list[Dict]:
    """What a strain tensor (3, 3), ``times`` as large, makes of the unit sphere, with three circles of that sphere."""
    unit, faces = _sphere(25)
    t = np.linspace(0, 2 * np.pi, 73)
    circle = np.stack([np.cos(t), np.sin(t), np.zeros_like(t)], axis=1)
    circles = np.concatenate([np.vstack((np.roll(circle, k, axis=1), np.full(3, np.nan))) for k in range(3)])
    changed = mesh(unit @ (np.eye(3) + times * strain), faces, colors.localized, f"strain, {times:g} times", True)
    return [changed | {"opacity": 0.7}, lines(circles, colors.text, 3, "without strain", True)]


def magnification(strain: np.ndarray) -> float:
    """A round factor (1, 2, 5, 10, …) that makes a strain tensor (3, 3) visible."""
    largest = float(np.abs(np.linalg.eigvalsh(strain)).max())
    return max(f for f in (1, 2, 5, 10, 20, 50, 100) if f == 1 or f * largest <= LARGEST)


def _sphere(n: int = 13) -> tuple[np.ndarray, np.ndarray]:
    """The unit sphere: points (k, 3), triangles (f, 3)."""
    theta, phi = np.linspace(0, np.pi, n), np.linspace(0, 2 * np.pi, 3 * n // 2)[:-1]
    unit = np.stack(
        [
            np.outer(np.sin(theta), np.cos(phi)),
            np.outer(np.sin(theta), np.sin(phi)),
            np.outer(np.cos(theta), np.ones_like(phi)),
        ],
        axis=-1,
    ).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(len(theta) - 1), np.arange(len(phi)), indexing="ij")
    right = (j + 1) % len(phi)
    p, q, r, s = (i * len(phi) + j, i * len(phi) + right, (i + 1) * len(phi) + j, (i + 1) * len(phi) + right)
    return unit, np.concatenate([np.stack(f, axis=-1).reshape(-1, 3) for f in ((p, r, q), (q, r, s))])
