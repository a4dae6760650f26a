"""The solid of a cell, and the metadata of its export files."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ipage_core.tasks.cells.features import smallest_features
from ipage_core.tasks.cells.homogenization import POISSON, homogenize
from ipage_core.tasks.cells.layout import Layout, origin, pieces, tiled
from ipage_core.tasks.cells.properties import TABLE, cell_property, values


@dataclass(frozen=True)
class Material:
    """The solid a cell is printed in."""

    name: str = "solid"
    young_gpa: float | None = None
    """E_s in GPa; None: moduli stay in units of E_s."""

    def __post_init__(self) -> None:
        if self.young_gpa is not None and not 0 < self.young_gpa < math.inf:
            raise ValueError(f"Expected a positive Young's modulus in GPa, got {self.young_gpa:g}.")

    @property
    def label(self) -> str:
        """Label of the material in the file."""
        modulus = "1 (moduli are relative to it)" if self.young_gpa is None else f"{self.young_gpa:g} GPa"
        return f"{self.name}, E_s = {modulus}, nu_s = {POISSON:g}"


def metadata(cell: ArrayLike, layout: Layout, material: Material) -> dict[str, str]:
    """Metadata of a cell's file: units, material, features, parts of the sheet, properties (one element per pixel).

    (ny, nx) → text by name.
    """
    pixels = np.asarray(cell, dtype=np.float64)
    result = values(list(TABLE), homogenize(pixels), pixels.mean())
    unit, factor = ("E_s", 1.0) if material.young_gpa is None else ("GPa", material.young_gpa)
    pitch = layout.cell_mm / pixels.shape[1]
    wall, gap = (f"{k * pitch:.4g} mm ({k} pixels)" for k in smallest_features(pixels))
    said = {"unit": "millimeter", "cell": f"{layout.cell_mm:g} mm", "thinnest wall": wall, "narrowest gap": gap}
    row, column = origin(pixels)
    said |= {"first pixel": f"x {column + 1}, y {row + 1}", "parts": str(pieces(tiled(pixels, layout)))}
    said |= {"material": material.label, "mesh": "one bilinear element a pixel, plane stress, periodic"}
    for name, value in zip(TABLE, result.tolist(), strict=True):
        modulus = cell_property(name).unit == "E_s"
        said[name] = f"{value * factor:.6g} {unit}" if modulus else f"{value:.6g}"
    return said
