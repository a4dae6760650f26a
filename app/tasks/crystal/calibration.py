"""Error bounds of predicted gaps: the spread of five surrogates, scaled to hold on cells kept apart from training."""

from __future__ import annotations

import numpy as np
import streamlit as st
import torch

from app.state.runs import loaded
from ipage_core.tasks.crystal.task import TASK, test_pairs

LEVEL = 0.9
"""Share of cells whose DFT gap lies within the interval."""


def factor(error: np.ndarray, spread: np.ndarray, level: float = LEVEL) -> float:
    """The factor on spreads (n,) with which they bound ``level`` of the errors (n,) and of future errors.

    Split conformal prediction: Lei et al., JASA 113, 1094 (2018).
    """
    share = min(1.0, np.ceil((len(error) + 1) * level) / len(error))
    return float(np.quantile(np.abs(error) / spread, share, method="higher"))


@st.cache_resource(show_spinner=False)
def calibrated() -> tuple[float, int]:
    """The factor for gaps, and the number of random cells behind it, with DFT gaps and kept apart from training."""
    x, y = test_pairs()
    surrogate = loaded(TASK.name, "prior-lm").surrogate
    with torch.no_grad():
        predicted, spread = surrogate.properties(x.float())[:, 0], surrogate.spread(x.float())[:, 0]  # type: ignore[union-attr]
    return factor((predicted.double() - y[:, 0]).numpy(), spread.double().numpy()), len(x)
