"""Measure whether 90 % intervals hold what Ω says of designs: ``python -m tests.acceptance.intervals [--dft N]``.

The intervals are calibrated on random designs. Here designs are chosen: by iPage, for targets of random ones; and for
SrTiO₃ the stored lattices that the surrogate itself expects near 0.5 eV. ``--dft N`` lets real DFT judge N designs for
each of three gaps, of SrTiO₃ and of silicon, 6 to 8 s of CPU each; results are cached.
"""

from __future__ import annotations

import argparse

import torch

from ipage_core.inference.methods import load
from ipage_core.inference.pipeline import design
from ipage_core.inference.prediction import interval
from ipage_core.tasks import TASKS
from ipage_core.tasks.crystal import lattices

TARGETS, EACH = 60, 10
"""Targets of a fast task, and designs for each."""
GAPS = {"crystal": (0.5, 0.9, 1.4), "silicon": (0.1, 0.3, 0.5)}
"""Targets for DFT [eV]."""


def row(name: str, designs: str, ends: torch.Tensor, y: torch.Tensor) -> None:
    """One line: share of results y (n, m) inside, and the median half width, for each property."""
    known = ends.isfinite().all(0) & y.isfinite()
    inside = ((y >= ends[0]) & (y <= ends[1]) & known).double().sum(0) / known.sum(0)
    half = ((ends[1] - ends[0]) / 2).nanmedian(0).values
    cells = (", ".join(f"{v:.1%}" for v in inside.tolist()), ", ".join(f"{v:.2g}" for v in half.tolist()))
    print(f"| {name} | {designs} | {int(known.all(1).sum())} of {len(y)} | " + " | ".join(cells) + " |", flush=True)


def of_designs(name: str) -> None:
    """A task with a fast Ω: designs for the targets of random designs."""
    task, method = TASKS[name], load(name, "ipage")
    if task.new_pairs is None:
        aims = task.omega(task.sample_prior(TARGETS, torch.Generator().manual_seed(11)))[:, : task.n_targets]
    else:
        aims = task.new_pairs(TARGETS // 5, 11)[1]
    run = design(task, method, aims, EACH, verify="none", seed=3)
    row(
        name,
        "by iPage, for targets of random designs",
        run.interval,
        task.omega(run.final.double())[:, : task.n_targets],
    )


def chosen_by_the_surrogate() -> None:
    """SrTiO₃: random lattices that the surrogate expects within 0.03 eV of 0.5 eV, with their DFT gaps."""
    data = lattices.read(lattices.DATA.with_name("test_half.parquet"))
    ends = interval(load("crystal", "ipage"), torch.from_numpy(data.lattice))
    row("crystal", "random, chosen by the surrogate near 0.5 eV", ends, torch.from_numpy(data.gap)[:, None])


def by_dft(name: str, n: int) -> None:
    """n designs for each of three gaps, judged by DFT."""
    task, method = TASKS[name], load(name, "ipage")
    aims = torch.tensor(GAPS[name], dtype=torch.float64)[:, None]
    run = design(task, method, aims, n, verify="none", seed=5)
    row(
        name, f"by iPage, for {', '.join(map(str, GAPS[name]))} eV", run.interval, task.omega(run.final.double())[:, :1]
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.intervals", description=__doc__)
    parser.add_argument("--dft", type=int, metavar="N", help="designs for each gap that DFT judges")
    arguments = parser.parse_args()
    print("| task | designs | with an interval | inside | ± |\n|---|---|---|---|---|")
    if arguments.dft:
        for name in GAPS:
            by_dft(name, arguments.dft)
        return
    for name in ("sinewave", "robotic_arm", "ballistics", "architecture"):
        of_designs(name)
    chosen_by_the_surrogate()


if __name__ == "__main__":
    main()
