"""Options of the command line for several properties of a cell at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ipage_core.problem.goal import expression
from ipage_core.problem.names import find
from ipage_core.problem.options import USUAL, Options
from ipage_core.problem.target import Target
from ipage_core.problem.watch import watched
from ipage_core.runtime.executor import Progress
from ipage_core.runtime.text import parts_of
from ipage_core.tasks.cells.features import parse_feature
from ipage_core.tasks.cells.goal_design import GoalDesigns, cell_goals, design
from ipage_core.tasks.cells.goals import Goal
from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD
from ipage_core.tasks.cells.properties import cell_property

QUIET = 3.0
"""Seconds before a run reports its progress."""
OWN: dict[str, Any] = {"mesh": "pixel", "side": 32, "feature": "2", "cell_mm": 10.0, "starts": "nearest,noise,motif"}
"""Options that the solver takes, with their defaults."""
OF_THE_NETWORKS = {
    "tolerance": 1.0,
    **{
        name: USUAL[name]
        for name in (
            *("targets", "method", "model", "sampling", "omega_evals", "finish", "seed_design", "optimizer", "steps"),
            *("spread", "fill", "to_measure"),
        )
    },
}
"""Options, with their defaults, that have no meaning where the operator itself is descended."""


def _in_cell_properties(goals: Sequence[str]) -> bool:
    """Whether a goal concerns a cell property in units of E_s rather than the task's own y.

    Raises:
        ValueError: a goal concerns neither.
    """
    from ipage_core.tasks.cells.task import TASK

    own, labels = [], [target.name for target in TASK.targets]
    for name in (expression(said)[0] for said in goals):
        own.append(find(name, labels, position="y") is not None)
        if not own[-1]:
            cell_property(name)
    if any(own) and not all(own):
        raise ValueError(f"{labels[0]} goes with no other goal; accepted with others: E_x, in units of E_s")
    return bool(goals) and not own[0]


def design_goals(options: Any) -> GoalDesigns | None:
    """Designs for the options of ``design``; None if localization runs on the surrogate.

    Raises:
        ValueError: a goal, a constraint or a number is invalid, or an option does not apply here.
    """
    several = _in_cell_properties(options.goal or ())
    if options.localize_on not in (None, "surrogate", "omega"):
        raise ValueError(f"localize_on '{options.localize_on}' is not known; accepted: surrogate, omega")
    if several and options.localize_on == "surrogate":
        said = f"{_flag(options, 'localize_on')} surrogate: the network knows E_x alone, as its z-score"
        raise ValueError(f"{said}; accepted with goals in E_s: omega")
    if not several and options.localize_on != "omega":
        for name in OWN:
            if getattr(options, name) is not None:
                said = f"goals such as E_x=0.3, or {_flag(options, 'localize_on')} omega"
                raise ValueError(f"{_flag(options, name)} needs {said}")
        return None
    for name, usual in OF_THE_NETWORKS.items():
        if getattr(options, name, usual) != usual:  # the factor on tolerances is no option of the command line
            raise ValueError(
                f"{_flag(options, name)} has no meaning where the operator itself is descended; leave it out"
            )
    if options.verify == "none":
        raise ValueError(
            f"{_flag(options, 'verify')} none has no meaning where the operator itself is descended: it verifies every "
            "design"
        )
    own = {name: usual if getattr(options, name) is None else getattr(options, name) for name, usual in OWN.items()}
    goals = [goal for said in options.goal for goal in cell_goals(*expression(said))] if several else _target(options)
    return design(
        goals,
        options.n,
        expressions=parts_of(*options.constrain),
        mesh=own["mesh"],
        side=own["side"],
        feature=parse_feature(str(own["feature"]), own["cell_mm"], own["side"]),
        cell_mm=own["cell_mm"],
        starts=[
            kind.strip() for kind in (own["starts"].split(",") if isinstance(own["starts"], str) else own["starts"])
        ],
        seed=options.seed,
        progress=_reported(options.n),
    )


def _reported(n: int) -> Callable[[int], None]:
    """Passes the number of finished designs to whoever watches, once a run has taken a while."""
    watch, began = watched(), time.monotonic()

    def progress(done: int) -> None:
        passed = time.monotonic() - began
        if watch.progress is not None and passed > QUIET:
            watch.progress(Progress(done, n, passed / done * (n - done), None, None))

    return progress


def _target(options: Any) -> list[Goal]:
    """The task's own target, a z-score of E_x, as goals in E_s."""
    from ipage_core.tasks.cells.task import TASK

    wanted = Target.parse(TASK, options.target) if options.goal is None else Target.from_goals(TASK, options.goal)
    z = wanted.goals[0]
    tolerance = TASK.targets[0].tolerance if z.tolerance is None else z.tolerance
    return cell_goals(
        "E_x",
        replace(z, low=E_X_MEAN + E_X_SD * z.low, high=E_X_MEAN + E_X_SD * z.high, tolerance=E_X_SD * tolerance),
    )


def _flag(options: Any, name: str) -> str:
    """An option's name as the user gave it: in Python, or on the command line."""
    return name if isinstance(options, Options) else "--" + name.replace("_", "-")
