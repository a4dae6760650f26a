"""``design architecture --goal``: several properties of a cell at once, met on the operator itself."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipage_core.tasks.cells.goal_design import GoalDesigns


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``design`` that only cells know."""
    group = parser.add_argument_group("architecture with --goal")
    group.add_argument(
        "--localize-on", choices=["omega"], default="omega", help="descend the operator itself (default)"
    )
    group.add_argument("--mesh", choices=["pixel", "converged"], default="pixel", help="what counts as verified")
    group.add_argument("--side", type=int, default=32, metavar="PIXELS", help="32 (default), 48 or 64")
    group.add_argument("--feature", type=int, default=1, metavar="PIXELS", help="thinnest wall and narrowest gap")


def asked(goals: list[str]) -> bool:
    """Whether a goal is about a property of cells in units of E_s, and not about the task's own y."""
    from ipage_core.problem.target import expression
    from ipage_core.tasks.cells.properties import cell_property

    for said in goals:
        name, _ = expression(said)
        try:
            cell_property(name)
        except ValueError:
            continue
        return True
    return False


def design(arguments: argparse.Namespace) -> GoalDesigns:
    """What the options ask for.

    Raises:
        ValueError: a goal, a constraint or a number is not accepted, or an option has no meaning here.
    """
    from ipage_core.problem.target import expression
    from ipage_core.tasks.cells.goal_design import cell_goals
    from ipage_core.tasks.cells.goal_design import design as solve

    for name, value in (("--seed-design", arguments.seed_design), ("--to-measure", arguments.to_measure)):
        if value is not None:
            raise ValueError(f"{name} has no meaning for cells with --goal; leave it out")
    goals = [goal for said in arguments.goal for goal in cell_goals(*expression(said))]
    return solve(
        goals,
        arguments.n,
        expressions=[part for text in arguments.constrain for part in text.split(";") if part.strip()],
        mesh=arguments.mesh,
        side=arguments.side,
        feature=arguments.feature,
        seed=arguments.seed,
    )
