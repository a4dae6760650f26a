"""Measure the claims about data/silicon: ``python -m tests.acceptance.silicon PART``.

``unseen`` judges the shipped surrogate on the stored rows that came after its training. ``fresh`` computes n random
strains beside the training data, into ``data/silicon/test_random.parquet``, and judges it on them. ``audit`` computes
random rows again on a dense mesh, about a minute of CPU per row; a stopped audit can be resumed.
``learning`` trains the surrogate on the first n rows and compares it with the rows after them.
``targets`` designs 1000 strains for each of its ``--gaps`` by the surrogate of all rows; Ω judges n of each, and n that
were corrected with two evaluations. ``energy`` looks for the least elastic energy at ten gaps; Ω confirms.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize

from ipage_core.inference.methods import Loaded, Prior, load
from ipage_core.inference.pipeline import design
from ipage_core.networks.store import fingerprint, load_tensors, save_tensors
from ipage_core.runtime import executor
from ipage_core.tasks.silicon import dataset, operator
from ipage_core.tasks.silicon.task import TASK
from ipage_core.tasks.silicon.valleys import ValleySurrogate, pairs
from ipage_core.training.fit import Settings, fit

JOURNAL = Path("runs") / "silicon" / "audit.journal"


RANDOM = dataset.DATA.with_name("test_random.parquet")
"""The first draws of the prior with seed 300; none of them is in the training data."""


def unseen() -> None:
    """The shipped surrogate on the stored rows after those of its card, which it was not trained on."""
    x, y = pairs(dataset.read())
    method = load("silicon", "ipage")
    seen = int(load("silicon", "prior-lm").cards["mlp"]["data"]["n"])
    if fingerprint(x[:seen], y[:seen]) != load("silicon", "prior-lm").cards["mlp"]["data"]["sha256"]:
        raise SystemExit("the shipped surrogate was trained on other rows than the first ones")
    judge(method.surrogate, x[seen:], y[seen:], 0)


def judge(network: object, strains: torch.Tensor, y: torch.Tensor, failed: int) -> None:
    """One line about a surrogate: strains (n, 6), pairs' y (n, 11)."""
    assert isinstance(network, ValleySurrogate)
    off = network.properties(strains.float()).double() - y[:, :4]
    right = (network.valley(strains.float()) == y[:, 8:].argmin(1)).double().mean()
    spread = network.spread(strains.float())[:, 0].double()
    print("| strains | failed | gap MAE [meV] | RMSE | largest | spread | direct MAE | energy | pressure | valley |")
    gap = 1e3 * off[:, 0]
    figures = [gap.abs().mean(), gap.square().mean().sqrt(), gap.abs().max(), 1e3 * spread.mean()]
    figures += [1e3 * off[:, 1].abs().mean(), 1e3 * off[:, 2].abs().mean(), off[:, 3].abs().mean()]
    print(f"| {len(y)} | {failed} | " + " | ".join(f"{v:.3g}" for v in figures) + f" | {right:.1%} |", flush=True)


def fresh(n: int, workers: int) -> None:
    """The shipped surrogate on n random strains; stored ones are not computed again."""
    x = TASK.sample_prior(300, torch.Generator().manual_seed(300)).numpy().round(6)[:n]
    known = {row["i"]: row for row in dataset.read_rows(RANDOM)} if RANDOM.exists() else {}
    items = [(f"300:{i}", {"i": i, "strain": x[i].tolist()}) for i in range(n) if i not in known]

    def told(progress: executor.Progress) -> None:
        print(f"{progress.done}/{progress.total}", file=sys.stderr, flush=True)

    new = executor.run(dataset.work, items, JOURNAL.with_name("fresh.journal"), workers=workers, progress=told)
    dataset.write([*known.values(), *new.values()], RANDOM, 300)
    data = dataset.read(RANDOM)
    judge(load("silicon", "ipage").surrogate, *pairs(data), len(data.card["failed"]))


def dense(item: dict[str, Any]) -> dict[str, Any]:
    return operator.bands(item["strain"], operator.DENSE)


def audit(n: int, workers: int) -> None:
    """n rows drawn by a fixed seed: Ω minus the dense mesh."""
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


