"""Measure what data/silicon says of itself: ``python -m tests.acceptance.silicon audit|learning``.

``audit`` computes random rows again on a dense mesh, about a minute of CPU a row; a stopped one goes on.
``learning`` trains the surrogate on the first n rows and compares it with the rows after them.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ipage_core.runtime import executor
from ipage_core.tasks.silicon import dataset, operator
from ipage_core.tasks.silicon.valleys import ValleySurrogate, pairs
from ipage_core.training.fit import Settings, fit

JOURNAL = Path("runs") / "silicon" / "audit.journal"


def dense(item: dict[str, Any]) -> dict[str, Any]:
    return operator.bands(item["strain"], operator.DENSE)


def audit(n: int, workers: int) -> None:
    """n rows drawn by a fixed seed: Ω less the dense mesh."""
    rows = {row["i"]: row for row in dataset.read_rows() if row["fail"] is None and row["i"] < 100}
    drawn = np.random.default_rng(0).choice(sorted(rows), n, replace=False).tolist()
    items = [(str(i), {"strain": [rows[i][name] for name in dataset.NAMES]}) for i in drawn]

    def told(progress: executor.Progress) -> None:
        print(f"{progress.done}/{progress.total}", file=sys.stderr, flush=True)

    results = executor.run(dense, items, JOURNAL, workers=workers, progress=told)
    failed = [key for key, result in results.items() if "fail" in result]
    print("| | mean | mean size | largest size |\n|---|---|---|---|")
    for name, unit, scale in (("gap", "meV", 1e3), ("direct", "meV", 1e3), ("pressure", "GPa", 1)):
        off = scale * np.array([rows[int(k)][name] - r[name] for k, r in results.items() if k not in failed])
        print(f"| {name} [{unit}] | {off.mean():.3f} | {np.abs(off).mean():.3f} | {np.abs(off).max():.3f} |")
    reference = operator.bands(np.zeros(6), operator.DENSE)["energy"]
    here = [(rows[int(k)]["energy"] - operator.REFERENCE_ENERGY) / 2 for k in results if k not in failed]
    there = [(r["energy"] - reference) / 2 for k, r in results.items() if k not in failed]
    off = 1e3 * (np.array(here) - there)
    print(f"| elastic energy [meV/atom] | {off.mean():.3f} | {np.abs(off).mean():.3f} | {np.abs(off).max():.3f} |")
    same = sum(rows[int(k)]["valley"] == r["valley"] for k, r in results.items() if k not in failed)
    print(json.dumps({"rows": sorted(drawn), "failed": failed, "same_valley": same}))


def learning(sizes: list[int]) -> None:
    """One line for each size: errors on all rows from the largest size on."""
    x, y = pairs(dataset.read())
    x_test, y_test = x[max(sizes) :].float(), y[max(sizes) :].float()
    print(
        f"held out: {len(x_test)} rows\n| rows | MAE | RMSE | largest | spread | direct | energy | pressure | valley |"
    )
    for n in sizes:
        arguments = {"d": 6, "m": 1, "box": dataset.BOUNDS.tolist()}
        settings = Settings(epochs=max(200, 60_000 // n), batch=64, learning_rate=8e-3, weight_decay=1e-3)
        run = fit(ValleySurrogate, arguments, x[:n], y[:n], settings)
        network = ValleySurrogate(**arguments)
        network.load_state_dict(run.weight_sets["phi_star"])
        with torch.no_grad():
            off = (network.properties(x_test) - y_test[:, :4]).abs()
            sd = network.spread(x_test)[:, 0].mean()
            valley = (network.valley(x_test) == y_test[:, 8:].argmin(1)).float().mean()
        gap = 1e3 * off[:, 0]
        figures = [
            gap.mean(),
            gap.square().mean().sqrt(),
            gap.max(),
            1e3 * sd,
            *1e3 * off[:, 1:3].mean(0),
            off[:, 3].mean(),
        ]
        print(f"| {n} | " + " | ".join(f"{value:.3g}" for value in figures) + f" | {valley:.1%} |", flush=True)
        print(f"  {run.seconds:.0f} s", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.silicon")
    parser.add_argument("part", choices=("audit", "learning"))
    parser.add_argument("--n", type=int, default=20, help="rows of the audit")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 200])
    arguments = parser.parse_args()
    if arguments.part == "audit":
        audit(arguments.n, arguments.workers)
    else:
        learning(arguments.sizes)


if __name__ == "__main__":
    main()
