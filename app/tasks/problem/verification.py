"""Designs of a problem of one's own, verified by its command: a button, its progress, and results as they arrive."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app.components.words import plain
from app.figures.run import Run
from app.state import classroom
from app.tasks.candidates import designs
from app.workers import commands
from ipage_core import registry
from ipage_core.inference.basis import NEAR_FAILURE
from ipage_core.problem.task import Task
from ipage_core.tasks import TASKS
from ipage_core.tasks.command import card as cards
from ipage_core.tasks.command import rows
from ipage_core.tasks.command.evaluate import settled

FEW = [1, 5, 10, 20, 50]


def results(run: Run) -> list[dict[str, list[float] | str] | None]:
    """What the command has said of each design: ``y``, or why it failed, ``fail``; None if it has not run."""
    folder = TASKS[run.task].models_folder
    assert folder is not None
    card = cards.read(folder)
    known = rows.read(folder, card)
    said: list[dict[str, list[float] | str] | None] = []
    for row in known.find(settled(card, designs(run))).tolist():
        if row < 0:
            said.append(None)
        elif known.fine[row]:
            said.append({"y": known.y[row].tolist()})
        else:
            said.append({"fail": str(known.frame["error"].iloc[row])})
    return said


def ask(run: Run) -> None:
    """A button that verifies the best designs, and what failed. Off in a classroom and for visitors from elsewhere."""
    task, said = TASKS[run.task], results(run)
    failed = [(sample, str(one["fail"])) for sample, one in enumerate(said) if one is not None and "fail" in one]
    for sample, why in failed[:5]:
        st.warning(f"Sample {sample}: your program failed. {plain(why)}", icon=":material/report:")
    if classroom.on() or not classroom.at_this_machine():
        return
    left = best(run, [sample for sample, one in enumerate(said) if one is None])
    verify = commands.run(f"verify {task.name}")
    verify.poll()
    if left and verify.state != "running":
        places = st.columns([1, 2], vertical_alignment="bottom")
        count = min(places[0].select_slider("How many", FEW, value=5, key="problem-verify-count"), len(left))
        label = f"Verify the best {count} with your program"
        if places[1].button(label, key="problem-verify", icon=":material/science:", type="primary"):
            start(task, run, left[:count])
            st.rerun()
    st.fragment(_follow, run_every=1.5 if verify.state == "running" else None)(verify, verify.state)


def best(run: Run, samples: list[int]) -> list[int]:
    """These samples, the ones that are expected to come closest first, and last those beside a failure."""
    final = run.final
    failing = final["basis"].eq(NEAR_FAILURE).to_numpy()
    unknown = np.zeros(len(final))
    expected = final["expected_misfit"].fillna(np.inf).to_numpy() if "expected_misfit" in final else unknown
    return sorted(samples, key=lambda sample: (bool(failing[sample]), float(expected[sample])))


def start(task: Task, run: Run, samples: list[int]) -> None:
    """Run ``verify`` on these samples; the problem keeps the results."""
    file = registry.home() / "verified" / f"{task.name}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    columns = {f"x{j + 1}": column for j, column in enumerate(designs(run)[samples].T)}
    pd.DataFrame({"sample": samples, **columns}).to_csv(file, index=False)
    out = file.with_name(f"{task.name}-verified.csv")
    commands.run(f"verify {task.name}").start("verify", task.as_argument, str(file), "--out", str(out))


def _follow(verify: commands.Run, before: str) -> None:
    verify.poll()
    if verify.state != before:
        st.rerun()
    if verify.state == "running":
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.info("Your program evaluates these designs …", icon=":material/hourglass_top:")
        right.button("Stop", key="stop-verify", on_click=verify.stop, icon=":material/stop:", width="stretch")
    elif verify.state == "failed":
        st.error(plain(verify.message), icon=":material/error:")
