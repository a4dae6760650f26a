"""Measure campaigns: python -m tests.acceptance.campaign [strontium|rays|published|faults] [--seeds 0,1,2,3,4].

``strontium``: SrTiO₃ from no row, y* = 0.5 ± 0.02 eV, the shipped ensemble in the place of DFT: evaluations for 20
distinct hits modulo the 24 images. ``rays``: the same by a control without any model, secants along random rays from
the cubic cell; and from how many solutions on the rows that iPage learns from pay. ``published``: from 20 rows,
50 evaluations; penicillin, the reflectance of eight films, a beam with two properties; within 1 % of the range, against
BoTorch's Gaussian process with expected improvement on the distance to the target (``pip install -r
tests/acceptance/requirements-botorch.txt``). ``faults``: a command that fails in a fifth of its box, hangs once and
prints junk once. Prints a row a run, and the medians.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ipage_core.benchmark.simulators import PROBLEMS
from ipage_core.inference.methods import load
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task
from ipage_core.tasks import TASKS
from ipage_core.tasks.crystal.strain import CUBIC_LENGTH
from ipage_core.training.campaign.beliefs import Accepted, Coordinates
from ipage_core.training.campaign.choose import distinct
from ipage_core.training.campaign.run import Campaign

HITS, BUDGET = 20, 60
ROWS, EVALUATIONS, SHARE = 20, 50, 0.01


def strontium(seeds: list[int]) -> None:
    """Evaluations for 20 distinct hits."""
    task = TASKS["crystal"]
    ensemble = load(task, "ipage").surrogate
    assert ensemble is not None

    def omega(x: Tensor) -> Tensor:
        with torch.no_grad():
            gap = ensemble(x.float()).double()
        return torch.cat((gap, torch.zeros(len(x), 2, dtype=torch.float64)), dim=1)

    task, needed = replace(task, omega=omega), []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            run = Campaign(task, Target.parse(task, "0.5"), HITS, BUDGET, Path(folder) / "c.jsonl", seed=seed)
            run.run()
            needed.append(run.evaluations if len(run.distinct_hits) >= HITS else math.inf)
            apart = float(
                run.at.distance(run.x[run.distinct_hits], run.x[run.distinct_hits]).fill_diagonal_(math.inf).min()
            )
            seconds = time.process_time() - began
            print(f"strontium  seed {seed}  hits {len(run.distinct_hits)}  evaluations {run.evaluations}  "
                  f"nearest two {apart:.3f} of strain  {seconds:.0f} CPU s", flush=True)  # fmt: skip
    print(f"strontium  median {statistics.median(needed):g} evaluations; bar {BUDGET}")


def rays(seeds: list[int]) -> None:
    """Evaluations for 20 hits by secants: along a random ray from the cubic cell to the wall of the box."""
    task = TASKS["crystal"]
    ensemble = load(task, "ipage").surrogate
    assert ensemble is not None
    cubic = torch.tensor([CUBIC_LENGTH] * 3 + [90.0] * 3, dtype=torch.float64)
    low, high = task.bounds
    needed = []
    for seed in seeds:
        generator, hits, calls = torch.Generator().manual_seed(seed), 0, 1
        with torch.no_grad():
            start = ensemble(cubic[None].float()).item() - 0.5
            while hits < HITS:
                way = task.sample_prior(1, generator)[0] - cubic
                way = way * torch.where(way > 0, (high - cubic) / way, (low - cubic) / way).min()
                a, off_a, b = 0.0, start, 1.0
                off_b, calls = ensemble((cubic + way)[None].float()).item() - 0.5, calls + 1
                while off_a * off_b < 0 and abs(off_b) > 0.02:  # the secant, halved where it stalls (Illinois)
                    t = b - off_b * (b - a) / (off_b - off_a)
                    off, calls = ensemble((cubic + t * way)[None].float()).item() - 0.5, calls + 1
                    a, off_a = (b, off_b) if off * off_b < 0 else (a, off_a / 2)
                    b, off_b = t, off
                hits += abs(off_b) <= 0.02
        needed.append(calls)
        print(f"rays  seed {seed}  evaluations {calls} for {HITS} hits", flush=True)
    each = statistics.median(needed) / HITS
    rows = load(task, "prior-lm").cards["mlp"]["data"]["n"]
    print(
        f"rays  median {statistics.median(needed):g} evaluations, {each:.2f} a hit; iPage learns from {rows} rows and "
        f"needs one evaluation a verified design: it pays from {math.ceil(rows / (each - 1))} designs on"
    )


def eight_films(x: Tensor) -> Tensor:
    """Reflectance at 550 nm of eight films on glass, as in :func:`ipage_core.benchmark.simulators.thin_films`."""
    b, c = torch.ones(len(x), dtype=torch.complex128), torch.full((len(x),), 1.52, dtype=torch.complex128)
    for thickness, n in zip(x.T.flip(0), (1.46, 2.4) * 4, strict=True):
        phase = 2 * math.pi * n * thickness / 550
        b, c = phase.cos() * b + 1j / n * phase.sin() * c, 1j * n * phase.sin() * b + phase.cos() * c
    return ((b - c) / (b + c)).abs().square()[:, None]


def beam(x: Tensor) -> Tensor:
    """Sag [m] under 1 kN and stiffness-to-mass [N/m/kg] of a steel cantilever: units that differ by more than 10⁴."""
    length, width, height = x.T
    inertia = width * height**3 / 12
    sag = 1e3 * length**3 / (3 * 210e9 * inertia)
    return torch.stack((sag, 1e3 / sag / (7850 * length * width * height)), dim=1)


def published() -> dict[str, tuple[Task, str]]:
    """Task and target of each problem; a hit is within 1 % of the range of 4000 designs, or of its central 98 %."""
    penicillin = PROBLEMS["penicillin"]
    made: dict[str, tuple[Callable[[Tensor], Tensor], dict[str, tuple[float, float]], int]] = {
        "penicillin": (lambda x: penicillin.simulate(x)[:, :1], dict(penicillin.x), 1),
        "films": (eight_films, {f"film {j} [nm]": (20.0, 100.0) for j in range(1, 9)}, 1),
        "beam": (beam, {"length [m]": (0.5, 2.0), "width [m]": (0.02, 0.08), "height [m]": (0.02, 0.08)}, 2),
    }
    found = {}
    for name, (function, x, m) in made.items():
        low, high = torch.tensor(list(x.values()), dtype=torch.float64).T
        u = torch.rand(4000, len(x), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        y = function(low + (high - low) * u)
        ends = y.quantile(torch.tensor([0.01, 0.99], dtype=torch.float64), dim=0)
        target = y[(y - y.quantile(0.7, dim=0)).div(ends[1] - ends[0]).norm(dim=1).argmin()]
        tolerances = SHARE * (ends[1] - ends[0])
        task = Task.from_function(
            function,
            x,
            {f"y{j + 1}": float(tolerances[j]) for j in range(m)},
            name,
            default_target=target.tolist(),
            seconds=1.0,
        )
        found[name] = task, ",".join(repr(v) for v in target.tolist())
    return found


def improvement(task: Task, target: Target, x: Tensor, y: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Baseline: BoTorch's Gaussian process of −‖y − y*‖ and its expected improvement, sequential. → x, y evaluated.

    Balandat et al. 2020 (arXiv:1910.06403), with the logarithm of expected improvement of Ament et al. 2023
    (arXiv:2310.20708), as its documentation recommends. Needs ``requirements-botorch.txt`` beside this file.
    """
    from botorch.acquisition import LogExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.models.transforms import Standardize
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood

    assert task.omega is not None
    torch.manual_seed(seed)
    at, middle = Coordinates.of(task), Accepted.of(task, target).ends.mean(0)
    (low, high), rows, d = task.bounds, len(x), task.d
    cube = torch.tensor([[0.0] * d, [1.0] * d], dtype=torch.float64)
    for _ in range(EVALUATIONS):
        gain = -((y - middle) / task.tolerances).norm(dim=1, keepdim=True)
        model = SingleTaskGP(at.inward(x), gain, outcome_transform=Standardize(1))
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        u, _ = optimize_acqf(LogExpectedImprovement(model, gain.max()), cube, q=1, num_restarts=10, raw_samples=256)
        new = low + (high - low) * u
        x, y = torch.cat((x, new)), torch.cat((y, task.omega(new)))
    return x[rows:], y[rows:]


