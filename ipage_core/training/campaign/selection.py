"""The designs that a campaign evaluates next, with a reason for each.

The remaining budget sets them: among candidates whose chance of a hit is high enough for that budget, ``choose`` takes
the one farthest from all hits. Designs of very many coordinates come from trained networks instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ipage_core.inference.latent_design import unit_design
from ipage_core.problem.space import DesignSpace
from ipage_core.training.campaign.beliefs import Accepted, Beliefs, Coordinates
from ipage_core.training.campaign.candidates import (
    CLOSE,
    SOURCES,
    candidates,
    close_by,
    designs,
    keeps,
    placed,
    spread_out,
)
from ipage_core.training.campaign.choose import Choice, choose
from ipage_core.training.campaign.ledger import Step
from ipage_core.training.campaign.shipped import Proposals

START_SHARE = 4
"""The start takes at most 1/START_SHARE of the budget."""
FEW = 2
"""Least number of results for a process."""
PRIOR_HITS = 1.0
"""Weight of the guess that each origin of candidates keeps its promise, in hits."""


class State(NamedTuple):
    """What a campaign has done so far."""

    before_x: Tensor
    """(b, d) designs from before the campaign."""
    before_y: Tensor
    """(b, m) their results."""
    x: Tensor
    """(n, d) evaluated designs."""
    y: Tensor
    """(n, m) their results, NaN where Ω failed."""
    predicted: Tensor
    """(n, m) their earlier predictions, NaN where there was none."""
    hits: list[int]
    """Rows of the distinct hits."""
    steps: Sequence[Step]

    @property
    def known(self) -> tuple[Tensor, Tensor]:
        """All designs (b + n, d) and results (b + n, m)."""
        return torch.cat((self.before_x, self.x)), torch.cat((self.before_y, self.y))


class Chosen(NamedTuple):
    """Designs to evaluate next."""

    x: Tensor
    """(k, d)."""
    why: list[str]
    """The reason for each."""
    predicted: Tensor
    """(k, m) predictions; NaN if there are none."""
    chance: Tensor
    """(k,) chance of a hit; NaN if it is not known."""
    spoken: dict[str, Any] | None = None
    """Mean and deviation in the units of the processes, and which of these model logarithms; None: no process."""


@dataclass
class Selection:
    """Everything that does not change during a campaign and decides what is evaluated next."""

    accepted: Accepted
    space: DesignSpace
    at: Coordinates
    hits: int
    budget: int
    seed: int
    apart: float
    """Distance above which two designs are distinct."""
    propose: Callable[[Tensor, int], Tensor | None] | None
    """(middle of the target (m,), seed) → designs (p, d) of iPage's posterior, or None while rows are too few."""
    networks: Proposals | None
    """Trained networks that propose designs of very many coordinates; None: a process does."""

    @property
    def start_size(self) -> int:
        """Number of designs of the space-filling start."""
        e = self.space.bounds.shape[1]
        return max(FEW + 1, min(e + 3, self.budget // START_SHARE))

    def next(self, state: State, beliefs: Beliefs | None, count: int) -> Chosen:
        """Choose up to ``count`` designs; ``beliefs`` is None while results are too few for a process."""
        if self.networks is not None:
            return self._by_networks(self.networks, state, count)
        if beliefs is None:
            return self._filled(state, count, "space-filling start: too few answers to predict from")
        x, y = state.known
        fine = y.isfinite().all(1)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + len(x))
        off = self.accepted.off(y[fine])
        middle = self.accepted.ends.clamp(-1e300, 1e300).mean(0)
        proposed = None if self.propose is None else self.propose(middle, self.seed + len(x))
        pool, named = candidates(beliefs, self.space, x[fine], y[fine], off, self.apart, generator, proposed)
        chance, choice = self._choice(state, beliefs, pool, named, count)
        if not choice.rows and state.hits:
            pool = close_by(self.space, state.x[state.hits], self.apart, 4 * CLOSE, generator)
            chance, choice = self._choice(state, beliefs, pool, [SOURCES[4]] * len(pool), count)
        if not choice.rows:
            nearest = f"no candidate is farther than --apart {self.apart:g} from all hits" if state.hits else ""
            return self._filled(state, count, f"{nearest or 'no candidate is new'}: filling space")
        chosen = pool[choice.rows]
        mean, spread = beliefs.predict(chosen)
        spread = spread / beliefs.doubt
        spoken = {"logs": list(beliefs.logs), "mean": mean.tolist(), "spread": spread.tolist()}
        return Chosen(chosen, choice.why, beliefs.raw(mean), chance[choice.rows], spoken)

    def _choice(
        self, state: State, beliefs: Beliefs, pool: Tensor, named: list[str], count: int
    ) -> tuple[Tensor, Choice]:
        """The chance of each candidate (k, d), and those to evaluate."""
        factor = self._record(state)
        chance = (beliefs.chance(pool) * torch.tensor([factor(name) for name in named])).clamp(max=1.0)
        return chance, self._chosen(state, pool, chance, named, count)

    def _chosen(self, state: State, pool: Tensor, chance: Tensor, named: list[str], count: int) -> Choice:
        evaluated, hits = state.known[0], state.x[state.hits]
        wanted, left = self.hits - len(state.hits), self.budget - len(state.x)
        return choose(self.at, pool, chance, named, hits, evaluated, self.apart, wanted, left, count)

    def _record(self, state: State) -> Callable[[str], float]:
        """Origin of a candidate → hits of this origin so far, divided by the hits that its chances promised.

        A process that is wrong about one origin, such as chords across a jump, then loses to the others.
        """
        promised: dict[str, float] = {}
        gained: dict[str, float] = {}
        hit, row = self.accepted.hit(state.y).tolist(), 0
        for step in state.steps:
            for why, chance in zip(step.why, step.chance.tolist(), strict=True):
                name = why.partition(":")[0]
                if step.y is not None and row < len(hit):
                    if math.isfinite(chance):
                        promised[name] = promised.get(name, 0.0) + chance
                        gained[name] = gained.get(name, 0.0) + hit[row]
                    row += 1
        return lambda name: (gained.get(name, 0.0) + PRIOR_HITS) / (promised.get(name, 0.0) + PRIOR_HITS)

    def _by_networks(self, networks: Proposals, state: State, count: int) -> Chosen:
        """The same for designs of many coordinates: trained networks propose and predict them."""
        pool, predicted = networks.pool(state.known[0], count)
        if not len(pool):
            return self._filled(state, count, "the networks propose nothing new: filling space")
        errors = state.y - state.predicted
        errors = errors[errors.isfinite().all(1)]
        bias = errors.mean(0) * len(errors) / (len(errors) + 1) if len(errors) else torch.zeros(predicted.shape[1])
        mean, spread, (low, high) = predicted + bias, networks.spread(errors - bias), self.accepted.ends
        chance = (torch.special.ndtr((high - mean) / spread) - torch.special.ndtr((low - mean) / spread)).prod(1)
        choice = self._chosen(state, pool, chance, ["iPage"] * len(pool), count)
        if not choice.rows:
            return self._filled(state, count, "no candidate is new: filling space")
        return Chosen(pool[choice.rows], choice.why, mean[choice.rows], chance[choice.rows])

    def _filled(self, state: State, count: int, why: str) -> Chosen:
        """Maximin points for the start, or random points later, within the constraints; not predicted."""
        e, done, size = self.space.bounds.shape[1], len(state.x), self.start_size
        if done < size:
            u = torch.tensor(unit_design(size, e, "maximin", self.seed)).double()
            x = designs(self.space, placed(self.space, u))
            x = x if bool(keeps(self.space, x).all()) else spread_out(self.space, size, self.seed)
            x = x[done : done + count]
        else:
            seed = self.seed * 1_000_003 + done
            u = torch.rand(count, e, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
            x = designs(self.space, placed(self.space, u))
            x = x if bool(keeps(self.space, x).all()) else spread_out(self.space, count, seed)
        nothing = x.new_full((len(x), state.y.shape[1]), math.nan)
        return Chosen(x, [why] * len(x), nothing, nothing[:, 0])
