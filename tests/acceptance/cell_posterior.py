"""Test whether a learned posterior of four moduli pays: ``python -m tests.acceptance.cell_posterior`` prints a table.

A flow of pixel fields, the network of the task's INN without its surrogate, is conditioned on E_x, E_y, ν_xy and G_xy
and trained by likelihood on the stored cells. Its samples are then compared as starts of the solver with those of the
shipped INN (E_x only), nearest cells, and noise. Targets are those of ``cell_targets.json``; none was used in training.
``--steps 500`` trains less, ``--targets 10`` uses fewer targets, ``inside``, ``novel`` or ``calibration`` measures only
that. Seconds are CPU seconds of one thread.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from time import process_time

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from ipage_core.inference.methods import load
from ipage_core.networks.inn import standard_normal_log_prob
from ipage_core.tasks.cells import starts
from ipage_core.tasks.cells.dataset import cell
from ipage_core.tasks.cells.homogenization import homogenize
from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD
from ipage_core.tasks.cells.networks.pixel_flow import FieldFlow
from ipage_core.tasks.cells.properties import values
from ipage_core.tasks.cells.solver import solve
from ipage_core.tasks.cells.task import TASK
from ipage_core.tasks.cells.topology import admissible
from tests.acceptance.cell_goals import TARGETS, achieved, exactly, hamming, row, share
from tests.acceptance.cell_targets import MODULI, UNSEEN

BATCH, RATE, NOISE, SAMPLES = 64, 2e-3, 0.02, 8
"""Settings of the task's INN: cells per step, learning rate, noise on y; and designs per target."""
PARTS = ("inside", "calibration", "novel")
RANKED = 31
"""Number of posterior samples among which a held-out cell's volume is ranked."""
SWAPPED = ("E_y", "E_x", "nu_yx", "G_xy")
"""Indices of the four moduli with x and y exchanged."""


