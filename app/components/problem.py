"""A form for a problem of one's own: the choices of the command ``new``, and their words on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from ipage_core.tasks.command import card as cards
from ipage_core.tasks.command.columns import check_names, property_, variable

X = pd.DataFrame(
    [{"name": "length", "unit": "m", "kind": "real", "scale": "linear", "low": 0.5, "high": 2.0, "words": ""}]
)
Y = pd.DataFrame([{"name": "sag", "unit": "mm", "tolerance": 0.1}])
X_COLUMNS = {
    "name": st.column_config.TextColumn("name", help="The column that your program reads."),
    "kind": st.column_config.SelectboxColumn(
        "kind", options=["real", "integer", "category"], help="A category takes one of its words."
    ),
    "scale": st.column_config.SelectboxColumn(
        "scale", options=["linear", "log"], help="log if the values span decades and all are above 0."
    ),
    "words": st.column_config.TextColumn("words", help="For a category: Cu|Ag|Au"),
}
Y_COLUMNS = {
    "name": st.column_config.TextColumn("name", help="The column that your program writes."),
    "tolerance": st.column_config.NumberColumn("±", help="A design is a hit if the property is met this exactly."),
}


@dataclass(frozen=True)
class Columns:
    """Inputs and properties in the form of the command line."""

    x: list[str]
    y: list[str]

    @property
    def words(self) -> list[str]:
        """Options of the command ``new``."""
        return [word for text in self.x for word in ("--x", text)] + [word for text in self.y for word in ("--y", text)]


def ask_columns() -> Columns:
    """Two editable tables.

    Raises:
        ValueError: a row is not acceptable.
    """
    left, right = st.columns([2, 1])
    with left:
        st.markdown("**Inputs**: the numbers and words that make a design")
        x = st.data_editor(
            X, num_rows="dynamic", hide_index=True, key="problem-x", width="stretch", column_config=X_COLUMNS
        )
    with right:
        st.markdown("**Properties**: results that you want to set")
        y = st.data_editor(
            Y, num_rows="dynamic", hide_index=True, key="problem-y", width="stretch", column_config=Y_COLUMNS
        )
    return columns(x.to_dict("records"), y.to_dict("records"))


def columns(x: Sequence[dict[str, Any]], y: Sequence[dict[str, Any]]) -> Columns:
    """The rows of both tables as texts of ``--x`` and ``--y``; rows without a name are left out.

    Raises:
        ValueError: a row is not acceptable.
    """
    inputs = [_input(row) for row in x if _text(row["name"])]
    targets = [f"{_label(row)} ± {_number(row, 'tolerance')}" for row in y if _text(row["name"])]
    check_names([variable(text) for text in inputs], [property_(text) for text in targets])
    return Columns(inputs, targets)


def _input(row: dict[str, Any]) -> str:
    if row["kind"] == "category":
        if "|" not in _text(row["words"]):
            raise ValueError(f"The category '{_text(row['name'])}' needs its words, separated by |, e.g. Cu|Ag|Au")
        return f"{_label(row)}={_text(row['words'])}"
    text = f"{_label(row)}={_number(row, 'low')}:{_number(row, 'high')}"
    return text + (" integer" if row["kind"] == "integer" else "") + (" log" if row["scale"] == "log" else "")


def _label(row: dict[str, Any]) -> str:
    unit = _text(row["unit"])
    return f"{_text(row['name'])} [{unit}]" if unit else _text(row["name"])


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value).strip()


def _number(row: dict[str, Any], column: str) -> str:
    value = row[column]
    if value is None or value != value:
        raise ValueError(f"'{_text(row['name'])}' lacks its {column}: fill it in")
    return f"{float(value):.12g}"


def ask_command() -> tuple[str, ...]:
    """The command and the folder of its files. → its words.

    Raises:
        ValueError: the command cannot be run.
    """
    left, right = st.columns([2, 1])
    text = left.text_input(
        "Command",
        key="problem-command",
        placeholder="python sim.py {in} {out}",
        help="{in} is a CSV of designs: the column sample, and the inputs. The program writes the CSV {out}: sample, "
        "and the properties.",
    )
    folder = right.text_input(
        "Folder of its files", key="problem-folder", placeholder=str(Path.home()), help="For relative file names."
    )
    if not text.strip():
        return ()
    return cards.parse_command(text, Path(folder.strip() or Path.home()).expanduser())


def ask_calls() -> list[str]:
    """How the command is called, as options of the command ``new``."""
    with st.expander("How it is called"):
        places = st.columns(4)
        batch = places[0].number_input("Designs a call", 1, 100_000, 1, key="problem-batch")
        timeout = places[1].number_input("Seconds at most", 1.0, 1e7, 3600.0, key="problem-timeout")
        workers = places[2].number_input("Calls at a time", 1, 1024, 1, key="problem-workers")
        scheduler = places[3].text_input(
            "Dask scheduler",
            key="problem-scheduler",
            placeholder="tcp://host:8786",
            help="Calls then run on its workers.",
        )
    words = ["--batch", f"{batch}", "--timeout", f"{timeout:g}", "--workers", f"{workers}"]
    return [*words, "--scheduler", scheduler.strip()] if scheduler.strip() else words
