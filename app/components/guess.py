"""Guess it yourself: set a design by hand, see what Ω says of it, then let iPage try."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st
import torch

from app.components.chart import chart
from app.components.choice import CONFIG
from app.components.words import goal_text, number, plain, unit
from app.figures.compare import Picture
from app.figures.guess import drawn_as_ring, figure
from app.figures.playback import Size
from app.figures.run import Run
from app.state import class_board, classroom
from ipage_core.problem.task import Task
from ipage_core.tasks import TASKS

MOST = 6
"""Coordinates that a person can set by hand."""
STEPS = 200
"""Steps of each slider."""


def possible(task: Task) -> bool:
    """Whether Ω is fast, and the coordinates are few real numbers."""
    return (
        task.omega is not None
        and task.verifies_by_default
        and task.d <= MOST
        and all(not variable.levels for variable in task.variables)
    )


def achieved(task: Task, x: np.ndarray) -> np.ndarray:
    """Ω of designs (k, d). → (k, m)"""
    assert task.omega is not None
    with torch.no_grad():
        return task.omega(torch.from_numpy(np.atleast_2d(x).astype(float)))[:, : task.n_targets].numpy()


def show(task: Task, run: Run, picture: Picture, dark: bool, size: Size) -> None:
    """Sliders, the picture of the guess, its error; and the way to what iPage makes of the same target."""
    _play(task, run, picture, dark, size)


@st.fragment
def _play(task: Task, run: Run, picture: Picture, dark: bool, size: Size) -> None:
    low, high = task.bounds.numpy()
    st.markdown(f"**Can you find a design with {plain(goal_text(run))}?** Move the sliders; Ω answers at once.")
    left, right = st.columns([1, 1.7], gap="medium") if not size.narrow else (st.container(), st.container())
    with left:
        x = np.array(
            [
                st.slider(name, float(a), float(b), float((a + b) / 2), float((b - a) / STEPS), format="%.3g",
                          key=f"guess-{task.name}-{j}")
                for j, (name, a, b) in enumerate(zip(task.x_labels, low, high, strict=True))
            ]
        )  # fmt: skip
    y = achieved(task, x)
    error = float(np.linalg.norm(run.excess(y)[0]))
    tries = _tries(run, x, error)
    with right:
        drawn = figure(as_run(run, x, y), picture, dark, size)
        chart(drawn, key="guess", config=CONFIG)
        if drawn_as_ring(drawn):
            st.caption("The ring is your guess. It fills when you hit the target.")
    with left:
        said = ", ".join(f"{v:.4g}" for v in y[0])
        hit = bool(run.within(y)[0])
        st.markdown(
            f"**Ω(x) = {f'({said})' if len(y[0]) > 1 else said}{unit(run)}**: "
            + ("a hit!" if hit else f"off by {number(error)}{unit(run)}.")
        )
        count = f"{len(tries)} {'try' if len(tries) == 1 else 'tries'}"
        st.caption(f"Your best of {count}: off by {number(min(tries))}{unit(run)}.")
        st.button("Now watch iPage", type="primary", icon=":material/play_arrow:", key="guess-play", on_click=_leave)
    if st.session_state.pop("guessed", False):
        st.rerun()


def _leave() -> None:
    """Callback: to the view that plays; the whole page has to run, not only this part of it."""
    st.session_state.update(view="Localization", guessed=True)


def _tries(run: Run, x: np.ndarray, error: float) -> list[float]:
    """The errors of all different guesses for this target."""
    about = f"guesses-{run.task}-{goal_text(run)}"
    tries: dict[bytes, float] = st.session_state.setdefault(about, {})
    tries[x.tobytes()] = error
    if classroom.on():
        class_board.board().guess(class_board.visitor(), f"{TASKS[run.task].title} {goal_text(run)}", error)
    return list(tries.values())


def as_run(run: Run, x: np.ndarray, y: np.ndarray) -> Run:
    """The guess in the form that pictures draw: a result of one sample."""
    modes, families = TASKS[run.task].modes, None
    if modes is not None and run.n_modes:
        families = modes(torch.from_numpy(x[None]), torch.from_numpy(run.aims[:1])).numpy()[None]
    return replace(
        run,
        labels=("your guess",),
        aims=run.aims[:1],
        z=run.z[:1],
        x=x[None, None].astype(np.float32),
        y=y[None],
        f_error=None,
        families=families,
        replaced=np.zeros(1, bool),
        cycle_error=np.full(1, np.nan),
        achieved=np.concatenate((y, np.full((1, run.achieved.shape[1] - y.shape[1]), np.nan)), axis=1),
    )
