"""Links: a part of the address that a page cannot use is dropped, and one sentence says so. So does one on what is
missing in a link or said twice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import StopException

from app.components.words import method_name, plain
from ipage_core.problem.request import SAMPLINGS

LINK, KNOWN, DROPPED, NOTED, AFTER = "link", "link-known", "link-dropped", "link-noted", "link-after"
"""Session keys: the parameters of the first run; those that pages have read; the sentences on those dropped; those on
what stands in place of what the link leaves open; the parameters at the end of the first run."""
TEXTS = ("task", "constrain", "start", "runs", "goals", "c")
"""Parameters that hold text of any length; their pages say what they do not understand."""
SEVERAL = ("dft_says",)
"""Parameters that may stand in a link several times, with a value each."""
LONGEST, NAMED = 100, 5
"""Number of characters of any other parameter; number of dropped parameters that are named."""


@contextmanager
def checked() -> Iterator[None]:
    """Run a page in this block. Its first sentence says which parameters of the link were dropped."""
    if LINK not in st.session_state:
        _drop_unusable()
    place, first, whole = st.empty(), AFTER not in st.session_state, False
    try:
        yield
        whole = True
    except StopException:
        _end(place, first, whole)
        raise
    _end(place, first, whole)


def use(*names: str) -> None:
    """Note that the page has read these parameters itself, not by a widget."""
    st.session_state.setdefault(KNOWN, set()).update(names)


def drop(name: str, text: str, why: str) -> None:
    """Note that the page drops a parameter of the link."""
    st.session_state.setdefault(DROPPED, {})[name, text] = f"{short(name)}={short(text)} {why}"


def note(name: str, sentence: str) -> None:
    """Say what the page takes for a parameter that the link leaves open."""
    st.session_state.setdefault(NOTED, {})[name] = sentence


def opens(name: str) -> bool:
    """Whether this is the first run of a session whose link has this parameter."""
    return AFTER not in st.session_state and name in st.session_state.get(LINK, ())


def short(text: str) -> str:
    """At most 30 characters of a link's text, safe to show."""
    text = "".join(c if c.isprintable() else "�" for c in text[:31])
    return plain(text if len(text) <= 30 else f"{text[:30]}…")


def task_index(names: Sequence[str]) -> int | None:
    """Place of the link's task among ``names``, 0 if it names none; None, with a sentence, if it is not there."""
    use("task")
    name = st.query_params.get("task")
    if name is None:
        return 0
    if name in names:
        return list(names).index(name)
    st.error(
        f"There is no task “{short(name)}” here: it was removed, or the link comes from another computer. Choose a "
        "task from the list.",
        icon=":material/error:",
    )
    return None


def same(text: str, value: Any) -> bool:
    """Whether a setting has the value in a link's text."""
    if text.strip().lower() == ("" if value is None else str(value).strip().lower()):
        return True
    try:
        return math.isclose(float(text), float(value), rel_tol=1e-9)
    except (TypeError, ValueError, OverflowError):
        return False


def _drop_unusable() -> None:
    """Drop what is empty, not finite, too long or said before, before any widget reads it."""
    st.session_state[LINK] = link = st.query_params.to_dict()
    rest = {name: st.query_params.get_all(name) for name in SEVERAL if name in link}
    twice = [name for name in link if name not in rest and len(st.query_params.get_all(name)) > 1]
    for name in twice:
        texts = list(dict.fromkeys(st.query_params.get_all(name)))
        if len(texts) > 1:
            note(name, f"This link names {short(name)} more than once; the last, {short(link[name])}, is used.")
    for name, text in link.items():
        if name not in TEXTS and not text.strip():
            drop(name, text, "is empty")
        elif name not in TEXTS and len(text) > LONGEST:
            drop(name, text, "is too long")
        elif name not in TEXTS and _is_not_finite(text):
            drop(name, text, "is no finite number")
        elif name not in SEVERAL:
            rest[name] = [text]
    if twice or len(rest) < len(link):
        st.query_params.from_dict(rest)
        st.rerun()


def _is_not_finite(text: str) -> bool:
    try:
        return not math.isfinite(float(text))
    except ValueError:
        return False


def _end(place: DeltaGenerator, first: bool, whole: bool) -> None:
    if first:
        _compare(whole)
        st.session_state[AFTER] = st.query_params.to_dict()
    dropped: dict[tuple[str, str], str] = st.session_state.get(DROPPED, {})
    sentences = list(st.session_state.get(NOTED, {}).values())[:NAMED]
    if not (dropped or sentences) or st.session_state[AFTER] != st.query_params.to_dict():
        return
    if dropped:
        said = "; ".join(list(dropped.values())[:NAMED])
        more = f"; and {len(dropped) - NAMED} more" if len(dropped) > NAMED else ""
        sentences.insert(0, f"Parts of this link were left out: {said}{more}.")
    place.warning(" ".join(sentences), icon=":material/link_off:")


def _compare(whole: bool) -> None:
    """Drop what the widgets did not take; ``whole``: the page is complete, so that no widget is missing."""
    now = st.query_params.to_dict()
    done = {*st.session_state.get(KNOWN, ()), *(name for name, _ in st.session_state.get(DROPPED, ()))}
    for name, text in st.session_state[LINK].items():
        if name in done or name.startswith("embed"):
            continue
        if name not in st.session_state:
            if whole:
                drop(name, text, "has no use here")
            continue
        value = st.session_state[name]
        if now.get(name) != text and not same(text, value) and not same(text, _label(name, value)):
            drop(name, text, "is not accepted here")


def _label(name: str, value: Any) -> Any:
    """The value as its widget shows it, which a link may hold instead."""
    if name == "sampling":
        return SAMPLINGS.get(value, value)
    return method_name(value) if name == "method" and isinstance(value, str) else value
