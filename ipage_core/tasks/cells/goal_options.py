"""Options of the command line for several properties of a cell at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ipage_core.problem.target import expression
from ipage_core.tasks.cells.features import parse_feature
from ipage_core.tasks.cells.goal_design import GoalDesigns, cell_goals, design
from ipage_core.tasks.cells.properties import cell_property


def _asked(goals: Sequence[str]) -> bool:
    """Whether a goal concerns a cell property in units of E_s rather than the task's own y."""
    for said in goals:
        name, _ = expression(said)
        try:
            cell_property(name)
        except ValueError:
            continue
        return True
    return False


def design_goals(options: Any) -> GoalDesigns | None:
    """Designs for the options of ``design``; None if the goals are targets of the task.

    Raises:
        ValueError: a goal, a constraint or a number is invalid, or an option does not apply here.
    """
    if not _asked(options.goal or ()):
        return None
    for name, value in (("--seed-design", options.seed_design), ("--to-measure", options.to_measure)):
        if value is not None:
            raise ValueError(f"{name} has no meaning for cells with --goal; leave it out")
    goals = [goal for said in options.goal for goal in cell_goals(*expression(said))]
    return design(
        goals,
        options.n,
        expressions=[part for text in options.constrain for part in text.split(";") if part.strip()],
        mesh=options.mesh,
        side=options.side,
        feature=parse_feature(options.feature, options.cell_mm, options.side),
        seed=options.seed,
    )
