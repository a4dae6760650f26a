"""Latent designs: the unit cube, z-space and the resulting designs, for three ways of sampling side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.figures.coordinates import coordinates
from app.figures.marks import proposal_color
from app.figures.panels import title
from app.figures.playback import Box, Size, static
from app.figures.run import Run
from app.figures.theme import Dict, Palette, axis, packed, palette


@dataclass(frozen=True)
class Latent:
    """The latent design of one sampling."""

    name: str
    cube: np.ndarray
    """(n, k) in the open unit cube."""
    z: np.ndarray
    """(n, k) the same points mapped to N(0, I)."""
    least_cube: float
    """Smallest distance between two points of ``cube``, over all k coordinates, and of ``z``."""
    least_z: float
    run: Run


def figure(
    latents: list[Latent],
    z_axes: tuple[int, int],
    x_axes: tuple[int, int],
    brushed: dict[int, list[int]],
    dark: bool,
    size: Size,
) -> Dict:
    """One column per sampling; the samples ``brushed`` (by column) are highlighted in all of its panels."""
    colors, run = palette(dark), latents[0].run
    shown = coordinates(run)
    columns = _spans(len(latents), 0.055 if not size.narrow else 0.14)
    rows = _spans(3, 0.085)[::-1]
    slices = np.linspace(0, 1, run.n + 1).tolist()
    ticks = {"tickvals": slices, "showticklabels": False, "showgrid": True} if run.n <= 25 else {}
    axes, data, titles = {}, [], []
    z_names = [f"{chr(0x2080 + k + 1) if k < 9 else k + 1}" for k in z_axes]
    limit = 1.08 * max(float(np.abs(latent.z[:, list(z_axes)]).max()) for latent in latents)
    across, up = shown.labels[x_axes[0]], shown.labels[x_axes[1]]
    frames = [
        ("Φ(z)", [0.0, 1.0], [0.0, 1.0], ticks, ("Φ(z" + z_names[0] + ")", "Φ(z" + z_names[1] + ")")),
        ("z", [-limit, limit], [-limit, limit], {}, ("z" + z_names[0], "z" + z_names[1])),
        ("x", _padded(shown, x_axes[0]), _padded(shown, x_axes[1]), {}, (across, up)),
    ]
    square = "unit square" if latents[0].cube.shape[1] == 2 else "unit cube"
    comma = "<br>" if size.name == "medium" else ", "
    for c, latent in enumerate(latents):
        kept = ~latent.run.replaced
        panels = [
            (
                latent.cube[:, list(z_axes)],
                f"<b>{latent.name}</b>: {square}{comma}least distance {latent.least_cube:.2g}",
            ),
            (latent.z[:, list(z_axes)], f"z-space{comma}least distance {latent.least_z:.2g}"),
            (shown.of(latent.run.x[0])[:, list(x_axes)], f"designs x, {latent.run.labels[0]}"),
        ]
        for r, (points, heading) in enumerate(panels):
            number = r * len(latents) + c + 1
            ids = "" if number == 1 else str(number)
            where = {"xaxis": f"x{ids}", "yaxis": f"y{ids}"}
            which = np.flatnonzero(kept) if r == 2 else np.arange(len(points))
            color = colors.omega if r < 2 else proposal_color(run, colors)
            data += _points(points, which, c, brushed.get(c), color, colors, where)
            box: Box = columns[c], rows[r]
            _, x_range, y_range, more, (x_name, y_name) = frames[r]
            first = r * len(latents) + 1
            row_x, row_y = ("x", "y") if first == 1 else (f"x{first}", f"y{first}")
            linked = c > 0
            axes[f"xaxis{ids}"] = axis(colors, x_name, box[0], f"y{ids}", range=x_range, nticks=5, **more)
            axes[f"yaxis{ids}"] = axis(
                colors, "" if linked else y_name, box[1], f"x{ids}", range=y_range, nticks=5, **more
            )
            axes[f"xaxis{ids}"] |= {"matches": row_x} if linked else {}
            axes[f"yaxis{ids}"] |= {"matches": row_y, "showticklabels": False} if linked else {}
            titles.append(title(heading, box, size))
    height = {"narrow": 1150, "medium": 900, "wide": 1120, "large": 1500}[size.name]
    spec = static(run, data, axes, titles, dark, size, height)
    spec["layout"] |= {"showlegend": False, "dragmode": "select"}
    spec["layout"]["margin"]["t"] = 46
    return spec


def _points(
    points: np.ndarray,
    which: np.ndarray,
    column: int,
    brushed: list[int] | None,
    color: str,
    colors: Palette,
    where: Dict,
) -> list[Dict]:
    """The samples ``which`` of (n, 2); brushed ones on top, and the others faint while any are brushed."""
    dot = 7 if len(points) <= 200 else 4
    base = {
        **where,
        "type": "scatter",
        "mode": "markers",
        "cliponaxis": False,
        "hovertemplate": "sample %{customdata[0]}<br>%{x:.3g}, %{y:.3g}<extra></extra>",
    }

    def group(ids: np.ndarray, marker: Dict) -> Dict:
        x, y = packed(points[ids, 0]), packed(points[ids, 1])
        return {**base, "x": x, "y": y, "customdata": [[int(i), column] for i in ids], "marker": marker}

    chosen = set(brushed or [])
    faint = 0.25 if brushed else 0.85
    traces = [group(which, {"size": dot, "color": color, "opacity": faint})]
    top = np.array([i for i in which if i in chosen], dtype=int)
    bright = {"size": dot + 4, "color": colors.highlight, "line": {"width": 1.5, "color": "#1f2430"}}
    return [*traces, group(top, bright)]


def _spans(count: int, gap: float) -> list[tuple[float, float]]:
    width = (1 - gap * (count - 1)) / count
    return [(k * (width + gap), k * (width + gap) + width) for k in range(count)]


def _padded(shown, k: int) -> list[float]:  # type: ignore[no-untyped-def]
    pad = 0.02 * (shown.high[k] - shown.low[k])
    return [float(shown.low[k] - pad), float(shown.high[k] + pad)]
