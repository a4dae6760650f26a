"""How far a predicted gap may be off: the spread of five surrogates, scaled so that it holds for cells kept apart."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch

from app.state.runs import loaded
from ipage_core.tasks.crystal.task import TASK, test_pairs

LEVEL = 0.9
"""Share of cells whose DFT gap lies within the interval."""


def factor(error: np.ndarray, spread: np.ndarray, level: float = LEVEL) -> float:
    """What to multiply spreads (n,) by, so that they bound ``level`` of the errors (n,) and of those to come.

    Split conformal prediction: Lei et al., JASA 113, 1094 (2018).
    """
    share = min(1.0, np.ceil((len(error) + 1) * level) / len(error))
    return float(np.quantile(np.abs(error) / spread, share, method="higher"))


@st.cache_resource(show_spinner=False)
def calibrated() -> tuple[float, int]:
    """The factor for gaps, and how many random cells with DFT gaps, kept apart from training, it comes from."""
    x, y = test_pairs()
    surrogate = loaded(TASK.name, "prior-lm").surrogate
    with torch.no_grad():
        predicted, spread = surrogate.properties(x.float())[:, 0], surrogate.spread(x.float())[:, 0]  # type: ignore[union-attr]
    return factor((predicted.double() - y[:, 0]).numpy(), spread.double().numpy()), len(x)
