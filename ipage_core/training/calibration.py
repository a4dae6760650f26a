"""Calibrate the predictions of a surrogate on results of Ω that it has not learned; its card keeps the calibration.

Which rows these are: stored rows that the surrogate was not trained on, and the rows kept for tests; else new random
designs, evaluated by an Ω that runs in this process; else, for an ensemble whose members leave out a part of the rows
each, all rows, predicted by the members that have not seen them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from ipage_core.inference.calibration import FEWEST, Calibration
from ipage_core.inference.methods import METHODS
from ipage_core.networks.base import Network
from ipage_core.networks.ensemble import Ensemble
from ipage_core.problem.task import Task
from ipage_core.training.choose import LeftOut, of_the_mean
from ipage_core.training.datasets import digests

MOST_DRAWS, SHARE, SEED = 1000, 10, 1_000_000_007
"""New random designs: at most so many, and no more than 1/SHARE of the training pairs; their seed."""
AT_ONCE = 2000
"""Number of designs predicted in one batch."""


class Unlearned(NamedTuple):
    """Rows that a surrogate has not learned, with its predictions."""

    predicted: Tensor
    """(k, m)."""
    spread: Tensor | None
    """(k, m)."""
    y: Tensor
    """(k, m) results of Ω."""
    rows: str
    """What the rows are."""


def surrogates() -> frozenset[str]:
    """Names of the models that are a method's surrogate."""
    return frozenset(row.surrogate[0] for row in METHODS.values() if row.surrogate is not None)


def calibration(
    task: Task, surrogate: Network, x: Tensor, y: Tensor, behind: Tensor | None = None
) -> Calibration | None:
    """The calibration of a surrogate that was trained on pairs x (n, d), y (n, k).

    ``behind`` (j, d) are designs whose results it has learned through the labels of another surrogate.

    None if its spread is calibrated by itself, or if there are too few rows that it has not learned.
    """
    if surrogate.interval(x[:1].to(surrogate.reads)) is not None:
        return None
    found = _unlearned(task, surrogate, x, y[:, : task.n_targets], behind)
    return None if found is None else Calibration.fitted(*found)


def _unlearned(task: Task, surrogate: Network, x: Tensor, y: Tensor, behind: Tensor | None) -> Unlearned | None:
    known, m = set(digests(x)), task.n_targets
    known |= set() if behind is None else set(digests(behind))
    parts = []
    for source in (task.stored, task.held_out, task.test_pairs):
        if source is not None:
            rows, results = source()
            new = [i for i, digest in enumerate(digests(rows)) if digest not in known]
            known |= set(digests(rows[new]))
            parts.append((rows[new], results[new, :m]))
    if sum(len(rows) for rows, _ in parts) >= FEWEST:
        rows, results = (torch.cat(columns).double() for columns in zip(*parts, strict=True))
        return _predicted(surrogate, rows, results, f"{len(rows):,} results that the surrogate has not learned")
    if isinstance(surrogate, Ensemble) and surrogate.leave_out:
        error, spread = surrogate.left_out(x.double(), y.double())
        error = of_the_mean(LeftOut(error, spread), len(surrogate.weights[0])).error
        return Unlearned(y - error, spread, y, f"{len(x):,} results, each predicted without learning it")
    if task.omega is None or task.in_processes:
        return None
    n = min(MOST_DRAWS, len(x) // SHARE)
    if task.new_pairs is not None:
        rows, results = task.new_pairs(n, SEED)
    else:
        rows = task.sample_prior(n, Generator().manual_seed(SEED))
        results = task.omega(rows)
    return _predicted(surrogate, rows, results[:, :m], f"{n:,} random designs that the surrogate has not learned")


@torch.no_grad()
def _predicted(surrogate: Network, x: Tensor, y: Tensor, rows: str) -> Unlearned:
    m, parts = y.shape[1], [part.to(surrogate.reads) for part in x.split(AT_ONCE)]
    spreads = [surrogate.spread(part) for part in parts]
    spread = torch.cat([one[:, :m] for one in spreads if one is not None]) if spreads[0] is not None else None
    return Unlearned(torch.cat([surrogate(part)[:, :m] for part in parts]), spread, y, rows)
