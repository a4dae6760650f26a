"""Guess it yourself: set a design by hand, see what Ω says of it, then let iPage try."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
import streamlit as st
import torch

from app.components import drag
from app.components.chart import chart
from app.components.choice import CONFIG
from app.components.words import goal_text, number, plain, unit
from app.figures.guess import drawn_as_ring, figure
from app.figures.playback import Box, Scene, Size
from app.figures.run import Run
from app.figures.theme import Palette
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


class Own(Protocol):
    """What a task's panel knows of its picture."""

    def picture(self, scene: Scene, run: Run, box: Box, colors: Palette, size: Size) -> None: ...

    def handles(self, task: Task, x: np.ndarray) -> np.ndarray: ...

    def dragged(self, task: Task, x: np.ndarray, handle: int, to: np.ndarray) -> np.ndarray: ...


def show(task: Task, run: Run, own: Own, dark: bool, size: Size) -> None:
    """Sliders, the picture of the guess, its error; and the way to what iPage makes of the same target."""
    _play(task, run, own, dark, size)


@st.fragment
def _play(task: Task, run: Run, own: Own, dark: bool, size: Size) -> None:
    low, high = task.bounds.numpy()
    keys = [f"guess-{task.name}-{j}" for j in range(task.d)]
    middle = np.round((low + high) / 2, 12)
    handles = own.handles(task, _guess(keys, middle))
    drags = len(handles) > 0 and not size.narrow
    st.markdown(
        f"**Can you find a design with {plain(goal_text(run))}?** Move the sliders"
        f"{' or drag a point of the figure' if drags else ''}; Ω answers at once."
    )
    if size.narrow:  # the picture first: it moves in sight of the sliders
        right, left = st.container(), st.container()
    else:
        left, right = st.columns([1, 1.7], gap="medium")
    with left:
        x = np.array(
            [
                st.slider(name, float(a), float(b), float(c), float((b - a) / STEPS), format="%.3g", key=key)
                for name, a, b, c, key in zip(task.x_labels, low, high, middle, keys, strict=True)
            ]
        )
    y = achieved(task, x)
    error = float(np.linalg.norm(run.excess(y)[0]))
    tries = _tries(run, x, error)
    with right:
        drawn = figure(as_run(run, x, y), own.picture, dark, size, own.handles(task, x) if drags else None)
        chart(drawn, key="guess", config=CONFIG)
        if drawn_as_ring(drawn):
            st.caption("The ring is your guess. It fills when you hit the target.")

    def pulled(handle: int, to: tuple[float, float], done: bool) -> None:
        """Callback: the point's place sets the sliders; a try counts when the point is let go."""
        design = own.dragged(task, _guess(keys, middle), handle, np.array(to)).clip(low, high)
        st.session_state.update({key: float(value) for key, value in zip(keys, design, strict=True)})
        st.session_state["guess-held"] = not done

    if drags:
        drag.points("guess", pulled)
    with left:
        said = ", ".join(f"{v:.4g}" for v in y[0])
        hit = bool(run.within(y)[0])
        st.markdown(
            f"**Ω(x) = {f'({said})' if len(y[0]) > 1 else said}{unit(run)}**: "
            + ("a hit!" if hit else f"off by {number(error)}{unit(run)}.")
        )
        count = f"{len(tries)} {'try' if len(tries) == 1 else 'tries'}"
        best = f"Your best of {count}: off by {number(min(tries))}{unit(run)}." if tries else ""
        st.caption(best or "No try yet: the first move counts.")
        st.button("Now watch iPage", type="primary", icon=":material/play_arrow:", key="guess-play", on_click=_leave)
    if st.session_state.pop("guessed", False):
        st.rerun()


def _guess(keys: list[str], middle: np.ndarray) -> np.ndarray:
    """The design (d,) of the sliders; at first the middle of the box."""
    return np.array([st.session_state.get(key, start) for key, start in zip(keys, middle, strict=True)], dtype=float)


def _leave() -> None:
    """Callback: to the view that plays; the whole page has to run, not only this part of it."""
    st.session_state.update(view="Localization", guessed=True)


def _tries(run: Run, x: np.ndarray, error: float) -> list[float]:
    """The errors of all different guesses for this target; where the sliders stood at first is none."""
    about = f"guesses-{run.task}-{goal_text(run)}"
    tries: dict[bytes, float] = st.session_state.setdefault(about, {})
    untouched = st.session_state.setdefault(f"{about}-from", x.tobytes()) == x.tobytes() and not tries
    if untouched or st.session_state.get("guess-held"):
        return list(tries.values())
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
