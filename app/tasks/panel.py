"""What pages ask of a task, with an answer for every task. A special one overrides what is special about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from app.components import inspector, share, words
from app.components.form import Form
from app.figures import favourites, generic
from app.figures.playback import WIDE, Box, Scene, Size
from app.figures.run import Run
from app.figures.theme import Dict, Palette
from ipage_core.problem.request import DesignRequest
from ipage_core.problem.task import Task


class TaskPanel:
    """A task on the pages. Each hook is called once for every drawing of a page."""

    form = Form()
    """What the widgets offer and say, and which views there are."""
    about = ""
    """A remark below the headline."""
    plane = (0, 1)
    """The two coordinates that the posterior shows at first."""
    any_plane = True
    """Whether the figure draws any two coordinates: it takes ``pair`` then."""

    def figure(self, run: Run, dark: bool = False, size: Size = WIDE, chosen: int | None = None, **pair: tuple) -> Dict:
        """The animation: designs on their way, and the panels beside them."""
        return generic.figure(run, dark, size, chosen, **pair)

    def picture(self, scene: Scene, run: Run, box: Box, colors: Palette, size: Size) -> None:
        """The designs where one sees what they do, in one panel."""
        generic.picture(scene, run, box, colors, size)

    def caption(self, run: Run) -> str:
        """What to see in the figure."""
        return words.caption(run)

    def kept(self, task: str, designs: list[tuple[str, np.ndarray]], dark: bool, size: Size) -> Dict:
        """Kept designs beside each other: (name, (d,)) each."""
        return favourites.figure(task, designs, dark, size)

    def figures(self, run: Run) -> dict[str, Dict]:
        """The figures that go into the archive, by name, on a light ground."""
        drawn = {"localization": self.figure(run)}
        return drawn if "Posterior" in self.form.hidden else drawn | share.densities(run)

    def before(self, request: DesignRequest) -> None:
        """Show what must stand before any design. ValueError: there can be none, and why."""

    def completed(self, run: Run) -> Run:
        """The same designs, with what is known of them by now."""
        return run

    def advice(self, request: DesignRequest, run: Run) -> str:
        """What to do about a result that is not quite there, or nothing."""
        return ""

    def replaces(self, view: str, run: Run) -> bool:
        """Show the sentence that stands in the place of a view that says nothing here; False where it is shown."""
        return False

    def key_figures(self, run: Run) -> list[words.Figure]:
        """The run in numbers."""
        return words.key_figures(run)

    def show_designs(self, request: DesignRequest, run: Run, dark: bool, size: Size) -> None:
        """Every design, and the chosen one beside them or below: the table stays where it is."""
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
        """All that is known of the chosen sample."""
        inspector.show_sample(request, run)

    def show_table(self, run: Run) -> None:
        """Every design."""
        st.subheader("Every design, with what it achieves", divider="gray")
        inspector.show_table(run)

    def data(self, task: Task) -> Path | None:
        """The folder of the user's own data that a training learns from; None: the task has pairs of its own."""
        return None

    def awaits_model(self, task: Task) -> bool:
        """Whether a training would make the first model of the user's data, which lies beside them."""
        return False


PANEL = TaskPanel()
