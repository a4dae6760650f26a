"""Architected materials: cells that sharpen while the error falls, and stiffness against volume.

A design is (1024,) densities, pixel 32·iy + ix, y upwards. A gallery is one heatmap of all its cells: sixteen
heatmaps would redraw every frame sixteen times.
"""

from __future__ import annotations

import math

import numpy as np

from app.figures.layouts import shown_rows
from app.figures.marks import curve, proposal_color
from app.figures.panels import error_panel, title
from app.figures.playback import BOTTOM, WIDE, Box, Scene, Size, assemble
from app.figures.run import Run
from app.figures.theme import Dict, Palette, axis, joined, packed, palette
from app.tasks.cells.pictures import GAP, heatmap, mosaic
from ipage_core.tasks.cells.dataset import SIDE
from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD

Pairs = tuple[np.ndarray, np.ndarray]
"""The training cells (N, 1024) and their y (N, 1)."""
CELLS, COLUMNS = 16, 4
LABEL = {"narrow": 16, "medium": 11, "wide": 9, "large": 8}
"""Height in pixels of the text under each."""
BAR, BELOW = 0.75, 1.4
"""Length of the median bar at the start, in widths of a cell; pixels of a cell between it and its bar."""
DATA_SHOWN = 1500
HEIGHTS = {"narrow": 1110, "medium": 640, "wide": 545, "large": 740}
WIDE_BOXES: dict[str, Box] = {
    "main": ((0, 0.53), (0, 1)),
    "error": ((0.6, 1), (0.62, 1)),
    "bound": ((0.6, 1), (0, 0.46)),
}
NARROW_BOXES: dict[str, Box] = {
    "main": ((0, 1), (0.56, 1)),
    "error": ((0, 1), (0.32, 0.47)),
    "bound": ((0, 1), (0, 0.22)),
}


def modulus(y: np.ndarray | float) -> np.ndarray:
    """z-score (*,) → E_x (*,) in units of E_s."""
    return E_X_MEAN + E_X_SD * np.asarray(y, dtype=float)


def hashin_shtrikman(volume: np.ndarray) -> np.ndarray:
    """Upper bound of Young's modulus of an isotropic porous sheet, volume fraction (*,) → (*,) in units of E_s.

    Plane stress, void of no stiffness: f/(3 − 2f), whatever ν (Hashin and Shtrikman 1963; Torquato et al. 1998).
    """
    return volume / (3 - 2 * volume)


def figure(run: Run, pairs: Pairs, dark: bool = False, size: Size = WIDE, chosen: int | None = None) -> Dict:
    """The gallery, error against step, and E_x against volume fraction over the training ``pairs``."""
    colors, boxes = palette(dark), NARROW_BOXES if size.narrow else WIDE_BOXES
    scene = Scene(height=size.tall or HEIGHTS[size.name], moving=[[] for _ in run.labels], chosen=chosen, redraw=True)
    picture(scene, run, boxes["main"], colors, size)
    error_panel(scene, run, boxes["error"], colors, size)
    _bound(scene, run, pairs, boxes["bound"], colors, size)
    return assemble(run, scene, dark, size)


def caption(run: Run) -> str:
    """The caption of the figure."""
    target = " to ".join(f"{float(modulus(end[0])):.3f}" for end in run.ends)
    drawn = "A cell" if run.n == 1 else f"{CELLS} of the {run.n} cells" if run.n > CELLS else f"The {run.n} cells"
    text = [
        f"**Target: E_x = {target} E_s.** {drawn}, solid dark or, on a dark page, light; E_x is "
        "horizontal. Under each, E_x in units of E_s and y, its z-score over the data, by finite elements: bold where "
        "it hits. While localization moves grey cells, only the surrogate speaks (f off: |f(x) − y*|). "
        f"**Orange bar:** how far y is from the target; as long as a cell is wide: {_longest(run):.2g} or more."
        if run.localizes
        else f"**Target: E_x = {target} E_s.** Cells as the posterior draws them, with E_x in units of E_s and y under "
        "each. This method does not localize.",
        "Click a cell or a point to look at it closely.",
        "**H–S bound:** an isotropic material cannot be stiffer than Hashin and Shtrikman's bound; along one axis, at "
        "the other's cost, a cell can. Grey cells are not real materials, so the bound does not apply to them.",
    ]
    if run.localizes:
        text.append(
            "**Error:** the hump on the way is where the projection becomes sharper; the last step, the clean-up, "
            "makes cells black and white, connected and free of hinges; **Bring designs to the exact target** (a "
            "setting) then flips pixels until Ω agrees. Ω verifies all cells at the end."
        )
    return " ".join(text)


