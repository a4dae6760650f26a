"""Cells by several properties: goals, designs that meet them, figures, details of one design, files."""

from __future__ import annotations

import logging
import time

import numpy as np
import streamlit as st
import torch

from app.components import links
from app.components.chart import chart
from app.components.choice import CONFIG
from app.components.look import is_dark, size_name
from app.components.words import cards, plain
from app.figures.playback import Size
from app.tasks import learning
from app.tasks.cells.files import ask_files
from app.tasks.cells.goals import rows, runs
from app.tasks.cells.goals.closely import key_figures, properties, show_closely, show_table
from app.tasks.cells.goals.figures import attainment, directions
from app.tasks.cells.goals.gallery import show_gallery
from app.tasks.cells.goals.how import ask_how
from app.tasks.cells.goals.planes import front, poisson_plane
from app.tasks.cells.goals.request import GoalRequest
from app.tasks.cells.regions import objection
from ipage_core.tasks.cells.features import smallest_features
from ipage_core.tasks.cells.goal_design import GoalDesigns
from ipage_core.tasks.cells.properties import TABLE, cell_property
from ipage_core.tasks.cells.task import SIDE, TASK, of_stiffness

CHOSEN, APPLIED = "goal_design", "goal_applied"
"""Session keys: the design shown in detail, and the request of the designs shown."""


def show() -> None:
    """The whole page."""
    size, dark = Size(size_name()), is_dark()
    st.markdown("#### Cells by several properties")
    st.caption(
        "Set goals, each exactly, at least or at most, or as small or large as can be. The finite elements themselves "
        "guide the search, so every cell below is checked by them. E is Young's modulus, G the shear and K the bulk "
        "modulus, ν Poisson's ratio, and η says how much pulling also shears. Moduli are in units of the solid's "
        "E_s; z is the distance from the mean of the 100,000 cells of the paper's task, in their standard deviations."
    )
    first = GoalRequest.from_query(st.query_params)
    _drop_from_link(first)
    rows.show_rows()
    wanted = ask_how(first)
    pressed = st.button("Design cells", type="primary", icon=":material/grid_view:", key="goal_run")
    rows.show_what_is_left_out(pressed)
    if wanted is not None and (pressed or APPLIED not in st.session_state):
        st.session_state[APPLIED] = wanted
        st.session_state[CHOSEN] = None
        st.query_params.from_dict(wanted.query())
    applied: GoalRequest | None = st.session_state.get(APPLIED)
    if applied is None:
        return
    made = _find(applied)
    if made is None:
        return
    if wanted is not None and wanted != applied:
        st.info(
            "The goals above have changed since. Press **Design cells** to use the new goals.", icon=":material/info:"
        )
    _show(applied, made, dark, size)


def _drop_from_link(first: GoalRequest) -> None:
    """Say which settings of the address were not accepted."""
    if APPLIED in st.session_state:
        return
    links.use(*(settings := first.settings()))
    for name, value in settings.items():
        text = st.query_params.get(name)
        if text is not None and name not in ("goals", "c") and not links.same(text, value):
            links.drop(name, text, "is not accepted here")


def _find(wanted: GoalRequest) -> GoalDesigns | None:
    """The designs, or an error message in their place.

    The page ends without ``st.stop``, after which it could not say what it left out of a link.
    """
    bar = st.empty()
    began = time.monotonic()

    def progress(done: int) -> None:
        bar.progress(done / wanted.n, f"{done} of {wanted.n} designs, {time.monotonic() - began:.0f} s")

    try:
        if wrong := objection(wanted.constraints):
            raise ValueError(wrong)
        solved = runs.designs(wanted, progress)
        bar.empty()
        return solved
    except ValueError as error:
        bar.empty()
        st.error(plain(str(error)), icon=":material/error:")
    except Exception:
        bar.empty()
        logging.getLogger(__name__).exception("goals of cells failed")
        st.error("This run failed with an unexpected error; see the log.")
    return None


def _choose(sample: int) -> None:
    st.session_state[CHOSEN] = sample


def _show(wanted: GoalRequest, made: GoalDesigns, dark: bool, size: Size) -> None:
    solved, goals = made.solved, list(made.goals)
    sentence = made.note
    (st.success if solved.met.all() else st.warning)(sentence[0].upper() + sentence[1:] + ".")
    chosen = st.session_state.get(CHOSEN)
    if chosen is None or chosen >= len(solved.cells):
        chosen = int(solved.misfit.argmin())
    play = st.toggle("Play new results automatically", True, key="goal_play", persist_state="session")
    show_gallery(solved, chosen, dark, play, _choose)
    st.caption("Solid is dark on a light page and light on a dark one. Click a cell to look at it closely.")
    st.html(cards(key_figures(made)))
    config = CONFIG | {"displayModeBar": False}
    name = next((g.name for g in goals if cell_property(g.name).unit == "E_s" and g.name in TABLE), "E_x")
    volume = solved.cells.mean((1, 2))
    shown = {
        "**Target against achieved.** Green: what is accepted.": attainment(
            goals, solved.values, solved.met, chosen, dark, size
        ),
        "**E(θ) [E_s]**, Young's modulus pulled along θ; a circle is isotropic.": directions(
            goals, solved.stiffness, chosen, dark, size
        ),
        "**ν against E.** What the shipped cells reach; designs beyond it may exist, but the data set has none.": (
            poisson_plane(goals, runs.plane("nu_xy", "E_x"), properties(made, "nu_xy", "E_x"), chosen, dark, size)
        ),
        "**Stiffness against volume**, with the Pareto fronts of data and designs.": front(
            name,
            runs.plane("volume", name),
            np.stack((volume, properties(made, name, name)[:, 0]), 1),
            chosen,
            dark,
            size,
        ),
    }
    places = [*st.columns(2, gap="medium"), *st.columns(2, gap="medium")]
    for k, (place, (said, figure)) in enumerate(zip(places, shown.items(), strict=True)):
        with place:
            st.markdown(said)
            chart(figure, key=f"goal-figure-{k}", config=config)
    show_closely(made, chosen, dark, size)
    show_table(made, _choose)
    number = int(smallest_features(solved.cells[chosen])[0])
    if number < 2:
        st.warning(
            f"Design {chosen} has a wall of one pixel: {wanted.cell_mm / wanted.side:.2g} mm in a cell of "
            f"{wanted.cell_mm:g} mm. Printers may lose it; a smallest feature of 2 keeps walls wider.",
            icon=":material/print:",
        )
    st.subheader("Files to print, cut or show", divider="gray")
    ask_files(solved.cells, chosen, "goals-", wanted.cell_mm)
    if solved.mesh == "pixel" and solved.cells.shape[-1] == SIDE:  # what Ω of the task Architected materials says
        x = torch.from_numpy(solved.cells.astype(np.float64))
        learning.offer(TASK, x.flatten(1), of_stiffness(x, solved.stiffness), "FEM")
    _share(wanted, made)


def _share(wanted: GoalRequest, made: GoalDesigns) -> None:
    st.subheader("Share and take away", divider="gray")
    base = (st.context.url or "").split("?")[0]
    st.caption("This link sets the same goals and gives the same designs.")
    st.code(f"{base}?{wanted.link()}", language=None, wrap_lines=True)
    st.download_button(
        "Download CSV",
        lambda: made.frame().to_csv(index=False),
        file_name="cells.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="goal-csv",
    )
    st.caption("On the command line, the same designs:")
    st.code(wanted.command(), language="bash", wrap_lines=True)
