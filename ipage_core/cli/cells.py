"""Options of cells: several properties at once for ``design``; layout and material for ``export``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipage_core.problem.task import Task

DESIGN = ("localize_on", "mesh", "side", "feature", "cell_mm", "starts")
EXPORT = ("tiles", "cell_mm", "thickness_mm", "material", "young_gpa")
"""Names of the options below; None where one is not given."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``design`` for cells only."""
    group = parser.add_argument_group("cells, with --goal or --localize-on omega")
    group.add_argument(
        "--localize-on",
        choices=["surrogate", "omega"],
        help="omega: descend the operator itself (default for goals in E_s); surrogate: the network (default for "
        "--target)",
    )
    group.add_argument("--mesh", choices=["pixel", "converged"], help="what counts as verified (default: pixel)")
    group.add_argument("--side", type=int, metavar="PIXELS", help="32 (default), 48 or 64")
    group.add_argument(
        "--feature",
        metavar="LENGTH",
        help="thinnest wall and narrowest gap, in pixels or mm: 2 (default: it can be printed), 1 (any), 0.6mm",
    )
    group.add_argument("--cell-mm", type=float, metavar="MM", help="width of a cell, for a feature in mm (default 10)")
    group.add_argument(
        "--starts",
        metavar="KINDS",
        help="any of nearest, noise, motif, posterior, separated by commas (default: nearest,noise,motif)",
    )


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``export`` for cells only."""
    group = parser.add_argument_group("cells")
    group.add_argument("--tiles", metavar="NXxNY", help="cells along x and along y (default 3x3)")
    group.add_argument("--cell-mm", type=float, metavar="MM", help="width of a cell (default 10)")
    group.add_argument("--thickness-mm", type=float, metavar="MM", help="height of STL and 3MF (default 5)")
    group.add_argument("--material", metavar="NAME", help="name of the solid, for the file")
    group.add_argument(
        "--young-gpa", type=float, metavar="GPA", help="its E_s; the file then states moduli in GPa, else in E_s"
    )


def goal_designs(task: Task, options: Any) -> Any:
    """The designs of a task that solves goals of its own; None: the goals are targets of the task.

    Raises:
        ValueError: an option of cells is given where it has no meaning, or a goal is not accepted.
    """
    if task.design_goals is not None:
        return task.design_goals(options)
    _refuse(task, options, DESIGN)
    return None


def export_settings(task: Task, options: Any) -> dict[str, Any]:
    """Settings of the task's files.

    Raises:
        ValueError: an option of cells is given for another task, or is not accepted.
    """
    if task.export_settings is not None:
        return dict(task.export_settings(options))
    _refuse(task, options, EXPORT)
    return {}


def _refuse(task: Task, options: Any, names: tuple[str, ...]) -> None:
    for name in names:
        if getattr(options, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} has no meaning for {task.name}; leave it out")