class Posterior:
    """The flow and the standardization of its four moduli."""

    def __init__(self, steps: int, seed: int = 0) -> None:
        torch.manual_seed(seed)
        data, self.rng = starts.stored(), np.random.default_rng(seed)
        y = values(MODULI, data.stiffness, data.volume_fraction)
        self.mean, self.sd = y.mean(0), y.std(0)
        self.pixels = torch.from_numpy(data.pixels)
        self.y = [self.scaled(y), self.scaled(values(SWAPPED, data.stiffness, data.volume_fraction))]
        self.flow, self.generator = FieldFlow(len(MODULI)), torch.Generator().manual_seed(seed)
        self.flow.fit_scales(self.flow.smeared(self.pixels[:2000].flatten(1).float(), self.generator))
        began = process_time()
        self.nll = self._train(steps)
        self.seconds = process_time() - began

    def scaled(self, y: np.ndarray) -> Tensor:
        """Squeezed z-scores: soft cells reach ν of −1 and 2, and few of them would dominate training."""
        z = torch.from_numpy((y - self.mean) / self.sd).float()
        return 3 * torch.tanh(z / 3)

    def _train(self, steps: int) -> float:
        optimizer = torch.optim.AdamW(self.flow.parameters(), RATE, betas=(0.9, 0.95))
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps)
        recent = list[float]()
        for _ in range(steps):
            rows = self.rng.integers(len(self.pixels), size=BATCH)
            swap = bool(self.rng.random() < 0.5)
            x, y = self.pixels[rows], self.y[swap][rows]
            x = x.transpose(1, 2) if swap else x
            x = torch.roll(x, tuple(self.rng.integers(32, size=2).tolist()), (1, 2))
            flips = [axis for axis in (1, 2) if self.rng.random() < 0.5]
            x = x.flip(flips) if flips else x
            y = y + NOISE * torch.randn(y.shape, generator=self.generator)
            z, log_det = self.flow(self.flow.smeared(x.flatten(1).float(), self.generator), y)
            loss = -(standard_normal_log_prob(z) + log_det).mean() / 1024
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.flow.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            recent.append(loss.item())
        return float(np.mean(recent[-100:]))

    def sample(self, target: np.ndarray, n: int, seed: int) -> np.ndarray:
        """(n, 32, 32) densities for the target (4,)."""
        z = torch.randn(n, 1024, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            fields = self.flow.inverse(z, self.scaled(target[None]).expand(n, -1))
        return torch.special.ndtr(fields[:, 0].double()).numpy()


def shipped_inn(target: np.ndarray, n: int, seed: int) -> np.ndarray:
    """The shipped INN's posterior samples at E_x. (4,) → (n, 32, 32)."""
    z = torch.randn(n, 1024, generator=torch.Generator().manual_seed(seed))
    y = torch.full((n, 1), float((target[0] - E_X_MEAN) / E_X_SD))
    proposal = load(TASK, "ipage").proposal
    with torch.no_grad():
        return proposal.sample(y, z).reshape(n, 32, 32).double().numpy()


Start = Callable[[np.ndarray, int, int], np.ndarray]


def compare(name: str, start: Start | None, kind: str, targets: list[np.ndarray]) -> None:
    """One start per design: its error before the descent, and after it."""
    found, met, apart, off = [], [], [], []
    for i, target in enumerate(targets):
        goals = exactly(MODULI, target.tolist())
        given = None if start is None else start(target, SAMPLES, i)
        found.append(solve(goals, SAMPLES, seed=i, from_=(kind,), given=given, attempts=1))  # type: ignore[arg-type]
        met.append(achieved(found[-1], goals))
        apart.append(hamming(found[-1].cells))
        if given is not None:
            clean = np.array([admissible(density) for density in given])
            off.append(np.abs(values(MODULI, homogenize(clean), 0) - target) / TARGETS["spread"])
    before = f"{np.median(np.concatenate(off).max(1)):.2f} SD" if off else "–"
    row(name, share(met), f"{np.mean([f.seconds.mean() for f in found]):.2f} s", f"{np.mean(apart):.3f}", before)


def calibration(posterior: Posterior, n: int) -> tuple[float, float]:
    """Ranks of held-out volumes among posterior samples: KS distance from uniform, and its 5 % critical value."""
    ranks = []
    for i in range(n):
        held = cell(UNSEEN, 200 + i).pixels
        target = values(MODULI, homogenize(held), held.mean())
        volumes = (posterior.sample(target, RANKED, i) > 0.5).mean((1, 2))
        ranks.append(float((volumes < held.mean()).mean()))
    ordered = np.sort(ranks)
    steps = np.arange(1, n + 1) / n
    return float(np.maximum(np.abs(steps - ordered), np.abs(ordered - steps + 1 / n)).max()), 1.36 / math.sqrt(n)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--steps", type=int, default=15_300, help="of training; default: those of the shipped INN")
    parser.add_argument("--targets", type=int, default=30)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"part '{min(unknown)}' is not known; accepted: {', '.join(PARTS)}")
    parts, n = arguments.parts or PARTS, arguments.targets
    torch.set_num_threads(1)
    with threadpool_limits(1):
        posterior = Posterior(arguments.steps)
        print(f"trained {arguments.steps} steps of {BATCH} cells in {posterior.seconds:.0f} CPU s; "
              f"negative log-likelihood {posterior.nll:.3f} a pixel", flush=True)  # fmt: skip
        row("one start a design, 8 designs a target", "within 0.038 SD", "a design", "Hamming", "start is off, median")
        row("---", "---", "---", "---", "---")
        if "inside" in parts:
            targets = [np.array(target[: len(MODULI)]) for target in TARGETS["held_out"][:n]]
            compare("posterior of four moduli", posterior.sample, "given", targets)
            compare("shipped INN, posterior of E_x", shipped_inn, "given", targets)
            compare("nearest shipped cells", None, "nearest", targets)
            compare("noise", None, "noise", targets)
        if "calibration" in parts:
            distance, luck = calibration(posterior, 5 * n)
            ranked = f"rank of a held-out volume among {RANKED} samples, {5 * n} cells"
            row(ranked, f"KS distance {distance:.2f}", f"up to {luck:.2f} by chance", "", "")
        if "novel" in parts:
            novel = [np.array(target) for target in TARGETS["novel"][:n]]
            compare("posterior of four moduli, novel targets", posterior.sample, "given", novel)
            compare("noise, novel targets", None, "noise", novel)


if __name__ == "__main__":
    main()
