"""Calibration of the posterior before localization: ranks and expected coverage on unseen pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Generator

from ipage_core.benchmark.metrics import credibility, ranks
from ipage_core.benchmark.rows import pack, unpack
from ipage_core.benchmark.scope import Scope, held_out, loaded, there
from ipage_core.inference.chain import Chain
from ipage_core.networks.inn import INN, dequantized
from ipage_core.problem import constraints
from ipage_core.runtime.executor import Item, Result
from ipage_core.tasks import TASKS

METHODS = ("inn", "cinn", "cvae", "mdn")
"""Methods with a posterior."""
SAMPLES = 199
"""Posterior samples per pair; ranks are 0 … 199."""
AT_ONCE = 250
"""Pairs per item."""
MOST_COORDINATES = 16
KEY = ("task", "method", "training_seed", "pair")
"""Columns that identify a row."""


def items(scope: Scope) -> list[Item]:
    """Items of 250 unseen pairs (x, Ω(x)), 1000 pairs in all; 250 if quick."""
    todo = []
    for task in (name for name in scope.tasks if TASKS[name].d <= MOST_COORDINATES):
        for method in (name for name in METHODS if name in scope.methods):
            for models, weights, trained in there(scope, task, method)[:1]:
                for begin in range(0, AT_ONCE if scope.quick else len(held_out(task)[0]), AT_ONCE):
                    argument = {"task": task, "method": method, "begin": begin, "training_seed": trained}
                    todo.append((f"{task}|{method}|{begin}|{trained}|{weights}", argument | {"models": models}))
    return todo


def work(argument: dict[str, Any]) -> Result:
    """Ranks of the true x among posterior samples for its y, and its credibility about random points in the box.

    Discrete coordinates of the true x get the noise of training (and, for the INN, the matching y), because the model's
    posterior includes this noise.
    """
    torch.set_num_threads(1)
    task, begin = TASKS[argument["task"]], argument["begin"]
    method = loaded(task.name, argument["method"], argument["models"])
    x, y = (values[begin : begin + AT_ONCE] for values in held_out(task.name))
    generator = Generator().manual_seed(begin)
    smeared = next((card.get("arguments", {}).get("dequantize", ()) for card in method.cards.values()), ())
    x = dequantized(x, smeared, generator)
    if any(smeared) and isinstance(method.proposal, INN):
        assert task.omega is not None
        y = task.omega(x)[:, : task.n_targets]
    z = torch.randn(len(x) * SAMPLES, method.proposal.latent_dim, generator=generator)
    chain = Chain(task, method, constraints.parse(task), "lm", None, 1)
    drawn = chain.propose(y.repeat_interleave(SAMPLES, 0), z).posterior.cpu().double()
    low, width = task.bounds[0], task.bounds[1] - task.bounds[0]
    truth, samples = ((values - low) / width for values in (x, drawn.view(len(x), SAMPLES, task.d)))
    about = torch.rand(truth.shape, dtype=torch.float64, generator=generator)
    return {
        "rank": pack(ranks(truth.numpy(), samples.numpy()), "<i2"),
        "credibility": pack(credibility(truth.numpy(), samples.numpy(), about.numpy()), "<f4"),
    }


def frame(scope: Scope, results: dict[str, Result]) -> pd.DataFrame:
    """One row per pair: task, method, training_seed, pair, ``rank1 …`` (0 … 199) per coordinate, ``credibility``."""
    parts = []
    for key, argument in items(scope):
        if key not in results:
            continue
        one, task = results[key], TASKS[argument["task"]]
        rank = unpack(one["rank"], "<i2", task.d)
        columns: dict[str, Any] = {name: argument[name] for name in ("task", "method")}
        columns |= {"training_seed": np.int16(argument["training_seed"])}
        columns["pair"] = np.arange(len(rank), dtype=np.int16) + argument["begin"]
        columns |= {f"rank{j + 1}": column.astype(np.float32) for j, column in enumerate(rank.T)}
        columns["credibility"] = unpack(one["credibility"], "<f4")
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
