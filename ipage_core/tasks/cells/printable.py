"""Random cells without thin features: no wall and no gap is narrower than two pixels."""

from __future__ import annotations

import numpy as np

from ipage_core.tasks.cells.dataset import Cell, random_field
from ipage_core.tasks.cells.features import has_features, repaired
from ipage_core.tasks.cells.topology import fill_hinges, is_admissible, largest_component
from ipage_core.tasks.cells.wallpaper import GROUPS, ONE_AXIS, is_symmetric, symmetrize

FEATURE = 2
"""Smallest feature in pixels, in solid and void."""
ROUNDS = 6
"""Maximum rounds of repairing thin features and hinges in turn, because one repair can cause the other defect."""


def printable_cell(seed: int, index: int) -> Cell:
    """The index-th printable cell of a seed: as :func:`ipage_core.tasks.cells.dataset.cell`, then opened and closed.

    Correlation lengths are 1.6 to 5 pixels and volume fractions U(0.2, 0.95) before the repair. Opening and closing by
    a square commute with the symmetries of the square lattice. A candidate that is not symmetric, in one piece,
    percolating, free of hinges and without thin features after six rounds is rejected.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
    group, attempts = GROUPS[rng.integers(len(GROUPS))], 0
    while True:
        attempts += 1
        swap = bool(rng.random() < 0.5) and group in ONE_AXIS
        field = symmetrize(random_field(rng, 1.6, 5.0), group, swap=swap)
        count = round(rng.uniform(0.2, 0.95) * field.size)
        if rng.random() < 0.3:
            field = -np.abs(field)
        pixels = field >= np.partition(field.ravel(), -count)[-count]
        for _ in range(ROUNDS):
            pixels = repaired(largest_component(fill_hinges(pixels)), FEATURE)
            if is_admissible(pixels):
                break
        if is_admissible(pixels) and bool(has_features(pixels, FEATURE)) and is_symmetric(pixels, group, swap=swap):
            return Cell(pixels, group, float(pixels.mean()), attempts)
