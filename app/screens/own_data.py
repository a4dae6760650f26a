"""Your data: upload a table, check it, choose columns, train surrogates, then explore candidates."""

import hashlib
import shutil
from typing import Any

import pandas as pd
import streamlit as st

from app.components import queue
from app.components.words import plain
from app.state import classroom
from app.tasks import panel_of
from app.tasks.table import panel as own_task
from app.workers import trainings
from ipage_core import registry as home
from ipage_core.inference.methods import METHODS
from ipage_core.problem.task import Task
from ipage_core.tasks import TASKS
from ipage_core.tasks.table import own_data
from ipage_core.tasks.table import reader as tables
from ipage_core.tasks.table.names import choose
from ipage_core.training.recipes import SIZES

SHOWN = 8  # rows in the preview
MANY = 12
"""Number of columns above which properties can also be chosen by a pattern."""
KINDS = {
    "real": "numbers",
    "integer": "whole numbers",
    "boolean": "yes or no",
    "category": "category",
    "date": "dates",
    "text": "text",
    "empty": "nothing",
}
SEPARATORS = {",": "comma", ";": "semicolon", "tab": "tab", "blank": "blank", "|": "bar |"}
DECIMALS = {".": "point 3.98", ",": "comma 3,98"}
ENCODINGS = ["utf-8", "cp1252", "utf-16", "mac_roman", "cp850", "cp1250", "cp1251", "shift_jis", "gb18030"]
STEP_SECONDS = (0.05, 0.3)
"""Seconds for one batch through both networks, on an idle processor and on a busy one."""

st.markdown("#### Your data")
st.caption(
    "Upload a table of designs and their measured properties, choose inputs and properties, and train. Then ask for "
    "designs with the property you want. A table has no Ω, so nothing is verified: each candidate comes with an "
    "interval and the nearest measured row."
)
classroom.closed("Uploading data")


@st.cache_data(max_entries=4, show_spinner="Reading …")
def read(files: list[tuple[str, bytes]], settings: tables.Settings) -> tuple[tables.Table | None, str]:
    """The table, or an error message."""
    try:
        return tables.read_table(files, settings), ""
    except ValueError as error:
        return None, str(error)


def ask_settings(mark: str) -> tables.Settings:
    """Settings for reading the file, to correct wrong guesses."""
    with st.expander("How the file is read: correct wrong guesses"):
        places = st.columns(5)
        separator = places[0].selectbox(
            "Separator", ["guess", *SEPARATORS], format_func=lambda s: SEPARATORS.get(s, s), key=f"own-separator-{mark}"
        )
        decimal = places[1].selectbox(
            "Decimal mark", ["guess", *DECIMALS], format_func=lambda s: DECIMALS.get(s, s), key=f"own-decimal-{mark}"
        )
        missing = places[2].text_input(
            "Also missing",
            key=f"own-missing-{mark}",
            help="Markers of missing values, separated by blanks: -999 n.b.",
        )
        encoding = places[3].selectbox("Encoding", ["guess", *ENCODINGS], key=f"own-encoding-{mark}")
        sheet = places[4].text_input(
            "Sheet", key=f"own-sheet-{mark}", placeholder="first one", help="Name of the sheet of an Excel file."
        )
    return tables.Settings(
        separator=None if separator == "guess" else separator,
        decimal=None if decimal == "guess" else decimal,
        missing=tuple(missing.split()),
        encoding=None if encoding == "guess" else encoding,
        sheet=sheet.strip() or None,
    )


def offer_missing(table: tables.Table, names: list[str], mark: str) -> None:
    """A button that drops rows with a probable marker of missing values."""
    markers = {f"{c.sentinel:.12g}" for name in names if (c := table.columns[name]).sentinel is not None}
    for value in sorted(markers):
        st.button(
            f"Leave out rows with {value}",
            key=f"own-leave-{value}-{mark}",
            icon=":material/filter_alt_off:",
            on_click=_add_missing,
            args=(value, f"own-missing-{mark}"),
        )


def _add_missing(value: str, key: str) -> None:
    st.session_state[key] = " ".join([*str(st.session_state.get(key, "")).split(), value])


def summary(table: tables.Table) -> pd.DataFrame:
    """One row per column of the table."""
    return pd.DataFrame(
        [
            {
                "column": c.name,
                "kind": KINDS[c.kind],
                "unit": c.unit,
                "missing": c.missing,
                "distinct": c.distinct,
                "lowest": c.low,
                "highest": c.high,
                "most frequent value": f"{100 * c.share:.0f} % are {c.spike:g}" if c.spike is not None else "",
            }
            for c in table.columns.values()
        ]
    )


def by_pattern(usable: list[str], pattern: str) -> list[str]:
    """The columns that match a pattern such as R*; none, with a message, if none matches."""
    try:
        return choose(usable, pattern)
    except ValueError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return []


def unusable(seen: list[tables.Column]) -> str:
    """A sentence on columns that cannot be inputs; '' if all can."""
    text = [c.name for c in seen if not c.numeric and not tables.is_input(c)]
    constant = [c.name for c in seen if c.numeric and c.constant]
    reasons = [f"Ignored (not numeric, not a category): {', '.join(text)}."] if text else []
    reasons += [f"Ignored (the same in every row): {', '.join(constant)}."] if constant else []
    return " ".join(reasons)


