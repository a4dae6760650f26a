"""Candidates that no Ω can verify: their uncertainty, nearest measured rows, and designs to measure next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ipage_core.inference.basis import MEASURED
from ipage_core.inference.methods import METHODS
from ipage_core.inference.neighbours import in_widths
from ipage_core.inference.pareto import APART
from ipage_core.networks.base import Network
from ipage_core.problem.task import Task
from ipage_core.tasks.table import trust
from ipage_core.tasks.table.card import read_card
from ipage_core.tasks.table.own_task import named
from ipage_core.tasks.table.rows import measured
from ipage_core.tasks.table.surrogate import TableSurrogate

if TYPE_CHECKING:
    from ipage_core.inference.methods import Loaded
    from ipage_core.inference.solutions import Solutions

VALUE, INFORMATION = "value", "information"


def held_out(method: Loaded) -> dict[str, Any]:
    """Accuracy of the method's surrogate on held-out rows; empty if unknown.

    See :func:`ipage_core.training.recipes.accuracy`.
    """
    surrogate = METHODS[method.name].surrogate
    return {} if surrogate is None else method.cards[surrogate[0]].get("held_out", {})


def accuracy_text(task: Task, result: dict[str, Any]) -> str:
    """Accuracy as a sentence: 'R² 0.994, MAE 0.014 eV on 1,079 held-out rows.' Several properties appear by name."""
    if not result:
        return "There is no held-out accuracy: this method has no surrogate."
    notes = []
    for label, r2, mae in zip(task.property_labels, result["r2"], result["mae"], strict=True):
        name, _, unit = label.removesuffix("]").partition(" [")
        if r2 is None and mae is None:
            notes.append(f"{name}: none of these rows has it")
            continue
        good = f"R² {r2:.3f}" if r2 is not None and r2 >= 0 else "R² below 0, worse than the mean of all rows"
        notes.append(f"{name + ': ' if task.n_targets > 1 else ''}{good}, MAE {mae:.3g} {unit}".strip())
    covered = [share for share in result.get("covered", []) if share is not None]
    held = f" 90 % intervals hold {sum(covered) / len(covered):.0%} of their values." if covered else ""
    doubt = trust.warning(task, result["r2"])
    return f"{'; '.join(notes)} on {result['n']:,} held-out rows.{held}{' ' if doubt else ''}{doubt}"


def describe_accuracy(task: Task, method: Loaded) -> str:
    """Held-out accuracy of a method's surrogate, as a sentence."""
    return accuracy_text(task, held_out(method))


def named_beside(task: Task, method: Loaded, solutions: Solutions, frame: pd.DataFrame) -> pd.DataFrame:
    """``solutions.csv`` with the table's own names, the columns that replace an Ω, and intervals as text."""
    frame = named(task, beside(task, method, solutions, frame))
    if "low1" not in frame:
        return frame
    assert task.models_folder is not None
    texts = {}
    for j, column in enumerate(read_card(task.models_folder)["y"], start=1):
        ends = zip(frame[f"low{j}"], frame[f"high{j}"], strict=True)
        texts[f"{column['name']} (90 %)"] = [trust.interval_text(low, high) for low, high in ends]
    return frame.assign(**texts)


def summary(task: Task, method: Loaded, solutions: Solutions, frame: pd.DataFrame) -> dict[str, Any]:
    """Summary of designs that no Ω can verify; ``frame`` comes from :func:`named_beside`."""
    final = frame[frame["stage"] == frame["stage"].iloc[-1]]
    more: dict[str, Any] = {"median_distance_to_measured": float(f"{final['nearest_distance'].median():.4g}")}
    more["held_out"] = held_out(method)
    result = trust.trust(
        task, method, solutions.final, solutions.y_star, solutions.target, restrictions=solutions.constraints
    )
    if result is not None:
        more["intervals"] = trust.intervals(task, result)
        if advice := trust.advice(task, result):
            more["advice"] = advice
    return more


def spread(method: Loaded, x: Tensor) -> Tensor | None:
    """Standard deviation of the method's surrogates at designs (n, d) → (n, m); None for a single surrogate."""
    surrogate = method.surrogate
    if not isinstance(surrogate, Network):
        return None
    with torch.no_grad():
        result = surrogate.spread(x.to(method.device, surrogate.reads))
    return None if result is None else result.cpu().double()


