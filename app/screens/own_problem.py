"""Your problem: attach a simulator, test it on one design, collect verified designs on a budget."""

import shlex
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from app.components import campaign, crystal_problem, problem, trial
from app.components.look import is_dark, size_name
from app.components.words import plain
from app.figures.playback import Size
from app.state import classroom
from app.tasks import panel_of
from app.workers import campaigns, commands
from ipage_core import registry
from ipage_core.problem.task import Task
from ipage_core.tasks import TASKS
from ipage_core.tasks.command import card as cards
from ipage_core.tasks.command import rows as evaluated
from ipage_core.tasks.table import reader as tables

EXAMPLE = """import numpy as np
from ipage_core import Task

DENSITY = np.array([2700.0, 7850.0])  # kg/m³
YOUNG = np.array([70e9, 210e9])  # Pa


def beam(x):
    length, height, metal = np.asarray(x).T  # one design a row; a word arrives as its number, from 0
    metal = metal.astype(int)
    width = 0.05
    sag = 1e3 * length**3 / (3 * YOUNG[metal] * width * height**3 / 12)
    mass = DENSITY[metal] * length * width * height
    return np.stack([1e3 * sag, mass], axis=1)  # one row a design: mm, kg


TASK = Task.from_function(
    beam,
    x={"length [m]": (0.5, 2), "height [m]": (0.02, 0.08), "metal": ("aluminium", "steel")},
    y={"sag [mm]": 0.1, "mass [kg]": 0.2},  # each with the largest error of a hit
    name="beam",
)
"""
"""A file that defines TASK."""
VIEWS = ("New problem", "Your problems", "Campaign")

st.markdown("#### Your problem")
st.caption(
    "A program that evaluates one design is enough: a command that reads a CSV and writes a CSV, a Python file, or a "
    "calculator for a crystal. It becomes a task whose designs are verified by your program."
)
classroom.closed("Running your own program")
if not classroom.at_this_machine():
    st.info(
        "Programs run only for those who sit at the machine of this server. Its owner can start it with "
        "IPAGE_COMMANDS=1, so that every visitor may run programs on it.",
        icon=":material/lock:",
    )
    st.stop()


def mine() -> list[Task]:
    """Tasks whose Ω is the user's own."""
    folder = (registry.home() / "tasks").resolve()
    files = {path.stem for path in folder.glob("*.py")}
    return [
        task
        for task in TASKS.values()
        if task.omega is not None and (task.collect is not None or task.name in files or task.name in _named())
    ]


def _named() -> dict[str, Task]:
    return {**TASKS.added(registry.FILES), **TASKS.added(registry.NAMED)}


def new_problem() -> None:
    """The form, and its test evaluation."""
    kind = st.segmented_control("Ω is", list(KINDS), default="a command", required=True, key="kind")
    KINDS[kind]()


def command() -> None:
    """A command, with its inputs and properties."""
    name = st.text_input("Name", key="problem-name", placeholder="my-beam")
    try:
        columns = problem.ask_columns()
        call = problem.ask_command()
    except ValueError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    calls = problem.ask_calls()
    with st.expander("Measured rows, if you have any"):
        upload = st.file_uploader(
            "A table whose columns have the names above. Trainings and campaigns learn from its rows; they never count "
            "as verified.",
            [ending[1:] for ending in tables.ACCEPTED],
            key="problem-data",
        )
    words = [*columns.words, "--command", shlex.join(call), *calls, "--title", name.strip()]

    def with_rows() -> list[str]:
        if upload is None:
            return words
        file = Path(tempfile.mkdtemp(prefix="ipage-")) / Path(upload.name).name
        file.write_bytes(upload.getvalue())
        return [*words, "--data", str(file)]

    trial.of_new(name, words, with_rows, "" if name.strip() and call else "Fill in a name and a command.")


def crystal() -> None:
    """A crystal under strain, whose calculator is Ω."""
    name = st.text_input("Name", key="problem-name", placeholder="rutile-under-strain")
    try:
        words, content, file = crystal_problem.ask(name)
    except ValueError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return

    def with_file() -> list[str]:
        assert content is not None
        return ["--crystal", str(crystal_problem.stored(content, file)), *words]

    missing = "" if name.strip() and content is not None else "Fill in a name, and upload a CIF."
    trial.of_new(name, ["--crystal", file, *words], with_file, missing)


def python_file() -> None:
    """The path of a file that defines TASK."""
    text = st.text_input("Python file", key="problem-file", placeholder="/home/me/cantilever.py")
    st.caption("The path of a file that defines TASK. After the test it is copied to your tasks.")
    with st.expander("A file to begin with", expanded=not text.strip()):
        st.code(EXAMPLE, language="python")
        st.caption(
            "The function gets all designs at once, one a row, and returns one row of properties for each. Parts of a "
            "mixture: leave one part out of the inputs, compute it in the function as 1 minus the others, and write "
            "the rest as a constraint, such as resin + hardener <= 1."
        )
    test, path = commands.run(trial.TEST), Path(text.strip()).expanduser()
    test.poll()
    ready = bool(text.strip()) and test.state != "running"
    if st.button(trial.TEST_AND_ADD, type="primary", icon=":material/science:", key="problem-test", disabled=not ready):
        folder = Path(tempfile.mkdtemp(prefix="ipage-"))
        tested = Path(shutil.copy(path, folder)) if path.is_file() else path  # so that an edit meanwhile does no harm
        out = folder / "test.parquet"
        test.start("dataset", "--task", str(tested), "--n", "1", "--seed", "0", "--out", str(out))
        st.rerun()
    trial.follow(test)


