"""Tables of published problems, verified by their own simulators: ``python -m ipage_core benchmark --tables``.

Each problem of :mod:`ipage_core.benchmark.simulators` becomes a table of rows, like a user's own. The program
learns from it as from any table and designs for new targets that are known to be reachable, without the simulator.
The simulator then verifies the designs. The controls get the same rows and targets.
"""

from __future__ import annotations

import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor

from ipage_core.benchmark import controls
from ipage_core.benchmark.simulators import PROBLEMS, Problem
from ipage_core.inference.methods import METHODS, load
from ipage_core.inference.pipeline import design
from ipage_core.networks.gaussian_process import GaussianProcess
from ipage_core.problem.task import Task
from ipage_core.runtime.executor import Item, Result
from ipage_core.tasks.table import own_data
from ipage_core.tasks.table.trust import trust
from ipage_core.training import recipes

TARGETS, CANDIDATES = 5, 20
"""New targets of a table, and designs for each."""
FRESH = 10_000
"""First seed of the targets; no table uses seeds from here on."""
PROGRAM, ROW, TREES, PROCESS = "program", "nearest row", "ExtraTrees + search", "Gaussian process + search"
MOST_SEARCHED = 12
"""The controls with a search run up to this number of outputs."""
KEY = ("problem", "seed", "way", "target", "candidate")


def items(problems: tuple[str, ...], seeds: int) -> list[Item]:
    """One item per problem and seed; the seed draws the table and the targets, and trains."""
    return [(f"{name}|{seed}", {"problem": name, "seed": seed}) for seed in range(seeds) for name in problems]


def work(argument: dict[str, Any]) -> Result:
    """All candidates of one table and their errors by the simulator; CPU seconds of training and design."""
    torch.set_num_threads(1)
    problem, seed = PROBLEMS[argument["problem"]], argument["seed"]
    generator = Generator().manual_seed(seed)
    x = problem.draw(problem.rows, generator)
    y = problem.measure(x, generator)
    fresh = Generator().manual_seed(FRESH + seed)
    targets = problem.truth(problem.draw(TARGETS, fresh))
    with tempfile.TemporaryDirectory() as folder:
        task = own_data.create(
            Path(folder) / "table",
            pd.DataFrame(torch.cat((x, y), dim=1).numpy(), columns=[*problem.x, *problem.y]),
            list(problem.x),
            list(problem.y),
            source=f"{argument['problem']}.csv",
            bounds=problem.x,
        )
        outcome = _program(task, problem, targets, seed, y.std(0))
    outcome["rows"] += _controls(problem, x, y, targets, seed)
    return outcome


def _program(task: Task, problem: Problem, targets: Tensor, seed: int, sd: Tensor) -> Result:
    """Results of the program on the table: rows, CPU seconds of training and design, least R² on its card."""
    assert task.models_folder is not None
    began = time.process_time()
    cards = [recipes.train(task, model, task.models_folder, seed=seed) for model in METHODS[task.default_method].models]
    trained = time.process_time()
    method = load(task, task.default_method)
    runs = [design(task, method, y_star, CANDIDATES, seed=seed) for y_star in targets]
    designed = time.process_time()
    designs = torch.cat([run.final.double() for run in runs])
    y_star = torch.cat([run.y_star for run in runs])
    doubt = trust(task, method, designs, y_star)
    errors = _error(problem.truth(designs), targets.repeat_interleave(CANDIDATES, 0), sd)
    measured = problem.measure(designs, Generator().manual_seed(FRESH + 1000 + seed))
    rows: list[dict[str, Any]] = []
    for k, (target, candidate) in enumerate(product(range(TARGETS), range(CANDIDATES))):
        row = {"way": PROGRAM, "target": target, "candidate": candidate, "error": float(errors[k])}
        row |= {"lost": bool(runs[target].note), "whole": _is_whole(problem, designs[k])}
        if doubt is not None:
            inside = (measured[k] - doubt.predicted[k]).abs() <= doubt.half_width[k]
            row |= {"covered": float(inside.double().mean()), "row_is_closer": bool(doubt.row_is_closer[k])}
        rows.append(row)
    return {
        "rows": rows,
        "training_seconds": trained - began,
        "design_seconds": designed - trained,
        "r2": min(value for card in cards if "held_out" in card for value in card["held_out"]["r2"]),
        "notes": [run.note for run in runs if run.note],
    }


def _controls(problem: Problem, x: Tensor, y: Tensor, targets: Tensor, seed: int) -> list[dict[str, Any]]:
    """Results of the controls on the same rows and targets. The nearest row is evaluated by the simulator, too."""
    sd = y.std(0)
    nearest = torch.stack([((y - y_star) / sd).square().sum(1).argmin() for y_star in targets])
    designs = {ROW: list(x[nearest].split(1))}
    if len(problem.y) <= MOST_SEARCHED:
        surrogates: dict[str, Any] = {
            TREES: controls.ExtraTrees(x, y, seed),
            PROCESS: GaussianProcess.fitted(x, y, problem.bounds),
        }
        for way, predict in surrogates.items():
            designs[way] = controls.search(
                predict, problem.draw, lambda u: _admissible(problem, u), targets, sd, CANDIDATES, seed
            )
    rows: list[dict[str, Any]] = []
    achieved = problem.truth(torch.cat([part for parts in designs.values() for part in parts])).split(1)
    for way, parts in designs.items():
        for k, part in enumerate(parts):
            for i in range(len(part)):
                error = float(_error(achieved[len(rows)][0], targets[k], sd))
                rows.append({"way": way, "target": k, "candidate": i, "error": error})
    return rows


