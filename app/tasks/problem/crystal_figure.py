"""A strained crystal in space, with its bonds, beside the ellipsoid of its strain."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from scipy.spatial import cKDTree

from app.figures.panels import title
from app.figures.playback import WIDE, Size
from app.figures.solids import ellipsoid, lines, magnification, spheres
from app.figures.theme import Dict, palette
from ipage_core.tasks import neighbours

if TYPE_CHECKING:
    from ase import Atoms

MOST_DRAWN = 400
"""Largest number of atoms in a picture."""


def drawn_atoms(atoms: Atoms, times: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (k, 3) of the atoms in ``times`` cells along each axis, those on all faces too; their numbers (k,)."""
    sites = atoms.get_scaled_positions(wrap=True)
    sites[sites > 1 - 1e-3] -= 1
    steps = np.array(list(itertools.product(range(times + 1), repeat=3)), dtype=float)
    every = (sites[None] + steps[:, None]).reshape(-1, 3)
    inside = (every <= times + 1e-3).all(1)
    index = np.tile(np.arange(len(sites)), len(steps))[inside]
    return every[inside] @ atoms.cell.array, index


def figure(atoms: Atoms, strain: np.ndarray, times: int = 1, dark: bool = False, size: Size = WIDE) -> Dict:
    """``times`` cells along each axis, and what the strain tensor (3, 3) makes of a sphere."""
    colors, symbols = palette(dark), atoms.get_chemical_symbols()
    positions, index = drawn_atoms(atoms, times)
    centre = times * atoms.cell.array.sum(0) / 2
    positions = positions - centre
    traces = []
    for number in dict.fromkeys(atoms.numbers.tolist()):
        color = "#" + "".join(f"{round(255 * c):02x}" for c in jmol_colors[number])
        name = symbols[atoms.numbers.tolist().index(number)]
        radius = 0.35 * float(covalent_radii[number])
        traces.append(spheres(positions[atoms.numbers[index] == number], color, radius, name, True))
    found, tree, broken = neighbours.bonds(atoms), cKDTree(positions), np.full(3, np.nan)
    rows = []
    for at, i in zip(positions, index, strict=True):
        for end in at + found.vector[found.start == i]:
            if tree.query(end)[0] < 0.05:
                rows += [at, (at + end) / 2, broken]  # the other half is drawn from its other end
    if rows:
        traces.append(lines(np.array(rows), colors.prior, 6, "bonds", False))
    corners = np.array(list(itertools.product((0.0, 1.0), repeat=3)))
    edges = [
        row @ atoms.cell.array * times - centre
        for p, q in itertools.combinations(corners, 2)
        if np.abs(p - q).sum() == 1
        for row in (p, q, broken)
    ]
    traces.append(lines(np.array(edges), colors.text, 3, "edges of the cell", False))
    factor = magnification(strain)
    data = [trace | {"scene": "scene"} for trace in traces]
    data += [trace | {"scene": "scene2"} for trace in ellipsoid(strain, factor, colors)]
    side = float(np.abs(positions).max()) + 0.8
    layout: Dict = {}
    for scene, domain, half in (("scene", [0, 0.6], side), ("scene2", [0.62, 1], 1.5)):
        hidden = {"visible": False, "range": [-half, half]}
        layout[scene] = {
            "domain": {"x": domain, "y": [0, 1]},
            **dict.fromkeys(("xaxis", "yaxis", "zaxis"), hidden),
            "aspectmode": "cube",
            "camera": {"projection": {"type": "orthographic"}, "eye": {"x": 0.62, "y": -1.3, "z": 0.42}},
            "bgcolor": "rgba(0,0,0,0)",
            "dragmode": "turntable",
        }
    heads = ((0, 0.6, "<b>Crystal</b>"), (0.62, 1, f"<b>Strain</b>, {factor:g} times as large"))
    layout |= {
        "height": 380 if size.narrow else 460,
        "margin": {"l": 4, "r": 4, "t": 40, "b": 40},
        "font": {"size": size.font, "color": colors.text},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "annotations": [title(text, ((left, right), (0, 1)), size) for left, right, text in heads],
        "legend": {"orientation": "h", "x": 0, "y": -0.02, "yanchor": "top", "bgcolor": "rgba(0,0,0,0)"},
        "uirevision": "crystal",
    }
    return {"data": data, "layout": layout}
