"""Your data: upload a table, check it, choose columns, train surrogates, then explore candidates."""

import hashlib

import streamlit as st

from app.components import queue
from app.components.words import plain
from app.state import classroom, example_table
from app.tasks.table import panel as own_task
from app.tasks.table.columns import ask_limits, ask_training, by_pattern, unusable
from app.tasks.table.create import make, remove
from app.tasks.table.upload import ask_settings, drop_large, offer_missing, read, summary
from app.workers import trainings
from ipage_core.tasks import TASKS
from ipage_core.tasks.table import own_data
from ipage_core.tasks.table import reader as tables

SHOWN = 8
"""Rows in the preview."""
MANY = 12
"""Number of columns above which properties can also be chosen by a pattern."""

st.markdown("#### Your data")
st.caption(
    "Upload a table of designs and their measured properties, choose inputs and properties, and train. Then ask for "
    "designs with the property you want. A table has no Ω, so nothing is verified: each candidate comes with an "
    "interval and the nearest measured row."
)
classroom.closed("Uploading data")

uploads = st.file_uploader(
    "A table: CSV, Excel, Parquet or NPZ, at most 200 MB. Two files with equal numbers of rows are joined side by "
    "side.",
    [ending[1:] for ending in tables.ACCEPTED],
    accept_multiple_files=True,
    key=f"own-upload-{st.session_state.get('own_upload', 0)}",
)
if uploads:
    st.session_state.pop("own_refused", None)
elif refused := st.session_state.get("own_refused"):
    st.error(plain(refused), icon=":material/error:")
example = not uploads and st.toggle(
    "Try it with an example: 400 cantilevers with length, width, height, material, deflection and mass",
    key=f"own-example-{st.session_state.get('own_upload', 0)}",
)
if uploads or example:
    files = [(upload.name, upload.getvalue()) for upload in uploads] or [(example_table.NAME, example_table.csv())]
    source = ", ".join(name for name, _ in files)
    mark = hashlib.sha256(source.encode()).hexdigest()[:8]
    table, wrong = read(files, ask_settings(mark))
    if table is None:
        drop_large(uploads, wrong)
        st.error(plain(wrong), icon=":material/error:")
    else:
        frame = table.frame
        st.subheader(f"{len(frame):,} rows, {frame.shape[1]} columns", divider="gray")
        st.dataframe(summary(table), hide_index=True, placeholder="–")
        with st.expander(f"The first {SHOWN} rows"):
            st.dataframe(frame.head(SHOWN), hide_index=True)
        seen = list(table.columns.values())
        x, y = example_table.COLUMNS if example else tables.guess(seen)
        usable = [c.name for c in seen if c.numeric]
        left, right = st.columns([2, 1])
        pattern = ""
        if len(usable) > MANY:
            pattern = right.text_input(
                "Properties by pattern",
                key=f"own-pattern-{mark}",
                placeholder="R*",
                help="A pattern instead of a choice.",
            )
        if pattern.strip():
            y = by_pattern(usable, pattern)
        else:
            y = right.multiselect("Properties y: the ones you want to set", usable, y, key=f"own-y-{mark}")
        offered = [c.name for c in seen if (c.numeric or tables.is_input(c)) and c.name not in y]
        x = left.multiselect(
            "Inputs x: the numbers that make a design", offered, [n for n in x if n in offered], key=f"own-x-{mark}"
        )
        if left_out := unusable(seen):
            st.caption(plain(left_out))
        varying = [c for c in seen if (c.numeric or tables.is_input(c)) and not c.constant]
        if len(varying) < 2 or not any(c.numeric for c in varying):
            st.error(
                "Fewer than two columns of this table hold numbers that vary; accepted: at least one input, which may "
                "be a category, and one property with numbers in most rows.",
                icon=":material/error:",
            )
        elif not (x and y):
            st.info("Choose at least one property and one input.")
        else:
            message = table.warnings(x, y)
            if message:
                st.warning("\n".join(f"- {plain(warning)}" for warning in message), icon=":material/flag:")
            offer_missing(table, [*x, *y], mark)
            with st.expander("Names, units, and bounds of the designs"):
                edited = ask_limits(table, x, y, f"own-limits-{mark}-{hash((*x, *y))}")
            title = st.text_input("Name", files[0][0].rsplit(".", 1)[0][:40], key=f"own-name-{mark}")
            settings = ask_training(round((1 - own_data.HELD_OUT) * len(frame)), mark)
            # Not a callback: its arguments would be those of the previous run, without a name typed just now.
            if st.button("Train on these data", type="primary", icon=":material/model_training:", key="own-train"):
                make(frame, x, y, edited, source, title.strip() or files[0][0], settings, table.guessed.decimal)
                st.rerun()
if said := st.session_state.pop("own_said", None):
    st.error(plain(said), icon=":material/error:")

mine = own_task.mine()
if mine:
    st.subheader("Your data sets", divider="gray")
    names = [task.name for task in mine]
    made = st.session_state.pop("own_made", None)
    if made in names:
        st.session_state.own_choice = made
    chosen = st.selectbox("Data", names, format_func=lambda name: TASKS[name].title, key="own_choice")
    own_task.history(TASKS[chosen])
    with st.popover("Remove these data", icon=":material/delete:"):
        st.write("This deletes the rows, rounds and trained models for ever. Files that you downloaded stay.")
        busy = any(t.active and t.task == chosen for t in trainings.trainings())
        if st.button("Delete for ever", key="own-remove", disabled=busy):
            remove(TASKS[chosen])
            st.rerun()
    queue.show(chosen)
