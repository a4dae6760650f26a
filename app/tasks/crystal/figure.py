"""SrTiO₃ cells: gap against strain energy, and lattice parameters.

All gaps are PBE gaps at unrelaxed internal coordinates.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from app.figures.layouts import boxes_of, scene_of, shown_rows
from app.figures.marks import along, curve, moves, prior_points, proposal_color, proposals, travel
from app.figures.panels import error_panel, title
from app.figures.playback import WIDE, Box, Scene, Size, assemble, static
from app.figures.run import Run
from app.figures.theme import Dict, Palette, axis, faded, palette
from app.tasks import gap_energy
from app.tasks.gap_energy import DRAWN, by_dft
from ipage_core.tasks import TASKS
from ipage_core.tasks.crystal.strain import CUBIC_LENGTH

CUBIC = np.array([CUBIC_LENGTH] * 3 + [90.0] * 3)
"""The cubic cell of lowest energy: a, b, c [Å], α, β, γ [°]."""
Predict = Callable[[np.ndarray], np.ndarray]
"""Cells (n, 6) → gap, direct gap [eV] and ΔE [eV per cell] by the surrogates (n, 3)."""
PLANE = (3, 4)
"""The lattice parameters of the animated plane, α and β, because the gap depends most on angles."""
GAP, ENERGY = "PBE gap [eV], unrelaxed ions", "ΔE [eV per cell]"
HOVER = "gap %{x:.4f} eV, ΔE %{y:.3f} eV"


def figure(run: Run, predicted: Predict, dark: bool = False, size: Size = WIDE, chosen: int | None = None) -> Dict:
    """Gap against ΔE, error against step, and a plane of lattice parameters."""
    colors, boxes = palette(dark), boxes_of(size)
    below = (boxes["closeup"][0][0], 1), boxes["extra"][1]
    scene = scene_of(run, size, chosen)
    picture(scene, run, predicted, boxes["main"], colors, size)
    error_panel(scene, run, boxes["error"], colors, size)
    _errors_by_dft(scene, run, colors)
    _plane(scene, run, below, colors, size)
    return assemble(run, scene, dark, size)


def caption(run: Run) -> str:
    """The caption of the figure."""
    start = f"a {run.labels[0]} cell"
    text = [
        "Each dot is a cell: its PBE gap with unrelaxed ions, and its energy ΔE above the cubic cell, as five "
        "surrogates predict them on average.",
        f"**Ring:** {start}. **Dot:** the same cell, as localization moves it."
        if run.localizes
        else f"**Dot:** {start}.",
        "**Diamond:** what DFT says of it, joined to what the surrogates had said."
        if run.verified.any()
        else "None is verified: DFT runs on request, below.",
        "The green band is the target within the tolerance. Lower: less strained, more stable.",
    ]
    if run.f_error is not None:
        text.append("**Error:** as the fast model f estimates it (dashed); ")
        text[-1] += "diamonds are what DFT says." if run.verified.any() else "only DFT tells f's own error."
    if run.n > DRAWN:
        text.append(f"{DRAWN} cells are followed here, all {run.n} in the plane of angles.")
    return " ".join(text)


def picture(scene: Scene, run: Run, predicted: Predict, box: Box, colors: Palette, size: Size) -> None:
    """Gap against ΔE by the surrogate, the verified cells by DFT, and the target as a line."""
    truth = run.achieved[run.verified][:, [0, 2]]
    gap_energy.draw(scene, run, lambda x: predicted(x)[:, [0, 2]], truth, _ranges, (GAP, ENERGY), HOVER, box, colors)


def _ranges(run: Run, points: np.ndarray, prior: np.ndarray, truth: np.ndarray) -> tuple[list[float], list[float]]:
    """Ranges that show the samples (T, n, 2), DFT values of some (k, 2), and the ends of the target."""
    seen = np.concatenate((points.reshape(-1, 2), truth[np.isfinite(truth).all(1)]))
    low, high = np.quantile(seen, (0.005, 0.995), axis=0)
    spare = 0.5 * (high - low)  # a few outliers must not squeeze the rest together
    low, high = np.maximum(seen.min(0), low - spare), np.minimum(seen.max(0), high + spare)
    gaps = [low[0], high[0], *(v for end in run.ends for v in (end[0] - 0.1, end[0] + 0.1)), *truth[:, 0]]
    energies = [low[1], high[1], *truth[:, 1]]
    span, rise = np.ptp(gaps), np.ptp(energies)
    return (
        [float(min(gaps) - 0.04 * span), float(max(gaps) + 0.04 * span)],
        [float(max(min(energies) - 0.15 * rise, -0.1)), float(max(energies) + 0.12 * rise + 0.05)],
    )


def _errors_by_dft(scene: Scene, run: Run, colors: Palette) -> None:
    """Squared errors of the verified cells by DFT beside those by the surrogate, at the last step."""
    checked = np.flatnonzero(run.verified)
    if not len(checked):
        return
    low, high = (10.0**v for v in scene.axes["yaxis2"]["range"])
    error = np.square(run.achieved[checked, 0] - run.aims[checked, 0])
    shown = np.stack((np.full(len(checked), len(run.labels) - 1.0), error.clip(1.2 * low, high / 1.2)), axis=1)
    scene.top.append(
        by_dft(checked, shown, HOVER, colors)
        | {
            "xaxis": "x2",
            "yaxis": "y2",
            "showlegend": False,
            "hovertext": [f"{value:.2g} eV²" for value in error],
            "hovertemplate": "sample %{customdata} by DFT<br>squared error %{hovertext}<extra></extra>",
        }
    )


def _plane(scene: Scene, run: Run, box: Box, colors: Palette, size: Size) -> None:
    """Two lattice parameters of every sample, with the cubic cell."""
    where = {"xaxis": "x3", "yaxis": "y3", "showlegend": False}
    task, pair = TASKS[run.task], list(PLANE)
    points = run.x[..., pair]
    scene.still.append(prior_points(run.prior[:, pair], colors, **where))
    if run.localizes:
        along(scene, moves(run, points[0], points[-1], colors) | where)
        along(scene, proposals(run, points[0], colors, 6, **where))
    travel(scene, run, points, np.ones(run.n, dtype=bool), colors, 6, **where)
    scene.top.append(_cubic(CUBIC[pair], colors) | {"xaxis": "x3", "yaxis": "y3"})
    low, high = (bound[pair] for bound in task.bounds.numpy())
    pad = 0.04 * (high - low)
    for j, (name, other) in enumerate((("xaxis3", "y3"), ("yaxis3", "x3"))):
        limits = [float(low[j] - pad[j]), float(high[j] + pad[j])]
        scene.axes[name] = axis(colors, task.x_labels[pair[j]], box[j], other, range=limits, dtick=6, tick0=90)
    scene.titles.append(title("<b>Angles</b> α and β of every cell", box, size))


def _cubic(point: np.ndarray, colors: Palette) -> Dict:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [float(point[0])],
        "y": [float(point[1])],
        "name": "cubic cell",
        "marker": {"symbol": "star-diamond", "size": 13, "color": colors.text, "line": {"width": 0}},
        "hovertemplate": "cubic cell of lowest energy<extra></extra>",
    }


def lattices(run: Run, dark: bool = False, size: Size = WIDE, chosen: int | None = None) -> Dict:
    """Distribution of each lattice parameter, and every cell as a line; the cubic cell in both."""
    colors, task = palette(dark), TASKS[run.task]
    low, high = task.bounds.numpy()
    data: list[Dict] = []
    axes: Dict = {}
    titles: list[Dict] = []
    start = proposal_color(run, colors)
    stages = [(run.labels[0], run.x[0], start)] + ([("localized", run.x[-1], colors.localized)] * run.localizes)
    boxes = _panels(size)
    edges = np.linspace(low, high, 25)
    shares = [
        [100 * np.histogram(x[:, j], edges[:, j])[0] / max(run.n, 1) for _, x, _ in stages] for j in range(task.d)
    ]
    top = 1.12 * max(np.max(shares), 1.0)  # of all six, since the labels of the first stand for its row
    for j, box in enumerate(boxes[:6]):
        ids = str(j + 1) if j else ""
        where = {"xaxis": f"x{ids}", "yaxis": f"y{ids}", "showlegend": j == 0}
        for (name, _, color), share in zip(stages, shares[j], strict=True):
            data.append(_outline(edges[:, j], share, color) | {"name": name} | where)
        marks = np.array([(CUBIC[j], 0), (CUBIC[j], top)])
        data.append(curve(marks, colors.text, 1.6, name="cubic cell", **where))
        data[-1]["line"]["dash"] = "dash"
        if chosen is not None:
            at = float(run.x[-1, chosen, j])
            data.append(
                curve(np.array([(at, 0), (at, top)]), colors.text, 2.5, name=f"sample {chosen}", **where)
                | {"hoverinfo": "skip"}
            )
        ticks = [3.5, 3.95, 4.35] if j < 3 else [80, 90, 100]
        axes[f"xaxis{ids}"] = axis(
            colors, task.x_labels[j], box[0], f"y{ids}", range=[low[j], high[j]], tickvals=ticks, fixedrange=True
        )
        axes[f"yaxis{ids}"] = axis(
            colors, "", box[1], f"x{ids}", range=[0, top], ticksuffix=" %", nticks=4, fixedrange=True
        )
        axes[f"yaxis{ids}"]["showticklabels"] = j == 0 or (size.narrow and j % 2 == 0)
    _parallel(data, axes, run, stages, boxes[6], colors, chosen)
    titles.append(title("<b>Share of cells</b>", boxes[0], size))
    titles.append(title("<b>Cells</b>, a line each, in the box of the prior", boxes[6], size))
    return static(run, data, axes, titles, dark, size, 860 if size.narrow else 640)


def _panels(size: Size) -> list[Box]:
    """Six distributions and, below them, the parallel coordinates."""
    if size.narrow:
        rows = [(0.85, 1.0), (0.62, 0.77), (0.39, 0.54)]
        return [((0.54 * (j % 2), 0.54 * (j % 2) + 0.46), rows[j // 2]) for j in range(6)] + [((0, 1), (0, 0.27))]
    return [((j * 0.17, j * 0.17 + 0.15), (0.63, 1.0)) for j in range(6)] + [((0, 1), (0, 0.44))]


def _outline(edges: np.ndarray, share: np.ndarray, color: str) -> Dict:
    """A histogram's outline: (k + 1,) edges, (k,) shares in per cent."""
    points = np.stack((np.repeat(edges, 2), np.concatenate(([0], np.repeat(share, 2), [0]))), axis=1)
    return curve(points, color, 1.8) | {"fill": "tozeroy", "fillcolor": faded(color, 0.22)}


