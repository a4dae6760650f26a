"""Designs for a table: never verified, so each has an interval and the nearest measured row."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
import torch

from app.components import favourites, inspector
from app.components.chart import chart
from app.components.choice import CONFIG, chosen_sample, picked
from app.components.tables import MOST_COLUMNS, x_names, y_names
from app.components.words import Figure, cards, number, plain, sample_figures
from app.figures.playback import Size
from app.figures.run import Run
from app.state import classroom
from app.state.inspection import inspect
from app.state.runs import loaded
from app.tasks import structures
from app.tasks.panel import TaskPanel
from app.tasks.table import figure as cell
from app.workers import trainings
from ipage_core.inference.methods import METHODS
from ipage_core.inference.pareto import front
from ipage_core.problem.request import DesignRequest
from ipage_core.problem.task import Task
from ipage_core.runtime.files import spreadsheet_safe
from ipage_core.tasks import TASKS
from ipage_core.tasks.table import candidates, own_data, own_task
from ipage_core.tasks.table import reader as tables
from ipage_core.tasks.table.lattice import lattice
from ipage_core.tasks.table.trust import interval_text
from ipage_core.training.fit import Settings as Fit
from ipage_core.training.recipes import recipe

MEASURE = [5, 10, 20, 50, 100]


def mine() -> list[Task]:
    """The user's own table tasks."""
    return [task for task in TASKS.values() if task.data_folder is not None]


def usual_training(rows: int, size: str, model: str = "mlp") -> Fit:
    """The recipe's settings for own data with this many rows; they depend on nothing else in the data."""
    any_task = replace(next(iter(TASKS.values())), name="own-data", data_size=max(1, rows))
    like = replace(any_task, recipes=own_task.recipes(any_task), networks=own_task.networks)
    return recipe(like, model, size)[2]


def not_learnt(task: Task, learnt: list[int]) -> int:
    """The number of rows added since training; ``learnt``: number of training rows of each of the method's models."""
    assert task.data_folder is not None
    count = int((~own_data.measured(task.data_folder).held_out).sum())
    return max((count - n for n in learnt), default=0)


def to_train(label: str) -> None:
    """A link to the page Train."""
    st.page_link("screens/train.py", label=label, icon=":material/model_training:")


def row_advice(final: pd.DataFrame) -> str:
    """A sentence if a measured row is closer to the target than most candidates are expected to come; else ''."""
    if "row_is_closer" not in final or (closer := final["row_is_closer"].astype(bool)).mean() <= 0.5:
        return ""
    rows = final.loc[closer, "closest_row"].unique()
    named = f"Row {rows[0]} of your table is" if len(rows) == 1 else f"Measured rows, such as row {rows[0]}, are"
    return f"**{named} closer to the target** than most of these candidates can be expected to come."


RANKED = (
    "The most trustworthy candidate comes first: its measurement is expected to come closest to the target. **Expected "
    "miss** is that distance in tolerances, root mean square over properties and over measurements to come."
)


def table(run: Run) -> pd.DataFrame:
    """One row per candidate: prediction, interval for 90 % of measurements, nearest measured row; the surest first."""
    task, final = TASKS[run.task], run.final
    if "expected_misfit" in final:
        final = final.sort_values("expected_misfit", kind="stable", ignore_index=True)
    columns: dict[str, Any] = {"sample": final["sample"]}
    if "expected_misfit" in final:
        columns["expected miss"] = final["expected_misfit"]
    for j, name in enumerate(y_names(task), start=1):
        columns |= {f"{name}*": final[f"target{j}"], f"{name} predicted": final[f"surrogate{j}"]}
        if f"low{j}" in final:
            ends = zip(final[f"low{j}"], final[f"high{j}"], strict=True)
            columns[f"{name}, 90 %"] = [f"{interval_text(low, high)} (90 %)" for low, high in ends]
        columns[f"{name} of nearest row"] = final[f"nearest_y{j}"]
    columns |= {"distance": final["nearest_distance"], "nearest row": final["nearest_row"]}
    columns |= {"rests on": final["basis"]}
    names = list(zip(x_names(task), range(task.d), strict=True))[:MOST_COLUMNS]
    return pd.DataFrame(columns | {name: own_task.shown(task, j, final[f"x{j + 1}"]) for name, j in names})


