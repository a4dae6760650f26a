"""For a class: headline, figure and its controls alone, in large type; one button, or the key F."""

from __future__ import annotations

import streamlit as st

BARE = """
<style>
[data-testid="stSidebar"], [data-testid="stSidebarCollapsedControl"], [data-testid="stExpandSidebarButton"],
.st-key-form, [data-testid="stHeader"] { display: none; }
.stMainBlockContainer { padding-top: 1rem; }
.stMain h4 { font-size: 2.2rem; }
.stMain [data-testid="stCaptionContainer"] { font-size: 1.15rem; }
</style>
"""


def on() -> bool:
    """Whether the page shows the figure alone."""
    return bool(st.session_state.get("projector"))


def ask() -> None:
    """The button, and what is hidden while it is pressed."""

    def press() -> None:
        st.session_state.projector = not on()

    st.button(
        "All settings" if on() else "Projector",
        key="project",
        icon=":material/fullscreen_exit:" if on() else ":material/present_to_all:",
        on_click=press,
        shortcut="F",
        width="stretch",
        help="Headline, figure and its controls alone, in large type.",
    )
    if on():
        st.html(BARE)
