"""Why sampling matters: SRS, LHS and maximin on the same task, then over several N and many seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import streamlit as st

from app.components.chart import chart, numbers
from app.components.choice import CONFIG
from app.components.followed import followed
from app.figures import worth as worth_figure
from app.figures.compare import Picture, figure, sweep_figure, sweep_table, table
from app.figures.playback import Size
from app.figures.run import Outcome, Run
from app.state import worth
from app.state.runs import outcome, stamp, trio
from ipage_core.benchmark.references import WITHIN
from ipage_core.problem.request import SAMPLINGS, DesignRequest

FEW = [9, 12, 16, 25, 50, 100, 200, 500]
"""Numbers of designs in the pictures; with few of them samplings differ most."""
USUAL = 12
SIZES = [25, 50, 100, 200]
SEEDS = [3, 5, 10, 20]


def show(request: DesignRequest, run: Run, picture: Picture, dark: bool, size: Size) -> Callable[[], None]:
    """The three results on linked axes; below, the sweep. Returns the sweep's work, to do when the page is complete."""
    if any(variable.levels for variable in request.task.variables) or not request.task.verifies_by_default:
        n = request.n
    else:
        n = st.select_slider("Number of designs in these pictures", FEW, USUAL, key="compare_n", bind="query-params")
    if n != request.n:
        st.caption(
            f"The pictures are of their own N = **{n}** designs, because samplings differ most with few. The heading "
            f"above and the key figures below are of your N = {request.n}."
        )
    asked = request.replace(n=n)
    runs = followed(lambda: trio(asked), "Running SRS, LHS and maximin …", "trio", asked.key())
    if runs is None:
        return lambda: None
    named = {SAMPLINGS[name]: one for name, one in runs.items()}
    chart(figure(named, picture, dark, size), key="compare", config=CONFIG)
    by = "by Ω" if run.verified.any() else "by the surrogate f, because Ω has not run"
    st.caption(
        f"The same task, target, N = {n} and seed: only the latent design differs. Axes are linked: drag to zoom into "
        f"all. **Errors** {by}: the thin line holds 90 % of the designs, the thick one half, the ring is the median. "
        "Sampling hardly changes the error, which depends on localization; it changes **which solutions the designs "
        "reach**. One seed may be luck. To compare other methods, models or seeds, see the page Side by side."
    )
    numbers(table(named), "samplings")
    over_seeds = _show_worth(request, run, dark, size) if worth.judged_by(request) else None
    sweep = _show_sweep(request, run, dark, size)

    def rest() -> None:
        if over_seeds:
            over_seeds()
        sweep()

    return rest


def _show_worth(request: DesignRequest, run: Run, dark: bool, size: Size) -> Callable[[], None]:
    """Many seeds with few designs: the place of the figure; → the work that fills it when the page is complete."""
    st.markdown(f"**Over many seeds, with few designs** (N = {worth.SIZES[0]} to {worth.SIZES[-1]}; starts by itself)")
    place = st.empty()

    def work() -> None:
        results: dict = {}
        for done, so_far in worth.over_sizes(request):
            results = so_far
            if done < 1:
                place.progress(done, f"Runs by itself: {worth.seeds_of(request)} seeds at each N …")
        with place.container():
            st.markdown(worth_figure.sentence(results, 25))
            within = WITHIN.get(request.task.name, 0.0)
            chart(worth_figure.figure(run, results, within, dark, size), key="worth", config=CONFIG)
            left, middle, right = size.places(3)
            if worth.judged_by(request) == "loops":
                meaning = (
                    f"**{left}:** the share of seeds that find every loop. **{middle}:** how unevenly the designs fall "
                    "on the loops: standard deviation of their number per loop over its mean, 0 is even."
                )
            else:
                meaning = (
                    f"**{left}:** the share of all solutions with a design within {within:g} box widths. "
                    f"**{middle}:** the distance from the farthest solution to its nearest design."
                )
            st.caption(f"{meaning} **{right}:** the median error. Bars hold 90 %. No corrections by Ω.")
            numbers(worth_figure.table(results), "over-many-seeds")

    return work


def _show_sweep(request: DesignRequest, run: Run, dark: bool, size: Size) -> Callable[[], None]:
    """Sweep over N = 25, 50, 100, 200 and several seeds; it can be stopped and resumed."""
    st.markdown(f"**Over some seeds, with more designs** (N = {SIZES[0]} to {SIZES[-1]}; starts on the button)")
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    seeds = left.select_slider("Number of seeds", SEEDS, value=5, key="seeds", bind="query-params")
    cells = [(n, seed, name) for seed, n, name in product(range(seeds), SIZES, SAMPLINGS)]
    about = replace(request, n=0, seed=0, sampling="srs")
    outcomes = st.session_state.setdefault("sweeps", {}).setdefault(about, {})
    sweep = (about, seeds)
    missing = [cell for cell in cells if cell not in outcomes]
    going = st.session_state.get("sweeping") == sweep and bool(missing)

    def press() -> None:
        st.session_state.sweeping = None if going else sweep

    if going:
        right.button("Stop", icon=":material/stop:", key="sweep", on_click=press, width="stretch")
    elif missing:
        label = f"Start {len(missing)} runs" if len(missing) == len(cells) else f"Continue: {len(missing)} runs left"
        right.button(label, icon=":material/play_arrow:", key="sweep", on_click=press, width="stretch")
    bar, place = st.empty(), st.empty()

    def draw(key: str) -> None:
        if not outcomes:
            place.caption(
                "How many solutions each sampling reaches with few and with many designs: the paper's Figures 4 and 5 "
                "over several seeds. These runs start when you press the button; each seed takes a few seconds, and "
                "you can stop at any time."
            )
            return
        by_name: dict[str, dict[int, list[Outcome]]] = {SAMPLINGS[name]: {} for name in SAMPLINGS}
        for (n, _, name), one in outcomes.items():
            by_name[SAMPLINGS[name]].setdefault(n, []).append(one)
        spec = sweep_figure(run, by_name, SIZES, bool(run.verified.any()), dark, size)
        with place.container():
            chart(spec, key=key, config=CONFIG)
            done = max((seed for _, seed, _ in outcomes), default=-1) + 1
            left, right = size.places(2)
            st.caption(
                f"Points are means over {done} seeds. **{left}:** the bar runs from the worst seed to the best; with "
                f"few samples maximin reaches solutions that SRS misses. **{right}:** median error; the bar holds 90 % "
                "of the designs."
            )
            if not going or len(outcomes) >= len(cells):  # while a sweep continues, not after every seed
                numbers(sweep_table(run, by_name, bool(run.verified.any())), "sweep", key)

    draw("sweep-figure")
    return lambda: _work(request, missing, outcomes, len(cells), bar, draw) if going else None


def _work(request: DesignRequest, missing: list, outcomes: dict, total: int, bar, draw) -> None:  # type: ignore[no-untyped-def]
    """Compute the missing runs. Any click or change on the page interrupts this between two runs."""
    marked = stamp(request.task.name, request.method)
    for k, cell in enumerate(missing):
        n, seed, name = cell
        bar.progress((total - len(missing) + k) / total, f"{SAMPLINGS[name]}, N = {n}, seed {seed}")
        outcomes[cell] = outcome(request.replace(n=n, sampling=name, seed=seed), marked)
        if (n, name) == (SIZES[-1], list(SAMPLINGS)[-1]):  # a seed is complete
            draw(f"sweep-{seed}")
    st.session_state.sweeping = None
    st.rerun()
