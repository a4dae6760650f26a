"""A cell of SrTiO₃ in space beside another: atoms, octahedra and edges."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from app.figures.panels import title
from app.figures.playback import WIDE, Size
from app.figures.solids import ellipsoid, lines, magnification, mesh, spheres
from app.figures.theme import Dict, Palette, palette
from app.tasks.crystal.figure import CUBIC
from ipage_core.tasks.crystal.strain import CUBIC_LENGTH, tensor

ELEMENTS = {"Sr": ("#8f9b4a", 0.5), "Ti": ("#6f86ad", 0.34), "O": ("#c4574d", 0.27)}
"""Colour and radius [Å] in the picture of a cell."""


def cells(
    lattice: np.ndarray,
    name: str,
    dark: bool = False,
    size: Size = WIDE,
    beside: tuple[np.ndarray, str] = (CUBIC, "Cubic cell"),
    times: int = 1,
) -> Dict:
    """Two cells (6,) at the same scale: atoms, TiO₆ octahedra, edges; ``times`` cells along each axis.

    Beside them, below on a phone, what the strain of the first makes of a sphere.
    """
    colors = palette(dark)
    data, layout = [], {}
    zoom = 1.15 if size.narrow else 1.5
    side = 1.18 * times * max(lattice[:3].max(), beside[0][:3].max()) + 0.6
    columns = ([0, 0.49], [0.51, 1]) if size.narrow else ([0, 0.37], [0.38, 0.75])
    low = 0.36 if size.narrow else 0.0
    for k, cell in enumerate((lattice, beside[0])):
        scene = "scene" if k == 0 else "scene2"
        data += [trace | {"scene": scene} for trace in _cell(cell, colors, showlegend=k == 0, times=times)]
        hidden = {"visible": False, "range": [-side / 2 - 0.35, side / 2 + 0.35]}
        layout[scene] = {
            "domain": {"x": columns[k], "y": [low, 1]},
            "xaxis": hidden,
            "yaxis": hidden,
            "zaxis": hidden,
            "aspectmode": "manual",
            "aspectratio": dict.fromkeys("xyz", zoom),
            "camera": {
                "eye": {"x": 0.62, "y": -1.3, "z": 0.42},
                "projection": {"type": "orthographic"},
            },
            "bgcolor": "rgba(0,0,0,0)",
            "dragmode": "turntable",
        }
    comma = "<br>" if size.narrow else ",  "

    def described(cell: np.ndarray) -> str:
        if np.array_equal(cell, CUBIC):
            return f"a = b = c = {CUBIC_LENGTH:.3f} Å"
        a, b, c, alpha, beta, gamma = cell
        return f"a {a:.3f}, b {b:.3f}, c {c:.3f} Å{comma}α {alpha:.2f}, β {beta:.2f}, γ {gamma:.2f}°"

    strain = tensor(torch.from_numpy(lattice)[None])[0].numpy()
    factor = magnification(strain)
    data += [trace | {"scene": "scene3"} for trace in ellipsoid(strain, factor, colors)]
    layout["scene3"] = {
        "domain": {"x": [0.1, 0.9], "y": [0, 0.3]} if size.narrow else {"x": [0.77, 1], "y": [0, 1]},
        **{key: {"visible": False, "range": [-1.5, 1.5]} for key in ("xaxis", "yaxis", "zaxis")},
        "aspectmode": "cube",
        "camera": {"eye": {"x": 0.62, "y": -1.3, "z": 0.42}, "projection": {"type": "orthographic"}},
        "bgcolor": "rgba(0,0,0,0)",
        "dragmode": "turntable",
    }
    heads = [
        (columns[0][0], 1.0, f"<b>{name}</b><br>{described(lattice)}"),
        (columns[1][0], 1.0, f"<b>{beside[1]}</b><br>{described(beside[0])}"),
        (0.0, 0.3, f"<b>Strain</b>, {factor} times as large")
        if size.narrow
        else (0.77, 1.0, f"<b>Strain</b><br>{factor} times as large"),
    ]
    annotations = [
        title(text, ((at, 1), (0, top)), size) | {"yanchor": "bottom", "font": {"size": size.font - size.narrow}}
        for at, top, text in heads
    ]
    layout |= {
        "height": 600 if size.narrow else 480,
        "margin": {"l": 4, "r": 4, "t": 76 if size.narrow else 60, "b": 40},
        "font": {"size": size.font, "color": colors.text},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "annotations": annotations,
        "legend": {"orientation": "h", "x": 0, "y": -0.02, "yanchor": "top", "bgcolor": "rgba(0,0,0,0)"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": colors.prior, "activecolor": colors.text},
        "uirevision": "cells",
    }
    return {"data": data, "layout": layout}


def _cell(lattice: np.ndarray, colors: Palette, showlegend: bool, times: int = 1) -> list[Dict]:
    """A merged mesh for each element, the octahedra, and the cell edges, about the origin [Å]."""
    from ipage_core.tasks.crystal.export import structure

    axes = structure(lattice, {}).cell.array
    steps = np.array(list(itertools.product(range(times), repeat=3)), dtype=float)
    centre = times * axes.sum(0) / 2
    corners = np.array(list(itertools.product((0.0, 1.0), repeat=3)))
    oxygens = np.array(
        [[0.5, 0.5, e] for e in (0, 1)] + [[0.5, e, 0.5] for e in (0, 1)] + [[e, 0.5, 0.5] for e in (0, 1)]
    )
    sites = {"Sr": corners, "Ti": np.full((1, 3), 0.5), "O": oxygens}

    def placed(points: np.ndarray) -> np.ndarray:
        """Fractional (k, 3) repeated in every cell without duplicates, as positions [Å]."""
        return np.unique((points[None] + steps[:, None]).reshape(-1, 3), axis=0) @ axes - centre

    traces = [_octahedra((oxygens[None] + steps[:, None]) @ axes - centre, showlegend)]
    traces += [spheres(placed(sites[name]), *ELEMENTS[name], name, showlegend) for name in ELEMENTS]
    pairs = [(p, q) for p, q in itertools.combinations(corners, 2) if np.abs(p - q).sum() == 1]
    gap = np.full(3, np.nan)
    edges = [row for s in steps for p, q in pairs for row in ((p + s) @ axes - centre, (q + s) @ axes - centre, gap)]
    traces.append(lines(np.array(edges), colors.prior, 4, "cell edges", showlegend))
    middles = steps + 0.5
    bonds = [
        row
        for s, m in zip(steps, middles, strict=True)
        for o in oxygens
        for row in ((o + s) @ axes - centre, m @ axes - centre, gap)
    ]
    traces.append(lines(np.array(bonds), ELEMENTS["Ti"][0], 6, "Ti–O", False))
    return traces


def _octahedra(oxygens: np.ndarray, showlegend: bool) -> Dict:
    """The six oxygens of each octahedron (k, 6, 3), opposite ones adjacent, and the eight faces between them."""
    faces = np.array(list(itertools.product((0, 1), (2, 3), (4, 5))))
    every = (faces[None] + 6 * np.arange(len(oxygens))[:, None, None]).reshape(-1, 3)
    return mesh(oxygens.reshape(-1, 3), every, ELEMENTS["Ti"][0], "TiO₆ octahedron", showlegend) | {
        "opacity": 0.35,
        "flatshading": True,
    }
