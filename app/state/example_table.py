"""A small table to try the page Your data with: steel, aluminium and titanium cantilevers under 1 kN."""

from __future__ import annotations

import numpy as np
import pandas as pd

NAME = "cantilevers.csv"
COLUMNS = ["length [m]", "width [mm]", "height [mm]", "material"], ["deflection [mm]", "mass [kg]"]
"""Inputs and properties."""
ROWS = 400
MODULUS = {"steel": 210.0, "aluminium": 70.0, "titanium": 114.0}  # GPa
DENSITY = {"steel": 7850.0, "aluminium": 2700.0, "titanium": 4430.0}  # kg/m³


def table() -> pd.DataFrame:
    """Length, width, height and material → deflection of the tip F L³ / (3 E I) and mass."""
    rng = np.random.default_rng(0)
    length = rng.uniform(0.5, 2, ROWS).round(3)
    width, height = rng.uniform(20, 80, (2, ROWS)).round(1)
    material = rng.choice(list(MODULUS), ROWS)
    modulus = 1e9 * np.array([MODULUS[name] for name in material])
    density = np.array([DENSITY[name] for name in material])
    inertia = 1e-12 * width * height**3 / 12
    return pd.DataFrame(
        {
            "length [m]": length,
            "width [mm]": width,
            "height [mm]": height,
            "material": material,
            "deflection [mm]": (1e3 * 1e3 * length**3 / (3 * modulus * inertia)).round(4),
            "mass [kg]": (1e-6 * width * height * length * density).round(3),
        }
    )


def csv() -> bytes:
    return table().to_csv(index=False).encode()