def _columns(run: Run, names: list[str]) -> dict[str, Any]:
    task = TASKS[run.task]
    help_texts = {"distance": "to the nearest measured row, in box widths"}
    help_texts["expected miss"] = RANKED.replace("**", "")
    help_texts |= {"nearest row": "its number in its file; the first row below the header is 1"}
    for label, name in zip(task.property_labels, y_names(task), strict=True):
        help_texts |= {f"{name}*": f"target, {label}", f"{name} predicted": f"{label}, mean of the surrogates"}
        help_texts[f"{name}, 90 %"] = "holds about 90 % of measurements of this property; calibrated on left-out rows"
        help_texts |= {f"{name} of nearest row": f"{label}, as measured"}
    help_texts |= dict(zip(x_names(task), task.x_labels, strict=True))
    heads = dict(zip(x_names(task), task.x_labels, strict=True))
    for label, name in zip(task.property_labels, y_names(task), strict=True):
        called, _, unit = label.partition(" [")
        unit = f" [{unit}" if unit else ""
        heads |= {f"{name}*": f"{called}*{unit}", f"{name} predicted": f"{called} predicted{unit}"}
        heads |= {f"{name}, 90 %": f"{called}, interval{unit}"}
        heads |= {f"{name} of nearest row": f"{called} of nearest row{unit}"}
    help_texts |= {"rests on": "a predicted interval, a prediction alone, or a measured row that it equals"}
    forms = {"nearest row": "%d", "sample": "%d", "distance": "%.3f", "expected miss": "%.3g"}
    words = {name for name, variable in zip(x_names(task), task.variables, strict=True) if variable.kind == "category"}
    words |= {"rests on", *(f"{name}, 90 %" for name in y_names(task))}
    return {
        name: st.column_config.TextColumn(heads.get(name), help=help_texts.get(name))
        if name in words
        else st.column_config.NumberColumn(
            heads.get(name),
            format=forms.get(name, "%.5g"),
            help=help_texts.get(name, "number of the sample, the same in every export"),
            pinned=name == "sample",
        )
        for name in names
    }


def _to_measure(request: DesignRequest, run: Run) -> None:
    """Download of the candidates to measure next, and upload of the results as another round."""
    task = request.task
    with st.expander("Next round: measure some candidates and train on the results", icon=":material/cycle:"):
        surrogate = loaded(run.task, run.method).surrogate
        if surrogate is None or not hasattr(surrogate, "spread"):
            st.caption("This method has no surrogate to choose candidates with; ipage has.")
            return
        st.caption(
            "Half of them are the most likely hits (**value**). The other half lie where the surrogates are uncertain "
            "(**information**). Fill in the properties and upload the file."
        )
        left, right = st.columns([1, 2], vertical_alignment="bottom")
        count = left.select_slider("How many", MEASURE, value=10, key="measure")
        right.download_button(
            f"Download {min(count, run.n)} candidates to measure or simulate",
            partial(_chosen, run, count),
            file_name=f"{run.task}_to_measure.csv",
            mime="text/csv",
            key="to-measure",
            icon=":material/science:",
            on_click="ignore",
            width="stretch",
        )
        came = st.session_state.setdefault("results_key", 0)
        upload = st.file_uploader(
            "Results (CSV, with the properties filled in)", ["csv"], key=f"results-{came}", disabled=classroom.on()
        )
        classroom.note("Uploads and training are switched off in this classroom.")
        if upload is not None and not classroom.on():
            st.button(
                "Add these results and train again",
                type="primary",
                icon=":material/model_training:",
                on_click=_add,
                args=(task, upload.name, upload.getvalue()),
            )
        if said := st.session_state.pop("results_said", None):
            (st.success if said[0] else st.error)(plain(said[1]))
            to_train("See it on the page Train")
        history(task)


def _chosen(run: Run, count: int) -> str:
    x, aims = torch.from_numpy(run.final[[f"x{j + 1}" for j in range(run.x.shape[-1])]].to_numpy(copy=True)), run.aims
    chosen_rows = candidates.to_measure(TASKS[run.task], loaded(run.task, run.method), x, torch.from_numpy(aims), count)
    return spreadsheet_safe(chosen_rows).to_csv(index=False)


def _add(task: Task, name: str, content: bytes) -> None:
    """Callback: add another round of data and train on all rows."""
    assert task.data_folder is not None
    count = 0
    try:
        count = own_data.add(task.data_folder, tables.read([(name, content)], least=1), source=name)
        as_before = trainings.settings(task.data_folder)
        method, models = task.default_method, list(METHODS[task.default_method].trained)
        trainings.add(task.title, task.name, method, models, task.data_folder, data=task.data_folder, **as_before)
    except (ValueError, OSError) as error:
        st.session_state.results_said = (
            False,
            f"{count} rows added, but not trained on: {error}" if count else str(error),
        )
        st.session_state.results_key += count > 0
        return
    st.session_state.results_key += 1
    epochs = as_before.get("epochs")
    help_texts = (
        "with the settings used before" + (f" ({epochs} epochs)" if epochs else "") if as_before else "as usual"
    )
    st.session_state.results_said = (
        True,
        f"{count} rows added; a training on all rows, {help_texts}, is in the queue.",
    )


def history(task: Task) -> None:
    """The rounds of data and their outcomes."""
    assert task.data_folder is not None
    rows = []
    for k, r in enumerate(own_data.read_card(task.data_folder)["rounds"]):
        chosen_rows = r.get("held_out", {}).get("mlp") or next(iter(r.get("held_out", {}).values()), None)
        accuracy = candidates.accuracy_text(task, chosen_rows) if chosen_rows else "not trained yet"
        rows.append({"round": k, "file": r["source"], "rows": r["rows"], "surrogates after it": accuracy})
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _front(run: Run, dark: bool) -> None:
    """If two properties are to be minimized or maximized: the rows, their Pareto front, and the candidates."""
    best = [j for j, kind in enumerate(run.kinds) if kind in ("minimize", "maximize")]
    if len(best) < 2:
        return
    task = TASKS[run.task]
    j = best[:2]
    rows = task.pairs()[1][:, j].double()
    sign = torch.tensor([1.0 if run.kinds[k] == "minimize" else -1.0 for k in j], dtype=torch.float64)
    predicted = run.final[[f"surrogate{k + 1}" for k in j]].to_numpy(dtype=float)
    labels = (task.property_labels[j[0]], task.property_labels[j[1]])
    chart(cell.pareto(rows.numpy(), rows[front(sign * rows)].numpy(), predicted, labels, dark), key="pareto")
    st.caption(front_text(len(best)))


