"""Measure what RESULTS.md claims of cells: ``python -m tests.acceptance.cells`` prints its table.

All errors are by finite elements on the black-and-white designs, in units of the z-score; the surrogate is tested on
cells of a seed that no training has used. Nothing is written. ``--n 100`` gives a quick, rougher table.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from ipage_core.inference.methods import load
from ipage_core.inference.pipeline import design
from ipage_core.networks.store import PRETRAINED
from ipage_core.tasks.cells.dataset import SIDE, cell
from ipage_core.tasks.cells.export import Layout, solid_mesh
from ipage_core.tasks.cells.modulus import E_X_SD
from ipage_core.tasks.cells.task import TASK, omega, shipped
from ipage_core.tasks.cells.topology import is_admissible
from tests.acceptance.analytic import UNSEEN_SEED, figure, header, row

METHODS = ("ipage", "prior-lm")
UNSEEN_CELLS = 1


def surrogate(n: int = 2000) -> tuple[float, float]:
    """R², and mean absolute error in units of E_s, on n cells of a separate seed."""
    cells = np.array([cell(UNSEEN_CELLS, i).pixels for i in range(n)]).reshape(n, -1)
    x = torch.from_numpy(cells).double()
    y = omega(x)[:, 0]
    with torch.no_grad():
        predicted = torch.cat([load("architecture", "ipage").surrogate(part.float()) for part in x.split(250)])
    error = predicted[:, 0].double() - y
    return 1 - (error.square().sum() / (y - y.mean()).square().sum()).item(), E_X_SD * error.abs().mean().item()


def hamming(x: torch.Tensor) -> float:
    """Mean over pairs of cells (n, 1024) of the share of different pixels, at the shift with the fewest."""
    spectrum = torch.fft.rfft2(x.float().reshape(-1, SIDE, SIDE))
    count, total, pairs = x.sum(1), 0.0, 0
    for i in range(len(x) - 1):
        common = torch.fft.irfft2(spectrum[i].conj() * spectrum[i + 1 :], s=(SIDE, SIDE)).flatten(1).amax(1)
        total += (count[i] + count[i + 1 :] - 2 * common).sum().item()
        pairs += len(x) - 1 - i
    return total / pairs / x.shape[1]


def admissible(x: torch.Tensor) -> int:
    return sum(is_admissible(pixels) for pixels in x.reshape(-1, SIDE, SIDE).numpy() > 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1000)
    n = parser.parse_args().n
    one, methods = torch.tensor(TASK.default_target), {name: load("architecture", name) for name in METHODS}
    header("", "must reach", "iPage", "prior-lm (control)", "paper's iPage")
    r2, mae = surrogate()
    row("surrogate, 2000 unseen cells: R², mean absolute error", "≥ 0.99, ≤ 0.015 E_s",
        f"{r2:.4f}, {mae:.4f} E_s", "the same network", "–")  # fmt: skip

    single = {name: design(TASK, methods[name], one, n) for name in METHODS}
    row(f"{n} solutions at y* = 1, no Ω evaluations, MSE", "≤ 0.05", *(mse(s) for s in single.values()), 0.22)
    targets = TASK.omega(TASK.sample_prior(n, torch.Generator().manual_seed(UNSEEN_SEED)))[:, :1]
    many = {name: design(TASK, methods[name], targets, 1) for name in METHODS}
    row(f"{n} targets, no Ω evaluations, MSE", "≤ 0.05", *(mse(s) for s in many.values()), 0.23)
    corrected = {name: design(TASK, methods[name], one, n, omega_evals=3) for name in METHODS}
    row("y* = 1 with --omega-evals 3, MSE", "≤ 0.005", *(mse(s) for s in corrected.values()), "–")
    finished = {name: design(TASK, methods[name], one, min(n, 100), finish=True) for name in METHODS}
    row(f"y* = 1 with --finish, {min(n, 100)} solutions, MSE", "≤ 1.6e-05", *map(mse, finished.values()), "–")
    calls = (f"{s.omega_calls / len(s.final):.0f}" for s in finished.values())
    row("evaluations of Ω a finished solution, its verification included", "reported", *calls, "–")
    every = {name: [runs[name].final for runs in (single, many, corrected, finished)] for name in METHODS}
    shares = (f"{100 * sum(map(admissible, parts)) / sum(map(len, parts)):.1f} %" for parts in every.values())
    row("black and white, percolating, free of islands and hinges", "100 %", *shares, "–")
    pixels, y, _ = shipped()
    near = hamming(pixels[((y - 1).abs() <= 0.1)][:n])
    spread = (f"{100 * hamming(s.final) / near:.0f} %" for s in single.values())
    row("mean pairwise Hamming distance up to shift, against training cells near y*", "≥ 70 %", *spread, "–")
    success = (f"{100 * s.success_before_replacement / n:.1f} %" for s in single.values())
    row("localized before any replacement, at y* = 1", "reported", *success, "–")
    moved = (f"{100 * (s.final != (s.posterior > 0.5)).double().mean():.1f} %" for s in single.values())
    row("pixels that localization changed, at y* = 1", "reported", *moved, "–")
    crisp = TASK.omega(TASK.space(()).project(single["ipage"].posterior))[:, 0]
    prior = TASK.omega(single["prior-lm"].posterior)[:, 0]
    row("proposal alone, cleaned up, MSE at y* = 1", "reported", figure((crisp - 1).square().mean().item()),
        figure((prior - 1).square().mean().item()), "–")  # fmt: skip

    for name in METHODS:
        design(TASK, methods[name], one, 2)
    seconds, busy = [], []
    for name in METHODS:
        start, cpu = time.perf_counter(), time.process_time()
        design(TASK, methods[name], one, 64, seed=1, verify="all")
        seconds.append(time.perf_counter() - start)
        busy.append(time.process_time() - cpu)
    spent = (f"{wall:.1f} s ({cpu:.1f} s of CPU)" for wall, cpu in zip(seconds, busy, strict=True))
    row("64 solutions, verified, one thread", "≤ 10 s", *spent, "–")
    chosen = np.random.default_rng(0).choice(n, 20, replace=False)
    meshes = [solid_mesh(x.reshape(SIDE, SIDE).numpy() > 0.5, Layout()) for x in single["ipage"].final[chosen]]
    row("STL of 20 random solutions, 3×3 cells, watertight", "20/20", f"{sum(m.is_watertight for m in meshes)}/20",
        "–", "–")  # fmt: skip
    size = sum(path.stat().st_size for path in (PRETRAINED / "architecture").glob("*.safetensors")) / 1e6
    row("weights", "≤ 20 MB", f"{size:.1f} MB", "–", "–")


def mse(solutions) -> str:
    return figure(solutions.summary()["resim_mse"])


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