def picture(scene: Scene, run: Run, box: Box, colors: Palette, size: Size) -> None:
    """The gallery: sixteen cells, each with its achieved values."""
    rows = gallery_rows(run, scene.chosen)
    columns = min(COLUMNS, math.ceil(math.sqrt(len(rows))))
    lines = -(-len(rows) // columns)
    pitch = SIDE + GAP, SIDE + LABEL[size.name]
    corners = [
        (pitch[0] * (k % columns), pitch[1] * (lines - 1 - k // columns) + LABEL[size.name]) for k in range(len(rows))
    ]
    middle = np.array(corners, dtype=float) + (SIDE - 1) / 2
    under = middle[:, 1] - SIDE / 2 - BELOW * (2 if run.localizes else 1)
    room = (box[1][1] - box[1][0]) * (scene.height - BOTTOM - 104)
    scale = min((box[0][1] - box[0][0]) * size.width / (pitch[0] * columns), room / (pitch[1] * lines))
    for t, frame in enumerate(scene.moving):
        frame.append(heatmap(mosaic(run.x[t, rows], corners, pitch, lines, columns), colors))
        frame.append(
            {
                "type": "scatter",
                "mode": "text",
                "x": packed(middle[:, 0]),
                "y": packed(under),
                "text": [_label(run, t, sample, size) for sample in rows],
                "textposition": "bottom center",
                "textfont": {"size": size.font - 2, "color": colors.text},
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
        if run.localizes:
            frame.append(_bars(run, t, rows, np.array(corners, dtype=float), colors))
    scene.top.append(
        {
            "type": "scatter",
            "mode": "markers",
            "x": packed(middle[:, 0]),
            "y": packed(middle[:, 1]),
            "marker": {"symbol": "square", "size": round(0.9 * SIDE * scale), "color": colors.text, "opacity": 0},
            "customdata": rows.tolist(),
            "hovertemplate": "sample %{customdata}: click to look closely<extra></extra>",
            "showlegend": False,
        }
    )
    if scene.chosen is not None:
        at = np.array(corners[int(np.flatnonzero(rows == scene.chosen)[0])]) - 0.5
        square = at + (SIDE * np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]) + 0.0)
        scene.top.append(curve(square, colors.localized, 3, showlegend=False))
    across, up = [-1.5, pitch[0] * columns - GAP + 0.5], [-1.5, pitch[1] * lines + 0.5]
    hidden = {"visible": False, "fixedrange": True, "constrain": "domain"}
    scene.axes["xaxis"] = axis(colors, "", box[0], "y", range=across, constraintoward="left", **hidden)
    scene.axes["yaxis"] = axis(colors, "", box[1], "x", range=up, scaleanchor="x", constraintoward="top", **hidden)


def gallery_rows(run: Run, chosen: int | None = None) -> np.ndarray:
    """The samples in the gallery: evenly spread over their ids, including the chosen one."""
    rows = shown_rows(run, CELLS)
    if chosen is not None and chosen not in rows:
        rows[np.abs(rows - chosen).argmin()] = chosen
    return rows


def _label(run: Run, t: int, sample: int, size: Size) -> str:
    y = float("nan") if run.y is None else float(run.y[t, sample, 0])
    if np.isfinite(y):
        text = f"{float(modulus(y)):.3f}{'<br>' if size.name in ('narrow', 'medium') else ' · '}y {y:.2f}"
        return f"<b>{text}</b>" if run.within(np.array([y])) else text
    if run.f_error is None:
        return ""
    return f"f off{'<br>' if size.name in ('narrow', 'medium') else ' '}{np.sqrt(run.f_error[t, sample]):.2g}"


def _misfits(run: Run, t: int) -> np.ndarray:
    """(n,) distance of y from the target at frame t: by Ω where it ran, else by the surrogate."""
    by_f = np.full(run.n, np.nan) if run.f_error is None else np.sqrt(run.f_error[t].astype(float))
    by_omega = by_f if run.y is None else np.linalg.norm(run.excess(run.y[t]), axis=-1)
    return np.where(np.isfinite(by_omega), by_omega, by_f)


def _longest(run: Run) -> float:
    """The misfit whose bar is as long as a cell is wide."""
    return max(float(np.nanmedian(_misfits(run, 0))), 1e-12) / BAR


def _bars(run: Run, t: int, rows: np.ndarray, corners: np.ndarray, colors: Palette) -> Dict:
    """A bar under each cell, as long as its misfit: it shrinks while the cell moves."""
    length = SIDE * np.nan_to_num(np.minimum(_misfits(run, t)[rows] / _longest(run), 1))
    start = corners - (0.5, 0.5 + BELOW)
    bars = joined(np.stack((start, start + np.stack((length, np.zeros(len(rows))), axis=1)), axis=1))
    return curve(bars, colors.posterior, 3, showlegend=False)


def _bound(scene: Scene, run: Run, pairs: Pairs, box: Box, colors: Palette, size: Size) -> None:
    """E_x against volume fraction: training cells, bound, target, and the designs before and after."""
    where = {"xaxis": "x3", "yaxis": "y3"}
    scene.still += background(colors, run, pairs, where)
    if run.y is not None:
        shown = [(0, colors.posterior, "circle-open")] if run.localizes else []
        last = colors.localized if run.localizes else proposal_color(run, colors)
        for t, color, symbol in (*shown, (-1, last, "circle")):
            scene.still.append(
                {
                    **where,
                    "type": "scatter",
                    "mode": "markers",
                    "name": run.labels[0] if t == 0 or not run.localizes else "localized",
                    "x": packed(run.x[t].mean(1)),
                    "y": packed(modulus(run.y[t, :, 0])),
                    "marker": {"size": 6, "symbol": symbol, "color": color},
                    "customdata": list(range(run.n)),
                    "hovertemplate": "sample %{customdata}<br>f %{x:.3f}, E_x %{y:.3f} E_s<extra></extra>",
                }
            )
        if scene.chosen is not None:
            scene.top.append(chosen_mark(run, scene.chosen, colors, where))
    scene.axes |= plane_axes(colors, box, "3")
    scene.titles.append(title("<b>Stiffness against volume</b>", box, size))


def chosen_mark(run: Run, sample: int, colors: Palette, where: Dict) -> Dict:
    """A ring about one design in the plane of E_x and volume."""
    return {
        **where,
        "type": "scatter",
        "mode": "markers",
        "x": [float(run.x[-1, sample].mean())],
        "y": [float(modulus(run.y[-1, sample, 0]))],
        "marker": {"size": 14, "symbol": "circle-open", "color": colors.text, "line": {"width": 2.5}},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def background(colors: Palette, run: Run, pairs: Pairs, where: Dict) -> list[Dict]:
    """Some of the training cells, the bound, the target."""
    x, y = pairs
    every = max(1, len(x) // DATA_SHOWN)
    volume = np.linspace(0, 1, 61)
    traces: list[Dict] = [
        {
            **where,
            "type": "scatter",
            "mode": "markers",
            "name": "training cells",
            "x": packed(x[::every].mean(1)),
            "y": packed(modulus(y[::every, 0])),
            "marker": {"size": 3, "color": colors.prior, "opacity": 0.5},
            "hoverinfo": "skip",
        },
        curve(
            np.stack((volume, hashin_shtrikman(volume)), 1),
            colors.text,
            1.5,
            name="H–S bound",
            **where,
        ),
    ]
    for k, end in enumerate(run.ends):
        level = float(modulus(end[0]))
        traces.append(
            curve(np.array([[0, level], [1, level]]), colors.target, 2, name="target", showlegend=k == 0, **where)
        )
    return traces


def plane_axes(colors: Palette, box: Box, ids: str) -> Dict:
    """The axes of E_x against volume fraction."""
    return {
        f"xaxis{ids}": axis(colors, "volume fraction f", box[0], f"y{ids}", range=[0.25, 1.01], fixedrange=True),
        f"yaxis{ids}": axis(colors, "E_x [E_s]", box[1], f"x{ids}", range=[-0.01, 1.01], fixedrange=True),
    }
