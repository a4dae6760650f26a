"""Starts of localization: a switch compares a method with those that start elsewhere."""

from __future__ import annotations

import streamlit as st

from app.components.settings_form import trained
from app.components.words import method_name
from ipage_core.inference.methods import METHODS
from ipage_core.problem.task import Task

CONTROLS = ("prior-lm", "ipage-paper")
"""They start at random, and from a posterior trained as in the paper, on a surrogate of its own."""


def ask(task: Task, method: str) -> None:
    """The switch. It sets the method, so the link, the texts and the table follow it.

    Shows nothing if the method does not localize, or if no control uses its networks.
    """
    offered = [name for name in CONTROLS if name in trained(task)]
    home = _home(task, method)
    if not offered or home is None:
        return
    st.session_state.starts = method if method in CONTROLS else home

    def change() -> None:
        st.session_state.method = st.session_state.starts

    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            "Starts of",
            width="content",
            help="The same target and the same descent, but other starts. iPage starts from its posterior. The control "
            "starts from random designs, which know nothing of the target. iPage as in the paper starts from a "
            "posterior that was trained with the paper's losses only, on a surrogate of its own.",
        )
        st.segmented_control(
            "Starts of",
            [home, *offered],
            format_func=method_name,
            required=True,
            label_visibility="collapsed",
            wrap=True,
            key="starts",
            on_change=change,
        )


def _home(task: Task, method: str) -> str | None:
    """The method with a posterior to switch back to; None if no such method localizes."""
    if method not in CONTROLS:
        st.session_state[f"starts-{task.name}"] = method
    home = st.session_state.get(f"starts-{task.name}", task.default_method)
    row = METHODS.get(home)
    return home if row and row.proposal and row.surrogate and home in trained(task) else None
