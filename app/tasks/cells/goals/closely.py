"""Details of one design, the table of all designs, and the numbers of the run."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from app.components.chart import chart
from app.components.choice import CONFIG
from app.components.words import Figure
from app.figures.playback import Size
from app.tasks.cells.goals import runs
from app.tasks.cells.goals.dress import short
from app.tasks.cells.goals.shapes import loads
from ipage_core.tasks.cells.deformation import LOADS
from ipage_core.tasks.cells.features import smallest_features
from ipage_core.tasks.cells.goal_design import GoalDesigns
from ipage_core.tasks.cells.goal_table import z_score
from ipage_core.tasks.cells.mesh import Mesh
from ipage_core.tasks.cells.properties import TABLE, cell_property, values

STRAIN = 15
"""Strain of the first drawing, in per cent."""
CAME_FROM = {
    "flips": "a shipped cell, by flips of pixels",
    "nearest": "a shipped cell, by descent",
    "noise": "noise, by descent",
    "motif": "a motif, by descent",
    "posterior": "the INN's posterior, by descent",
    "given": "a given density, by descent",
    "again": "the best cell before it, by another descent",
    "none": "no start: none led to a clean cell",
}
"""Start of a design in words."""
MESHES: dict[Mesh, str] = {"pixel": "one element a pixel", "converged": "extrapolated mesh"}
TILES = 2
"""Number of cells along each axis of the deformed shape."""


def properties(made: GoalDesigns, *names: str) -> np.ndarray:
    """The named properties of every design. → (n, k)."""
    return values(names, made.solved.stiffness, made.solved.cells.mean((1, 2)))


def key_figures(made: GoalDesigns) -> list[Figure]:
    solved, control = made.solved, made.lookup
    off = "tolerances from the goals, at one element a pixel, symmetry and regions aside; 1 or less meets them"
    known = math.isfinite(control)
    kinds = sorted(set(solved.start))
    return [
        Figure(
            "Meet every goal",
            f"{int(solved.met.sum())} of {len(solved.cells)}",
            f"by finite elements: {MESHES[solved.mesh]}",
        ),
        Figure("Nearest shipped cell", f"{control:.2g}", off)
        if known
        else Figure("Nearest shipped cell", "none", f"has walls and gaps of {made.feature} pixels"),
        Figure("Starts a design", f"{solved.attempts.mean():.1f}", f"on average, from {', '.join(kinds)}"),
        Figure("Operator runs", f"{solved.calls.mean():.0f}", "a design, all its starts together"),
        Figure("CPU time", f"{solved.seconds.mean():.2f} s", f"a design, {solved.seconds.sum():.1f} s in all"),
    ]


def came_from(made: GoalDesigns, chosen: int) -> str:
    """The start of a recorded design in words; a shipped cell that meets the goals stays as it is."""
    kind, way = made.solved.start[chosen], made.solved.ways[chosen]
    if kind == "flips" and np.array_equal(way[0] > 0.5, made.solved.cells[chosen]):
        return "a shipped cell, which stays as it is"
    return CAME_FROM[kind]


def show_closely(made: GoalDesigns, chosen: int, dark: bool, size: Size) -> None:
    solved = made.solved
    st.subheader(f"Design {chosen}", divider="gray")
    every = properties(made, *TABLE)[chosen]
    achieved = dict(zip(TABLE, every.tolist(), strict=True))
    goals = {goal.name: goal for goal in made.goals}
    other: Mesh = "pixel" if solved.mesh == "converged" else "converged"
    said = MESHES
    side = solved.cells.shape[-1]
    beside = values(tuple(TABLE), runs.on_mesh(solved.cells[chosen].tobytes(), side, other), achieved["volume"])
    table = pd.DataFrame(
        {
            "property": [short(name) for name in TABLE],
            "goal": [goals[name].text.replace(name, short(name)) if name in goals else "" for name in TABLE],
            said[solved.mesh]: list(achieved.values()),
            said[other]: beside,
            "unit": [cell_property(name).unit for name in TABLE],
            "z-score": [z_score(name, value) for name, value in achieved.items()],
        }
    )
    explained = {said["pixel"]: "One finite element for each pixel.", said["converged"]: "Extrapolated to a fine mesh."}
    left, right = st.columns([1.25, 1.4], gap="medium")
    with left:
        st.dataframe(
            table,
            hide_index=True,
            column_config={
                n: st.column_config.TextColumn(width=w) for n, w in (("property", 80), ("goal", 125), ("unit", 50))
            }
            | {
                name: st.column_config.NumberColumn(
                    format="%.2f" if name == "z-score" else "%.4f",
                    width=70 if name == "z-score" else 122,
                    help=explained.get(name),
                )
                for name in (*said.values(), "z-score")
            },
        )
        wall, gap = smallest_features(solved.cells[chosen])
        st.caption(
            f"Goals are judged on the mesh of the first column of numbers. η_x and η_y couple pulling with shear. "
            f"Thinnest wall {wall} pixels, narrowest gap {gap} pixels. It came from {came_from(made, chosen)}."
        )
    with right:
        strain = st.slider(
            "Strain as drawn [%]",
            1,
            30,
            STRAIN,
            key="goal_strain",
            help="Linear elasticity scales: the shape is that of small strains, drawn larger.",
        )
        packed = np.packbits(solved.cells[chosen]).tobytes()
        at, strains = runs.places(packed, side, strain / 100, TILES)
        solid = np.tile(solved.cells[chosen], (TILES, TILES))
        st.markdown(f"**Deformed shape** of {TILES} × {TILES} cells under each load, drawn at {strain} % strain.")
        chart(
            loads(at, solid, strains, LOADS, dark, size),
            key="goal-loads",
            config=CONFIG | {"displayModeBar": False},
        )


def show_table(made: GoalDesigns, choose: Callable[[int], None]) -> None:
    solved = made.solved
    columns = {"design": range(len(solved.cells)), "meets": solved.met, "misfit [tol.]": solved.misfit}
    columns |= {goal.text: solved.values[:, j] for j, goal in enumerate(made.goals)}
    frame = pd.DataFrame(
        columns
        | {
            "z-score of E_x": z_score("E_x", properties(made, "E_x", "E_x")[:, 0]),
            "volume fraction": solved.cells.mean((1, 2)),
            "solved from": solved.start,
            "starts": solved.attempts,
            "operator runs": solved.calls,
        }
    )

    def picked() -> None:
        if found_rows := st.session_state["goal-table"].selection.rows:
            choose(int(found_rows[0]))

    st.dataframe(
        frame,
        hide_index=True,
        key="goal-table",
        on_select=picked,
        selection_mode="single-row",
        column_config={name: st.column_config.NumberColumn(format="%.4f") for name in frame.select_dtypes("floating")},
    )