def your_problems() -> None:
    """Rows, failures with their reason, more evaluations, removal."""
    by_name = {task.name: task for task in mine()}
    if not by_name:
        st.info("There is no problem of your own yet.", icon=":material/info:")
        return
    name = st.selectbox("Problem", list(by_name), format_func=lambda name: by_name[name].title, key="problem-choice")
    task = by_name[name]
    st.caption(plain(f"{', '.join(task.x_labels)} → {', '.join(task.property_labels)}; {task.source}"))
    if task.collect is None:
        st.page_link("screens/train.py", label="Train it", icon=":material/model_training:")
        return
    folder = panel_of(name).data(task)
    assert folder is not None
    rows(folder)
    evaluate(task)
    with st.container(horizontal=True):
        st.page_link("screens/train.py", label="Train it", icon=":material/model_training:")
        st.page_link("screens/explore.py", label="Explore", icon=":material/explore:")
    with st.popover("Remove this problem", icon=":material/delete:"):
        st.write("This deletes its rows and models for ever. Your program stays.")
        inside = folder.parent == (registry.home() / "tasks").resolve()
        if st.button("Delete for ever", key="problem-remove", disabled=not inside):
            shutil.rmtree(folder)
            st.rerun()


def rows(folder: Path) -> None:
    """The rows of a problem, and why some failed."""
    measured = folder / "measured.parquet"
    known = evaluated.read(folder, cards.read(folder))  # with those of a run that was stopped
    frame = known.frame
    bad = frame[frame["error"] != ""]
    text = f"{len(frame):,} evaluated design{'' if len(frame) == 1 else 's'}, {len(bad):,} failed"
    text += f"; {len(evaluated.whole(measured)):,} measured rows" if measured.exists() else ""
    text += f"; {known.earlier:,} of an earlier program, not used" if known.earlier else ""
    st.markdown(f"**{text}**")
    if len(bad):
        counts = bad["error"].value_counts().head(8)
        st.warning(
            "\n".join(f"- {count} × {plain(reason)}" for reason, count in counts.items()), icon=":material/report:"
        )
    with st.expander("All rows"):
        st.dataframe(frame, hide_index=True, height=300)


def evaluate(task: Task) -> None:
    """More evaluations, spread over the box."""
    run = commands.run(f"dataset {task.name}")
    run.poll()
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    count = left.number_input("Designs in all", 1, 10**6, 100, key="problem-count", help="Spread evenly over the box.")
    if run.state != "running" and right.button("Evaluate them", key="problem-evaluate", icon=":material/play_arrow:"):
        run.start("dataset", task.as_argument, "--n", f"{count}")
        st.rerun()
    st.fragment(_evaluation, run_every=1.5 if run.state == "running" else None)(task, run, run.state)


def _evaluation(task: Task, run: commands.Run, before: str) -> None:
    run.poll()
    if run.state != before:
        st.rerun()
    if run.state == "running":
        left, right = st.columns([4, 1], vertical_alignment="center")
        assert task.evaluated is not None
        y = task.evaluated()[1]
        counts = f"{len(y):,} are there so far, {int(y.isnan().any(1).sum()):,} of them failed."
        left.info(f"Your program is evaluating designs: {counts}", icon=":material/hourglass_top:")
        right.button("Stop", key="stop-rows", on_click=run.stop, icon=":material/stop:", width="stretch")
    elif run.state == "failed":
        st.error(plain(run.message), icon=":material/error:")


def campaign_view() -> None:
    """A new campaign, and those that are there."""
    own = [task.name for task in mine()]
    able = [*own, *(name for name, task in TASKS.items() if name not in own and task.omega is not None)]
    name = st.selectbox("Task", able, format_func=lambda name: TASKS[name].title, key="campaign-task")
    request = campaign.ask(TASKS[name])
    if st.button("Start", type="primary", icon=":material/flag:", key="campaign-start"):
        try:
            campaigns.start(request)
            st.session_state["campaign-shown"] = request.name
        except (ValueError, OSError) as error:
            st.session_state.problem_said = str(error)
        st.rerun()
    if said := st.session_state.pop("problem_said", None):
        st.error(plain(said), icon=":material/error:")
    by_name: dict[str, Any] = {one.name: one for one in campaigns.stored()}
    if not by_name:
        return
    st.subheader("Campaigns", divider="gray")
    shown = st.selectbox("Campaign", list(by_name), key="campaign-shown", label_visibility="collapsed")
    campaign.show(by_name[shown], is_dark(), Size(size_name()))


KINDS: dict[str, Callable[[], None]] = {"a command": command, "a Python file": python_file, "a crystal": crystal}
view = st.segmented_control(
    "View", VIEWS, default=VIEWS[0], required=True, key="problem-view", label_visibility="collapsed", wrap=True
)
{VIEWS[0]: new_problem, VIEWS[1]: your_problems, VIEWS[2]: campaign_view}[view]()
