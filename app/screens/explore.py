"""Explore: choose a task and a target, and see posterior samples become exact solutions."""

import logging

import streamlit as st

from app.components import (
    choice,
    compare,
    coverage,
    favourites,
    flicker,
    followed,
    glossary,
    guess,
    latent,
    link,
    localization,
    motion,
    posterior,
    projector,
    share,
    starts,
    widgets,
)
from app.components.beyond import by_constraints
from app.components.look import is_dark, size_and_height, size_name
from app.components.words import cards, distinct_text, doubt_text, goal_text, headline, note_text, plain
from app.figures.playback import Size
from app.state import class_board, classroom, runs
from app.state.targets import doubt
from app.tasks import panel_of
from ipage_core.problem.request import DesignRequest

dark = is_dark()
if projector.on():
    name, height = size_and_height()
    size = Size(name) if name == "narrow" else projector.size_of(height)
else:
    size = Size(size_name())


def find(request: DesignRequest) -> tuple[DesignRequest, runs.Run]:
    """The designs; or a message and the last designs that could be computed."""
    run = None
    try:
        panel_of(request.task.name).before(request)
        run = followed.followed(lambda: runs.of(request), f"Designing {request.n} samples …", "run", request.key())
    except ValueError as error:  # the core's error messages, such as a missing model or an invalid setting
        st.error(plain(str(error)), icon=":material/error:")
    except Exception:
        logging.getLogger(__name__).exception("design failed")
        st.error(
            "This run failed by an unexpected error; see the log.",
            icon=":material/error:",
        )
    if run is not None:
        st.session_state.shown = request
        return request, run
    last = st.session_state.get("shown")
    if last is None or last.task.name != request.task.name:
        st.stop()
    st.caption("Below is the last result that could be computed.")
    return last, runs.of(last)


with st.container(key="ask"):
    request = coverage.with_fill(widgets.ask(lambda task: panel_of(task).form))
with st.sidebar:
    motion.ask()
    flicker.prevent()
own = panel_of(request.task.name)
# One container: remarks that come and go would move the bound widgets below, which cuts them off from the address.
with st.container(key="head"):
    doubted, notes = doubt(request.task, request.target), []
    if doubted:
        brief, meaning = doubt_text(request.task, doubted)
        notes.append(meaning)
        note, button = st.columns([3.2, 1], vertical_alignment="center")
        note.info(brief, icon=":material/explore_off:")
        button.button(
            f"Ask for {doubted.text}",
            key="nearest",
            on_click=widgets.aim,
            args=(tuple(doubted.nearest.tolist()),),
            width="stretch",
        )
    request, run = find(request)
    run = own.completed(run)
    share.check_link(request)
    widgets.begun()

    beyond = by_constraints(run, request.target, request.constraints)
    about = f"{plain(request.task.title)}: " if projector.on() else ""  # the menu of tasks is hidden then
    st.markdown(f"#### {about}{headline(run, beyond, request.constraints)}")
    if advice := own.advice(request, run):
        st.caption(advice)
    if note := note_text(run):
        notes.append(note)
    if few := distinct_text(run):
        st.caption(few)
    if "not_spread" in run.summary:
        st.caption(plain(run.summary["not_spread"]))
views = {
    "Localization": lambda: localization.show(run, own.figure, own.caption(run), own.any_plane, dark, size),
    "Guess": lambda: guess.show(request.task, run, own, dark, size),
    "Posterior": lambda: posterior.show(run, own.plane, dark, size),
    "Latent design": lambda: latent.show(request, run, dark, size),
    "Coverage": lambda: coverage.show(request, run, own.plane, dark, size),
    "Compare": lambda: compare.show(request, run, own.picture, dark, size),
}
wide = not size.narrow
left, *beside = st.columns([3.3, 1.1, 0.9] if wide else [1], vertical_alignment="center")
with left:
    view = st.segmented_control(
        "View",
        [name for name in views if name not in own.form.hidden and (name != "Guess" or guess.possible(request.task))],
        default="Localization",
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
        wrap=True,
    )
if not wide:
    with st.container(key="top-phone", horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.page_link("screens/learn.py", label="Learn in ten steps", icon=":material/school:")
        link.offer(request, run, "content")
        glossary.offer("content")


if classroom.on():
    class_board.post(request, run, goal_text(run), view)
    with st.sidebar:
        st.caption(f":material/groups: You are visitor {class_board.visitor()} on the page Class.")


def ask_more(places: list) -> None:
    """Chosen sample, projector, starts, formula, words, link: beside and below the views; on a phone, below the figure.

    Link and words are at the top on a phone too.
    """
    with places[0]:
        choice.ask_sample(run)
    with places[1]:
        projector.ask()
    left, *more = st.columns([3.1, 0.75, 0.7, 0.65], vertical_alignment="center") if wide else [st.container()] * 3
    if view == "Localization":
        with left:
            starts.ask(request.task, request.method)
    with more[0], st.container(key="top-formula"), st.popover("About Ω", icon=":material/function:", width="stretch"):
        own.explain(request.task, dark)
    if wide:
        with more[1], st.container(key="top-words"):
            glossary.offer()
        with more[2], st.container(key="top-link"):
            link.offer(request, run)


if wide:
    ask_more(beside)
rest = None if own.replaces(view, run) else views[view]()
if projector.on():
    if rest:
        rest()
    st.stop()
if not wide:
    ask_more([st.container(), st.container()])
if notes:  # below the figure, which they would push off the screen
    st.warning(" ".join(reversed(notes)), icon=":material/flag:")
if own.about:
    st.caption(own.about)
st.html(cards(own.key_figures(run)))
own.show_designs(request, run, dark, size)
favourites.show(run.task, own.kept, dark, size)
share.show(request, run, own.figures)
if rest:  # slow work comes last, when the page is complete; any click interrupts it
    rest()
