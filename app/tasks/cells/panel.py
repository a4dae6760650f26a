"""Panel of pixel cells: choice of a cell, its details, and files for manufacture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st
import torch

from app.components.choice import KEY, chosen_sample
from app.components.form import Form
from app.figures.playback import WIDE, Size
from app.figures.run import Run
from app.figures.theme import Dict
from app.state import classroom
from app.state.runs import training
from app.tasks import learning
from app.tasks.cells import figure as drawn
from app.tasks.cells import pictures
from app.tasks.cells.files import show_files
from app.tasks.cells.measures import anisotropy, packed, thickness
from app.tasks.cells.regions import ask_otherwise, objection
from app.tasks.cells.sample import show_cell
from app.tasks.panel import TaskPanel
from ipage_core.inference.latent_design import latent_design, minimum_distance
from ipage_core.problem.request import SAMPLINGS, DesignRequest
from ipage_core.tasks.cells.finishing import ENOUGH
from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD
from ipage_core.tasks.cells.task import SIDE, TASK
from ipage_core.tasks.cells.wallpaper import GROUPS


def _ask_choice(run: Run) -> None:
    cells = packed(run)
    ways: dict[str, Callable[[], np.ndarray]] = {
        "Lightest": lambda: -run.x[-1].mean(1),
        "Most isotropic": lambda: -anisotropy(cells, run.n),
        "Thickest smallest member": lambda: thickness(cells, run.n) - run.x[-1].mean(1) / 10,
    }

    def choose(score: Callable[[], np.ndarray]) -> None:
        among = run.hit if run.hit.any() else np.ones(run.n, dtype=bool)
        st.session_state[KEY] = int(np.where(among, score(), -np.inf).argmax())

    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            "Choose by:" if run.hit.any() else "Choose by (no design hits, so all are ranked):", width="content"
        )
        for name, score in ways.items():
            st.button(name, key=f"choose-{name}", on_click=choose, args=(score,))


class CellsPanel(TaskPanel):
    """A gallery of cells, details of one cell, and files for manufacture."""

    any_plane = False
    formula = "Ω computes the stiffness of an endless pattern of this cell by finite elements (homogenization)."
    picture = staticmethod(drawn.picture)
    caption = staticmethod(drawn.caption)
    kept = staticmethod(pictures.kept)
    form = Form(
        natural=("E_x* [E_s]", E_X_MEAN, E_X_SD),
        counts=(1, 4, 16, 64, 200),
        most_in_class=16,  # finite elements check each cell
        corrections_in_class=2,
        hidden=("Posterior", "Compare"),  # not informative in 1024 coordinates
        example="group=p4m; volume<=0.85",
        accepted="Separated by semicolons; all hold together, during the descent. **volume<=0.6** (also = or >=): "
        "share of solid pixels. **E_y=0.4** (also <= or >=): modulus along y, in units of E_s. **isotropic**: "
        f"E_x = E_y. **group=p4m**: a symmetry imposed, one of {', '.join(GROUPS)}. **solid=1-32,15-18**: pixels 1 to "
        "32 along x, 15 to 18 along y, stay solid; **void=** likewise.",
        start="upload its image below",
        starts="Samples start a quarter of the way from it to posterior samples, the first one at the cell itself.",
        sampling=f"In {SIDE**2} dimensions maximin has no advantage over SRS: all random points are equally far apart.",
        finishing="After the clean-up, pixels at the edges are flipped, each trial judged by finite elements, until "
        f"E_x is the target to {ENOUGH:g} E_s. Takes some tens of true evaluations a design.",
        finished=True,
        below=ask_otherwise,
        objection=objection,
    )

    def figure(self, run: Run, dark: bool = False, size: Size = WIDE, chosen: int | None = None, **_: Any) -> Dict:
        return drawn.figure(run, training(run.task), dark, size, chosen)

    def advice(self, request: DesignRequest, run: Run) -> str:
        """Advice if some cells miss the target slightly."""
        if request.finish or classroom.on() or not run.exact.any() or (run.hit | ~run.verified).all():
            return ""
        return (
            ":material/tips_and_updates: **Bring designs to the exact target** (a setting) flips pixels until all are."
        )

    def replaces(self, view: str, run: Run) -> bool:
        """Why the latent design has no visible effect."""
        if view != "Latent design":
            return False
        k = run.z.shape[1]
        if run.labels[0] != "posterior":
            st.info("This method has no latent space.", icon=":material/info:")
            return True
        n = max(2, run.n)
        distances = {
            SAMPLINGS[name]: minimum_distance(latent_design(n, k, name, run.seed).numpy()) for name in SAMPLINGS
        }
        listed = ", ".join(f"{name} {distance:.1f}" for name, distance in distances.items())
        st.info(
            f"**In {k} dimensions maximin has no advantage.** Random points are all about equally far from each other "
            "there, so there is no clump to avoid and no hole to fill: the least distance between two of these "
            f"{n} latent points is {listed}. Choose any; pairs of coordinates and densities would show nothing either.",
            icon=":material/info:",
        )
        return True

    def show_designs(self, request: DesignRequest, run: Run, dark: bool, size: Size) -> None:
        """The table comes first, so that it keeps its place; a cell needs the page's full width."""
        self.show_table(run)
        self.show_sample(request, run, dark, size)

    def show_sample(self, request: DesignRequest, run: Run, dark: bool, size: Size) -> None:
        """Choice of a cell, its details, and files."""
        _ask_choice(run)
        sample = chosen_sample(run)
        if sample is not None:
            show_cell(request, run, sample, dark, size)
        show_files(run, sample)
        x = run.x[-1].astype(np.float64)
        clean = np.isin(x, (0, 1)).all(1)
        learning.offer(TASK, torch.from_numpy(x[clean]), torch.from_numpy(run.achieved[clean]), "FEM")


PANEL = CellsPanel()
