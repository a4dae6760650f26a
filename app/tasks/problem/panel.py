"""A problem whose Ω is a command: its models lie beside its rows, and it needs a training before any design."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.components.form import Form
from app.components.words import plain
from app.figures.playback import Size
from app.figures.run import Run
from app.tasks.candidates import completed
from app.tasks.panel import TaskPanel
from app.tasks.problem import crystal_view, table, verification
from ipage_core.problem.request import DesignRequest
from ipage_core.problem.task import Task
from ipage_core.tasks import TASKS


def too_few(name: str) -> str:
    """A sentence while the problem has too few rows for a training."""
    task = TASKS[name]
    try:
        task.pairs()
    except ValueError:
        return (
            f"{plain(task.title)} has too few evaluated designs so far. Evaluate more on the page Your problem, under "
            "Your problems; or start a campaign there, which needs none."
        )
    return ""


class ProblemPanel(TaskPanel):
    form = Form(blocked=too_few)

    def data(self, task: Task) -> Path | None:
        return task.models_folder

    def awaits_model(self, task: Task) -> bool:
        return task.models_folder is not None and not (task.models_folder / "mlp.json").exists()

    def before(self, request: DesignRequest) -> None:
        if self.awaits_model(request.task) and "@" not in request.method:
            raise ValueError(
                f"{request.task.title} has no trained model yet: evaluate some designs on the page Your problem, then "
                "train on the page Train; or start a campaign, which needs no training"
            )

    def completed(self, run: Run) -> Run:
        """The same designs with what the command has said of them by now."""
        return completed(run, verification.results(run), lambda result: result["y"])

    def show_designs(self, request: DesignRequest, run: Run, dark: bool, size: Size) -> None:
        """Verification by the command, then every design."""
        verification.ask(run)
        super().show_designs(request, run, dark, size)
        if (folder := crystal_view.folder_of(run.task)) is not None:
            crystal_view.show(run, folder, dark, size)

    def show_table(self, run: Run) -> None:
        """The designs, each with what it rests on."""
        st.subheader("Every design, with what it rests on", divider="gray")
        table.show(run)


PANEL = ProblemPanel()
