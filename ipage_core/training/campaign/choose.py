"""Chooses the candidates to evaluate: as far from all hits as the remaining budget allows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ipage_core.training.campaign.beliefs import Coordinates

MARGIN = 1.15
"""Required chance of a hit, divided by the share of hits that the remaining budget needs."""
SURE = 0.85
"""Largest required chance."""
CLOSE = 0.6
"""If no candidate has the required chance, those above this share of the best chance compete by distance too."""
SAME = 1e-9
"""Distance below which two designs count as the same."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Designs to evaluate next."""

    rows: list[int]
    """Rows of the candidates."""
    why: list[str]


def choose(
    at: Coordinates,
    x: Tensor,
    chance: Tensor,
    named: list[str],
    hits: Tensor,
    evaluated: Tensor,
    apart: float,
    wanted: int,
    left: int,
    count: int,
) -> Choice:
    """Choose ``count`` of the candidates x (k, d), each with a sentence that gives the reason.

    Args:
        at: coordinates with their distance.
        x: candidates.
        chance: (k,) probability that each is a hit.
        named: origin of each.
        hits: (h, d) distinct hits so far.
        evaluated: (n, d) all evaluated designs.
        apart: distance above which hits are distinct.
        wanted: number of further hits needed.
        left: remaining evaluations.
        count: how many designs to choose.
    """
    need = min(SURE, MARGIN * wanted / max(left, 1))
    free = torch.ones(len(x), dtype=torch.bool)
    if len(evaluated):
        free &= at.distance(x, evaluated).amin(1) > SAME
    near = at.distance(x, hits).amin(1) if len(hits) else torch.full((len(x),), torch.inf, dtype=torch.float64)
    rows: list[int] = []
    why: list[str] = []
    for _ in range(count):
        allowed = free & (near > apart)
        if not allowed.any():
            break
        score = torch.where(allowed, chance, -1.0)
        best = float(score.max())
        if not len(hits):
            i = int(score.argmax())
            reason = f"chance {chance[i]:.0%} of a first hit, the highest of all candidates"
        elif best < need:
            pool = (allowed & (chance >= CLOSE * best)).nonzero()[:, 0]
            i = int(pool[(chance[pool] * near[pool].clamp(max=10 * apart).sqrt()).argmax()])
            reason = f"chance {chance[i]:.0%}, less than the {need:.0%} that the budget needs; "
            reason += f"{near[i]:.2g} from the nearest hit"
        else:
            pool = (allowed & (chance >= need)).nonzero()[:, 0]
            i = int(pool[near[pool].argmax()])
            reason = (
                f"chance {chance[i]:.0%}; of the candidates above {need:.0%} the farthest from all hits ({near[i]:.2g})"
            )
        rows.append(i)
        why.append(f"{named[i]}: {reason}")
        near = torch.minimum(near, at.distance(x, x[[i]])[:, 0])  # the chosen design may be a hit, too
        free[i] = False
    return Choice(rows, why)


def distinct(at: Coordinates, x: Tensor, apart: float) -> list[int]:
    """Rows of designs (n, d) that are farther than ``apart`` from all earlier rows kept."""
    kept: list[int] = []
    for i in range(len(x)):
        if not kept or float(at.distance(x[[i]], x[kept]).min()) > apart:
            kept.append(i)
    return kept
