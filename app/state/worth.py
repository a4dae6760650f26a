"""Many seeds at once: how often a sampling finds all solutions, how evenly, and with which errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import streamlit as st
import torch

from app.state.runs import loaded, stamp
from app.state.turns import turn
from ipage_core.benchmark.metrics import error_quantiles
from ipage_core.benchmark.references import WITHIN, reference
from ipage_core.inference.chain import Chain
from ipage_core.inference.latent_design import latent_design
from ipage_core.problem import constraints
from ipage_core.problem.request import SAMPLINGS, DesignRequest
from ipage_core.problem.task import Task

SIZES = (9, 12, 16, 25, 50)
"""Numbers of designs: from one for each loop of the sine wave on."""
SEEDS, SEEDS_OF_SETS = 100, 20
"""Number of seeds: for loops, and for solution sets, whose distances take longer."""
SOLUTIONS = 4000
"""Known solutions against which a set is judged."""


@dataclass(frozen=True)
class Worth:
    """One sampling at one N, over several seeds."""

    found: np.ndarray
    """(seeds,) number of loops with a hit; without loops the share of the solution set near a design."""
    evenness: np.ndarray
    """(seeds,) standard deviation of the number of designs per loop, over its mean; without loops the largest distance
    from a solution to its nearest design, in box widths."""
    errors: tuple[float, ...]
    """5 %, 50 % and 95 % quantiles of the squared error by Ω over all designs of all seeds."""
    of: int
    """Number of loops; 0 without loops."""

    @property
    def share(self) -> float:
        """Share of the seeds that find all loops; without loops the mean share of the solution set that is seen."""
        return float((self.found == self.of).mean() if self.of else self.found.mean())


def judged_by(request: DesignRequest) -> str:
    """'loops', 'set', or '' if neither is known for this request."""
    task, goals = request.task, request.target.goals
    plain = not (request.start or request.fill or request.spread != "off" or request.finish)
    if not plain or any(goal.kind != "exactly" for goal in goals) or not task.verifies_by_default:
        return ""
    y = tuple(goal.low for goal in goals)
    if task.modes is not None and _loops(task, y):
        return "loops"
    return "set" if task.name in WITHIN and y == tuple(task.default_target) and not request.constraints else ""


def _loops(task: Task, y: tuple[float, ...]) -> bool:
    assert task.modes is not None
    x, _ = task.pairs()
    return bool((task.modes(x[:1000], torch.tensor([y]).expand(min(len(x), 1000), -1)) >= 0).any())


@st.cache_data(max_entries=512, show_spinner=False, hash_funcs={DesignRequest: DesignRequest.key})
def worth(request: DesignRequest, seeds: int, stamp: int = 0) -> Worth:
    """The request's task, method, sampling, N, target and constraints; seeds 0, 1, …; without corrections by Ω."""
    task, method, n = request.task, loaded(request.task.name, request.method), request.n
    assert task.omega is not None
    with turn(f"worth {task.name}"):
        z = torch.cat([latent_design(n, method.proposal.latent_dim, request.sampling, seed) for seed in range(seeds)])
        space = constraints.parse(task, request.constraints)
        chain = Chain(task, method, space, "lm", None, 10_000)
        goal = torch.tensor([[one.low for one in request.target.goals]], dtype=torch.float64).expand(len(z), -1)
        samples = chain.propose(goal, z)
        if method.surrogate is not None:
            samples = chain.localize_all(samples, goal, 0)
            chain.replace_stalled(samples, goal, chain.reach, 0)
        x = space.project(samples.x).cpu().double()
        y = task.omega(x)[:, : task.n_targets]
    hit = request.judged().within(task, y) & task.in_bounds(x)
    errors = tuple(error_quantiles((y - goal).square().sum(1).numpy(), (0.05, 0.5, 0.95)).tolist())
    if judged_by(request) == "loops":
        assert task.modes is not None
        loops = torch.where(hit, task.modes(x, goal), -1).view(seeds, n).numpy()
        counts = np.stack([(loops == k).sum(1) for k in range(task.n_modes)], axis=1)
        spread = counts.std(1) / np.maximum(counts.mean(1), 1e-9)
        return Worth((counts > 0).sum(1), spread, errors, task.n_modes)
    truth = reference(task.name, SOLUTIONS)
    distances = [truth.distance(part[seen].numpy()) for part, seen in zip(x.split(n), hit.split(n), strict=True)]
    near = [float(truth.area[d <= WITHIN[task.name]].sum()) for d in distances]
    return Worth(np.array(near), np.array([d.max() for d in distances]), errors, 0)


def seeds_of(request: DesignRequest) -> int:
    """The number of seeds for the request's task."""
    return SEEDS if judged_by(request) == "loops" else SEEDS_OF_SETS


def over_sizes(request: DesignRequest) -> Iterator[tuple[float, dict[str, dict[int, Worth]]]]:
    """All samplings and sizes; yields the share that is done, and the results so far by name and N."""
    seeds = seeds_of(request)
    marked, cells = stamp(request.task.name, request.method), list(product(SIZES, SAMPLINGS))
    results: dict[str, dict[int, Worth]] = {name: {} for name in SAMPLINGS.values()}
    for k, (n, sampling) in enumerate(cells):
        one = request.replace(n=n, sampling=sampling, seed=0, omega_evals=0)
        results[SAMPLINGS[sampling]][n] = worth(one, seeds, marked)
        yield (k + 1) / len(cells), results
