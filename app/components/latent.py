"""Why sampling matters: three latent designs side by side, and the design x that each z gives."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app.components.chart import chart
from app.components.choice import CONFIG
from app.components.followed import followed
from app.figures.coordinates import coordinates
from app.figures.latent import Latent, figure
from app.figures.playback import Size
from app.figures.run import Run
from app.state.runs import trio
from ipage_core.inference.latent_design import latent_design, minimum_distance, unit_design
from ipage_core.problem.request import SAMPLINGS, DesignRequest

KEY = "latent"


def show(request: DesignRequest, run: Run, dark: bool, size: Size) -> None:
    """Linked panels: brushing points in one panel highlights the same samples above and below it."""
    if run.labels[0] != "posterior":
        st.info(
            "This method has no latent space. Choose another method to see how latent points become designs.",
            icon=":material/info:",
        )
        return
    names = [run.sampling] if size.narrow else list(SAMPLINGS)
    runs: dict[str, Run] | None = {run.sampling: run}
    if not size.narrow:
        runs = followed(lambda: trio(request), "Running SRS, LHS and maximin …", "trio", request.key())
    if runs is None:
        return
    latents = [latent_of(SAMPLINGS[name], runs[name]) for name in names]
    z_axes, x_axes = _ask_axes(run)
    brushed = _brushed(names, (run.task, run.method, run.n, run.seed, tuple(run.y_star.tolist())))
    chart(
        figure(latents, z_axes, x_axes, brushed, dark, size),
        key=KEY,
        on_select=_remember,
        selection_mode=("points", "box", "lasso"),
        config=CONFIG,
    )
    _caption(latents, brushed)


def latent_of(name: str, run: Run) -> Latent:
    n, k = run.z.shape
    cube = unit_design(n, k, run.sampling, run.seed)
    z = latent_design(n, k, run.sampling, run.seed).numpy()
    return Latent(name, cube, z, minimum_distance(cube), minimum_distance(z), run)


def _ask_axes(run: Run) -> tuple[tuple[int, int], tuple[int, int]]:
    """Choose the two coordinates of z and of x to draw; no widget if there are only two."""
    k, labels = run.z.shape[1], list(coordinates(run).labels)
    if k <= 2 and len(labels) <= 2:
        return (0, 1), (0, 1)
    places = st.columns(4)
    latent = [f"z{i + 1}" for i in range(min(k, 64))]
    chosen = [
        latent.index(places[0].selectbox("z across", latent, 0, key="z_across", bind="query-params")),
        latent.index(places[1].selectbox("z up", latent, 1, key="z_up", bind="query-params")),
        labels.index(places[2].selectbox("x across", labels, 0, key="across", bind="query-params")),
        labels.index(places[3].selectbox("x up", labels, 1, key="up", bind="query-params")),
    ]
    return (chosen[0], chosen[1]), (chosen[2], chosen[3])


def _remember() -> None:
    """Callback of the figure: store the brushed samples and their column."""
    points = [point["customdata"] for point in st.session_state[KEY].selection.points if "customdata" in point]
    brushed: dict[int, list[int]] = {}
    for sample, column in points:
        brushed.setdefault(int(column), []).append(int(sample))
    st.session_state.brushed = {column: sorted(set(ids)) for column, ids in brushed.items()}


def _brushed(names: list[str], about: tuple) -> dict[int, list[int]]:
    """The brushed samples; reset when the samples change."""
    about = (*about, tuple(names))
    if st.session_state.get("brushed_about") != about:
        st.session_state.brushed_about, st.session_state.brushed = about, {}
    return st.session_state.brushed


def _caption(latents: list[Latent], brushed: dict[int, list[int]]) -> None:
    for column, ids in brushed.items():
        run = latents[column].run
        text = f"**{len(ids)} samples of {latents[column].name} brushed**"
        if run.modes is not None and run.n_modes:
            loops = sorted({int(m) + 1 for m in run.modes[-1, ids]} - {0})
            text += f": their designs end on {'loop' if len(loops) == 1 else 'loops'} {', '.join(map(str, loops))}."
        elif run.y is not None:
            spread = np.ptp(run.x[0, ids], axis=0) / np.ptp(run.prior, axis=0)
            text += f": their designs span {100 * spread.mean():.0f} % of the prior's range, averaged over coordinates."
        st.markdown(text)
    k = latents[0].cube.shape[1]
    space = "the unit square" if k == 2 else f"the unit cube of {k} coordinates, of which two are drawn"
    missing = sum(int(latent.run.replaced.sum()) for latent in latents)
    text = (
        f"**Top:** sampling places the points in {space}. **Middle:** the same points as z, stretched so that each "
        "coordinate follows a normal distribution; Φ(z) is the share of that distribution below z, from 0 to 1, and "
        "leads back to the top. **Bottom:** their designs x. **Brush** points in any panel (drag a box; double-click "
        "to undo): the same samples light up above and below. Each z becomes one design x, and near z become near x. "
        "**Least distance** counts all coordinates: maximin makes it large, so no two samples lie on the same spot; "
        "SRS leaves gaps and clumps."
    )
    if missing:
        text += f" {missing} replaced samples are not in the bottom row, because they have another z."
    st.caption(text)
