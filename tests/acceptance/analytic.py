"""Measure what RESULTS.md claims of the three analytic tasks: ``python -m tests.acceptance.analytic`` prints its table.

All values are measured on this machine with the models in ``pretrained/``; targets of "many" are drawn from the prior
predictive with a seed that no training has used. Nothing is written. The app's rows need Chromium.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ipage_core.inference.latent_design import latent_design, lhs, minimum_distance, unit_design
from ipage_core.inference.methods import load
from ipage_core.inference.pipeline import design
from ipage_core.networks.store import load_card
from ipage_core.problem.task import Task
from ipage_core.tasks import TASKS

ANALYTIC = ("sinewave", "robotic_arm", "ballistics")
LOCALIZING = ("ipage", "ipage-cinn", "prior-lm")
N, UNSEEN_SEED = 1000, 12345
SEEDS = range(10)
PROBLEMS = ("console_errors", "requests_beyond_loopback")


def single(task: str, method: str, **more):
    return design(TASKS[task], load(task, method), torch.tensor(TASKS[task].default_target), N, **more)


def many(task: str, method: str, **more):
    prior = TASKS[task].sample_prior(N, torch.Generator().manual_seed(UNSEEN_SEED))
    return design(TASKS[task], load(task, method), TASKS[task].omega(prior)[:, : TASKS[task].n_targets], 1, **more)


def row(*cells) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def header(*cells) -> None:
    row(*cells)
    row(*["---"] * len(cells))


def figure(value: float) -> str:
    return f"{value:.2g}"


def errors() -> None:
    print("\n**Re-simulation error** (mean of ‖Ω(x) − y*‖² over 1000 solutions, maximin, seed 0)\n")
    header("", "must reach", *LOCALIZING, "paper's iPage")
    bars = {
        "one y*": ((1e-4, 1e-4, 1e-4), (0.004, 0.008, 0.023)),
        "1000 y*": ((2e-4, 2e-4, 4e-4), (0.002, 0.006, 0.011)),
    }
    for protocol, run in (("one y*", single), ("1000 y*", many)):
        for task, bar, paper in zip(ANALYTIC, *bars[protocol], strict=True):
            measured = [run(task, method).summary()["resim_mse"] for method in LOCALIZING]
            row(f"{task}, {protocol}, no Ω evaluations", f"≤ {bar:g}", *map(figure, measured), paper)
        kruse = [figure(run("robotic_arm_kruse", method).summary()["resim_mse"]) for method in LOCALIZING]
        row(f"robotic_arm_kruse, {protocol}, no Ω evaluations", "–", *kruse, "–")
    for task in ANALYTIC:
        runs = [[single(task, method, seed=seed).summary()["resim_mse"] for seed in SEEDS] for method in LOCALIZING]
        row(f"{task}, one y*, seeds 0 to 9", "–", *(f"{figure(min(r))} to {figure(max(r))}" for r in runs), "–")
    for task in ANALYTIC:
        measured = [single(task, method, omega_evals=2).summary()["resim_mse"] for method in LOCALIZING]
        row(f"{task}, one y*, 2 Ω evaluations: mean", "≤ 1e-08", *map(figure, measured), "–")
    for task in ANALYTIC:
        summaries = [many(task, method, omega_evals=2).summary() for method in LOCALIZING]
        cells = [f"{figure(s['resim_median'])} / {figure(s['resim_mse'])}" for s in summaries]
        row(f"{task}, 1000 y*, 2 Ω evaluations: median / mean", "≤ 1e-10 / 1e-06", *cells, "–")


def what_the_posterior_buys() -> None:
    print("\n**What the posterior buys** (1000 solutions at the default y*)\n")
    header("", "must reach", *LOCALIZING)
    for task in ANALYTIC:
        runs = [single(task, method) for method in LOCALIZING]
        row(f"{task}: success before replacement", "≥ 99 % (ipage)",
            *(f"{100 * s.success_before_replacement / N:.1f} %" for s in runs))  # fmt: skip
        moved = [(s.final - s.posterior).norm(dim=1).median().item() for s in runs]
        row(f"{task}: median ‖x_loc − x_post‖", "≤ 1/10 of prior-lm (ipage)",
            *(f"{m:.2g} (1/{moved[-1] / m:.0f})" for m in moved))  # fmt: skip
    print("\n**Posterior alone, before localization** (mean error at the default y*)\n")
    header("", "INN must reach", "INN", "paper's INN", "cINN must reach", "cINN", "paper's cINN")
    bars = ((0.02, 0.19, 0.03, 0.16), (0.002, 0.015, 0.002, 0.032), (0.005, 0.024, 0.02, 0.652))
    for task, (inn, paper_inn, cinn, paper_cinn) in zip(ANALYTIC, bars, strict=True):
        measured = {method: single(task, method).summary()["resim_mse"] for method in ("inn", "cinn")}
        row(task, f"≤ {inn:g}", figure(measured["inn"]), paper_inn, f"≤ {cinn:g}", figure(measured["cinn"]), paper_cinn)
    print("\n**As in the paper** (`ipage-paper`, Eqs. 4–7 without the likelihood; default y*)\n")
    header(
        "", "posterior alone, mean error", "after localization", "success before replacement", "moved, median (ipage's)"
    )
    for task in ANALYTIC:
        runs = [single(task, method) for method in ("ipage-paper", "ipage")]
        before = TASKS[task].omega(runs[0].posterior.double())[:, : TASKS[task].n_targets] - runs[0].y_star
        moved = [(run.final - run.posterior).norm(dim=1).median().item() for run in runs]
        row(task, figure(before.square().sum(1).mean().item()), figure(runs[0].summary()["resim_mse"]),
            f"{100 * runs[0].success_before_replacement / N:.1f} %", f"{moved[0]:.2g} ({moved[1]:.2g})")  # fmt: skip


class Box:
    """Starts for the control, laid out over the box of designs as iPage's latent points are, without a network."""

    def __init__(self, task: Task) -> None:
        self.latent_dim, self.ends = task.d, task.bounds

    def sample(self, y_star: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """(n, m), (n, d) → (n, d)."""
        low, high = self.ends.to(z)
        return low + (high - low) * torch.special.ndtr(z)


def exploration() -> None:
    print("\n**Exploration** (sine wave, y* = 1.2)\n")
    header("", "must reach", "measured")
    control = replace(load("sinewave", "prior-lm"), proposal=Box(TASKS["sinewave"]))
    for method, who in (
        (load("sinewave", "ipage"), "samples"),
        (control, "starts laid out over the box, no INN"),
    ):
        for sampling, bar in (("maximin", "≥ 99 %"), ("lhs", "reported"), ("srs", "reported")):
            found = [
                design(TASKS["sinewave"], method, torch.tensor([1.2]), 25, sampling=sampling, seed=seed)
                for seed in range(100)
            ]
            share = [run.summary()["modes_found"] for run in found].count(9)
            row(f"25 {who}, 100 seeds, {sampling}: all nine loops found", bar if who == "samples" else "reported",
                f"{share} %")  # fmt: skip
    modes = single("sinewave", "ipage").modes
    shares = torch.bincount(modes + 1, minlength=10)[1:] / N
    row("1000 samples: share of each loop", "8 %–14 %", f"{100 * shares.min():.1f} %–{100 * shares.max():.1f} %")
    for n, k in ((25, 2), (200, 3)):
        ours = statistics.mean(minimum_distance(unit_design(n, k, "maximin", seed)) for seed in range(5))
        theirs = statistics.mean(
            minimum_distance(lhs(k, samples=n, criterion="maximin", random_state=np.random.RandomState(seed)))
            for seed in range(5)
        )
        row(f"maximin's minimum distance at ({n}, {k}), against pyDOE2's `maximin`", "≥ 2×", f"{ours / theirs:.1f}×")
    start = time.perf_counter()
    latent_design(1000, 8, "maximin", 987)
    row("maximin 1000×8", "≤ 2 s", f"{time.perf_counter() - start:.2f} s")


def speed() -> None:
    print("\n**Speed** (this machine, CPU)\n")
    header("", "must reach", "measured")
    for task in ANALYTIC:
        single(task, "ipage")  # warm: the models are loaded
        start = time.perf_counter()
        single(task, "ipage", seed=1)
        row(f"{task}: 1000 verified solutions, model loaded", "≤ 1 s", f"{time.perf_counter() - start:.2f} s")
    for task in ANALYTIC:
        seconds = {name: localization_seconds(task, name) for name in ("lm", "adam")}
        runs = {name: [single(task, "ipage", optimizer=name, seed=seed) for seed in SEEDS] for name in seconds}
        lm, adam = (figure(statistics.mean(run.summary()["resim_median"] for run in runs[name])) for name in seconds)
        ratio = seconds["adam"] / seconds["lm"]
        label = f"{task}: at most 25 LM steps against 200 Adam steps; median errors, mean of {len(SEEDS)} seeds"
        row(label, "≥ 20× faster, error no larger", f"{ratio:.0f}×; {lm} against {adam}")
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "solutions.csv")
        cold = wall("design", "sinewave", "--target", "1.2", "--n", "25", "--out", out)
    row("command line, cold, to CSV at n = 25", "≤ 6 s", f"{cold:.1f} s")
    row("command line, `--help`", "≤ 0.5 s", f"{wall('--help'):.2f} s")
    models = [(task, name) for task in ANALYTIC for name in ("inn", "cinn", "mlp")]
    trained = {f"{task} {name}": load_card(task, name)["training_seconds"] for task, name in models}
    slowest = max(trained, key=trained.__getitem__)
    row("training one model of iPage (cards), slowest", "≤ 15 min", f"{trained[slowest] / 60:.1f} min ({slowest})")


