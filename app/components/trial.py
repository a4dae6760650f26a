"""The test evaluation of a new problem: one design by its Ω, before the problem becomes a task."""

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import streamlit as st

from app.components.words import plain
from app.workers import commands
from ipage_core import registry
from ipage_core.runtime.files import replacing
from ipage_core.tasks.table.card import slug

TEST = "test"
TEST_AND_ADD = "Test on one design, then add it"


def of_new(name: str, shown: list[str], made: Callable[[], list[str]], missing: str) -> None:
    """The test evaluation of a new problem, which makes it.

    Args:
        name: what the user calls it.
        shown: its options on the command line.
        made: called at the start; the options with the paths of uploaded files.
        missing: a sentence while it cannot start; else empty.
    """
    folder = registry.home() / "tasks" / slug(name)
    if not missing:
        with st.expander("The same on the command line"):
            line = shlex.join(["new", str(folder), *shown])
            st.code(f"python -m ipage_core {line}", language="bash", wrap_lines=True)
    test = commands.run(TEST)
    test.poll()
    ready = not missing and test.state != "running"
    if st.button(TEST_AND_ADD, type="primary", icon=":material/science:", key="problem-test", disabled=not ready):
        if folder.exists():
            st.error(
                f"You have a problem '{slug(name)}' already: go on with it under Your problems or Campaign, or choose "
                "another name for a new one",
                icon=":material/error:",
            )
            return
        test.start("new", str(folder), *made())
        st.rerun()
    if missing and test.state != "running":
        st.caption(missing)
    follow(test)


def follow(test: commands.Run) -> None:
    """The test evaluation, polled while it runs."""
    st.fragment(_test, run_every=1.0 if test.state == "running" else None)(test, test.state)


def _test(test: commands.Run, before: str) -> None:
    test.poll()
    if test.state == "running":
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.info("Your program evaluates one design …", icon=":material/hourglass_top:")
        right.button("Stop", key="stop-test", on_click=test.stop, icon=":material/stop:", width="stretch")
        return
    if before == "running":
        st.rerun()
    if test.state in ("failed", "stopped"):
        made = Path(test.arguments[1])
        if test.arguments[0] == "new" and made.parent == registry.home() / "tasks":
            shutil.rmtree(made, ignore_errors=True)
        text = f"The test failed. {plain(test.message)}" if test.state == "failed" else "The test was stopped."
        st.error(f"{text} Nothing was made.", icon=":material/error:")
    elif test.state == "done":
        made_of(test)


def made_of(test: commands.Run) -> None:
    """What the test evaluation gave."""
    summary = next((json.loads(line) for line in reversed(test.said) if line.startswith("{")), {})
    if test.arguments[0] == "new":
        frame = pd.read_parquet(Path(summary["folder"]) / "rows.parquet")
        text = f"**{plain(summary['name'])}** is a task now. One evaluation took {summary['seconds']:g} s."
    else:
        file = Path(test.arguments[2])
        stored = (registry.home() / "tasks").resolve() / file.name
        if st.session_state.get("copied") is not test.process:  # once, as it was tested
            copied(file, stored)
            st.session_state.copied = test.process
        frame = pd.read_parquet(test.arguments[-1])
        task = registry.of_file(stored)
        name = file.stem if task is None else task.title
        text = f"**{plain(name)}** is a task now; {plain(file.name)} was copied to your tasks."
    st.success(text, icon=":material/check_circle:")
    st.dataframe(frame.head(3), hide_index=True)
    st.caption(
        "It is in the list of tasks under the name above. Next, choose Campaign above to collect designs that reach a "
        "target. Or choose Your problems above to evaluate more designs, and then train."
    )


def copied(file: Path, stored: Path) -> None:
    """Copy a tested file to the user's tasks."""
    with replacing(stored) as beside:
        shutil.copyfile(file, beside)
