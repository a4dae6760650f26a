"""Measure every baseline beside the paper: ``python -m tests.acceptance_baselines [TASK …]`` prints Markdown.

Mean of ‖Ω(x) − y*‖² by the true Ω, raw units, maximin designs, seed 0, models in ``pretrained/``. One y*: 1000
solutions of the default target; many: one solution for each of 1000 targets, drawn from the prior predictive with a
seed that no training has used. The published neural-adjoint method searches 2048 starts a target: it gets the first 20.
"""

from __future__ import annotations

import sys
import time

import torch

from ipage_core.benchmark import paper
from ipage_core.design import design
from ipage_core.methods import load
from ipage_core.tasks import TASKS
from tests.acceptance import UNSEEN_SEED, figure, header, row

METHODS = ("mdn", "inn", "cinn", "cvae", "na-published", "na", "ipage")
ANALYTIC = ("sinewave", "robotic_arm", "ballistics")


def measured(task, method: str, targets: torch.Tensor, n: int) -> str:
    if method == "na-published":
        targets = targets[:20]
    start = time.perf_counter()
    found = design(task, load(task.name, method), targets, n, verify="all")
    seconds = time.perf_counter() - start
    summary, count = found.summary(), f"; n = {len(found.final)}" if len(found.final) < 1000 else ""
    inside = f"; {100 * summary['in_bounds'] / len(found.final):.0f} % inside" if summary["in_bounds"] < n else ""
    return f"{figure(summary['resim_mse'])} ({figure(summary['resim_median'])}{count}{inside}; {seconds:.1f} s)"


def main() -> None:
    names = sys.argv[1:] or ANALYTIC
    print("\nmean (median; seconds) beside the paper's mean\n")
    header("", *METHODS)
    for name in names:
        task = TASKS[name]
        prior = task.sample_prior(1000, torch.Generator().manual_seed(UNSEEN_SEED))
        many = task.omega(prior)[:, : task.n_targets]
        one = torch.tensor([task.default_target])
        for protocol, label, targets, n in (("single", "one y*", one, 1000), ("many", "many y*", many, 1)):
            row(f"{name}, {label}", *(measured(task, method, targets, n) for method in METHODS))
            reported = (paper.reported(name, method, protocol) for method in METHODS)
            row(f"{name}, {label}, paper", *(one[0] if one else "–" for one in reported))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