def trained(x: torch.Tensor, y: torch.Tensor) -> ValleySurrogate:
    arguments = {"d": 6, "m": 1, "box": dataset.BOUNDS.tolist()}
    epochs = min(1500, max(300, 250_000 // len(x)))
    settings = Settings(epochs=epochs, batch=256, learning_rate=5e-3, weight_decay=1e-3)
    run = fit(ValleySurrogate, arguments, x, y, settings)
    network = ValleySurrogate(**arguments)
    network.load_state_dict(run.weight_sets["phi"])
    print(f"trained on {len(x)} rows in {run.seconds:.0f} s", file=sys.stderr)
    return network.requires_grad_(False)


def learning(sizes: list[int]) -> None:
    """One line per size: errors on all rows from the largest size on."""
    x, y = pairs(dataset.read())
    x_test, y_test = x[max(sizes) :].float(), y[max(sizes) :].float()
    print(f"{len(x_test)} rows held out; gap, direct gap in meV, energy in meV/atom, pressure in GPa: mean |error|")
    print("| rows | gap | gap RMSE | gap largest | gap spread | direct | energy | pressure | lowest valley right |")
    for n in sizes:
        network = trained(x[:n], y[:n])
        off = (network.properties(x_test) - y_test[:, :4]).abs()
        sd = network.spread(x_test)[:, 0].mean()
        valley = (network.valley(x_test) == y_test[:, 8:].argmin(1)).float().mean()
        gap, others = 1e3 * off[:, 0], 1e3 * off[:, 1:3].mean(0)
        figures = [gap.mean(), gap.square().mean().sqrt(), gap.max(), 1e3 * sd, *others, off[:, 3].mean()]
        print(f"| {n} | " + " | ".join(f"{value:.3g}" for value in figures) + f" | {valley:.1%} |", flush=True)


def surrogate() -> ValleySurrogate:
    """A surrogate of all stored rows, kept for later parts."""
    x, y = pairs(dataset.read())
    file = JOURNAL.with_name(f"valleys-{len(x)}.safetensors")
    if not file.exists():
        save_tensors(file, dict(trained(x, y).state_dict()), {})
    network = ValleySurrogate(6, 1, dataset.BOUNDS.tolist())
    network.load_state_dict(load_tensors(file)[0])
    return network.requires_grad_(False)


def targets(n: int, gaps: list[float]) -> None:
    method = Loaded("prior-lm", Prior(TASK), surrogate(), torch.device("cpu"))
    print("| y* [eV] | designs | by surrogate [meV] | judged by Ω | RMSE [meV] | largest | RMSE after 2 Ω | largest |")
    for gap in gaps:
        y = torch.tensor([gap])
        one = design(TASK, method, y, 1000, verify=str(n))
        two = design(TASK, method, y, n, omega_evals=2, verify="all", seed=1)
        missed = 1e3 * (one.surrogate.double() - gap).abs().max()
        off, corrected = (1e3 * (found.verification.y[:, 0] - gap) for found in (one, two))
        off = off[off.isfinite()]
        cells = (off.square().mean().sqrt(), off.abs().max(), corrected.square().mean().sqrt(), corrected.abs().max())
        print(
            f"| {gap} | 1000 | {missed:.2g} | {len(off)} | " + " | ".join(f"{c:.2f}" for c in cells) + " |", flush=True
        )


def energy() -> None:
    """Least elastic energy: descent from the best of 1000 designs, compared with the best of 20,000 random strains."""
    network = surrogate()
    exact = ValleySurrogate(6, 1, dataset.BOUNDS.tolist()).double()
    exact.load_state_dict(network.state_dict())
    method = Loaded("prior-lm", Prior(TASK), network, torch.device("cpu"))
    random = TASK.sample_prior(20_000, torch.Generator().manual_seed(0))
    by_surrogate = exact.properties(random).detach()
    print("| gap [eV] | energy, ours | random | by Ω: gap, energy, ours | random | strain of ours |")
    for gap in np.linspace(0.1, 0.55, 10):
        near = (by_surrogate[:, 0] - gap).abs() <= 0.005
        starts = design(TASK, method, torch.tensor([gap]).float(), 1000, verify="none").localized.double()
        starts = starts[exact.properties(starts)[:, 2].argsort()[:5]]
        best = min((least(exact, start.numpy(), gap) for start in starts), key=lambda found: found.fun)
        rival = random[near][by_surrogate[near, 2].argmin()] if near.any() else torch.full((6,), torch.nan)
        truth = (
            TASK.omega(torch.stack([torch.tensor(best.x), rival]))
            if near.any()
            else TASK.omega(torch.tensor(best.x)[None])
        )
        shown = " | ".join(f"{y[0]:.4f} eV, {1e3 * y[2]:.3f} meV" for y in truth.tolist())
        other = 1e3 * by_surrogate[near, 2].min() if near.any() else torch.nan
        strain = ", ".join(f"{100 * e:.2f}" for e in best.x)
        print(f"| {gap:.2f} | {1e3 * best.fun / 100:.3f} | {other:.3f} | {shown} | {strain} % |", flush=True)


def least(network: ValleySurrogate, start: np.ndarray, gap: float) -> Any:
    """scipy's SLSQP result: least energy [eV per atom, × 100] at that gap."""

    def value(x: np.ndarray, column: int) -> tuple[float, np.ndarray]:
        point = torch.tensor(x[None], requires_grad=True)
        out = network.properties(point)[0, column]
        return out.item(), torch.autograd.grad(out, point)[0][0].numpy()

    bound = {"type": "eq", "fun": lambda x: value(x, 0)[0] - gap, "jac": lambda x: value(x, 0)[1]}
    scaled = (lambda x: 100 * value(x, 2)[0]), (lambda x: 100 * value(x, 2)[1])
    box = list(zip(*dataset.BOUNDS, strict=True))
    return minimize(scaled[0], start, jac=scaled[1], bounds=box, constraints=[bound], method="SLSQP", tol=1e-7)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.silicon")
    parser.add_argument("part", choices=("unseen", "fresh", "audit", "learning", "targets", "energy"))
    parser.add_argument("--n", type=int, default=20, help="rows of the audit, or designs that Ω judges")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--gaps", type=float, nargs="+", default=[0.2, 0.3, 0.4], help="of targets [eV]")
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 200])
    arguments = parser.parse_args()
    if arguments.part == "unseen":
        unseen()
    elif arguments.part == "fresh":
        fresh(arguments.n, arguments.workers)
    elif arguments.part == "audit":
        audit(arguments.n, arguments.workers)
    elif arguments.part == "learning":
        learning(arguments.sizes)
    elif arguments.part == "targets":
        targets(arguments.n, arguments.gaps)
    else:
        energy()


if __name__ == "__main__":
    main()