def nearest(task: Task, x: Tensor, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """For designs (n, d), the index of the nearest measured row (n,), and its distance (n,) in widths of the box.

    The distance is Euclidean. Coordinates are in widths of the box; two levels of a category are one apart. ``rows``:
    the known designs (k, d), at least one; None: those of the user's table.
    """
    assert task.models_folder is not None
    known = measured(task.models_folder).x if rows is None else rows
    tree = cKDTree(in_widths(task, known).numpy())
    distance, index = tree.query(in_widths(task, x).numpy())
    return torch.from_numpy(np.atleast_1d(index)), torch.from_numpy(np.atleast_1d(distance))


def beside(task: Task, method: Loaded, solutions: Solutions, frame: pd.DataFrame) -> pd.DataFrame:
    """``solutions.csv`` of a task of own data, with columns that replace an Ω.

    Added columns: ``spread1..M`` of the surrogates (NaN for a single one), ``nearest_row`` of the file it came
    from, ``nearest_distance`` in widths of the box, ``nearest_y1..M`` as measured. ``expected_misfit`` of a measurement
    is the root mean square over the properties, in tolerances. ``closest_row`` is the measured row
    closest to the target among those that obey the constraints, ``closest_misfit`` its misfit in the same unit,
    ``row_is_closer`` whether this is less.
    ``basis`` says what the design rests on: a predicted interval, a prediction alone, or a measured row that it equals.
    """
    assert task.models_folder is not None
    x = torch.from_numpy(frame[[f"x{j + 1}" for j in range(task.d)]].to_numpy(dtype=np.float64, copy=True))
    doubt, (index, distance), rows = spread(method, x), nearest(task, x), measured(task.models_folder)
    added: dict[str, Any] = {
        f"spread{j + 1}": math.nan if doubt is None else doubt[:, j].numpy() for j in range(task.n_targets)
    }
    added |= {"nearest_row": rows.row[index].numpy(), "nearest_distance": distance.numpy()}
    added |= {f"nearest_y{j + 1}": rows.y[index, j].numpy() for j in range(task.n_targets)}
    y_star = torch.from_numpy(
        frame[[f"target{j + 1}" for j in range(task.n_targets)]].to_numpy(dtype=np.float64, copy=True)
    )
    result = trust.trust(task, method, x, y_star, solutions.target, restrictions=solutions.constraints)
    if result is not None:
        row = pd.Series(rows.row[result.row].numpy(), index=frame.index, dtype="Int64")
        known = result.row_misfit.isfinite().numpy()
        added |= {"expected_misfit": result.expected.numpy(), "closest_row": row.where(known)}
        off = np.where(known, result.row_misfit.numpy(), math.nan)
        added |= {"closest_misfit": off, "row_is_closer": result.row_is_closer.numpy()}
    added["basis"] = frame["basis"].mask(pd.Series(distance.numpy() == 0, index=frame.index), MEASURED)
    return frame.assign(**added)


def to_measure(task: Task, method: Loaded, x: Tensor, y_star: Tensor, k: int) -> pd.DataFrame:
    """Of candidates (n, d) for targets (n, m), the k to measure or simulate next, under the table's own column names.

    Half are chosen for *value*: the most likely hits, by the surrogates' mean, their spread and the
    held-out rows. Half are chosen for *information*: large spread, and no measured or chosen design near. The
    best by value comes first. Columns of properties are empty: once filled in, the file is another round of data.

    Raises:
        ValueError: the method has a single surrogate, or k is less than 1.
    """
    if k < 1:
        raise ValueError(f"Expected at least 1 candidate, got {k}")
    doubt = spread(method, x)
    if doubt is None or method.surrogate is None:
        raise ValueError(f"{method.name} has no ensemble of surrogates to choose with; 'ipage' has")
    assert task.models_folder is not None
    calibrated = isinstance(method.surrogate, TableSurrogate)
    tested = held_out(method).get("error_per_spread", [1.0] * task.n_targets)
    scale = torch.ones(task.n_targets) if calibrated else torch.tensor(tested, dtype=torch.float64).clamp(min=1.0)
    with torch.no_grad():
        kind = torch.float64 if calibrated else torch.float32
        predicted = method.surrogate(x.to(method.device, kind)).cpu().double()
    sd = (doubt * scale).clamp(min=1e-300)
    wanted = y_star.cpu().double()
    each = [[one.tolerance_at(value) for one, value in zip(task.targets, row, strict=True)] for row in wanted.tolist()]
    log_odds = _log_chance(predicted - wanted, sd, torch.tensor(each, dtype=torch.float64))
    _, distance = nearest(task, x)
    chosen, why = _choose(log_odds, (sd / sd.mean(0)).norm(dim=1), distance, in_widths(task, x), k)
    index, _ = nearest(task, x[chosen])
    card, rows = read_card(task.models_folder), measured(task.models_folder)
    columns: dict[str, Any] = {"candidate": range(1, len(chosen) + 1), "why": why}
    columns |= {
        c["name"]: [task.variables[j].show(value) for value in x[chosen, j].double().tolist()]
        for j, c in enumerate(card["x"])
    }
    columns |= {c["name"]: math.nan for c in card["y"]}
    for j, c in enumerate(card["y"]):
        columns |= {
            f"{c['name']} target": y_star[chosen, j].double().numpy(),
            f"{c['name']} predicted": predicted[chosen, j].numpy(),
            f"{c['name']} spread": doubt[chosen, j].numpy(),
            f"{c['name']} of nearest row": rows.y[index, j].numpy(),
        }
    return pd.DataFrame(columns | {"nearest row": rows.row[index].numpy(), "distance": distance[chosen].numpy()})


def _log_chance(misfit: Tensor, sd: Tensor, tolerance: Tensor) -> Tensor:
    """log P(|misfit + sd·N(0, 1)| ≤ tolerance), summed over properties. (n, m) three times → (n,)."""
    upper, lower = (tolerance - misfit) / sd, (-tolerance - misfit) / sd
    chance = torch.special.ndtr(upper) - torch.special.ndtr(lower)
    return chance.clamp(min=1e-30).log().sum(1)


def _choose(value: Tensor, doubt: Tensor, distance: Tensor, unit: Tensor, k: int) -> tuple[list[int], list[str]]:
    """Alternate between the best design by value and by doubt × distance to measured or chosen designs.

    Designs that lie within ``APART`` of a chosen one, or equal a measured one, are left out.
    """
    left = distance > 0
    away, chosen, why = distance.clone(), list[int](), list[str]()
    for turn in range(min(k, len(value))):
        reason = VALUE if turn % 2 == 0 else INFORMATION
        score = value if reason == VALUE else doubt * away
        if not left.any():  # all remaining designs repeat measured or chosen ones
            break
        best = int(torch.where(left, score, -math.inf).argmax())
        chosen.append(best)
        why.append(reason)
        from_it = (unit - unit[best]).norm(dim=1)
        left &= from_it > APART
        away = torch.minimum(away, from_it)
    return chosen, why
