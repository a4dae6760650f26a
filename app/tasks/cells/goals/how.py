"""Settings of the design: number, smallest feature, pixels, mesh, constraints."""

from __future__ import annotations

import streamlit as st

from app.components.words import plain
from app.state import classroom
from app.tasks.cells.goals import rows
from app.tasks.cells.goals.request import COUNTS, MOST_SEED, SIDES, WIDTHS, GoalRequest
from ipage_core.runtime.text import parts_of
from ipage_core.tasks.cells.wallpaper import GROUPS

MOST_IN_CLASS = 16


def ask_how(first: GoalRequest) -> GoalRequest | None:
    """The request as set now; None, with a message, if it is incomplete."""
    counts = classroom.within(COUNTS, MOST_IN_CLASS)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n = st.selectbox("Designs", counts, _index(counts, first.n), key="goal_n", width=110, persist_state="session")
        feature = st.text_input(
            "Smallest feature",
            first.feature,
            key="goal_feature",
            width=150,
            persist_state="session",
            help="Thinnest wall and narrowest gap, in pixels (2) or millimetres (0.6mm). From 2 pixels on, cells can "
            "be printed; 1 allows single pixels.",
        )
        cell_mm = st.number_input(
            "Cell [mm]", *WIDTHS, first.cell_mm, key="goal_cell_mm", width=130, persist_state="session"
        )
    with st.expander("More: pixels, mesh, symmetry, seed", icon=":material/tune:"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            side = st.selectbox(
                "Pixels along an edge",
                SIDES[:1] if classroom.on() else SIDES,
                _index(SIDES[:1] if classroom.on() else SIDES, first.side),
                key="goal_side",
                width=170,
                persist_state="session",
                help="A cell of 32 pixels takes under a second, one of 64 several.",
            )
            converged = st.toggle(
                "Mesh-converged",
                first.mesh == "converged",
                key="goal_mesh",
                disabled=classroom.on(),
                persist_state="session",
                help="Design to the property extrapolated from meshes of 1 and 2 elements a pixel side (Richardson), "
                "not to that of one element a pixel, which is about 0.02 E_s too high.",
            )
            seed = st.number_input(
                "Seed", 0, MOST_SEED, first.seed, key="goal_seed", width=130, persist_state="session"
            )
        text = st.text_input(
            "Constraints",
            "; ".join(first.constraints),
            key="goal_constraints",
            persist_state="session",
            placeholder="group=p4m; solid=1-32,15-18",
            help=f"Separated by semicolons. **group=p4m**: a symmetry, one of {', '.join(GROUPS)}. "
            "**solid=1-32,15-18**: pixels that stay solid; **void=** likewise. **isotropic**: anisotropy ≤ 0.04.",
        )
    try:
        return GoalRequest(
            rows.goals(),
            int(n),
            int(seed),
            int(side),
            feature.strip(),
            float(cell_mm),
            "converged" if converged and not classroom.on() else "pixel",
            parts_of(text),
        )
    except ValueError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return None


def _index(choices: tuple[int, ...] | list[int], value: int) -> int:
    return list(choices).index(value) if value in choices else len(choices) - 1
