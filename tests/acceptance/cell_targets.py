"""Draws the targets of ``cell_goals.py`` once: ``python -m tests.acceptance.cell_targets`` writes the JSON beside it.

No solver influences the choice. Held-out targets are properties of cells of a seed that no data set uses.
A novel one combines E_x, E_y, ν_xy and G_xy of four different stored cells. It is kept if C is positive definite and no
stiffer than the solid (Voigt), and if the nearest stored cell, x and y exchanged or not, misses at least one property
by 0.1 standard deviations and none by more than 0.4: what the data do not hold, next to what they hold.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ipage_core.tasks.cells.dataset import cell
from ipage_core.tasks.cells.homogenization import homogenize
from ipage_core.tasks.cells.mesh import stiffness
from ipage_core.tasks.cells.properties import values
from ipage_core.tasks.cells.starts import stored

FILE = Path(__file__).with_name("cell_targets.json")
MODULI = ("E_x", "E_y", "nu_xy", "G_xy")
SEVEN = (*MODULI, "volume", "eta_x", "eta_y")
UNSEEN = 7
"""Seed of the held-out cells."""
NOVEL_SEED = 2026


def stiffness_of(moduli: np.ndarray) -> np.ndarray:
    """(E_x, E_y, ν_xy, G_xy) without couplings → C (3, 3)."""
    e_x, e_y, nu, g = moduli
    return np.linalg.inv([[1 / e_x, -nu / e_x, 0], [-nu / e_x, 1 / e_y, 0], [0, 0, 1 / g]])


def novel(n: int) -> list[list[float]]:
    data = stored()
    swap = [1, 0, 2]
    known = values(MODULI, np.concatenate((data.stiffness, data.stiffness[:, swap][:, :, swap])), np.nan)
    spread, solid = known[: len(data.stiffness)].std(0), homogenize(np.ones((2, 2)))
    rng, found = np.random.default_rng(NOVEL_SEED), []
    while len(found) < n:
        target = known[rng.integers(len(data.stiffness), size=4), range(4)]
        c = stiffness_of(target)
        if np.linalg.eigvalsh(c).min() <= 0 or np.linalg.eigvalsh(solid - c).min() < 0:
            continue
        if 0.1 <= (np.abs(known - target) / spread).max(1).min() <= 0.4:
            found.append([round(v, 6) for v in target.tolist()])
    return found


def main() -> None:
    cells = np.array([cell(UNSEEN, i).pixels for i in range(140)])
    c, volume = homogenize(cells), cells.mean((1, 2))
    seven = values(SEVEN, c, volume)
    fine = values(MODULI, stiffness(cells[100:], "converged"), volume[100:])
    lists = {
        "held_out": seven[:100].round(6).tolist(),
        "held_out_converged": fine.round(6).tolist(),
        "novel": novel(40),
    }
    parts = ['"spread": ' + json.dumps(values(MODULI, stored().stiffness, np.nan).std(0).tolist())]
    for name, rows in lists.items():  # a target a line
        parts.append(f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]")
    FILE.write_text("{" + ",\n".join(parts) + "}\n")


if __name__ == "__main__":
    main()
