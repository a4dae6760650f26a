"""Watch: samples move from where they were proposed onto exact solutions."""

from __future__ import annotations

import streamlit as st

from app.components.chart import chart
from app.components.choice import CONFIG, ask_plane, chosen_sample, clicked
from app.components.words import caption
from app.figures import generic
from app.figures.coordinates import coordinates
from app.figures.playback import Size
from app.figures.run import Run
from app.state.settings import Settings
from app.tasks import family


def show(settings: Settings, run: Run, dark: bool, size: Size) -> None:
    """The animation; a click on a sample chooses it."""
    drawn, more = family(run.task), {}
    labels = list(coordinates(run).labels)
    if drawn is generic and len(labels) > 2:
        pair = ask_plane(labels, (0, 1), st.columns([1, 1, 1.6]))
        if pair[0] == pair[1]:
            return
        more["pair"] = pair
    chart(
        drawn.figure(run, dark, size, chosen_sample(run), **more),
        key="animation",
        on_select=lambda: clicked("animation"),
        selection_mode="points",
        config=CONFIG,
    )
    st.caption(getattr(drawn, "caption", caption)(run))