def _parallel(
    data: list[Dict],
    axes: Dict,
    run: Run,
    stages: list[tuple[str, np.ndarray, str]],
    box: Box,
    colors: Palette,
    chosen: int | None,
) -> None:
    task = TASKS[run.task]
    low, high = task.bounds.numpy()
    where = {"xaxis": "x7", "yaxis": "y7", "showlegend": False}

    def lines(x: np.ndarray, color: str, width: float, **more: object) -> Dict:
        places = np.broadcast_to(np.arange(6.0), x.shape)
        points = np.stack((places, (x - low) / (high - low)), axis=-1)
        gapped = np.concatenate((points, np.full_like(points[:, :1], np.nan)), axis=1).reshape(-1, 2)
        return curve(gapped, color, width, **where, **more)

    rows = shown_rows(run, 100)
    for (_, x, color), opacity in zip(stages, (0.35, 0.5), strict=False):
        data.append(lines(x[rows], color, 1, opacity=opacity))
    data.append(lines(CUBIC[None], colors.text, 2.2))
    data[-1]["line"]["dash"] = "dash"
    if chosen is not None:
        data.append(lines(run.x[-1, [chosen]], colors.text, 2.8))
    axes["xaxis7"] = axis(
        colors,
        "",
        box[0],
        "y7",
        range=[-0.15, 5.15],
        tickvals=list(range(6)),
        ticktext=list(task.x_labels),
        tickangle=0,
        fixedrange=True,
    )
    axes["yaxis7"] = axis(
        colors, "", box[1], "x7", range=[-0.04, 1.04], tickvals=[0, 1], ticktext=["min", "max"], fixedrange=True
    )
    axes["yaxis7"]["showgrid"] = False
