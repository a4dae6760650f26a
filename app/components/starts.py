"""Starts of localization: a switch compares starts from the posterior with starts from the prior, all else equal."""

from __future__ import annotations

import streamlit as st

from app.components.settings_form import trained
from ipage_core.inference.methods import METHODS
from ipage_core.problem.task import Task

CONTROLS = {"prior-lm": "the prior (control)", "ipage-paper": "the paper's posterior"}
"""Control methods, and the switch's label for their starts."""
HOME = "the posterior"


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
            "Samples start from",
            width="content",
            help="The same target, the same surrogate, the same descent: only the starts differ. Starts from the prior "
            "know nothing of the target. The paper's posterior was trained with the paper's losses only.",
        )
        st.segmented_control(
            "Samples start from",
            [home, *offered],
            format_func=lambda name: CONTROLS.get(name, HOME),
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
