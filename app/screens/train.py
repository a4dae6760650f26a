"""Train: any task and any method; shows progress live, also after a reload or a restart."""

from pathlib import Path

import streamlit as st
import torch

from app.components import queue
from app.components.words import method_and_id, plain
from app.state import classroom
from app.tasks import panel_of
from app.workers import trainings
from ipage_core import registry as home
from ipage_core.inference.methods import METHODS
from ipage_core.tasks import TASKS
from ipage_core.tasks.table import own_data
from ipage_core.training.recipes import SIZES, recipe

st.markdown("#### Train")
st.caption(
    "One training runs at a time, the others wait. They continue when you close this page; if a training is killed, it "
    "resumes from its last epoch. A finished model appears on the page Explore, among the methods of its task."
)
classroom.closed("Training")


def usual(task: str, models: tuple[str, ...], size: str) -> dict[str, int]:
    """The recipe's epochs for each model, or an error message."""
    try:
        return {model: recipe(TASKS[task], model, size)[2].epochs for model in models}
    except ValueError as error:
        st.error(str(error), icon=":material/error:")
        return {}


left, middle, right = st.columns([1.4, 1.4, 1])
task = left.selectbox("Task", list(TASKS), format_func=lambda name: TASKS[name].title, key="train_task")
trainable = [name for name, row in METHODS.items() if row.models and "@" not in name]
default = TASKS[task].default_method
method = middle.selectbox(
    "Method", trainable, trainable.index(default), format_func=method_and_id, key=f"train_method_{task}"
)
middle.caption(METHODS[method].title)
size = right.segmented_control("Size", list(SIZES), default="usual", required=True, key="train_size")
epochs_of = usual(task, METHODS[method].trained, size)
left, middle, right = st.columns([1.4, 1.4, 1])
with left:
    epochs = st.number_input(
        "Epochs", 1, 10_000, None, placeholder="as in the recipe", key="train_epochs", help="For each model."
    )
    st.caption("Recipe: " + ", ".join(f"{model} {count}" for model, count in epochs_of.items()))
seed = middle.number_input("Seed", 0, 10**6, 0, key="train_seed")
there = ["auto", *(["cuda"] if torch.cuda.is_available() else []), "cpu"]
there += ["mps"] if torch.backends.mps.is_available() else []
device = right.selectbox("Device", there, key="train_device")

folder, first = panel_of(task).data(TASKS[task]), panel_of(task).awaits_model(TASKS[task])
taken = {path.name for path in (home.home() / "models").glob("*")} | {Path(t.out).name for t in trainings.trainings()}
free = next(f"{task}-{k}" for k in range(1, 10_000) if f"{task}-{k}" not in taken)
name = left.text_input("Name of this model", placeholder=free, key="train_name", disabled=first)
if first:
    left.caption("The first model of these data keeps their name.")
elif name.strip() and own_data.slug(name) != name.strip():
    left.caption(f"It will be called **{own_data.slug(name)}**: names are small letters, digits and hyphens.")


def start() -> None:
    """Put the training in the queue, or leave an error message."""
    run = own_data.slug(name) if name.strip() else free
    out = folder if first and folder is not None else home.home() / "models" / run
    try:
        if not first and run in taken:
            raise ValueError(f"A model '{run}' exists already: choose another name")
        trainings.add(
            TASKS[task].title if first else run,
            task,
            method,
            list(METHODS[method].trained),
            out,
            data=folder,
            size=size,
            epochs=epochs,
            seed=int(seed),
            device=device,
        )
    except (ValueError, OSError) as error:
        st.session_state.train_said = str(error)


if st.button("Train", type="primary", icon=":material/model_training:", key="train", disabled=not epochs_of):
    start()
    st.rerun()
if said := st.session_state.pop("train_said", None):
    st.error(plain(said), icon=":material/error:")
st.subheader("Trainings", divider="gray")
queue.show()
