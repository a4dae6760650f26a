"""The posterior before localization: where the network expects solutions, and how much this narrows the search."""

from __future__ import annotations

import streamlit as st

from app.components.chart import chart
from app.components.choice import CONFIG, ask_plane, chosen_sample, clicked
from app.components.words import density_caption
from app.figures.coordinates import coordinates
from app.figures.playback import Size
from app.figures.posterior import figure, pairs
from app.figures.run import Run
from app.state.densities import density
from app.state.runs import stamp


def show(run: Run, plane: tuple[int, int], dark: bool, size: Size) -> None:
    """Density and MAP point in two coordinates (``plane`` at first) beside the prior; below, all pairs."""
    shown = coordinates(run)
    labels = list(shown.labels)
    first, second = plane
    sliced = False
    if len(labels) > 2:
        left, middle, right = st.columns([1, 1, 1.6], vertical_alignment="bottom")
        first, second = ask_plane(labels, (first, second), [left, middle])
        if shown.own:
            ways = ["all others averaged", "cut at the MAP point"]
            way = right.segmented_control(
                "The other coordinates", ways, default=ways[0], required=True, key="others", bind="query-params"
            )
            sliced = way == ways[1]
        if first == second:
            return
    with st.spinner("Computing the density …", show_time=True):
        shown_density = density(run, first, second, sliced, stamp(run.task, run.method))
    chart(
        figure(run, shown_density, first, second, dark, size, chosen_sample(run)),
        key="density",
        on_select=lambda: clicked("density"),
        selection_mode="points",
        config=CONFIG,
    )
    st.caption(density_caption(run, shown_density, size))
    chart(
        pairs(run, dark, size, chosen_sample(run)),
        key="pairs",
        on_select=lambda: clicked("pairs"),
        selection_mode="points",
        config=CONFIG,
    )
    text = (
        "" if shown.own else "A design has too many coordinates to draw: these are the prior's principal components. "
    )
    st.caption(
        text + "**Pairs of coordinates:** the prior (grey) shows all designs, the posterior (orange) those that the "
        "network expects to be solutions, localized samples (blue) the solutions. Without constraints, "
        "orange should lie on blue."
    )
