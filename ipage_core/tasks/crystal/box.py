"""The design box for lattices of SrTiO₃: a, b, c [Å], α, β, γ [°]."""

from __future__ import annotations

import numpy as np

NAMES = ("a", "b", "c", "alpha", "beta", "gamma")
BOUNDS = np.array([[3.905 * 0.88] * 3 + [78.0] * 3, [3.905 * 1.12] * 3 + [102.0] * 3])
"""(2, 6): lengths within 12 % of cubic SrTiO₃, angles within 12° of 90°. All these lattices exist."""
HELD_IONS = "ions held at ideal sites; relaxed, this cell's gap is another (1–2 eV larger in four of four tested)"
"""Caveat on every gap of this task: the designs near 0.5 eV are saddle points of the ions' energy."""
