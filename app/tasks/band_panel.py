"""Band structure of one crystal by DFT, on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from app.components.chart import chart
from app.components.choice import CONFIG
from app.components.words import duration, plain
from app.figures.playback import Size
from app.figures.run import Run
from app.state import classroom
from app.tasks import band_figure, verification
from app.tasks.candidates import designs
from app.workers import jobs
from ipage_core.tasks.band_path import BandPath

SAME = 1e-3
"""Tolerance [eV]: a gap that equals the smallest direct gap within it counts as direct."""


@dataclass(frozen=True)
class Bands:
    """How a task computes band structures."""

    path: BandPath
    operator: verification.Operator
    """Of rows (n, 7): a design, and the k-points from corner to corner."""
    about: str
    """Which atoms, and which lines."""


def show(bands: Bands, run: Run, sample: int, dark: bool, size: Size) -> None:
    """The button, the progress, and the figure once it is there."""
    row = np.append(designs(run)[sample], bands.path.points)[None]
    (result,) = bands.operator.results(row)
    if result is not None and "fail" not in result:
        chart(band_figure.figure(run, bands.path, result, dark, size), key="bands", config=CONFIG)
        st.caption(f"{sentence(result)} {bands.about}")
        return
    if missing := verification.unavailable():
        st.info(f"It needs DFT. {missing}", icon=":material/science_off:")
        return
    if classroom.on():
        classroom.note("Band structures are switched off in this classroom: each takes longer than a verification.")
        return
    mine: list[jobs.Job] = st.session_state.setdefault("band_jobs", [])
    mine += [job for job in jobs.queue().about(row, bands.operator.work) if job not in mine]
    under_way = bool(jobs.queue().about(row, bands.operator.work))
    st.caption(
        f"The bands along lines between the corners of the Brillouin zone, with the settings of Ω. {bands.about}"
    )
    st.button(
        f"Compute it by DFT, about {duration(jobs.guess(1, bands.operator.each))}",
        key="compute-bands",
        icon=":material/ssid_chart:",
        on_click=lambda: mine.append(jobs.queue().add((sample,), row, bands.operator.work, bands.operator.each)),
        disabled=under_way,
    )
    active = [job.active for job in mine]
    st.fragment(verification.follow, run_every=1.0 if any(active) else None)(mine, active)


def gap_type(gap: float, direct: float) -> str:
    """'direct' or 'indirect', from a gap and the smallest direct gap [eV]."""
    return "direct" if direct - gap < SAME else "indirect"


def sentence(result: dict[str, Any]) -> str:
    """The gap on the path, and where its edges lie."""
    top, bottom = result["top"], result["bottom"]
    if result["gap"] < 0:
        return plain(
            f"The bands overlap by {-result['gap']:.3f} eV on this path: a metal. The lower band is highest at {top}, "
            f"the upper one lowest at {bottom}."
        )
    kind = gap_type(result["gap"], result["direct"])
    return plain(
        f"The gap on this path is {result['gap']:.3f} eV, {kind}: from {top} to {bottom}. The smallest direct gap is "
        f"{result['direct']:.3f} eV. Ω looks for its gap at other k-points, so both may differ."
    )
