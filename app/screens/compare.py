"""Side by side: two or more runs of one task, with any difference in method, model, sampling or seed."""

import logging

import pandas as pd
import streamlit as st

from app.components import links
from app.components.chart import chart, numbers
from app.components.choice import CONFIG
from app.components.look import is_dark, size_name
from app.components.settings_form import trained
from app.components.tables import y_names
from app.components.target_form import target_label
from app.components.words import headline, method_name, number, plain
from app.figures import compare, side_by_side
from app.figures.playback import Size
from app.state import runs
from app.tasks import panel_of
from ipage_core.inference.costs import Cost, cost
from ipage_core.networks.store import ModelUnavailable
from ipage_core.problem.request import SAMPLINGS, DesignRequest
from ipage_core.tasks import TASKS

MOST = 4  # runs; more curves would be hard to tell apart
COUNTS = [10, 25, 50, 100, 200, 500]
SIZES = [10, 25, 50, 100, 200]  # for coverage against N
SEEDS = 3
MOST_SEED = 10**6

st.markdown("#### Runs side by side")
st.caption(
    "Here any two to four runs stand side by side: different methods, models, samplings or seeds. (The view Compare of "
    "Explore is narrower: one method, and only the sampling differs.) "
    "All runs have the same target. Each row is a run: its method (or a model trained here), sampling and seed. Click "
    f"a cell to change it. Use the empty last row to add a run (up to {MOST}). To remove a run, tick it on the left "
    "and press Delete."
)


def linked_runs(task: str) -> list[dict]:
    """The runs in the address, or two runs that differ in their method."""
    methods, rows, text = trained(TASKS[task]), [], st.query_params.get("runs", "")
    links.use("runs")
    for part in text.split(",") if text else ():
        method, _, rest = part.rpartition("~")[0].partition("~")
        seed = part.rpartition("~")[2]
        whole = seed.isascii() and seed.isdigit() and len(seed) < 9 and int(seed) <= MOST_SEED
        if method in methods and rest in SAMPLINGS and whole:
            rows.append({"method": method, "sampling": rest, "seed": int(seed)})
        else:
            links.drop("runs", part, "is not accepted: METHOD~SAMPLING~SEED")
    usual = TASKS[task].default_method if TASKS[task].default_method in methods else methods[0]
    other = "prior-lm" if "prior-lm" in methods and usual != "prior-lm" else methods[-1]
    return rows or [{"method": m, "sampling": "maximin", "seed": 0} for m in (usual, other)]


def ask_target(task: str) -> str:
    """y* in the syntax of the command line."""
    problem = TASKS[task]
    places = st.columns(problem.n_targets)
    values = [
        place.number_input(target_label(problem, j), value=float(default), format="%.4g", key=f"compare-{task}-{name}")
        for j, (place, name, default) in enumerate(zip(places, y_names(problem), problem.default_target, strict=True))
    ]
    return ",".join(repr(float(value)) for value in values)


def cost_of(run: runs.Run) -> Cost | None:
    """The size and training time of the run's networks, as on the page Benchmark; None without cards."""
    try:
        return cost(run.task, run.method)
    except ModelUnavailable:
        return None


def table(results: dict[str, runs.Run]) -> pd.DataFrame:
    """The key numbers of each run."""
    rows = []
    for name, run in results.items():
        s, verified, networks = run.summary, run.verified.any(), cost_of(run)
        rows.append(
            {
                "run": name,
                "hits": f"{run.hit.sum()} / {run.verified.sum()}" if verified else "not verified",
                "median error² by Ω": number(s["resim_median"]),
                **({"loops": f"{run.modes_found} / {run.n_modes}"} if run.n_modes else {}),
                "arrive before replacement": f"{s['success_before_replacement']} / {s['n']}" if run.localizes else "–",
                "Ω calls": s["omega_calls"],
                "seconds": round(sum(s["seconds"].values()), 2),
                "parameters": networks and networks.parameters,
                "trained for, s": networks and round(networks.training_seconds),
            }
        )
    return pd.DataFrame(rows)


def request(task: str, target: str, row: dict, n: int) -> DesignRequest:
    """The request of a row of the table."""
    chosen = {name: row[name] for name in ("method", "sampling", "seed")}
    return DesignRequest.of(TASKS[task], target, n=n, **chosen)


def coverage(task: str, target: str, rows: list[dict], names: list[str], bar) -> dict:  # type: ignore[no-untyped-def]
    """Outcomes by run and N, over a few seeds that start from each run's own."""
    results: dict = {name: {} for name in names}
    total, done = len(rows) * len(SIZES) * SEEDS, 0
    for name, row in zip(names, rows, strict=True):
        for n in SIZES:
            for more in range(SEEDS):
                bar.progress(done / total, f"{name}: N = {n}, seed {row['seed'] + more}")
                one = request(task, target, row | {"seed": row["seed"] + more}, n)
                one = runs.outcome(one, runs.stamp(task, row["method"]))
                results[name].setdefault(n, []).append(one)
                done += 1
    bar.empty()
    return results


