"""The live list of trainings: running, waiting and ended."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import streamlit as st

from app.components.chart import chart, numbers
from app.components.choice import CONFIG
from app.components.look import is_dark, size_name
from app.components.words import Figure, cards, duration, method_name, number, plain
from app.figures.losses import PANELS, figure, table
from app.figures.playback import Size
from app.workers import trainings
from app.workers.trainings import Training
from ipage_core.inference.methods import folder
from ipage_core.networks.store import ModelUnavailable, load_card
from ipage_core.tasks import TASKS

STATES = {
    "waiting": ("orange", "waiting"),
    "running": ("blue", "running"),
    "stopping": ("orange", "stopping"),
    "stopped": ("gray", "stopped"),
    "done": ("green", "done"),
    "failed": ("red", "failed"),
}
SECONDS = 2.0
"""Seconds between two polls of a training."""


def show(only: str = "") -> None:
    """All trainings, the newest first; with ``only``, those of one task."""
    trainings.poll()
    shown = [t for t in reversed(trainings.trainings()) if only in ("", t.task)]
    if not shown:
        st.caption("There are no trainings yet.")
        return
    active = [t.number for t in shown if t.active]
    st.fragment(_list, run_every=SECONDS if active else None)(only, active, Size(size_name()), is_dark())


def _list(only: str, active: list[int], size: Size, dark: bool) -> None:
    """The list, polled while a training is active; the page reruns when that changes."""
    trainings.poll()
    shown = [t for t in reversed(trainings.trainings()) if only in ("", t.task)]
    if [t.number for t in shown if t.active] != active:
        st.rerun()
    for k, training in enumerate(shown):
        with st.container(border=True, key=f"training-{training.number}"):
            _one(training, size, dark, unfolded=training.active or k == 0)


def _one(training: Training, size: Size, dark: bool, unfolded: bool) -> None:
    rows = trainings.printed(training)
    epochs = [row for row in rows if "epochs" in row]
    left, right = st.columns([3, 1.3], vertical_alignment="center")
    color, said = STATES[training.state]
    if training.state == "waiting" and (ahead := trainings.ahead(training)):
        said = f"waiting, {ahead} ahead"
    if training.state == "stopped" and epochs:
        said = f"stopped at {_reached(training, epochs[-1])}"
    left.markdown(f":{color}-badge[{said}] {heading(training)}")
    with right:
        _buttons(training)
    if training.state == "failed":
        st.error(plain(training.message), icon=":material/error:")
    if training.state == "waiting" and epochs:
        st.progress(_share(training, epochs[-1]), f"In the queue; it continues after {_reached(training, epochs[-1])}")
    elif training.active and epochs:
        _bar(training, epochs[-1])
    elif training.active:
        st.progress(0.0, "Starting …" if training.state == "running" else "In the queue")
    if epochs and unfolded:
        _curves(training, epochs, dark, size)
    if training.state == "done":
        _card(training)


def heading(training: Training) -> str:
    """Its title, its task if that is another name, and its method."""
    title = TASKS[training.task].title if training.task in TASKS else training.task
    task = "" if training.title in (title, training.task) else f" · {plain(title)}"
    return f"**{plain(training.title)}**{task} · {plain(method_name(training.method))}"


def _curves(training: Training, epochs: list[dict[str, Any]], dark: bool, size: Size) -> None:
    """The curves of the network in training, or of a chosen one that has started."""
    begun = list(dict.fromkeys(row["model"] for row in epochs))
    model = begun[-1]
    if len(begun) > 1:
        # The key changes when the next network starts, so that its curves are then shown.
        model = st.segmented_control(
            "Curves of", begun, default=model, required=True, key=f"curves-{training.number}-{len(begun)}"
        )
    else:
        st.caption(f"Curves of {_part(training, model)}")
    rows = [row for row in epochs if row["model"] == model]
    drawn = figure(rows, dark, size)
    for k, (name, columns, _) in enumerate(p for p in PANELS if any(c in row for row in rows for c in p[1])):
        if name == "Weights λ":
            drawn["layout"][f"yaxis{k + 1 if k else ''}"] |= ticks(
                [row[c] for row in rows for c in columns if c in row]
            )
    chart(drawn, key=f"losses-{training.number}-{model}", config=CONFIG)
    numbers(table(rows), f"losses-{model}", f"losses-{training.number}-{model}")


def ticks(values: list[float]) -> dict[str, Any]:
    """Ticks of a logarithmic axis: powers of ten, with 2 and 5 between if these are few; a tick at each end."""
    finite = [value for value in values if 0 < value < math.inf]
    if not finite:
        return {}
    low, high = math.floor(math.log10(min(finite))), math.ceil(math.log10(max(finite)))
    high += low == high
    steps = (1, 2, 5) if high - low <= 2 else (1,)
    every = max(1, (high - low) // 5)
    at = [step * 10.0**k for k in range(low, high, every) for step in steps] + [10.0**high]
    return {
        "tickmode": "array", "tickvals": at, "ticktext": [f"{value:g}" for value in at],
        "range": [low - 0.05, high + 0.05], "autorange": False,
    }  # fmt: skip


def _part(training: Training, model: str) -> str:
    """'inn (1 of 2)'"""
    count = len(training.models)
    return (
        f"{model} ({training.models.index(model) + 1} of {count})" if count > 1 and model in training.models else model
    )


def _reached(training: Training, row: dict[str, Any]) -> str:
    """'epoch 16 of 150', with the network if there are several."""
    whose = f" of {_part(training, row['model'])}" if len(training.models) > 1 else ""
    return f"epoch {row['epoch']} of {row['epochs']}{whose}"


def _share(training: Training, row: dict[str, Any]) -> float:
    """The completed share of the work."""
    at = training.models.index(row["model"]) if row["model"] in training.models else 0
    return min(1.0, (at + row["epoch"] / row["epochs"]) / len(training.models))


def _bar(training: Training, row: dict[str, Any]) -> None:
    part = _part(training, row["model"])
    error = row.get("validation_l2", row.get("validation_nll"))
    text = f"{part}: epoch {row['epoch']} of {row['epochs']}, about {duration(row['eta_seconds'])} left for it, on "
    text += f"{row.get('device', 'cpu')}; validation {number(error)}"
    st.progress(_share(training, row), text)


def _buttons(training: Training) -> None:
    key = training.number
    with st.container(horizontal=True, horizontal_alignment="right"):
        if training.state in ("waiting", "running"):
            st.button("Stop", key=f"stop-{key}", on_click=trainings.stop, args=(key,), icon=":material/stop:")
        if training.state in ("stopped", "failed"):
            st.button("Resume", key=f"go-{key}", on_click=trainings.resume, args=(key,), icon=":material/play_arrow:")
        if not training.active:
            st.button(
                "Remove",
                key=f"forget-{key}",
                on_click=trainings.remove,
                args=(key,),
                icon=":material/delete:",
                help="Removes it from this list. A finished model stays; the checkpoint of an unfinished one is "
                "deleted.",
            )
        ready = training.state == "done" and training.task in TASKS
        if ready and st.button("Explore", key=f"explore-{key}", type="primary", icon=":material/explore:"):
            explore(training)


def explore(training: Training) -> NoReturn:
    """Open the page Explore with this task and this model."""
    task = TASKS[training.task]
    method = training.method
    if Path(training.out).resolve() != folder(task, method).resolve():  # a further model beside the task's first
        method += f"@{Path(training.out).name}"
    st.session_state.task_choice = training.task
    st.switch_page("screens/explore.py", query_params={"task": training.task, "method": method})


def _card(training: Training) -> None:
    """The accuracy on the model cards of finished models."""
    task = TASKS.get(training.task)
    figures, rows = [], []
    for model in training.models:
        try:
            card = load_card(training.task, model, folder=Path(training.out))
        except ModelUnavailable as error:
            st.caption(plain(str(error)))
            continue
        held_out = card.get("held_out", {})
        for j in range(len(held_out.get("r2", []))):
            label = task.property_labels[j].split(" [")[0] if task and task.n_targets > 1 else ""
            whose = f"{model} {label}".strip()
            unit = f" {task.properties[j].unit}" if task and task.properties[j].unit else ""
            text = f"{whose}: on {held_out['n']:,} rows that no training saw; MAE {number(held_out['mae'][j])}{unit}"
            figures.append(Figure("Held-out R²", f"{held_out['r2'][j]:.3f}", text))
        said = {k.removeprefix("validation_"): number(v) for k, v in card["validation"].items() if k != "epoch"}
        rows.append(
            {
                "model": model,
                "network": card["model"],
                "parameters": card["parameters"],
                "epochs": card["settings"]["epochs"],
                "best epoch": card["validation"]["epoch"],
                "validation": ", ".join(f"{k} {v}" for k, v in said.items()),
                "seconds": card["training_seconds"],
                "device": card["device"],
                "pairs": card["data"]["n"],
            }
        )
    if figures:
        st.html(cards(figures))
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True)
