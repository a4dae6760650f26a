"""Settings and texts of a task's form, as plain data that a task's panel passes to the widgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from app.state import classroom
from ipage_core.runtime.text import parts_of


def parts() -> list[str]:
    """The constraints in the field, one by one."""
    return list(parts_of(st.session_state.get("constrain") or ""))


def _nothing() -> None:
    """Default: no extra widgets."""


def _not_blocked(task: str) -> str:
    return ""


def _no_objection(constraints: tuple[str, ...]) -> str:
    return ""


@dataclass(frozen=True)
class Form:
    """The form at the top of Explore and in its sidebar, where tasks differ."""

    counts: tuple[int, ...] = ()
    """Selectable numbers of designs if designs take long; empty: the default numbers."""
    most_in_class: int = classroom.MOST
    """Maximum number of designs in a classroom."""
    corrections_in_class: int = 5
    """Maximum number of true evaluations for the correction of one design in a classroom."""
    hidden: tuple[str, ...] = ()
    """Views that are hidden because they are not informative for this task."""
    target: tuple[float, ...] = ()
    """The default question of the page; empty: the task's default target."""
    constraints: str = ""
    """The constraints that go with it."""
    natural: tuple[str, float, float] | None = None
    """Label, a and b of a quantity a + b·y that the form asks for beside a single target y; None: y alone."""
    example: str = ""
    """Example constraint in the empty field; empty: made of the task's labels."""
    accepted: str = ""
    """Help on the accepted constraints; empty: made of the task's labels."""
    start: str = ""
    """Example and help for a design to start from."""
    starts: str = ""
    sampling: str = ""
    """A note below the choice of the latent design."""
    finishing: str = ""
    """Help of the switch 'Bring designs to the exact target'; empty: no such switch."""
    finished: bool = False
    """Whether that switch is on at first."""
    below: Callable[[], None] = _nothing
    """Widgets below the fields for constraints and for a design to start from; they fill in these fields."""
    objection: Callable[[tuple[str, ...]], str] = _no_objection
    """Constraints → why the page must reject them, or nothing."""
    blocked: Callable[[str], str] = _not_blocked
    """Name of the task → why nothing can be designed yet, or nothing."""

    def offered(self, counts: Sequence[int]) -> list[int]:
        """Selectable numbers of designs in this task and server; ``counts``: the default ones."""
        return classroom.within(self.counts or counts, self.most_in_class)

    def at_first(self, usual: int) -> int:
        """Default number of designs: ``usual``, or the second largest where designs take long."""
        return self.offered(())[-2] if self.counts else usual