chosen = st.session_state.get("compare_task")
index = list(TASKS).index(chosen) if chosen in TASKS else links.task_index(list(TASKS))
left, middle, right = st.columns([1.2, 2, 1.2])
with left:
    task = st.selectbox(
        "Task",
        list(TASKS),
        index,
        format_func=lambda name: TASKS[name].title,
        placeholder="Choose a task",
        key="compare_task",
    )
if task is None:
    st.stop()
if why := panel_of(task).form.blocked(task):
    middle.info(why, icon=":material/info:")
    st.stop()
with middle:
    target = ask_target(task)
form = panel_of(task).form
n = right.select_slider("Number of designs, N", form.offered(COUNTS), value=form.at_first(100), key=f"compare-n-{task}")
edited = st.data_editor(
    pd.DataFrame(st.session_state.setdefault(f"compare-runs-{task}", linked_runs(task))),
    num_rows="dynamic",
    hide_index=True,
    key=f"compare-editor-{task}",
    column_config={
        "method": st.column_config.SelectboxColumn(
            "method", options=trained(TASKS[task]), format_func=method_name, required=True, width="medium"
        ),
        "sampling": st.column_config.SelectboxColumn(
            "sampling", options=list(SAMPLINGS), default="maximin", required=True
        ),
        "seed": st.column_config.NumberColumn(
            "seed", min_value=0, max_value=MOST_SEED, step=1, default=0, required=True
        ),
    },
)
rows = edited.dropna().astype({"seed": int}).to_dict("records")[:MOST]
if len(edited) > MOST:
    st.info(f"The first {MOST} runs are shown: more could not be distinguished.")
if not rows:
    st.info("Add a run in the table above.")
    st.stop()
st.query_params.update({"task": task, "runs": ",".join(f"{r['method']}~{r['sampling']}~{r['seed']}" for r in rows)})
size, dark = Size(size_name()), is_dark()
names = [
    f"{'ABCD'[k]}: {method_name(r['method'])}, {SAMPLINGS[r['sampling']]}, seed {r['seed']}" for k, r in enumerate(rows)
]
results: dict[str, runs.Run] = {}
for name, r in zip(names, rows, strict=True):
    try:
        with st.spinner(f"Designing {n} samples: {name} …"):
            marked = runs.stamp(task, r["method"])
            results[name] = runs.run(request(task, target, r, n), marked)
    except ValueError as error:
        st.error(plain(f"{name}: {error}"), icon=":material/error:")
    except Exception:
        logging.getLogger(__name__).exception("design failed")
        st.error(f"{name}: this run failed by an unexpected error.", icon=":material/error:")
if not results:
    st.stop()
for name, run in results.items():
    st.caption(f"**{name}** (in commands `{run.method}`): {headline(run)}")
thousands = st.column_config.NumberColumn(format="localized")
st.dataframe(table(results), hide_index=True, column_config={"parameters": thousands, "trained for, s": thousands})
st.subheader("Errors, step by step", divider="gray")
chart(side_by_side.residuals(results, dark, size), key="residuals", config=CONFIG)
st.caption(
    "Lines are medians, bands hold 90 % of the samples; axes are linked. A dot is a method without localization. "
    + side_by_side.ends(results)
    + "Errors by f are not verified: compare by Ω if it ran."
)
numbers(side_by_side.residual_table(results), "errors")
st.subheader("Cost", divider="gray")
chart(side_by_side.cost(results, dark, size), key="cost", config=CONFIG)
st.caption("Runs share latent designs; the time for one counts only for the run that computed it first.")
numbers(side_by_side.cost_table(results), "cost")
st.subheader("Coverage against N", divider="gray")
wanted = (task, target, tuple(names))
if st.button(
    f"Run N = {SIZES[0]} to {SIZES[-1]} with {SEEDS} seeds each", icon=":material/play_arrow:", key="coverage"
):
    st.session_state.coverage_of = wanted
if st.session_state.get("coverage_of") == wanted:
    shown = [r for name, r in zip(names, rows, strict=True) if name in results]
    outcomes = coverage(task, target, shown, list(results), st.empty())
    by_omega = all(bool(run.verified.any()) for run in results.values())
    spec = compare.sweep_figure(next(iter(results.values())), outcomes, SIZES, by_omega, dark, size)
    chart(spec, key="coverage-figure", config=CONFIG)
    places = size.places(2)
    st.caption(
        f"Means over {SEEDS} seeds. **{places[0]}:** the bar runs from the worst seed to the best. **{places[1]}:** it "
        "holds 90 % of the designs."
    )
    numbers(compare.sweep_table(next(iter(results.values())), outcomes, by_omega), "coverage")
