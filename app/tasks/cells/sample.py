"""One cell: its numbers, its tiling, the most similar training cell, and E(θ)."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app.components import favourites
from app.components.chart import chart
from app.components.choice import CONFIG
from app.components.tables import BADGES, badges
from app.components.words import Figure, cards, goal_text, number
from app.figures.playback import Size
from app.figures.run import Run
from app.state.runs import training
from app.tasks.cells.close_figure import closely
from app.tasks.cells.figure import modulus
from app.tasks.cells.measures import ANGLES, nearest, symmetry, thinnest
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks.cells.homogenization import directional_modulus, homogenize
from ipage_core.tasks.cells.task import SIDE


def show_cell(request: DesignRequest, run: Run, sample: int, dark: bool, size: Size) -> None:
    st.subheader(f"Sample {sample}", divider="gray")
    left, right = st.columns([2.2, 1], vertical_alignment="bottom")
    worn = badges(run)[sample]
    left.markdown(
        " ".join(f":{color}-badge[{name}]" for name, color in BADGES.items() if name in worn) or "not verified"
    )
    with right:
        favourites.ask_to_keep(request, run, sample)
    x = run.x[-1, sample].astype(float)
    binary = bool(np.isin(x, (0, 1)).all())
    stiffness = directional_modulus(homogenize(x.reshape(SIDE, SIDE)), ANGLES)
    neighbour, differs, neighbour_y = nearest(run, sample)
    st.html(cards(_figures(run, sample, binary, stiffness, differs, neighbour_y)))
    close = closely(run, training(run.task), sample, neighbour, (ANGLES, stiffness), dark, size)
    chart(close, key="closely", config=CONFIG)
    st.caption(
        "**3 × 3 cells:** the frame is one. **Nearest training cell:** fewest pixels that differ, neither shifted nor "
        "turned. **E(θ):** Young's modulus pulled along θ, 0° along x; the diamonds are the target. A circle is "
        "isotropic."
    )


def _figures(
    run: Run, sample: int, binary: bool, stiffness: np.ndarray, differs: float, neighbour_y: float
) -> list[Figure]:
    """The key numbers of one cell."""
    y, e_x, e_y, poisson, _ = run.achieved[sample]
    aim, verified = float(run.aims[sample, 0]), bool(run.verified[sample])
    by = "by finite elements, one a pixel" if verified else "not verified"
    figures = [
        Figure("E_x / E_s", f"{e_x:.4f}" if verified else "–", f"{by}; target {float(modulus(aim)):.4f}"),
        Figure("y, its z-score", f"{y:.3f}" if verified else "–", f"target: {goal_text(run)}"),
        Figure("E_y / E_s", f"{e_y:.4f}" if verified else "–", f"ν_xy = {poisson:.3f}" if verified else "not verified"),
    ]
    if run.f_error is not None:
        believed = f"{np.sqrt(run.f_error[-1, sample]):.2g}"
        figures.append(Figure("|f(x) − y*|", believed, "what the surrogate believes of the black-and-white cell"))
    figures.append(Figure("Volume fraction", f"{run.x[-1, sample].mean():.3f}", "share of solid pixels"))
    ratio = stiffness.max() / stiffness.min()
    figures.append(Figure("Anisotropy", number(ratio), "largest over smallest E(θ); 1 is isotropic"))
    if binary:
        cell = run.x[-1, sample].reshape(SIDE, SIDE)
        thin = thinnest(cell)
        group = symmetry(cell)
        text = "wallpaper group of the cell" if group != "p1" else "no symmetry but the cell's repetition"
        figures.append(
            Figure("Thinnest member", f"{thin} px", f"{10 * thin / SIDE:.2g} mm in a cell of 10 mm; tips do not count")
        )
        figures.append(Figure("Symmetry", group, text))
    figures.append(
        Figure("Nearest training cell", f"{100 * differs:.1f} %", f"of its pixels differ; its y is {neighbour_y:.2f}")
    )
    return figures
