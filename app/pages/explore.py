"""Explore: pick a task and a target, and watch posterior samples become exact solutions."""

import logging

import streamlit as st

from app import runs
from app.figures import family
from app.figures.playback import Size
from app.look import is_dark, size_name
from app.tables import columns, y_names
from app.words import caption, cards, headline, histogram, key_figures
from ipage_core.methods import METHODS
from ipage_core.tasks import TASKS

SAMPLINGS = {"srs": "SRS", "lhs": "LHS", "maximin": "maximin"}
COUNTS = [25, 50, 100, 200, 500, 1000]


def follow(source: str, sink: str) -> None:
    st.session_state[sink] = st.session_state[source]


def ask_task():
    """The task, kept in the URL by its name: a bound widget would put its title there."""
    names = list(TASKS)

    def change() -> None:
        name = st.session_state.task_choice
        st.query_params.update(task=name) if name != names[0] else st.query_params.pop("task", None)
        for j, value in enumerate(TASKS[name].default_target):
            st.session_state[f"y{j + 1}"] = value

    asked = st.query_params.get("task")
    index = names.index(asked) if asked in names else 0
    return TASKS[
        st.selectbox(
            "Task",
            names,
            index,
            format_func=lambda name: TASKS[name].title,
            key="task_choice",
            on_change=change,
            persist_state="session",
        )
    ]


def ask_target(task, j: int) -> float:
    """Number and slider for one coordinate of y*, with the histogram of the training data above the slider."""
    known, number, slider = runs.data(task.name), f"y{j + 1}", f"slide_{task.name}_{j + 1}"
    label = task.property_labels[j]
    left, right = st.columns([1, 2.4], gap="small", vertical_alignment="bottom")
    value = left.number_input(
        f"{y_names(task)[j]}*: {label}" if task.n_targets > 1 else f"Target y*: {label}".removesuffix(": y"),
        value=float(task.default_target[j]),
        step=10 * known.step[j],
        format="%.4g",
        key=number,
        bind="query-params",
    )
    low, high = known.low[j], known.high[j]
    st.session_state[slider] = min(max(value, low), high)
    right.html(histogram(known.counts[j], low, high, value, is_dark()))
    right.slider(
        label,
        low,
        high,
        step=known.step[j],
        key=slider,
        label_visibility="collapsed",
        on_change=follow,
        args=(slider, number),
    )
    return value


size = Size(size_name())
with st.sidebar:
    st.markdown("#### iPage Explorer")
    st.caption("Every design x that achieves a target: Ω(x) = y*")
    sampling = st.segmented_control(
        "Latent design",
        list(SAMPLINGS),
        default="maximin",
        required=True,
        format_func=SAMPLINGS.get,
        key="sampling",
        bind="query-params",
        help="How the latent points z are laid out: at random (SRS), one in each slice (LHS), or LHS spread out as "
        "far as possible (maximin). With few samples, spread-out points find more families of solutions.",
    )
    n = st.select_slider("How many, N", COUNTS, value=200, key="n", bind="query-params")
    seed = st.number_input("Seed", 0, 10**6, 0, key="seed", bind="query-params")
    method = st.selectbox(
        "Method",
        list(METHODS),
        key="method",
        bind="query-params",
    )
    st.caption(METHODS[method].title)
    asked = st.slider(
        "Ω evaluations for correction, per design",
        0,
        5,
        0,
        key="omega",
        bind="query-params",
        disabled=METHODS[method].surrogate is None,
        help="After localization on the surrogate f, each true evaluation of Ω corrects a design: "
        "x ← localize(f, y* + f(x) − Ω(x)).",
    )
    omega_evals = asked if METHODS[method].surrogate else 0

left, right = st.columns([1.15, 3.2], gap="medium", vertical_alignment="top")
with left:
    task = ask_task()
with right:
    places = st.columns(task.n_targets, gap="medium")
    target = []
    for j, place in enumerate(places):
        with place, st.container(key=f"target-{j + 1}"):
            target.append(ask_target(task, j))

try:
    with st.spinner(f"Designing {n} samples …", show_time=True):
        run = runs.run(
            task.name, method, tuple(target), n, sampling, int(seed), omega_evals, runs.stamp(task.name, method)
        )
except ValueError as error:  # the core's own sentences: a missing model, a setting that cannot be
    st.error(str(error), icon=":material/error:")
    st.stop()
except Exception:
    logging.getLogger(__name__).exception("design failed")
    st.error(
        "This run failed for a reason that the program did not foresee; its log says more.", icon=":material/error:"
    )
    st.stop()

st.markdown(f"#### {headline(run)}")
if run.note and not run.summary["hits"]:  # the surrogate may despair of a target that Ω finds within tolerance
    st.warning(run.note, icon=":material/flag:")
st.plotly_chart(
    family(run.task).figure(run, is_dark(), size),
    key="animation",
    config={"displayModeBar": "hover", "modeBarButtonsToRemove": ["zoomIn2d", "zoomOut2d", "autoScale2d", "pan2d"]},
)
st.caption(caption(run))

st.html(cards(key_figures(run)))

st.subheader("Every design, with what it achieves", divider="gray")
st.dataframe(run.table, hide_index=True, height=320, column_config=columns(run))
st.download_button(
    "Download CSV",
    run.csv,
    file_name=f"{run.task}_solutions.csv",
    mime="text/csv",
    icon=":material/download:",
    on_click="ignore",
)
