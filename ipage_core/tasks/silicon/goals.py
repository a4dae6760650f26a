"""Goals beyond the gap on the command line: bounds become constraints; an extreme property is found by descent.

``--goal "gap=0.3" --goal "minimize energy"`` gives the least elastic energy at that gap; ``--goal "pressure<=1"`` and
similar goals use the surrogate.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ipage_core.problem.goal import Goal, expression
from ipage_core.problem.names import find
from ipage_core.problem.target import Target
from ipage_core.runtime.text import parts_of
from ipage_core.tasks.crystal.families import merged
from ipage_core.tasks.silicon.ranking import RADIUS, distances

NAMES = {1: "direct", 2: "energy", 3: "pressure", 4: "valley"}
"""Index of a property → its name in constraints."""
UNITS = {1: "eV", 2: "eV", 3: "GPa", 4: ""}


def design_goals(options: Any) -> Any:
    """Designs for the options of ``design``; None if the gap is the only goal.

    Raises:
        ValueError: a goal is not accepted, the gap has none, or an option does not apply here.
    """
    from ipage_core.tasks.silicon.task import TASK

    labels = (*TASK.property_labels,)
    own: list[str] = []
    others: dict[int, Goal] = {}
    for said in options.goal or ():
        name, goal = expression(said)
        j = find(_full(name), labels, position="y")
        if j is None:
            raise ValueError(f"property '{name}' is not known; accepted: {', '.join(labels)}")
        if j == 0:
            own.append(said)
        elif j in others:
            raise ValueError(f"--goal '{said}': '{name}' has a goal already; accepted: one for each property")
        else:
            others[j] = goal
    if not others:
        options.goal = [_with_full_name(said) for said in own] or options.goal
        return None
    if not own:
        raise ValueError("--goal: the gap needs a goal too, e.g. --goal 'PBE gap=0.3'")
    extremes = {j: goal for j, goal in others.items() if goal.kind in ("minimize", "maximize")}
    if len(extremes) > 1 or 4 in extremes:
        raise ValueError("--goal: accepted is the least or greatest of one of direct gap, elastic energy and pressure")
    bounds = [text for j, goal in others.items() if j not in extremes for text in _constraints(j, goal)]
    target = Target.from_goals(TASK, [f"PBE gap{_after_name(said)}" for said in own])
    return _designed(options, target, tuple(bounds), extremes)


def _full(name: str) -> str:
    """Full name of a property: 'gap' alone is the PBE gap."""
    short = {"gap": "PBE gap", "direct": "direct PBE gap", "direct gap": "direct PBE gap", "energy": "elastic energy"}
    return short.get(name.strip().lower(), {"valley": "lowest valley"}.get(name.strip().lower(), name))


def _with_full_name(said: str) -> str:
    name, _ = expression(said)
    return said.replace(name, _full(name), 1)


def _after_name(said: str) -> str:
    name, _ = expression(said)
    if said.strip().lower().startswith(("minimi", "maximi", "anything")):
        raise ValueError(f"--goal '{said}': beside goals on other properties the gap needs a number or an interval")
    return said.strip()[len(name) :]


def _constraints(j: int, goal: Goal) -> list[str]:
    """Translate a goal into constraints for :func:`ipage_core.tasks.silicon.constraints.words`."""
    name, unit = NAMES[j], UNITS[j]
    if goal.kind == "anything":
        return []
    if j == 4:
        if goal.kind != "exactly":
            raise ValueError(f"--goal on the lowest valley: accepted is an axis, {name}=1, 2 or 3")
        return [f"{name}={goal.low:g}"]
    if goal.kind == "exactly" and goal.tolerance is None:
        return [f"{name}={goal.low!r}{unit}"]
    slack = goal.tolerance or 0.0
    low = [f"{name}>={goal.low - slack!r}{unit}"] if math.isfinite(goal.low) else []
    return low + ([f"{name}<={goal.high + slack!r}{unit}"] if math.isfinite(goal.high) else [])


def different(strains: NDArray[np.float64]) -> int:
    """How many of the strains (n, 6) are different crystals: apart from each other's images by ``RADIUS`` at least."""
    return len(np.unique(merged(distances(strains, strains), range(len(strains)), RADIUS)))


def _designed(options: Any, target: Target, bounds: tuple[str, ...], extremes: dict[int, Goal]) -> Any:
    from ipage_core.inference.methods import load
    from ipage_core.inference.prediction import interval, rows_behind
    from ipage_core.inference.verification import Verification, rows_to_verify, verify
    from ipage_core.problem import constraints
    from ipage_core.problem.request import DesignRequest
    from ipage_core.tasks.silicon.least import extreme, in_double
    from ipage_core.tasks.silicon.task import TASK

    said = parts_of(*options.constrain)
    request = DesignRequest(
        TASK,
        target,
        options.method or TASK.default_method,
        n=options.n,
        sampling=options.sampling,
        seed=options.seed,
        constraints=(*said, *bounds),
        omega_evals=0 if extremes else options.omega_evals,
        verify="none" if extremes else options.verify,
        spread=options.spread,
    )
    method = load(TASK, request.method, models=options.model)
    solutions = request.run(method)
    if not extremes or solutions.localized is None:
        return solutions
    [(j, goal)] = extremes.items()
    network: Any = method.surrogate
    space = constraints.parse(TASK, request.constraints) if request.constraints else None
    sign, exact = (1.0 if goal.kind == "minimize" else -1.0), in_double(network)
    ended, strains = [], solutions.localized.double().clone()
    for i, y in enumerate(solutions.y_star[:, 0].tolist()):
        [one] = extreme(exact, strains[i : i + 1], y, NAMES[j], sign, space)
        ended.append(one is not None)
        if one is not None:
            strains[i] = torch.from_numpy(one.strain)
    with torch.no_grad():
        predicted = exact.properties(strains)
    best = predicted[torch.tensor(ended), j] if any(ended) else predicted[:, j]
    least = float(best.min() if sign > 0 else best.max())
    note = f"{sum(ended)} of {len(ended)} designs reached the {'least' if sign > 0 else 'greatest'} {NAMES[j]} near "
    note += f"them, by the surrogate; the best has {least:.4g} {UNITS[j]}{' per atom' if j == 2 else ''}."
    if (count := different(strains[torch.tensor(ended)].numpy())) < sum(ended):
        note += f" Modulo symmetry they are {count} different crystal{'' if count == 1 else 's'}."
    y_star = solutions.y_star
    which = rows_to_verify(TASK, len(strains), options.verify, options.seed)
    verification = verify(TASK, strains, y_star, which) if which.any() else Verification.nowhere(TASK, len(strains))
    return replace(
        solutions,
        localized=strains,
        surrogate=predicted[:, :1],
        interval=(ends := interval(method, strains)),
        calibrated_on="" if ends is None else rows_behind(method),
        verification=verification,
        path=None,
        omega_calls=solutions.omega_calls + verification.calls,
        note=note,
    )
