"""Controls for tables: the nearest row, and a random search on a standard regression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

DRAWS, ROUNDS = 20_000, 100
"""Random designs of the search, and rounds in which it moves the best of them."""
TREES, LEAST_SPLIT = 100, 2
"""The defaults of scikit-learn."""


class ExtraTrees:
    """Extremely randomized trees (Geurts et al. 2006, doi:10.1007/s10994-006-6226-1), the mean over ``TREES``.

    Each node draws one threshold uniformly within the range of each input, and splits at the one that reduces the
    variance of the standardized outputs most; leaves hold one row or equal rows.
    """

    def __init__(self, x: Tensor, y: Tensor, seed: int = 0) -> None:
        generator = np.random.default_rng(seed)
        self.mean, self.sd = y.mean(0), torch.where(y.std(0) > 0, y.std(0), 1.0)
        z = ((y - self.mean) / self.sd).numpy()
        self.trees = [_grow(x.numpy(), z, generator) for _ in range(TREES)]

    def __call__(self, x: Tensor) -> Tensor:
        """(n, d) → (n, m)."""
        points = x.numpy()
        total = sum(_leaf_values(tree, points) for tree in self.trees)
        return torch.from_numpy(np.asarray(total) / len(self.trees)) * self.sd + self.mean


def _grow(x: np.ndarray, z: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
    """(column, threshold, left, right, value) of the nodes of a tree; column −1 is a leaf."""
    column: list[Any] = []
    threshold: list[Any] = []
    left: list[Any] = []
    right: list[Any] = []
    value: list[Any] = []
    todo = [np.arange(len(x))]
    waiting = [-1]  # where to write the node's number: 2·parent, or 2·parent + 1 for the right child
    while todo:
        rows, written = todo.pop(), waiting.pop()
        number = len(column)
        if written >= 0:
            (right if written % 2 else left)[written // 2] = number
        here, own = x[rows], z[rows]
        for numbers, one in ((column, -1), (threshold, 0.0), (left, -1), (right, -1), (value, own.mean(0))):
            numbers.append(one)
        low, high = here.min(0), here.max(0)
        if len(rows) < LEAST_SPLIT or (low == high).all() or np.ptp(own, axis=0).max() == 0:
            continue
        at = generator.uniform(low, high)
        below = here < at  # (k, d)
        count = below.sum(0)
        sums = below.T.astype(float) @ own  # (d, m)
        rest = own.sum(0) - sums
        gain = (sums**2).sum(1) / np.maximum(count, 1) + (rest**2).sum(1) / np.maximum(len(rows) - count, 1)
        gain[(count == 0) | (count == len(rows))] = -np.inf
        best = int(gain.argmax())
        if gain[best] == -np.inf:
            continue
        column[number], threshold[number] = best, at[best]
        todo += [rows[below[:, best]], rows[~below[:, best]]]
        waiting += [2 * number, 2 * number + 1]
    return np.array(column), np.array(threshold), np.array(left), np.array(right), np.array(value)


def _leaf_values(tree: tuple[np.ndarray, ...], points: np.ndarray) -> np.ndarray:
    column, threshold, left, right, value = tree
    node = np.zeros(len(points), dtype=int)
    inner = column[node] >= 0
    while inner.any():
        at = node[inner]
        goes_left = points[inner, column[at]] < threshold[at]
        node[inner] = np.where(goes_left, left[at], right[at])
        inner = column[node] >= 0
    return value[node]


def search(
    predict: Callable[[Tensor], Tensor],
    draw: Callable[[int, Generator], Tensor],
    admissible: Callable[[Tensor], Tensor],
    targets: Tensor,
    scale: Tensor,
    n: int,
    seed: int,
) -> list[Tensor]:
    """For each target, n designs with the nearest predictions: the best of many draws, improved by random moves.

    Args:
        predict: (k, d) → (k, m).
        draw: random designs.
        admissible: maps designs to the nearest admissible ones.
        targets: (t, m).
        scale: (m,) units of the properties.
        n: number of designs per target.
        seed: seed of the draws.
    """
    generator = Generator().manual_seed(seed)
    aims = (targets / scale).repeat_interleave(n, 0)

    def misfit(x: Tensor) -> Tensor:
        return (predict(x) / scale - aims).square().sum(1)

    with torch.no_grad():
        drawn = draw(DRAWS, generator)
        width, predicted = drawn.std(0), torch.cat([predict(part) for part in drawn.split(2000)]) / scale
        best = torch.cat([(predicted - aim).square().sum(1).argsort()[:n] for aim in targets / scale])
        x = drawn[best]
        error = (predicted[best] - aims).square().sum(1)
        for k in range(ROUNDS):
            step = width * 0.3 * 0.95**k * torch.randn(x.shape, dtype=x.dtype, generator=generator)
            moved = admissible(x + step)
            error_moved = misfit(moved)
            better = error_moved < error
            x, error = torch.where(better[:, None], moved, x), torch.where(better, error_moved, error)
    return list(x.split(n))
