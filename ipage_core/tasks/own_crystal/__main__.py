"""``python -m ipage_core.tasks.own_crystal DIR IN.csv OUT.csv``: Ω of the crystal in DIR, as a command."""

from __future__ import annotations

import sys
from pathlib import Path


def main(folder: Path, read_from: Path, write_to: Path) -> None:
    """Read strains and write their properties; save the final atoms in ``structures/``."""
    import pandas as pd

    from ipage_core.tasks.own_crystal import calculators, card, operator
    from ipage_core.tasks.own_crystal.symmetry import NAMES

    crystal = card.read(folder)
    calculator = calculators.build(crystal.calculator, crystal.atoms)
    rows = []
    given = pd.read_csv(read_from)
    for sample, strain in zip(given["sample"], given[list(NAMES)].to_numpy(dtype=float), strict=True):
        result, atoms = operator.evaluate(crystal, strain, calculator)
        operator.keep(folder, strain, atoms)
        rows.append({"sample": sample} | result)
    pd.DataFrame(rows).to_csv(write_to, index=False)


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:4]))
    except ValueError as error:
        sys.exit(str(error))
