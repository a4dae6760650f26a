"""The stages between localization and correction: spread the designs of each target, and fill the gaps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from torch import Tensor

from ipage_core.inference.chain import PER_ROW, Chain, Samples
from ipage_core.inference.coverage import coverage, fill_gaps, percent
from ipage_core.inference.solution_set import Floats, SolutionSet
from ipage_core.inference.spread import Region, spread
from ipage_core.inference.target_set import Propose, by_surrogate, proposer

CORRECTIONS = 2
"""Default number of corrections by a cheap Ω after a spread: f is less exact in corners."""
MATCHED = 2000
"""Up to this many designs are matched to the nearest samples; more are matched in the order of a coordinate."""


def sets_of(chain: Chain, goal: Tensor) -> tuple[SolutionSet, Propose]:
    """The surrogate's solution set of one target (m,), and its posterior."""
    solutions = by_surrogate(chain.task, chain.method, chain.space, goal, chain.unit)
    return solutions, proposer(chain.task, chain.method, goal)


def spread_samples(chain: Chain, samples: Samples, goal: Tensor, n: int, region: Region, seed: int) -> Tensor:
    """Spread the n samples of each target along its solution set. → which samples moved (total,) bool.

    Each sample moves to the nearest spread design, so its path continues.
    """
    moved = torch.zeros(len(goal), dtype=torch.bool)
    x = samples.x.clone()
    with chain.clock("spread"):
        for first in range(0, len(goal), n):
            rows = slice(first, first + n)
            if (chain.residual(samples, goal)[rows] > 1.0).all():
                continue  # the target cannot be reached: all samples aim at the closest point
            solutions, propose = sets_of(chain, goal[first])
            result = spread(solutions, n, propose=propose, region=region, seed=seed)
            if len(result):
                here = x[rows].double().cpu().numpy()
                x[rows] = torch.from_numpy(result[_matched(solutions, here, result)]).to(x)
                moved[rows] = True
        _advance(chain, samples, goal, x, "spread")
    return moved


def _matched(solutions: SolutionSet, here: Floats, there: Floats) -> NDArray[np.int64]:
    """The row of ``there`` that each row of ``here`` moves to, at the least total squared distance (or sorted)."""
    a, b = solutions.coordinates(here), solutions.coordinates(there)
    if len(a) > MATCHED:
        axis = int(np.ptp(b, axis=0).argmax())
        order = np.empty(len(a), np.int64)
        order[np.argsort(a[:, axis], kind="stable")] = np.argsort(b[:, axis], kind="stable")
        return order
    return np.asarray(linear_sum_assignment(cdist(a, b, "sqeuclidean"))[1])


def _advance(chain: Chain, samples: Samples, goal: Tensor, x: Tensor, label: str) -> None:
    """Set all samples to x (total, d) and add a frame to their path."""
    samples.x = x
    samples.predicted = chain.predict(x)
    error = chain.error(samples.predicted, goal)
    samples.labels.append(label)
    samples.frames = torch.cat((samples.frames, x[None]))
    samples.errors = torch.cat((samples.errors, error[None]))


@dataclass(frozen=True)
class Filled:
    """Coverage before and after filling the gaps, by the same solutions and held-out samples."""

    within: float
    added: int
    total: int
    """Number of designs, with the added ones."""
    early: str = ""
    """Why the search stopped early, as part of a sentence; empty if it did not."""
    unit: str = "box widths"
    share_before: float = math.nan
    share_after: float = math.nan
    posterior_before: float = math.nan
    posterior_after: float = math.nan

    def sentence(self) -> str:
        """The result for the user."""
        if self.early and math.isnan(self.share_before):
            return f"No design was added: {self.early}."
        said = f"{self.added} {'design' if self.added == 1 else 'designs'} added, {self.total} in all."
        if not math.isnan(self.share_before):
            said += (
                f" Within {self.within:g} {self.unit} of a design, by the surrogate: {percent(self.share_before)} of "
                f"the known solutions before, {percent(self.share_after)} now."
            )
        remain = "may remain" if self.share_after == 1 else "remain"
        return f"{said} Gaps {remain}, because {self.early}." if self.early else said

    def summary(self) -> dict[str, Any]:
        """The figures for JSON; null if unknown."""
        figures = {name: value for name, value in vars(self).items() if name not in ("early", "unit")}
        figures = {name: None if value != value else value for name, value in figures.items()}
        return figures | {"complete": not self.early, "sentence": self.sentence()}


def fill_samples(
    chain: Chain, samples: Samples, goal: Tensor, within: float, seed: int, most: int, seconds: float
) -> Filled:
    """Add samples to those of one target until every known solution lies within ε of one, or the time is up.

    An added sample has no latent point; its proposed design is the design itself.
    """
    unit, n = chain.task.distance_name, len(samples.x)
    with chain.clock("fill"):
        solutions, propose = sets_of(chain, goal[0])
        x = samples.x.double().cpu().numpy()
        arrived = chain.residual(samples, goal) <= 1.0
        designs = x[arrived.numpy()]
        if not len(designs):
            return Filled(within, 0, n, "no design meets the target", unit)
        before = coverage(solutions, designs, within, propose=propose, seed=seed)
        new, early = fill_gaps(solutions, designs, within, propose=propose, seed=seed, most=most, seconds=seconds)
        after = coverage(solutions, np.concatenate([designs, new]), within, propose=propose, seed=seed)
        if len(new):
            _append(chain, samples, torch.from_numpy(new).to(samples.x), goal)
    shares = before.share(), after.share(), before.likely()[0], after.likely()[0]
    return Filled(within, len(new), n + len(new), early, unit, *shares)


def _append(chain: Chain, samples: Samples, x: Tensor, goal: Tensor) -> None:
    first = torch.zeros(len(x), dtype=torch.long, device=samples.x.device)
    added = replace(samples, **{name: getattr(samples, name)[first] for name in PER_ROW})
    added.z = torch.full_like(added.z, torch.nan)
    added.cycle_error = torch.full_like(added.cycle_error, torch.nan)
    added.posterior = added.x = x
    added.predicted_posterior = added.predicted = chain.predict(x)
    error = chain.error(added.predicted, goal[:1])
    for name in PER_ROW:
        setattr(samples, name, torch.cat((getattr(samples, name), getattr(added, name))))
    samples.frames = torch.cat((samples.frames, x.expand(len(samples.frames), -1, -1)), dim=1)
    samples.errors = torch.cat((samples.errors, error.expand(len(samples.errors), -1)), dim=1)
