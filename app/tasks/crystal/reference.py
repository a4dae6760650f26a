"""The cubic crystal as a reference for candidates, by DFT and by experiment."""

from __future__ import annotations

import streamlit as st

from ipage_core.tasks.crystal.strain import CUBIC_LENGTH

CUBIC_GAP, CUBIC_DIRECT = 1.812, 2.185
"""Indirect (R to Γ) and direct PBE gap [eV] of the cubic cell of lowest energy, by ``ipage_core.tasks.crystal.dft``."""
MEASURED_GAP, MEASURED_DIRECT, MEASURED_LENGTH = 3.25, 3.75, 3.905
"""Of the crystal at room temperature, eV and Å: van Benthem, Elsässer and French, J. Appl. Phys. 90, 6156 (2001)."""


def show() -> None:
    """One line to compare candidates with."""
    st.caption(
        f"**For comparison, the cubic cell:** DFT here {CUBIC_GAP:.2f} eV (indirect; direct {CUBIC_DIRECT:.2f} eV) at "
        f"a = {CUBIC_LENGTH:.3f} Å, ΔE = 0; experiment {MEASURED_GAP:.2f} eV (indirect; direct {MEASURED_DIRECT:.2f} "
        f"eV) at a = {MEASURED_LENGTH:.3f} Å."
    )