def compare(seeds: list[int]) -> None:
    """Hits of 50 evaluations, all and distinct ones, and the number of the first."""
    totals = {"campaign": 0.0, "improvement": 0.0}
    for name, (task, text) in published().items():
        assert task.omega is not None
        target, scores = Target.parse(task, text), {"campaign": [], "improvement": []}  # type: ignore[var-annotated]
        for seed in seeds:
            x = task.sample_prior(ROWS, torch.Generator().manual_seed(1000 + seed))
            y, accepted = task.omega(x), Accepted.of(task, target)
            began = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                known = replace(task, stored=lambda x=x, y=y: (x, y))  # type: ignore[misc]
                run = Campaign(known, target, EVALUATIONS, EVALUATIONS, Path(folder) / "c", start="table", seed=seed)
                run.run()
            middle = time.process_time()
            results = {"campaign": (run.x, run.y), "improvement": improvement(task, target, x, y, seed)}
            seconds = {"campaign": middle - began, "improvement": time.process_time() - middle}
            for method, (found, values) in results.items():
                hit = accepted.hit(values)
                apart = len(distinct(run.at, found[hit], task.distinct))
                first = int(hit.nonzero()[0, 0]) + 1 if hit.any() else EVALUATIONS + 1
                scores[method].append((int(hit.sum()), apart, first))
                print(f"{name}  seed {seed}  {method}  hits {int(hit.sum())}  distinct {apart}  first {first}  "
                      f"{seconds[method]:.0f} CPU s", flush=True)  # fmt: skip
        for method, rows in scores.items():
            hits, apart, first = (statistics.median(column) for column in zip(*rows, strict=True))
            totals[method] += sum(row[1] for row in rows)
            print(f"{name}  {method}  medians: hits {hits:g}, distinct {apart:g}, first at {first:g}")
    print(f"all  distinct hits: campaign {totals['campaign']:g}, improvement {totals['improvement']:g}; bar: twice")


