"""Interface between pages and a task, with defaults that suit every task; a task overrides what is special about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from app.components import formula, inspector, share, words
from app.components.form import Form
from app.figures import favourites, generic
from app.figures.coordinates import MOST
from app.figures.playback import WIDE, Box, Scene, Size
from app.figures.run import Run
from app.figures.theme import Dict, Palette
from ipage_core.problem.request import DesignRequest
from ipage_core.problem.task import Task


class TaskPanel:
    """A task on the pages. Each hook is called once per drawing of a page."""

    form = Form()
    """Settings and texts of the widgets, and the available views."""
    about = ""
    """A note below the headline."""
    formula: str = ""
    """Ω in LaTeX, or a sentence about it that ends with a full stop."""
    plane = (0, 1)
    """The two coordinates of the posterior view at first."""
    any_plane = True
    """Whether the figure can draw any two coordinates; it then accepts ``pair``."""

    def figure(self, run: Run, dark: bool = False, size: Size = WIDE, chosen: int | None = None, **pair: tuple) -> Dict:
        """The animation: moving designs, and the panels beside them."""
        return generic.figure(run, dark, size, chosen, **pair)

    def picture(self, scene: Scene, run: Run, box: Box, colors: Palette, size: Size) -> None:
        """The designs drawn so that their effect is visible, in one panel."""
        generic.picture(scene, run, box, colors, size)

    def handles(self, task: Task, x: np.ndarray) -> np.ndarray:
        """The points (k, 2) of the picture by which a visitor can drag the design x (d,); empty if none."""
        return x[None, :2] if 2 <= task.d <= MOST else np.empty((0, 2))

    def dragged(self, task: Task, x: np.ndarray, handle: int, to: np.ndarray) -> np.ndarray:
        """The design x (d,) after one of these points is dragged to ``to`` (2,); it may lie out of bounds."""
        return np.concatenate((to, x[2:]))

    def explain(self, task: Task, dark: bool) -> None:
        """What Ω computes: its formula or a sentence, and where possible a sketch."""
        formula.show(task, self.formula, self.sketch(dark))

    def sketch(self, dark: bool) -> str:
        """A sketch of Ω as SVG; empty if there is none."""
        return ""

    def caption(self, run: Run) -> str:
        """The caption of the figure."""
        return words.caption(run)

    def kept(self, task: str, designs: list[tuple[str, np.ndarray]], dark: bool, size: Size) -> Dict:
        """Kept designs side by side: (name, (d,)) each."""
        return favourites.figure(task, designs, dark, size)

    def figures(self, run: Run) -> dict[str, Dict]:
        """The figures of the archive, by name, with the light theme."""
        drawn = {"localization": self.figure(run)}
        return drawn if "Posterior" in self.form.hidden else drawn | share.densities(run, self.plane)

    def before(self, request: DesignRequest) -> None:
        """Content above all designs. Raises ValueError with a message if no design is possible."""

    def completed(self, run: Run) -> Run:
        """The same designs with all that is known of them by now."""
        return run

    def advice(self, request: DesignRequest, run: Run) -> str:
        """Advice if a result misses the target slightly, or nothing."""
        return ""

    def replaces(self, view: str, run: Run) -> bool:
        """Show a sentence in place of a view that is not informative for this task; False if the view is shown."""
        return False

    def key_figures(self, run: Run) -> list[words.Figure]:
        """The key numbers of the run."""
        return words.key_figures(run)

    def show_designs(self, request: DesignRequest, run: Run, dark: bool, size: Size) -> None:
        """Every design, and the chosen one beside them or below, so that the table keeps its place."""
        if size.name not in ("wide", "large"):
            self.show_table(run)
            self.show_sample(request, run, dark, size)
            return
        left, right = st.columns([1.25, 1], gap="medium")
        with left:
            self.show_table(run)
        with right:
            self.show_sample(request, run, dark, size)

    def show_sample(self, request: DesignRequest, run: Run, dark: bool, size: Size) -> None:
        """Details of the chosen sample."""
        inspector.show_sample(request, run)

    def show_table(self, run: Run) -> None:
        """The table of all designs."""
        st.subheader("Every design, with what it achieves", divider="gray")
        inspector.show_table(run)

    def data(self, task: Task) -> Path | None:
        """The folder of the user's own training data; None if the task has its own pairs."""
        return None

    def awaits_model(self, task: Task) -> bool:
        """Whether training would make the first model of the user's data, which is stored beside them."""
        return False


PANEL = TaskPanel()
