"""Measure what RESULTS.md claims of the physical operators: ``python -m tests.acceptance.physics`` prints its table.

The gap needs GPAW; its row says so where that is missing. Take the speeds on an idle machine, with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from ipage_core.tasks.cells import dataset as cells
from ipage_core.tasks.cells import homogenization
from ipage_core.tasks.crystal import dft, lattices
from tests.acceptance.analytic import header, row

CELLS, GAPS = 1000, 8
REFERENCE, REFERENCE_GAP = (3.75, 4.05, 4.2, 84, 95, 99), 0.9605
"""A lattice [Å, °] and its gap [eV] by an independent build of GPAW with the same settings."""


def main() -> None:
    print("\n**Physics** (this machine)\n")
    header("", "must reach", "measured")
    shipped = cells.read()
    pixels = shipped.pixels[:CELLS]
    begun = time.process_time()
    stiffness = homogenization.homogenize(pixels)
    pace = CELLS / (time.process_time() - begun)
    row("homogenisation, one core", "≥ 150 cells/s", f"{pace:.0f} cells/s")
    row(
        f"shipped C of {CELLS} cells, computed again",
        "≤ 1e-9",
        f"{np.abs(stiffness - shipped.stiffness[:CELLS]).max():.1e}",
    )
    if "fail" in (first := _gap(REFERENCE)):
        row("one gap", "≤ 7 CPU s", first["fail"])
        return
    row("reference lattice", "≤ 1 meV", f"{1000 * abs(first['gap'] - REFERENCE_GAP):.2f} meV")
    seconds = [_gap(lattice)["cpu_s"] for lattice in lattices.read().lattice[:GAPS]]
    row(f"one gap, mean of {GAPS}", "≤ 7 CPU s", f"{statistics.mean(seconds):.1f} CPU s")
    row("SrTiO₃ rows in data/crystal", "≥ 3000", len(lattices.read().gap))


def _gap(lattice) -> dict:
    try:
        return dft.gap(lattice, cache=False)
    except dft.DFTUnavailable as error:
        return {"fail": str(error)}


if __name__ == "__main__":
    main()
