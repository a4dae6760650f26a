"""Options of the command ``design`` as Python sets them, for tasks that design for goals beyond their targets."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from ipage_core.problem.goal import VALUES, read_goal
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task

USUAL: dict[str, Any] = {
    "target": None,
    "targets": None,
    "model": None,
    "method": None,
    "sampling": "maximin",
    "seed": 0,
    "verify": "auto",
    "omega_evals": 0,
    "finish": False,
    "seed_design": None,
    "optimizer": "lm",
    "steps": None,
    "spread": "off",
    "fill": None,
    "fill_seconds": None,
    "to_measure": None,
}
"""Defaults of the options, as on the command line."""
RENAMED = {"start": "seed_design"}
"""Settings of Python that have another name on the command line."""


class Options(SimpleNamespace):
    """Options with the names of the command line's, without its dashes."""


def from_python(task: Task, target: Any, n: int, settings: Mapping[str, Any]) -> Options:
    """The options for a target or for goals, with every setting that is not given at its default.

    Args:
        task: with ``design_goals``.
        target: a dict of goals by property, or a target as :meth:`Target.of` takes it.
        n: number of designs.
        settings: of :func:`ipage_core.design`.

    Raises:
        ValueError: a goal or a target is not understood, or n is not a whole number.
    """
    if not hasattr(n, "__index__"):
        raise ValueError(f"Expected a whole number of designs, got {n!r}")
    constraints = settings.get("constraints", ())
    given = {RENAMED.get(name, name): value for name, value in settings.items() if name != "constraints"}
    return Options(
        **{
            **USUAL,
            **dict.fromkeys(task.goal_settings),
            **given,
            "n": int(n),
            "goal": _expressions(task, target),
            "constrain": [constraints] if isinstance(constraints, str) else [str(part) for part in constraints],
        }
    )


def _expressions(task: Task, target: Any) -> list[str]:
    """The goals in the syntax of ``--goal``."""
    if not isinstance(target, Mapping):
        goals = enumerate(Target.of(task, target).goals)
        return [text for j, goal in goals if (text := goal.named(f"y{j + 1}"))]
    expressions = []
    for name, value in target.items():
        try:
            expressions.append(read_goal(value).named(str(name)))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"The goal {value!r} for {name} is not understood ({error}); accepted: a number, an interval "
                f"(low, high), a Goal, or text such as {VALUES}"
            ) from None
    if not any(expressions):
        raise ValueError(
            f"At least one goal is needed, such as {{'{task.property_labels[0]}': {task.example_target.split(',')[0]}}}"
        )
    return [text for text in expressions if text]
