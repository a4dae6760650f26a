"""Watch: samples move from where they were proposed onto exact solutions."""

from __future__ import annotations

import streamlit as st

from app.figures import family
from app.figures.playback import Size
from app.runs import Run
from app.settings import Settings
from app.views.chart import chart
from app.views.choice import CONFIG, chosen_sample, clicked
from app.words import caption


def show(settings: Settings, run: Run, dark: bool, size: Size) -> None:
    """The animation; a click on a sample chooses it."""
    drawn = family(run.task)
    chart(
        drawn.figure(run, dark, size, chosen_sample(run)),
        key="animation",
        on_select=lambda: clicked("animation"),
        selection_mode="points",
        config=CONFIG,
    )
    st.caption(getattr(drawn, "caption", caption)(run))
