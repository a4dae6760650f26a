"""Filters of the candidates' table: maximum ΔE, maximum strain, DFT verdict."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

VERDICTS = ["hit", "off", "under way", "failed", "not verified"]


def ask(per_atom: np.ndarray, ranked: pd.DataFrame, said: list[str]) -> np.ndarray:
    """(n,) bool: the cells that pass; if none does, all cells, with a message.

    ``per_atom``: ΔE (n,) [eV per atom]; ``ranked`` from :func:`ipage_core.tasks.crystal.families.table`;
    ``said``: the DFT verdict on each.
    """
    with st.popover("Filters", icon=":material/filter_alt:", width="stretch"):
        energy = st.number_input(
            "ΔE at most [eV per atom]",
            min_value=0.0,
            value=None,
            step=0.05,
            format="%.3f",
            placeholder="no limit",
            key="most_energy",
            bind="query-params",
            help="Energy above the cubic cell, by DFT where it ran, else by the surrogates.",
        )
        strain = st.number_input(
            "Largest strain at most [%]",
            min_value=0.0,
            value=None,
            step=1.0,
            placeholder="no limit",
            key="most_strain",
            bind="query-params",
        )
        verdicts = st.pills("DFT says", VERDICTS, selection_mode="multi", key="dft_says", bind="query-params")
    each = {}
    if energy is not None:
        each["ΔE"] = per_atom <= energy
    if strain is not None:
        each["strain"] = 100 * ranked["largest_strain"].to_numpy() <= strain
    if verdicts:
        each["DFT says"] = np.isin(said, verdicts)
    passing = np.all([np.ones(len(ranked), dtype=bool), *each.values()], axis=0)
    if not passing.any():
        st.info(f"No candidate passes these filters: all are shown. {alone(each)}", icon=":material/filter_alt_off:")
        return np.ones(len(ranked), dtype=bool)
    if not passing.all():
        st.caption(f"{passing.sum()} of {len(ranked)} candidates pass the filters.")
    return passing


def alone(each: dict[str, np.ndarray]) -> str:
    """How many candidates each filter leaves; ``each``: its name → (n,) bool."""
    n = len(next(iter(each.values())))
    left = [f"{name} leaves {kept.sum()}" for name, kept in each.items()]
    return f"Of {n}, {', '.join(left)}{', each alone' if len(left) > 1 else ''}."
