"""The box that lattices of SrTiO₃ are designed in: a, b, c [Å], α, β, γ [°]."""

from __future__ import annotations

import numpy as np

NAMES = ("a", "b", "c", "alpha", "beta", "gamma")
BOUNDS = np.array([[3.905 * 0.88] * 3 + [78.0] * 3, [3.905 * 1.12] * 3 + [102.0] * 3])
"""(2, 6): lengths within 12 % of cubic SrTiO₃'s, angles within 12° of right. All these lattices exist."""