def app() -> None:
    from tests.acceptance.app import measure

    print("\n**The app** (headless Chromium, this machine)\n")
    header("", "must reach", "measured")
    seen = measure(5)
    change, compare = (seen[name] for name in ("target_to_figure_s", "target_to_compare_of_three_s"))
    row("first view after start", "≤ 10 s", f"{seen['first_view_s']:.1f} s")
    row("y* to new figure, N = 200: median, worst of 5", "≤ 1.5 s", f"{change['median']:.2f} s, {change['max']:.2f} s")
    label = "y* to three samplings side by side, N = 200: median, worst of 5"
    row(label, "≤ 3 s", f"{compare['median']:.2f} s, {compare['max']:.2f} s")
    row("console errors; requests beyond loopback", "0; 0", "; ".join(str(len(seen[k])) for k in PROBLEMS))


def localization_seconds(task: str, optimizer: str) -> float:
    """Median of 5: one descent of 1000 posterior samples, without replacement, from the same start."""
    from ipage_core.inference.localization import localize

    method, y_star = load(task, "ipage"), torch.tensor(TASKS[task].default_target).expand(N, -1)
    x0 = method.proposal.sample(y_star, latent_design(N, method.proposal.latent_dim, "maximin", 0))
    times = []
    for _ in range(5):
        start = time.perf_counter()
        localize(lambda u, rows: method.surrogate(u) - y_star[rows], x0, TASKS[task].bounds, optimizer=optimizer)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def wall(*arguments: str) -> float:
    """Median wall time of three runs of the command line."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "ipage_core", *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for part in (errors, what_the_posterior_buys, exploration, speed, app):
        part()
