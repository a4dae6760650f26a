"""Explore: pick a task and a target, and watch posterior samples become exact solutions."""

import logging

import streamlit as st

from app.components import choice, compare, favourites, inspector, latent, localization, posterior, share, widgets
from app.components.look import is_dark, size_name
from app.components.words import cards, doubt_text, headline, key_figures, note_text, plain
from app.figures.playback import Size
from app.state import runs
from app.state.settings import Settings
from app.state.targets import doubt
from app.tasks import hidden, own

VIEWS = {"Localization": localization, "Posterior": posterior, "Latent design": latent, "Compare": compare}

size, dark = Size(size_name()), is_dark()


def find(asked: Settings) -> runs.Run:
    """The designs, or a sentence in their place."""
    try:
        with st.spinner(f"Designing {asked.n} samples …", show_time=True):
            return runs.of(asked)
    except ValueError as error:  # the core's own sentences: a missing model, a setting that cannot be
        st.error(plain(str(error)), icon=":material/error:")
    except Exception:
        logging.getLogger(__name__).exception("design failed")
        st.error(
            "This run failed for a reason that the program did not foresee; its log says more.",
            icon=":material/error:",
        )
    st.stop()


asked = widgets.ask()
doubted = doubt(asked.task.name, asked.accepted)
if doubted:
    told, button = st.columns([3.2, 1], vertical_alignment="center")
    told.info(doubt_text(asked.task, doubted), icon=":material/explore_off:")
    button.button(
        f"Ask for {doubted.text}",
        key="nearest",
        on_click=widgets.aim,
        args=(tuple(doubted.nearest.tolist()),),
        width="stretch",
    )
look = own(asked.task.name)
if hasattr(look, "before"):
    try:
        look.before(asked)
    except ValueError as error:
        st.error(plain(str(error)), icon=":material/error:")
        st.stop()
run = find(asked)
if hasattr(look, "completed"):
    run = look.completed(run)
share.check_link(asked)

st.markdown(f"#### {headline(run)}")
if hasattr(look, "ABOUT"):
    st.caption(look.ABOUT)
if hasattr(look, "advice") and (advice := look.advice(asked, run)):
    st.caption(advice)
if note := note_text(run):
    st.warning(note, icon=":material/flag:")
left, right = st.columns([2.6, 1], vertical_alignment="bottom")
with left:
    view = st.segmented_control(
        "View",
        [name for name in VIEWS if name not in hidden(run.task)],
        default="Localization",
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
        wrap=True,
    )
with right:
    choice.ask_sample(run)
rest = None if look and look.replaces(view, run) else VIEWS[view].show(asked, run, dark, size)
st.html(cards(key_figures(run)))
if look:
    look.show_sample(asked, run, dark, size)
else:
    inspector.show_sample(asked, run)
if not hasattr(look, "LISTS"):
    st.subheader("Every design, with what it achieves", divider="gray")
    inspector.show_table(run)
favourites.show(run.task, dark, size)
share.show(asked, run)
if rest:  # what takes long comes last, when the page is complete; any click interrupts it
    rest()
