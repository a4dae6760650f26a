"""The design box for strains of silicon: tensor components e11, e22, e33, e23, e13, e12."""

from __future__ import annotations

import numpy as np

NAMES = ("e11", "e22", "e33", "e23", "e13", "e12")
BOUNDS = np.array([[-0.03] * 3 + [-0.02] * 3, [0.03] * 3 + [0.02] * 3])
"""(2, 6): engineering shears are twice e23, e13, e12. The box is invariant under the cube's 24 rotations."""
SCISSOR = 0.57
"""Usual correction [eV] of PBE's gap of silicon: 1.17 eV (experiment) − 0.60 eV (PBE). Shown, never added."""
PBE = "PBE without spin-orbit coupling: 0.60 eV for the unstrained crystal, 1.17 eV in experiment"
"""Caveat on every gap of this task."""
