"""Coverage: the share of the solution set that the designs cover, and new designs for its gaps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.components import links
from app.components.chart import chart, numbers
from app.components.choice import CONFIG, ask_plane
from app.components.words import plain
from app.figures.coverage import figure, table
from app.figures.playback import Size
from app.figures.run import Run
from app.state.coverage import Covered, cover, not_covered, not_filled
from app.state.runs import stamp
from ipage_core.inference.coverage import WITHIN, Coverage
from ipage_core.problem.request import DesignRequest

KEPT = 6
"""Number of coverages that a session keeps."""


def with_fill(request: DesignRequest) -> DesignRequest:
    """The request with its gaps filled, if the button or the address asks for that.

    A new request starts unfilled: filling takes seconds, and the designs for one target say nothing about the next.
    """
    if "fill" not in st.session_state:
        text = st.query_params.get("fill")
        st.session_state.fill = (_about(request), _distance(text or ""))
        links.use("fill")
        if text is not None and st.session_state.fill[1] is None:
            links.drop("fill", text, "is not accepted: a number between 0 and 1")
    of, within = st.session_state.fill
    if within is None or of != _about(request):
        st.query_params.pop("fill", None)
        return request
    st.query_params["fill"] = f"{within:g}"
    return request.replace(fill=within)


def _about(request: DesignRequest) -> DesignRequest:
    """The key of a fill: the designs, regardless of how they are judged."""
    return request.replace(tolerance=1.0, fill=None)


def _distance(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < 1 else None


def show(request: DesignRequest, run: Run, plane: tuple[int, int], dark: bool, size: Size) -> Callable[[], None] | None:
    """The view. Returns the requested work, to do when the page is complete."""
    if why := not_covered(request, run):
        st.info(plain(why), icon=":material/info:")
        return None
    kept: dict[tuple[str, int], Covered | str] = st.session_state.setdefault("coverages", {})
    key = (request.key(), stamp(run.task, run.method))
    covered = kept.get(key)
    going = covered is None and st.session_state.get("covering") == _about(request)
    across, up, epsilon, look, fill = st.columns([1, 1, 1, 1.3, 1.3], vertical_alignment="bottom")
    within = epsilon.number_input(
        f"ε [{request.task.distance_name.removeprefix('of ')}]",
        min_value=0.001,
        max_value=0.999,
        value=WITHIN,
        step=0.01,
        format="%.3f",
        key="within",
        bind="query-params",
        help="A solution counts as seen if a design lies within ε of it.",
    )

    def ask() -> None:
        st.session_state.covering = None if going else _about(request)

    def ask_fill() -> None:
        st.session_state.fill = (_about(request), None if request.fill == within else within)
        st.session_state.covering = _about(request)

    look.button(
        "Stop" if going else "Work out the coverage",
        icon=":material/stop:" if going else ":material/pie_chart:",
        key="cover",
        on_click=ask,
        disabled=covered is not None,
        width="stretch",
    )
    why_not = not_filled(request, run)
    fill.button(
        "Remove the added designs" if request.fill == within else "Fill the gaps",
        icon=":material/undo:" if request.fill == within else ":material/add_circle:",
        key="fill-gaps",
        on_click=ask_fill,
        disabled=bool(why_not),
        help=why_not or "Adds designs until each solution that is known has a design within ε. It takes some seconds.",
        width="stretch",
    )
    if request.fill is not None:
        filled = run.summary["filled"]
        say = st.success if filled["complete"] else st.warning
        say(plain(filled["sentence"]), icon=":material/add_circle:")
    labels = list(request.task.x_labels)
    pair = (0, 0)
    if len(labels) > 1:
        pair = ask_plane(labels, plane, [across, up])
    place = st.empty()
    if isinstance(covered, str):
        place.info(plain(covered), icon=":material/info:")
    elif covered is not None and (pair[0] != pair[1] or len(labels) == 1):
        with place.container():
            _draw(covered, within, tuple(labels), pair, dark, size)
    elif covered is None:
        place.caption(
            "How much of the solution set do these designs cover? The button searches solutions everywhere in the box "
            "and measures how far each is from its nearest design. Where Ω can be enclosed by interval arithmetic, it "
            "proves a distance that no solution exceeds. This takes some seconds and can be stopped."
        )
    return (lambda: _work(request, run, key, kept, place)) if going else None


def caption(shown: Coverage, size: Size) -> str:
    """What the panels and those curves mean that are there."""
    first, second = size.places(2)
    text = [
        f"**{first}:** solutions all over the box, and which of them have a design within ε. **{second}:** which share "
        "of them has a design within ε."
    ]
    if not shown.measured:
        text.append("Solutions are those of the surrogate f, not of Ω.")
    if len(shown.posterior):
        text.append("Dashed: the same, each solution weighted by the posterior (above, with its 95 % interval).")
    if shown.proof is not None:
        text.append("Dotted: proved, all of them from that distance on.")
    return " ".join(text)


def _draw(
    covered: Covered, within: float, labels: tuple[str, ...], pair: tuple[int, int], dark: bool, size: Size
) -> None:
    shown = replace(covered.coverage, within=within)
    chart(figure(shown, shown.designs, labels, pair, dark, size), key="coverage", config=CONFIG)
    st.markdown(f"**{plain(f'{covered.pieces} {shown.sentence()}'.strip())}**")
    st.caption(caption(shown, size))
    numbers(table(shown), "coverage")


def _work(
    request: DesignRequest,
    run: Run,
    key: tuple[str, int],
    kept: dict[tuple[str, int], Covered | str],
    place: DeltaGenerator,
) -> None:
    """Compute the coverage. Any click or change on the page interrupts it."""
    bar = place.progress(0.0, "Searching solutions everywhere in the box …")

    def progress(tested: int, radius: float) -> None:
        # The proved radius falls from √d towards the goal, fast at first.
        share = 1 - min(1.0, radius / math.sqrt(request.task.d))
        bar.progress(share, f"{tested} boxes tested: no solution is farther than {radius:.3f} from a design, proved")

    try:
        kept[key] = cover(request, run, progress)
    except ValueError as error:
        kept[key] = str(error)
    while len(kept) > KEPT:
        kept.pop(next(iter(kept)))
    st.rerun()
