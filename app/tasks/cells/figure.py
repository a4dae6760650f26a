"""Architected materials: cells that sharpen while the error falls, stiffness against volume, and one cell in detail.

A design is (1024,) densities, pixel 32·iy + ix, y upwards. A gallery is one heatmap of all its cells: sixteen
heatmaps would redraw every frame sixteen times.
"""

from __future__ import annotations

import html
import math

import numpy as np

from app.figures.layouts import shown_rows
from app.figures.marks import curve, proposal_color
from app.figures.panels import error_panel, title
from app.figures.playback import BOTTOM, WIDE, Box, Scene, Size, assemble, dressing
from app.figures.run import Run
from app.figures.theme import Dict, Palette, axis, faded, packed, palette
from ipage_core.tasks.cells.dataset import SIDE
from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD

Pairs = tuple[np.ndarray, np.ndarray]
"""The training cells (N, 1024) and their y (N, 1)."""
CELLS, COLUMNS = 16, 4
GAP = 4
"""Gap in pixels between two cells of the gallery."""
LABEL = {"narrow": 16, "medium": 11, "wide": 9, "large": 8}
"""Height in pixels of the text under each."""
SOLID, BLANK = 200, 255
"""Byte values of a solid pixel and of the ground between cells in the gallery; void is 0."""
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
    text = [
        f"**Target: E_x = {target} E_s.** Sixteen of the {run.n} cells, solid dark or, on a dark page, light; E_x is "
        "horizontal. Under each, E_x in units of E_s and y, its z-score over the data, by finite elements: bold where "
        "it hits. While localization moves grey cells, only the surrogate speaks (f off: |f(x) − y*|)."
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
            "makes cells black and white, connected and free of hinges, and then Ω verifies the cells."
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
    room = (box[1][1] - box[1][0]) * (scene.height - BOTTOM - 104)
    scale = min((box[0][1] - box[0][0]) * size.width / (pitch[0] * columns), room / (pitch[1] * lines))
    for t, frame in enumerate(scene.moving):
        frame.append(_heatmap(_mosaic(run.x[t, rows], corners, pitch, lines, columns), colors))
        frame.append(
            {
                "type": "scatter",
                "mode": "text",
                "x": packed(middle[:, 0]),
                "y": packed(middle[:, 1] - SIDE / 2 - 1),
                "text": [_label(run, t, sample, size) for sample in rows],
                "textposition": "bottom center",
                "textfont": {"size": size.font - 2, "color": colors.text},
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
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


def _mosaic(x: np.ndarray, corners: list, pitch: tuple[int, int], lines: int, columns: int) -> np.ndarray:
    """(k, 1024) densities → one image of bytes, 0 void to ``SOLID``, ``BLANK`` between cells."""
    image = np.full((pitch[1] * lines, pitch[0] * columns - GAP), BLANK, dtype=np.uint8)
    cells = np.round(SOLID * x.clip(0, 1)).astype(np.uint8).reshape(-1, SIDE, SIDE)
    for cell, (left, low) in zip(cells, corners, strict=True):
        image[low : low + SIDE, left : left + SIDE] = cell
    return image


def _heatmap(image: np.ndarray, colors: Palette, **more: object) -> Dict:
    void, clear = faded("#808080", 0.16), "rgba(0,0,0,0)"
    full, end = SOLID / BLANK, (SOLID + BLANK) / 2 / BLANK
    return {
        "type": "heatmap",
        "z": packed(image, "u1"),
        "zmin": 0,
        "zmax": BLANK,
        "colorscale": [[0, void], [full, colors.omega], [end, colors.omega], [end, clear], [1, clear]],
        "showscale": False,
        "hoverinfo": "skip",
        **more,
    }


def _label(run: Run, t: int, sample: int, size: Size) -> str:
    y = float("nan") if run.y is None else float(run.y[t, sample, 0])
    if np.isfinite(y):
        text = f"{float(modulus(y)):.3f}{'<br>' if size.name in ('narrow', 'medium') else ' · '}y {y:.2f}"
        return f"<b>{text}</b>" if run.within(np.array([y])) else text
    if run.f_error is None:
        return ""
    return f"f off{'<br>' if size.name in ('narrow', 'medium') else ' '}{np.sqrt(run.f_error[t, sample]):.2g}"


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
            scene.top.append(_chosen(run, scene.chosen, colors, where))
    scene.axes |= plane_axes(colors, box, "3")
    scene.titles.append(title("<b>Stiffness against volume</b>", box, size))


def _chosen(run: Run, sample: int, colors: Palette, where: Dict) -> Dict:
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


def closely(
    run: Run,
    pairs: Pairs,
    sample: int,
    neighbour: np.ndarray,
    directions: tuple[np.ndarray, np.ndarray],
    dark: bool = False,
    size: Size = WIDE,
) -> Dict:
    """One design as a 3×3 tiling, the nearest training cell, E(θ), and its place among the data.

    ``neighbour`` (1024,) of 0 and 1; ``directions``: angles (k,) in rad from x to y, and E (k,) in units of E_s.
    """
    colors = palette(dark)
    if size.narrow:
        boxes: list[Box] = [
            ((0, 1), (0.73, 1)),
            ((0, 0.4), (0.53, 0.67)),
            ((0.58, 0.98), (0.525, 0.655)),
            ((0.02, 1), (0, 0.4)),
        ]
    else:
        boxes = [((0, 0.28), (0, 1)), ((0.31, 0.45), (0.4, 0.86)), ((0.5, 0.68), (0.08, 0.9)), ((0.76, 1), (0, 1))]
    height = {"narrow": 1090, "medium": 400, "wide": 440, "large": 600}[size.name]
    x = run.x[-1, sample].reshape(SIDE, SIDE)
    data, axes, titles = list[Dict](), Dict(), list[Dict]()
    for k, (cell, name) in enumerate(
        ((np.tile(x, (3, 3)), "<b>3 × 3 cells</b>"), (neighbour.reshape(SIDE, SIDE), "<b>Nearest training cell</b>"))
    ):
        ids, box = str(k + 1) if k else "", boxes[k]
        image = np.round(SOLID * cell).astype(np.uint8)
        data.append(_heatmap(image, colors, xaxis=f"x{ids}", yaxis=f"y{ids}"))
        side = len(image)
        hidden = {"range": [-0.5, side - 0.5], "fixedrange": True, "constrain": "domain", "showticklabels": False}
        hidden |= {"showgrid": False}
        axes[f"xaxis{ids}"] = axis(colors, "", box[0], f"y{ids}", constraintoward="left", **hidden)
        axes[f"yaxis{ids}"] = axis(
            colors, "", box[1], f"x{ids}", scaleanchor=f"x{ids}", constraintoward="top", **hidden
        )
        titles.append(title(name, box, size))
    outline = 31.5 + SIDE * np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])
    data.append(curve(outline, colors.localized, 2.5, showlegend=False))
    angle, stiffness = directions
    data.append(
        {
            "type": "scatterpolar",
            "mode": "lines",
            "theta": packed(np.degrees(angle)),
            "r": packed(stiffness),
            "line": {"color": colors.localized, "width": 2.5},
            "hovertemplate": "%{theta:.0f}°: E %{r:.3f} E_s<extra></extra>",
            "showlegend": False,
        }
    )
    target = float(modulus(run.aims[sample, 0]))
    data.append(
        {
            "type": "scatterpolar",
            "mode": "markers",
            "theta": [0, 180],
            "r": [target, target],
            "marker": {"symbol": "diamond", "size": 9, "color": colors.target},
            "hovertemplate": f"target: E_x = {target:.3f} E_s<extra></extra>",
            "showlegend": False,
        }
    )
    above = (boxes[2][0], (0, boxes[2][1][1] + (0.02 if size.narrow else 0)))
    titles.append(title("<b>E(θ) [E_s]</b>", above, size))
    where = {"xaxis": "x4", "yaxis": "y4"}
    data += background(colors, run, pairs, where)
    if run.verified[sample]:
        place = _chosen(run, sample, colors, where)
        data.append(
            place | {"marker": {"size": 11, "color": colors.localized}, "name": "this design", "showlegend": True}
        )
    axes |= plane_axes(colors, boxes[3], "4")
    titles.append(title("<b>Stiffness against volume</b>", boxes[3], size))
    layout = dressing(run, colors, size, height, 130 if size.narrow else 70)
    if size.narrow:
        layout["legend"]["y"] = 1 + 28 / (height - 130 - BOTTOM)
    faint = {"gridcolor": colors.faint, "linecolor": colors.faint, "tickfont": {"size": size.font - 2}}
    layout["polar"] = {
        "domain": {"x": list(boxes[2][0]), "y": list(boxes[2][1])},
        "bgcolor": "rgba(0,0,0,0)",
        "radialaxis": {
            **faint,
            "range": [0, 1.08 * max(float(stiffness.max()), target)],
            "nticks": 4,
            "angle": 45,
            "tickangle": 45,
        },
        "angularaxis": {**faint, "dtick": 45},
    }
    for name in axes:
        axes[name]["tickfont"]["size"] = axes[name]["title"]["font"]["size"] = size.font - 1
    layout |= {"annotations": titles, "uirevision": f"{run.task}-{sample}", **axes}
    return {"data": data, "layout": layout}


def canvas(solid: np.ndarray, void: np.ndarray, dark: bool) -> Dict:
    """An empty cell on which to draw boxes; (1024,) bool each for pixels that stay solid and void."""
    colors = palette(dark)
    image = np.where(solid, 2, np.where(void, 1, 0)).astype(np.uint8).reshape(SIDE, SIDE)
    free, empty = faded("#808080", 0.18), faded(colors.target, 0.55)
    steps = [[0, free], [1 / 3, free], [1 / 3, empty], [2 / 3, empty], [2 / 3, colors.omega], [1, colors.omega]]
    at = np.arange(SIDE**2)
    bare = {"range": [-0.5, SIDE - 0.5], "visible": False, "fixedrange": True, "constrain": "domain"}
    return {
        "data": [
            _heatmap(image, colors) | {"zmin": -0.5, "zmax": 2.5, "colorscale": steps},
            {
                "type": "scatter",
                "mode": "markers",
                "x": packed(at % SIDE),
                "y": packed(at // SIDE),
                "marker": {"size": 5, "opacity": 0},
                "customdata": at.tolist(),
                "hoverinfo": "skip",
                "showlegend": False,
            },
        ],
        "layout": {
            "height": 230,
            "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "dragmode": "select",
            "hovermode": False,
            "meta": {"task": "canvas"},
            "xaxis": {**bare, "constraintoward": "left"},
            "yaxis": {**bare, "scaleanchor": "x"},
        },
    }


def kept(task: str, designs: list[tuple[str, np.ndarray]], dark: bool, size: Size) -> Dict:
    """Each (name, (1024,)) as a picture, with its name and volume fraction."""
    colors, columns = palette(dark), 3 if size.narrow else 8
    lines, width = -(-len(designs) // columns), min(columns, len(designs))
    pitch = SIDE + GAP, SIDE + 14
    corners = [(pitch[0] * (k % columns), pitch[1] * (lines - 1 - k // columns) + 14) for k in range(len(designs))]
    image = _mosaic(np.stack([x for _, x in designs]), corners, pitch, lines, width)
    label = {
        "type": "scatter",
        "mode": "text",
        "x": [left + SIDE / 2 for left, _ in corners],
        "y": [low - 1 for _, low in corners],
        "text": [f"<b>{html.escape(name[:14])}</b><br>f {x.mean():.3f}" for name, x in designs],
        "textposition": "bottom center",
        "textfont": {"size": size.font - 2, "color": colors.text},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    bare = {"visible": False, "fixedrange": True, "constrain": "domain"}
    return {
        "data": [_heatmap(image, colors), label],
        "layout": {
            "height": 150 * lines + 20,
            "margin": {"l": 0, "r": 0, "t": 10, "b": 10},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "meta": {"task": task},
            "xaxis": {**bare, "range": [-1, pitch[0] * columns], "constraintoward": "left"},
            "yaxis": {**bare, "range": [-1, pitch[1] * lines], "scaleanchor": "x"},
        },
    }
