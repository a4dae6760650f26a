"""Strained silicon: gap against elastic energy with the path of least energy, and the deformed crystal."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from app.figures.layouts import boxes_of, scene_of, shown_rows
from app.figures.marks import curve, line3d
from app.figures.panels import designs_panel, error_panel, title
from app.figures.playback import WIDE, Box, Scene, Size, assemble
from app.figures.run import Run
from app.figures.solids import ellipsoid
from app.figures.theme import Dict, Palette, packed, palette
from app.tasks import gap_energy

Predict = Callable[[np.ndarray], np.ndarray]
"""Strains (n, 6) → gap [eV], direct gap [eV], elastic energy [eV per atom], pressure [GPa] by the surrogate (n, 4)."""
GAP, ENERGY = "PBE gap [eV], ions relaxed", "Elastic energy [meV per atom]"
HOVER = "gap %{x:.4f} eV, %{y:.3f} meV per atom"
TIMES = 8
"""Magnification of the strain in the drawing of the crystal."""
SITES = np.array(
    [*itertools.product((0.0, 1.0), repeat=3)]
    + [[0.5, 0.5, e] for e in (0, 1)]
    + [[0.5, e, 0.5] for e in (0, 1)]
    + [[e, 0.5, 0.5] for e in (0, 1)]
    + [[0.25, 0.25, 0.25], [0.75, 0.75, 0.25], [0.75, 0.25, 0.75], [0.25, 0.75, 0.75]]
)
"""(18, 3) atoms in and on the conventional cube of diamond, in units of a₀; the last four are the second atom."""


def figure(
    run: Run,
    predicted: Predict,
    path: np.ndarray | None = None,
    dark: bool = False,
    size: Size = WIDE,
    chosen: int | None = None,
) -> Dict:
    """Gap against elastic energy, error by step, and the strains as lines. ``path``: (k, 2) gap [eV], energy [eV]."""
    colors, boxes = palette(dark), boxes_of(size)
    below = (boxes["closeup"][0][0], 1), boxes["extra"][1]
    scene = scene_of(run, size, chosen)
    picture(scene, run, predicted, boxes["main"], colors, size, path)
    error_panel(scene, run, boxes["error"], colors, size)
    designs_panel(scene, run, shown_rows(run, 60), below, colors, size)
    return assemble(run, scene, dark, size)


def caption(run: Run) -> str:
    """The caption of the figure."""
    text = [
        "Each dot is a strained crystal: its PBE gap and its elastic energy, as five networks predict them on average.",
        f"**Ring:** a {run.labels[0]} strain. **Dot:** the same, as localization moves it." if run.localizes else "",
        "**Diamond:** what DFT says of it, joined to the prediction."
        if run.verified.any()
        else "None is verified: DFT runs on request, below.",
        "The green band is the target within the tolerance; lower points have less elastic energy.",
    ]
    return " ".join(part for part in text if part)


def picture(
    scene: Scene,
    run: Run,
    predicted: Predict,
    box: Box,
    colors: Palette,
    size: Size,
    path: np.ndarray | None = None,
) -> None:
    """Gap against elastic energy by the surrogate, the verified strains by DFT, and the target."""
    below = None
    if path is not None and len(path):
        least = np.column_stack((path[:, 0], 1e3 * path[:, 1]))
        below = curve(least, colors.text, 2, name="least elastic energy")
        below["line"]["dash"] = "dash"
    truth = _plane(run.achieved[run.verified])
    gap_energy.draw(
        scene, run, lambda x: _plane(predicted(x)), truth, _ranges, (GAP, ENERGY), HOVER, box, colors, below
    )


def _plane(properties: np.ndarray) -> np.ndarray:
    """(n, 4 or more) properties → (n, 2) gap [eV], elastic energy [meV per atom]."""
    return np.column_stack((properties[:, 0], 1e3 * properties[:, 2]))


def _ranges(run: Run, points: np.ndarray, prior: np.ndarray, truth: np.ndarray) -> tuple[list[float], list[float]]:
    """Ranges that show the prior, the samples and the ends of the target, if these are not far outside."""
    seen = np.concatenate((prior, points.reshape(-1, 2), truth[np.isfinite(truth).all(1)]))
    low, high = np.nanquantile(seen, (0.01, 0.99), axis=0)
    ends = [float(end[0]) for end in run.ends if abs(end[0] - 0.3) < 1]
    left, right = min([low[0], *ends]), max([high[0], *ends])
    return [float(left) - 0.05, float(right) + 0.05], [-0.6, float(1.1 * high[1])]


def sites_in(cubes: int) -> tuple[np.ndarray, np.ndarray]:
    """Atoms in and on ``cubes`` cubes along each axis, (k, 3) in units of a₀; which of them are the second atom, (k,).

    >>> [len(sites_in(n)[0]) for n in (1, 2)]
    [18, 95]
    """
    steps = np.array([*itertools.product(range(cubes), repeat=3)], dtype=float)
    first, second = (np.unique((part + steps[:, None]).reshape(-1, 3), axis=0) for part in (SITES[:-4], SITES[-4:]))
    return np.concatenate((first, second)), np.repeat([False, True], [len(first), len(second)])


def crystal(strain: np.ndarray, shift: np.ndarray, dark: bool = False, size: Size = WIDE, cubes: int = 1) -> Dict:
    """The conventional cube under a strain (6,) magnified by ``TIMES``, over the unstrained cube; its ellipsoid.

    ``shift`` (3,) [units of a₀]: displacement of the second atom from its place in the homogeneously strained cell;
    magnified likewise. Stretched bonds are thin and blue, compressed ones thick and orange. ``cubes``: how many of
    them are drawn along each axis.
    """
    colors = palette(dark)
    e = strain[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
    deform = np.eye(3) + TIMES * e
    sites, second = sites_in(cubes)
    atoms = (sites - cubes / 2) @ deform + TIMES * np.outer(second, shift)
    true = sites @ (np.eye(3) + e) + np.outer(second, shift)
    corners = cubes * np.array([*itertools.product((-0.5, 0.5), repeat=3)])
    edges = [(p, q) for p, q in itertools.combinations(range(8), 2) if (corners[p] != corners[q]).sum() == 1]
    data = [
        _edges(corners, edges, colors.prior, 2, "unstrained cube", "dot"),
        _edges(corners @ deform, edges, colors.text, 4, f"strained, {TIMES} times as large", "solid"),
    ]
    rest = np.sqrt(3) / 4
    bonds: dict[float, list[np.ndarray]] = {}
    for p in np.flatnonzero(second):
        for q in np.flatnonzero(~second & (np.linalg.norm(sites - sites[p], axis=1) < 0.45)):
            longer = round(float(np.linalg.norm(true[p] - true[q]) / rest - 1), 5)
            bonds.setdefault(longer, []).extend((atoms[p], atoms[q], np.full(3, np.nan)))
    for longer, points in bonds.items():  # four at most: bonds of one direction are equal
        color = colors.localized if longer > 0 else colors.posterior
        width = (9 - 150 * float(np.clip(longer, -0.04, 0.04))) / cubes
        data.append(line3d(np.array(points), color, width, f"{longer:+.2%}", showlegend=False))
    x, y, z = (packed(column) for column in atoms.T)
    marker = {"size": (9 if size.narrow else 12) / cubes, "color": colors.prior, "line": {"width": 0}}
    data.append(
        {"type": "scatter3d", "mode": "markers", "x": x, "y": y, "z": z, "name": "Si", "marker": marker}
        | {"hoverinfo": "name", "showlegend": False}
    )
    data += [trace | {"scene": "scene2"} for trace in ellipsoid(e, TIMES, colors)]

    def scene(left: float, right: float, half: float) -> Dict:
        return {
            "domain": {"x": [left, right], "y": [0, 1]},
            **{axis: {"visible": False, "range": [-half, half]} for axis in ("xaxis", "yaxis", "zaxis")},
            "aspectmode": "manual",
            "aspectratio": dict.fromkeys("xyz", 1.15 if size.narrow else 1.5),
            "camera": {"projection": {"type": "orthographic"}, "eye": {"x": 0.9, "y": -1.5, "z": 0.6}},
            "dragmode": "turntable",
        }

    layout = {
        "height": 380 if size.narrow else 440,
        "margin": {"l": 4, "r": 4, "t": 30, "b": 4},
        "font": {"size": size.font, "color": colors.text},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "annotations": [title("Bonds: <b>blue</b> longer, <b>orange</b> shorter", ((0, 0.64), (0, 1)), size)],
        "legend": {"orientation": "h", "x": 0, "y": 0, "bgcolor": "rgba(0,0,0,0)"},
        "uirevision": "silicon",
        "scene": scene(0, 0.64, 0.85 * cubes),
        "scene2": scene(0.66, 1, 1.5),
    }
    return {"data": data, "layout": layout}


def _edges(corners: np.ndarray, edges: list[tuple[int, int]], color: str, width: float, name: str, dash: str) -> Dict:
    points = np.concatenate([np.stack((corners[p], corners[q], np.full(3, np.nan))) for p, q in edges])
    trace = line3d(points, color, width, name)
    trace["line"]["dash"] = dash
    return trace
