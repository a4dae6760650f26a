"""What a task's form offers and says beyond its numbers: plain data that a task's panel hands to the widgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from app.state import classroom


def parts() -> list[str]:
    """The constraints that the field holds now, one by one."""
    return [part.strip() for part in (st.session_state.get("constrain") or "").split(";") if part.strip()]


def _nothing() -> None:
    """No widgets of the task's own."""


def _no_objection(constraints: tuple[str, ...]) -> str:
    return ""


@dataclass(frozen=True)
class Form:
    """The form on top of Explore and in its sidebar, as far as tasks differ."""

    counts: tuple[int, ...] = ()
    """Numbers of designs to choose from, if designs take long; empty: those of every page."""
    most_in_class: int = classroom.MOST
    """Designs at once in a classroom."""
    corrections_in_class: int = 5
    """True evaluations for the correction of one design in a classroom."""
    hidden: tuple[str, ...] = ()
    """Views that say nothing of this task's designs, so are not offered."""
    target: tuple[float, ...] = ()
    """What a page without a question of its own asks for; empty: the task's default target."""
    constraints: str = ""
    """The constraints that go with it."""
    example: str = ""
    """A constraint, as an example in the empty field; empty: made of the task's labels."""
    accepted: str = ""
    """Which constraints are understood; empty: said of the task's labels."""
    start: str = ""
    """The same two for a design to start from: example, and what is accepted."""
    starts: str = ""
    sampling: str = ""
    """A remark below the choice of the latent design."""
    finishing: str = ""
    """What the switch 'Bring designs to the exact target' does; empty: there is no such switch."""
    below: Callable[[], None] = _nothing
    """Widgets below the fields for constraints and for a design to start from; they fill these in."""
    objection: Callable[[tuple[str, ...]], str] = _no_objection
    """Constraints → why the page must not take them, or nothing."""

    def offered(self, counts: Sequence[int]) -> list[int]:
        """How many designs one may ask for at once, here and now; ``counts``: what the page offers for any task."""
        return classroom.within(self.counts or counts, self.most_in_class)

    def at_first(self, usual: int) -> int:
        """Default number of designs: ``usual``, or where designs take long the last but one."""
        return self.offered(())[-2] if self.counts else usual
