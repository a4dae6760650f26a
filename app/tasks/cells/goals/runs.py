"""The core's results for the page of goals: designs, cached by request, and the points of figures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from app.state.turns import turn
from app.tasks.cells.goals.request import GoalRequest
from ipage_core.tasks.cells.deformation import deformed
from ipage_core.tasks.cells.goal_design import GoalDesigns
from ipage_core.tasks.cells.mesh import Mesh, stiffness
from ipage_core.tasks.cells.starts import shipped_property

REMEMBERED = 24
"""Number of cached results, for all visitors together."""


@st.cache_resource(show_spinner=False)
def _shelf() -> dict[GoalRequest, GoalDesigns]:
    """Results of all visitors by request: equal requests are computed once."""
    return {}


def designs(wanted: GoalRequest, progress: Callable[[int], None] | None = None) -> GoalDesigns:
    """The designs of the request; ``progress`` receives the number that is done.

    Raises:
        ValueError: a goal, a constraint or a number is not accepted; a sentence.
    """
    shelf = _shelf()
    if wanted not in shelf:
        with turn("goals"):
            solutions = wanted.run(progress=progress)
        while len(shelf) >= REMEMBERED:
            shelf.pop(next(iter(shelf)))
        shelf[wanted] = solutions
    return shelf[wanted]


@st.cache_data(max_entries=16, show_spinner=False)
def plane(across: str, up: str) -> np.ndarray:
    """Two properties of every shipped cell. → (N, 2) float32."""
    return np.stack([shipped_property(name).astype(np.float32) for name in (across, up)], axis=1)


@st.cache_data(max_entries=32, show_spinner=False)
def places(cell: bytes, side: int, strain: float, tiles: int) -> tuple[np.ndarray, np.ndarray]:
    """:func:`deformed` of a packed cell."""
    pixels = np.unpackbits(np.frombuffer(cell, np.uint8), count=side * side).reshape(side, side)
    return deformed(pixels, strain, tiles)


@st.cache_data(max_entries=64, show_spinner=False)
def on_mesh(cell: bytes, side: int, mesh: Mesh) -> np.ndarray:
    """C (3, 3) of one cell of bytes on a mesh."""
    return stiffness(np.frombuffer(cell, bool).reshape(side, side), mesh)
