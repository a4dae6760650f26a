"""The neural-adjoint method: the best of many descents on a network's error (Ren et al. 2020, arXiv:2009.12919)."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ipage_core.inference.localization import localize
from ipage_core.problem.space import DesignSpace, staged
from ipage_core.problem.watch import tell
from ipage_core.runtime.adam import Adam

AT_ONCE = 16_384
"""Number of descents in a batch, limited by memory."""


@dataclass(frozen=True)
class Search:
    """Settings of the descents; the defaults are the published ones."""

    optimizer: Literal["published", "adam", "lm"] = "published"
    starts: int = 2048
    """Least number of descents for each target."""
    per_design: int = 1
    """Least number of descents for each design."""
    steps: int = 300
    rate: float = 0.5
    boundary: float = 0.1


class NeuralAdjoint:
    """Proposes the end points of descents from prior samples that have the smallest error by the network itself.

    It has no latent space: z only seeds the starts. ``published``: Adam on the mean squared error plus ``boundary``·
    Σ relu(|x − μ| − R/2) over batch and coordinates; the rate is halved when the loss has not fallen for ten steps; one
    run per target. ``adam`` and ``lm`` are those of :func:`ipage_core.inference.localization.localize`, in the space
    ``moves``.
    """

    latent_dim = 1

    def __init__(
        self,
        network: nn.Module,
        draw: Callable[[int, Tensor], Tensor],
        moves: DesignSpace,
        search: Search,
        *,
        boundary: Tensor,
        enough: float,
        units: tuple[float, ...] = (),
        unit: Tensor | None = None,
    ) -> None:
        """Use ``draw(n, z)`` to draw (n, d) from the prior.

        As published, it works in ``units`` (default: the widths of the boundary) and pushes designs back into
        ``boundary`` (2, d). A descent by ``adam`` or ``lm`` stops when the network is within ``enough`` of the target,
        in the ``unit`` (m,) of each property (default: 1).
        """
        self.network, self.draw, self.moves, self.search = network, draw, moves, search
        self.boundary, self.units, self.enough = boundary, units, enough
        self.unit = torch.ones(()) if unit is None else unit

    def searching(self, search: Search) -> NeuralAdjoint:
        """The same proposal with another search."""
        twin = copy(self)
        twin.search = search
        return twin

    def sample(self, y_star: Tensor, z: Tensor) -> Tensor:
        """The best designs for each target. (n, m), (n, 1) → (n, d)."""
        targets, of_row = y_star.unique(dim=0, return_inverse=True)
        wanted = torch.bincount(of_row, minlength=len(targets))
        counts = (self.search.per_design * wanted).clamp(min=self.search.starts)
        starts = self.draw(int(counts.sum()), z)
        goals = targets.repeat_interleave(counts, dim=0)
        published = self.search.optimizer == "published"
        sizes = counts.tolist() if published else AT_ONCE
        ends: list[Tensor] = []
        errors: list[Tensor] = []
        for start, goal in zip(starts.split(sizes), goals.split(sizes), strict=True):
            if published:
                ends.append(self._as_published(start, goal, len(ends), len(targets)))
            else:
                ends.append(self._descended(start, goal))
            parts = zip(ends[-1].split(2048), goal.split(2048), strict=True)
            errors += [((self.network(x) - y) / self.unit.to(y)).square().sum(1).detach() for x, y in parts]
        designs = torch.empty(len(y_star), starts.shape[1], dtype=starts.dtype, device=starts.device)
        each = zip(torch.cat(ends).split(counts.tolist()), torch.cat(errors).split(counts.tolist()), strict=True)
        for t, (end, error) in enumerate(each):
            designs[of_row == t] = end[_least(error, int(wanted[t]))]
        return designs

    def _descended(self, start: Tensor, goal: Tensor) -> Tensor:
        """(n, d), (n, m) → (n, d) by localization, through the stages of the space."""
        optimizer, steps = self.search.optimizer, self.search.steps
        assert optimizer != "published"
        u = self.moves.encode(start)
        for moves, share in staged(self.moves):

            def residual(u: Tensor, rows: Tensor, moves: DesignSpace = moves) -> Tensor:
                return (self.network(moves.decode(u)) - goal[rows]) / self.unit.to(u)

            enough = share * self.enough
            path = localize(
                residual, u, moves.bounds, optimizer=optimizer, steps=steps, record_every=steps, enough=enough
            )
            u = path.u[-1]
        return self.moves.decode(u).detach()

    def _as_published(self, start: Tensor, goal: Tensor, before: int, targets: int) -> Tensor:
        """(n, d), (n, m) one target, after ``before`` others of ``targets`` → (n, d)."""
        low, high = self.boundary.to(start)
        mean, half = (low + high) / 2, (high - low) / 2
        unit = torch.tensor(self.units).to(start) if self.units else high - low
        with torch.enable_grad():
            u = (start / unit).detach().requires_grad_(True)
            adam = Adam([u], lr=self.search.rate)
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(adam, factor=0.5, patience=10, threshold=1e-4)
            for step in range(self.search.steps):
                tell("steps of the descents", before * self.search.steps + step, targets * self.search.steps)
                x = u * unit
                outside = torch.relu((x - mean).abs() - half).sum()
                loss = (self.network(x) - goal).square().mean() + self.search.boundary * outside
                (u.grad,) = torch.autograd.grad(loss, u)
                adam.step()
                plateau.step(loss.item())
        return (u * unit).detach()


def _least(error: Tensor, count: int) -> Tensor:
    """(count,) rows of the smallest errors (n,), in the order of the rows, not by error."""
    return error.nan_to_num(nan=torch.inf).argsort(stable=True)[:count].sort().values