def front_text(goals: int) -> str:
    """What the Pareto front shows, for a number of goals to minimize or maximize."""
    best_rows = "The line joins measured rows that no other row surpasses in both properties."
    return best_rows if goals == 2 else f"{best_rows} The first two of {goals} such goals are drawn."


def _key_figures(run: Run) -> list[Figure]:
    """The key numbers of a run without Ω."""
    s, final = run.summary, run.final
    properties = TASKS[run.task].targets
    figures = [Figure("Verified", "none", "there is no Ω: measure or simulate these designs")]
    for j, one in enumerate(properties, 1):
        if f"low{j}" in final and final[f"low{j}"].notna().any():
            half = float((final[f"high{j}"] - final[f"low{j}"]).median() / 2)
            meaning = "median half width of the intervals that hold about 90 % of measurements"
            name = f"±, {one.name}" if len(properties) > 1 else "±"
            figures.append(Figure(name, f"{number(half)} {one.unit}".strip(), meaning))
    far = "median distance, in box widths"
    figures.append(Figure("Nearest measured row", number(float(final["nearest_distance"].median())), far))
    if run.localizes:
        meaning = "reached y* by the surrogates before any was replaced"
        success = f"{s['success_before_replacement']} / {s['n']}"
        figures.append(Figure("Success before replacement", success, meaning, True))
    figures.append(Figure("Time", f"{sum(s['seconds'].values()):.2f} s", "from latent points to designs"))
    return figures


class TablePanel(TaskPanel):
    """A table of candidates replaces that of all designs; there is no Ω."""

    key_figures = staticmethod(_key_figures)

    def before(self, request: DesignRequest) -> None:
        """The accuracy on held-out rows, shown before any candidate."""
        task, method = request.task, loaded(request.task.name, request.method)
        st.info(
            f"**{candidates.accuracy_text(task, candidates.held_out(method))}** These rows were not used for "
            "training. There is no Ω for own data, so every design is **not verified** until it is measured.",
            icon=":material/rule:",
        )
        if left := not_learnt(task, [card["data"]["n"] for card in method.cards.values()]):
            help_texts, link = st.columns([3.2, 1], vertical_alignment="center")
            help_texts.warning(
                f"{left:,} measured {'row is' if left == 1 else 'rows are'} not in this model yet.",
                icon=":material/update:",
            )
            with link:
                to_train("Train on them")

    def show_sample(self, request: DesignRequest, run: Run, dark: bool, size: Size) -> None:
        """Candidates with their spread and nearest rows, downloads, and details of one candidate."""
        st.subheader("Candidates, not verified", divider="gray")
        if (advice := row_advice(run.final)) != "":
            st.warning(advice, icon=":material/near_me:")
        _front(run, dark)
        shown = table(run)
        st.dataframe(
            shown,
            hide_index=True,
            height=340,
            column_config=_columns(run, list(shown.columns)),
            key="designs",
            on_select=partial(picked, "designs", shown["sample"].astype(int).tolist()),
            selection_mode="single-row",
            placeholder="–",
        )
        if "expected miss" in shown:
            st.caption(RANKED)
        _to_measure(request, run)
        if lattice(TASKS[run.task]) is not None:
            structures.ask(TASKS[run.task], run.final, f"all {run.n} cells", run.task)
        sample = chosen_sample(run)
        if sample is None:
            return
        left, right = st.columns([2.2, 1], vertical_alignment="bottom")
        left.subheader(f"Sample {sample}")
        with right:
            favourites.ask_to_keep(request, run, sample)
        seen = inspect(run, sample)
        st.html(cards(sample_figures(run, sample, seen)))
        order = lattice(TASKS[run.task])
        if order is not None:
            drawn = cell.figure(run.x[-1, sample, order].astype(float), seen.near_x[0, order], dark)
            chart(drawn, key="cell", config=CONFIG)
            st.caption("Drag to turn. The data hold no atoms: these are the edges of the cells, at the same scale.")
        inspector.show_details(run, sample, seen)

    def show_designs(self, request: DesignRequest, run: Run, dark: bool, size: Size) -> None:
        """The candidates, in place of the table of all designs."""
        self.show_sample(request, run, dark, size)

    def data(self, task: Task) -> Path | None:
        return task.data_folder

    def awaits_model(self, task: Task) -> bool:
        return task.data_folder is not None and not (task.data_folder / "mlp.json").exists()


PANEL = TablePanel()
