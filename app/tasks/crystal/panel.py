"""Panel of SrTiO₃: candidates for DFT, details of one cell, distributions of lattice parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.components.chart import chart
from app.components.choice import CONFIG, chosen_sample, clicked
from app.components.form import Form
from app.figures.playback import WIDE, Box, Scene, Size
from app.figures.run import Run
from app.figures.theme import Dict, Palette
from app.tasks import learning, structures, verification
from app.tasks.candidates import FEW, completed, designs, half_widths, structure_rows
from app.tasks.crystal import figure as drawn
from app.tasks.crystal import filters, reference, relaxing, tradeoff
from app.tasks.crystal.candidates import RANKED_BY, RANKINGS, ask_rows, energy_per_atom, predicted, ranked_cells
from app.tasks.crystal.inputs import CREDIBLE, CREDIBLE_STRAIN, ask_for_the_papers, ask_otherwise
from app.tasks.crystal.reference import CUBIC_GAP, MEASURED_GAP
from app.tasks.crystal.sample import show_cell
from app.tasks.panel import TaskPanel
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks.crystal.box import HELD_IONS
from ipage_core.tasks.crystal.task import TASK, properties


class CrystalPanel(TaskPanel):
    """A table of candidates for DFT replaces the table of all designs."""

    plane = drawn.PLANE
    any_plane = False
    formula = (
        "Ω computes the gap between the occupied and the empty electron states of this cell by density functional "
        "theory (PBE). It takes seconds per cell, so it runs only on request."
    )
    caption = staticmethod(drawn.caption)
    about = (
        f"Every gap here is a **PBE gap with unrelaxed internal coordinates**: {HELD_IONS}. "
        f"PBE underestimates ({CUBIC_GAP:.2f} eV for the cubic crystal, {MEASURED_GAP:.2f} eV in experiment). "
        "A negative gap: the bands overlap, a metal. DFT runs only on request; until then designs are "
        "**not verified**."
    )
    form = Form(
        target=CREDIBLE,
        constraints=CREDIBLE_STRAIN,
        example="a=b; angles=90; strain<=5%",
        accepted="Separated by semicolons; they hold during the descent. **a=b**: two parameters tied. **c=4.1**, "
        "**gamma<=95**: one fixed or bounded. **angles=90**: all three. **substrate=LSAT**: a, b and γ of its plane. "
        "**strain<=5%**: largest principal strain, **volume<=3%**: change either way, both against the cubic cell of "
        "lowest energy. Names: a, b, c [Å], alpha, beta, gamma [°].",
        below=ask_otherwise,
    )

    def before(self, request: DesignRequest) -> None:
        """A button for the paper's target, and back."""
        ask_for_the_papers(request)

    def figure(self, run: Run, dark: bool = False, size: Size = WIDE, chosen: int | None = None, **_: Any) -> Dict:
        return drawn.figure(run, predicted, dark, size, chosen)

    def picture(self, scene: Scene, run: Run, box: Box, colors: Palette, size: Size) -> None:
        drawn.picture(scene, run, predicted, box, colors, size)

    def figures(self, run: Run) -> dict[str, Dict]:
        return super().figures(run) | {"lattices": drawn.lattices(run)}

    def show_designs(self, request: DesignRequest, run: Run, dark: bool, size: Size) -> None:
        """The candidates, in place of the table of all designs."""
        self.show_sample(request, run, dark, size)

    def completed(self, run: Run) -> Run:
        """The same designs with all of their DFT results, for figures, table and exports."""
        return completed(run, verification.SRTIO3.results(designs(run)), properties)

    def show_sample(self, request: DesignRequest, run: Run, dark: bool, size: Size) -> None:
        """Candidates with verification and files; details of one cell; distributions of lattice parameters."""
        st.subheader("Candidates", divider="gray")
        left, middle, right = st.columns([2, 1.1, 0.9], vertical_alignment="bottom")
        by = left.segmented_control(
            "Rank by",
            list(RANKINGS),
            default="energy",
            required=True,
            format_func=RANKINGS.get,
            key="rank",
            bind="query-params",
            help=RANKED_BY,
        )
        with st.spinner("Ranking …"):
            ranked = ranked_cells(run.x[-1].astype(float), by)
        alone = False
        if (ranked["members"] > 1).any():  # unless every cell is its own family
            alone = middle.toggle("One cell for each family", key="families", bind="query-params")
        with right:
            passing = filters.ask(energy_per_atom(run, ranked), ranked, verification.verdicts(run, designs(run)))
        shown, ticked = ask_rows(run, ranked, by, alone, passing)
        reference.show()
        x, wanted = designs(run), ticked or shown[:FEW]
        verification.ask(verification.verdicts(run, x), x, wanted, bool(ticked), verification.SRTIO3)
        relaxing.ask(run, ranked, x, wanted, bool(ticked))
        which = f"{len(ticked)} ticked" if ticked else f"all {run.n}"
        learning.offer(TASK, *learning.computed(TASK, verification.SRTIO3.work, properties), "DFT")
        structures.ask(TASK, structure_rows(run, ranked, ticked), which, "srtio3")
        chosen = chosen_sample(run)
        sample = shown[0] if chosen is None else chosen
        beside = next((other for other in reversed(ticked) if other != sample), None)
        show_cell(request, run, ranked, sample, dark, size, beside)
        _tradeoff(run, ranked, passing, dark, size, chosen)
        st.subheader("Lattice parameters", divider="gray")
        chart(drawn.lattices(run, dark, size, chosen), key="lattices", config=CONFIG)
        versus = f"**{run.labels[0].capitalize()}** against **localized**" if run.localizes else "The posterior"
        st.caption(
            f"{versus}; dashed, the cubic cell of lowest energy. The 24 symmetries mirror angles about 90° and swap "
            "axes, so solutions come on both sides. Lines: at most 100 cells of each kind."
        )


def _tradeoff(run: Run, ranked: pd.DataFrame, passing: np.ndarray, dark: bool, size: Size, chosen: int | None) -> None:
    st.subheader("Gap against energy", divider="gray")
    gap, energy, half = ranked["gap"].to_numpy(), ranked["energy"].to_numpy(), half_widths(run.task, run.x[-1])
    unbeaten = tradeoff.unbeaten(run, gap, energy, passing)
    chart(
        tradeoff.figure(run, gap, energy, passing, dark, size, chosen, half),
        key="tradeoff",
        on_select=lambda: clicked("tradeoff"),
        selection_mode="points",
        config=CONFIG,
    )
    bars = " Each bar holds about 90 % of DFT gaps: the shorter, the surer." if np.isfinite(half).all() else ""
    st.caption(
        f"Click a cell to look at it above. {tradeoff.caption(int(unbeaten.sum()))} "
        f"Values are by DFT where it ran.{bars}"
    )


PANEL = CrystalPanel()