FAULTY = """
import csv, os, sys, time
here = {here!r}
rows = list(csv.DictReader(open(sys.argv[1])))
def once(name):
    try:
        os.close(os.open(os.path.join(here, name), os.O_CREAT | os.O_EXCL)); return True
    except FileExistsError:
        return False
calls = len([n for n in os.listdir(here) if n.startswith("call")])
open(os.path.join(here, "call%d" % time.time_ns()), "w").close()
if calls > 10 and once("hung"): time.sleep(1000)
if calls > 14 and once("junk"): open(sys.argv[2], "wb").write(os.urandom(500)); sys.exit()
with open(sys.argv[2], "w") as out:
    print("sample,y", file=out)
    for row in rows:
        a, b = float(row["a"]), float(row["b"])
        if a > 0.8: sys.exit("diverged at a = %g" % a)
        print(row["sample"], (a + 0.5) * (b + 0.5), sep=",", file=out)
"""


def faults(seeds: list[int]) -> None:
    """A command with faults: the budget is kept, failures have reasons, and there are no hits where it fails."""
    from ipage_core.cli.main import main
    from ipage_core.tasks.command.task import load as load_problem

    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["IPAGE_HOME"], here = f"{folder}/home", Path(folder)
            (here / "calls").mkdir()
            (here / "sim.py").write_text(FAULTY.format(here=str(here / "calls")))
            call = f"{sys.executable} {here / 'sim.py'} {{in}} {{out}}"
            words = ["new", f"{folder}/box", "--x", "a=0:1", "--x", "b=0:1", "--y", "y ± 0.02", "--command", call]
            assert main([*words, "--timeout", "20", "--test", "0"]) == 0
            task = load_problem(here / "box")
            run = Campaign(task, Target.parse(task, "1.2"), 15, 45, here / "c.jsonl", seed=seed)
            run.run()
            assert task.evaluated is not None
            import pandas as pd

            errors = pd.read_parquet(here / "box/rows.parquet")["error"]
            told = sorted({e.split(":")[0] for e in errors if e})
            claimed = int((run.x[run.distinct_hits, 0] > 0.8).sum())
            print(f"faults  seed {seed}  hits {len(run.distinct_hits)}  evaluations {run.evaluations} of 45  "
                  f"failed {run.failed}  claimed where it fails {claimed}  reasons {told}", flush=True)  # fmt: skip


def main() -> None:
    """Run the named parts, by default all."""
    parts = {"strontium": strontium, "rays": rays, "published": compare, "faults": faults}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="*", choices=[*parts, []], default=list(parts))
    parser.add_argument("--seeds", default="0,1,2,3,4")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for part in arguments.part:
        parts[part]([int(seed) for seed in arguments.seeds.split(",")])


if __name__ == "__main__":
    main()