def ask_limits(table: tables.Table, x: list[str], y: list[str], key: str) -> pd.DataFrame:
    """An editable table: names and units of all columns, and kind, scale and bounds of the inputs."""
    seen = table.columns
    category = {name for name in x if seen[name].kind in ("category", "boolean")}
    rows = [
        {
            "column": name,
            "as": "x" if name in x else "y",
            "called": name,
            "unit": seen[name].unit,
            "kind": None if name in y else _kind(seen[name]),
            "scale": seen[name].scale if name in x and name not in category else None,
            "low": seen[name].low if name in x and name not in category else None,
            "high": seen[name].high if name in x and name not in category else None,
        }
        for name in (*x, *y)
    ]
    choices = {
        "kind": st.column_config.SelectboxColumn(
            options=["real", "integer", "category"],
            help="For inputs. A real input may take any number within its bounds; a category takes one of its levels.",
        ),
        "scale": st.column_config.SelectboxColumn(
            options=["linear", "log"], help="For inputs: log if the values span decades and all are above 0."
        ),
    }
    return st.data_editor(
        pd.DataFrame(rows),
        hide_index=True,
        disabled=["column", "as"],
        key=key,
        width="stretch",
        column_config=choices,
    )


def _kind(column: tables.Column) -> str:
    return {"integer": "integer", "category": "category", "boolean": "category"}.get(column.kind, "real")


def kinds_of_x(rows: list[dict[str, Any]], called: dict[str, str]) -> dict[str, str]:
    """Kind and scale of each input, in the form that :func:`ipage_core.tasks.table.own_data.create` accepts."""
    return {
        called[r["column"]]: "category" if r["kind"] == "category" else f"{r['kind'] or ''} {r['scale'] or ''}".strip()
        for r in rows
        if r["as"] == "x"
    }


def ask_training(rows: int, mark: str) -> dict[str, Any]:
    """Epochs, size and seed, with an estimate of the duration; in the form that ``trainings.add`` accepts."""
    with st.expander("Training settings"):
        left, middle, right = st.columns(3)
        size = middle.segmented_control("Size", list(SIZES), default="usual", required=True, key=f"own-size-{mark}")
        fit = own_task.usual_training(rows, size)
        epochs = left.number_input(
            "Epochs", 1, 10_000, None, placeholder=f"{fit.epochs}, as the recipe says", key=f"own-epochs-{mark}"
        )
        seed = right.number_input("Seed", 0, 10**6, 0, key=f"own-seed-{mark}")
        steps = (epochs or fit.epochs) * max(1, min(rows, fit.epoch_size or rows) // fit.batch)
        fast, slow = (max(1, round(steps * s * SIZES[size] ** 0.5 / 60)) for s in STEP_SECONDS)
    time = f"{fast} to {slow}" if fast < slow else f"{slow}"
    st.caption(f"{epochs or fit.epochs} epochs of two networks: about {time} min on a CPU, less on a GPU.")
    return {"epochs": epochs, "size": size, "seed": int(seed)}


def make(
    frame: pd.DataFrame,
    x: list[str],
    y: list[str],
    edited: pd.DataFrame,
    source: str,
    title: str,
    settings: dict[str, Any],
) -> None:
    """Create the task and queue its training."""
    folder = home.home() / "tasks" / own_data.slug(title)
    rows = edited.to_dict("records")
    called = {r["column"]: str(r["called"] or r["column"]).strip() for r in rows}
    bounds = {
        called[r["column"]]: (float(r["low"]), float(r["high"]))
        for r in rows
        if r["as"] == "x" and r["kind"] != "category" and pd.notna(r["low"]) and pd.notna(r["high"])
    }
    units = {called[r["column"]]: str(r["unit"] or "") for r in rows}
    frame = frame[[*x, *y]].rename(columns=called)
    x, y = [called[name] for name in x], [called[name] for name in y]
    try:
        if len(set(called.values())) < len(called):
            raise ValueError("Two columns have the same name; accepted: different names")
        if (folder / own_data.CARD).exists():
            raise ValueError(f"Data named '{title}' exist already: choose another name")
        task = own_data.create(
            folder, frame, x, y, source=source, title=title, units=units, bounds=bounds, kinds=kinds_of_x(rows, called)
        )
        models = list(METHODS[task.default_method].trained)
        trainings.add(title, task.name, task.default_method, models, folder, data=folder, **settings)
    except (ValueError, OSError) as error:
        st.session_state.own_said = str(error)
        return
    st.session_state.own_made = task.name
    st.session_state.own_upload = st.session_state.get("own_upload", 0) + 1


def remove(task: Task) -> None:
    """Delete its folder and take its trainings off the list."""
    for training in trainings.trainings():
        if training.task == task.name:
            trainings.remove(training.number)
    folder = panel_of(task.name).data(task)
    if folder is not None and folder.parent == (home.home() / "tasks").resolve():
        shutil.rmtree(folder)


uploads = st.file_uploader(
    "A table: CSV, Excel, Parquet or NPZ, at most 200 MB. Two files with equal numbers of rows are joined side by "
    "side.",
    [ending[1:] for ending in tables.ACCEPTED],
    accept_multiple_files=True,
    key=f"own-upload-{st.session_state.get('own_upload', 0)}",
)
if uploads:
    files = [(upload.name, upload.getvalue()) for upload in uploads]
    source = ", ".join(name for name, _ in files)
    mark = hashlib.sha256(source.encode()).hexdigest()[:8]
    table, wrong = read(files, ask_settings(mark))
    if table is None:
        st.error(plain(wrong), icon=":material/error:")
    else:
        frame = table.frame
        st.subheader(f"{len(frame):,} rows, {frame.shape[1]} columns", divider="gray")
        st.dataframe(summary(table), hide_index=True, placeholder="–")
        with st.expander(f"The first {SHOWN} rows"):
            st.dataframe(frame.head(SHOWN), hide_index=True)
        seen = list(table.columns.values())
        x, y = tables.guess(seen)
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
                make(frame, x, y, edited, source, title.strip() or files[0][0], settings)
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