def _error(y: Tensor, y_star: Tensor, sd: Tensor) -> Tensor:
    """Root mean square error over the outputs, in standard deviations of the table. (…, m) → (…)."""
    return ((y - y_star) / sd).square().mean(-1).sqrt()


def _admissible(problem: Problem, x: Tensor) -> Tensor:
    """Clip designs to the box and round whole numbers."""
    x = x.clamp(*problem.bounds)
    for name in problem.whole:
        j = list(problem.x).index(name)
        x[:, j] = x[:, j].round()
    return x


def _is_whole(problem: Problem, x: Tensor) -> bool:
    """Whether the whole-number inputs of a design (d,) are whole, to within 1e-9."""
    at = [list(problem.x).index(name) for name in problem.whole]
    return bool(((x[at] - x[at].round()).abs() <= 1e-9).all())


def frame(results: dict[str, Result], done: list[Item]) -> pd.DataFrame:
    """One row per problem, seed, way, target and candidate, with its error; NaN if unknown."""
    parts = []
    for key, argument in done:
        if key not in results:
            continue
        one = results[key]
        part = pd.DataFrame(one["rows"]).assign(**argument)
        for name in ("training_seconds", "design_seconds", "r2"):
            part[name] = np.where(part["way"] == PROGRAM, one[name], np.nan)
        parts.append(part)
    columns = ["lost", "whole", "covered", "row_is_closer"]
    outcome = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    for name in (c for c in columns if c in outcome):
        outcome[name] = outcome[name].astype(float)
    return outcome


def summary(outcome: pd.DataFrame) -> pd.DataFrame:
    """One row per problem: median errors of every way, the figures of the program, and the winner."""
    lines = []
    for name, part in outcome.groupby("problem", sort=False):
        own = part[part["way"] == PROGRAM]
        medians = part.groupby("way")["error"].median()
        per_target = own.groupby(["seed", "target"])
        row = part[part["way"] == ROW].set_index(["seed", "target"])["error"]
        says_row = per_target["row_is_closer"].mean() > 0.5
        followed = per_target["error"].median().where(~says_row, row)
        line: dict[str, Any] = {"problem": name, "seeds": part["seed"].nunique()}
        line |= {way: medians.get(way, np.nan) for way in (PROGRAM, ROW, TREES, PROCESS)}
        line["false cannot be reached"] = int((per_target["lost"].max() > 0).sum())
        line["targets"] = len(says_row)
        line["says the row is closer"] = int(says_row.sum())
        line["worst advice"] = float((followed / row).max())
        line["covered"] = own["covered"].mean()
        line["whole"] = own["whole"].mean() if PROBLEMS[str(name)].whole else np.nan
        line["best"] = str(medians.idxmin())
        line["limit"] = _limit(part[part["way"] == line["best"]])
        line |= {key: own[key].mean() for key in ("training_seconds", "design_seconds", "r2")}
        lines.append(line)
    return pd.DataFrame(lines)


def _limit(of_way: pd.DataFrame, resamples: int = 1000) -> float:
    """Upper end of the 95 % bootstrap interval, over targets, of a way's median error."""
    errors = [target.to_numpy() for _, target in of_way.groupby(["seed", "target"])["error"]]
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(errors), (resamples, len(errors)))
    return float(np.quantile([np.median(np.concatenate([errors[k] for k in some])) for some in drawn], 0.975))


def markdown(lines: pd.DataFrame) -> str:
    """The summary as a table; bold is the lowest of each problem, and what lies within its 95 % interval."""
    ways = (PROGRAM, ROW, TREES, PROCESS)
    said = ["false 'cannot be reached'", "advice: the row", "worst advice", "covered", "train, design (CPU)"]
    heads = ["problem", *ways, *said]
    out = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for line in lines.to_dict("records"):
        problem = PROBLEMS[line["problem"]]
        cells = [f"{problem.title} ({problem.rows}, {len(problem.x)} → {len(problem.y)})"]
        for way in ways:
            text = "–" if line[way] != line[way] else f"{line[way]:.2g}"
            cells.append(f"**{text}**" if line[way] <= line["limit"] else text)
        cells += [
            f"{line['false cannot be reached']} of {line['targets']}",
            f"{line['says the row is closer']} of {line['targets']}",
            f"{line['worst advice']:.2f}",
            f"{line['covered']:.2f}",
            f"{line['training_seconds']:.0f} s, {line['design_seconds']:.0f} s",
        ]
        out.append("| " + " | ".join(cells) + " |")
    return "\n".join(out)
