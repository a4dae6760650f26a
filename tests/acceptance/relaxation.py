"""Relax designed SrTiO₃ cells by DFT: ``python -m tests.acceptance.relaxation [--n 20] [--workers 1]`` prints a table.

The designs are iPage's for three gaps, with strains up to 5 %. Each is relaxed as ``verify crystal --relax`` does it,
then once more from random displacements, which should end in one of the reported states. Some minutes of CPU a design;
finished ones are in ``runs/crystal/relaxation.journal``, so a stopped run can be resumed. CHGNet should be installed.
``--fold`` prints what is finished, and runs nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ipage_core.benchmark.rows import finished
from ipage_core.inference.methods import load
from ipage_core.inference.pipeline import design
from ipage_core.problem import constraints
from ipage_core.runtime import executor
from ipage_core.tasks.crystal import relaxation
from ipage_core.tasks.crystal.strain import ATOMS, CUBIC_ENERGY, largest_strain
from ipage_core.tasks.crystal.task import TASK

JOURNAL = Path("runs") / "crystal" / "relaxation.journal"
TARGETS, STRAIN = (1.4, 1.6, 1.8), "strain<=5%"
"""Gaps at ideal sites [eV], and the cap on the strain."""
NOISE = 0.08
"""Standard deviation of the displacements of the second start [Å]."""
SECONDS = 240.0
"""Bar: time a design may take."""


def designs(n: int) -> list[executor.Item]:
    """n items, the targets in turn."""
    space, method = constraints.parse(TASK, [STRAIN]), load(TASK.name, "ipage")
    each = -(-n // len(TARGETS))
    found = [
        design(TASK, method, torch.tensor([gap]), each, space=space, verify="none").final.double().numpy().round(5)
        for gap in TARGETS
    ]
    items = []
    for i in range(n):
        gap, lattice = TARGETS[i % len(TARGETS)], found[i % len(TARGETS)][i // len(TARGETS)].tolist()
        items.append((json.dumps([gap, lattice]), {"i": i, "gap": gap, "lattice": lattice}))
    return items


def work(item: dict[str, Any]) -> dict[str, Any]:
    """The relaxed states of one lattice, and the state in which a start from noise ends."""
    calculator, quick = relaxation.gpaw(), relaxation.potential()
    clock, cpu = time.monotonic(), time.process_time()
    result = relaxation.relax(item["lattice"], calculator, quick)
    took = {"clock": round(time.monotonic() - clock, 1), "cpu": round(time.process_time() - cpu, 1)}
    noisy = relaxation.structure(item["lattice"], {})
    noisy.positions += np.random.default_rng(item["i"]).normal(0, NOISE, (ATOMS, 3))
    again = relaxation.relax(item["lattice"], calculator, quick, [noisy])
    return {**item, **took, "result": result, "again": again}


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def show(results: list[dict[str, Any]]) -> None:
    row("design", "gap at ideal sites [eV]", "largest strain", "states within 20 meV: relaxed gaps [eV]",
        "ΔE [meV per atom]", "space group", "displacement [Å]", "least curvature [eV/Å²]", "largest force [eV/Å]",
        "starts that failed", "CPU [s]", "clock [s]", "start from noise ends in")  # fmt: skip
    row(*["---"] * 13)
    converged = quick = told = 0
    for one in results:
        branches, failed = one["result"]["branches"], one["result"]["failed"]
        strain = float(largest_strain(torch.tensor([one["lattice"]], dtype=torch.float64)))
        converged += bool(branches) and not failed
        quick += one["cpu"] <= SECONDS
        end = ending(branches, one["again"])
        told += end.startswith("state")
        first = branches[0] if branches else dict.fromkeys(("space_group", "displacement", "curvature"), "–")
        row(
            one["i"],
            one["gap"],
            f"{strain:.1%}",
            ", ".join(f"{b['gap']:.3f} (+{1e3 * b['above']:.1f} meV)" for b in branches),
            f"{1e3 * (first['energy'] - CUBIC_ENERGY) / ATOMS:.1f}" if branches else "–",
            first["space_group"],
            first["displacement"],
            first["curvature"],
            max((b["force"] for b in branches), default="–"),
            "; ".join(failed) or 0,
            one["cpu"],
            one["clock"],
            end,
        )
    n, seconds = len(results), [one["cpu"] for one in results]
    print(f"\nBy {results[0]['result']['starts']}. Of {n} designs:")
    print(f"- {converged}: every start converged to {relaxation.FORCE} eV/Å;")
    print(
        f"- {quick}: {SECONDS:.0f} s of CPU at most; median {np.median(seconds):.0f} s, longest {max(seconds):.0f} s;"
    )
    print(f"- {told}: a start from noise ended in a reported state.")


def ending(branches: list[dict[str, Any]], again: dict[str, Any]) -> str:
    """Where the start from noise ended, in words."""
    if not again["branches"]:
        return "; ".join(again["failed"])
    energy = again["branches"][0]["energy"]
    for k, branch in enumerate(branches):
        if abs(energy - branch["energy"]) < relaxation.ALIKE:
            return f"state {k}"
    return f"another, {1e3 * (energy - branches[0]['energy']):+.1f} meV" if branches else "a state; none was reported"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.relaxation", description=__doc__)
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--fold", action="store_true", help="print what is finished")
    arguments = parser.parse_args()
    if arguments.fold:
        results = sorted(finished(JOURNAL).values(), key=lambda one: one["i"])
    else:
        items = designs(arguments.n)

        def told(progress: executor.Progress) -> None:
            print(f"{progress.done}/{progress.total}", file=sys.stderr, flush=True)

        results = list(executor.run(work, items, JOURNAL, workers=arguments.workers, progress=told).values())
    show(results)


if __name__ == "__main__":
    main()
