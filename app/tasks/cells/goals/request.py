"""The request of the page of goals, and its text form in the address and on the command line."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import cast, get_args
from urllib.parse import urlencode

from ipage_core.problem.goal import expression
from ipage_core.runtime.text import parts_of
from ipage_core.tasks.cells.features import parse_feature
from ipage_core.tasks.cells.goal_design import GoalDesigns, cell_goals, design
from ipage_core.tasks.cells.goals import Goal
from ipage_core.tasks.cells.mesh import Mesh

COUNTS = (1, 4, 16, 32, 64)
SIDES = (32, 48, 64)
MOST_SEED = 10**6
WIDTHS = (0.01, 1000.0)
"""Accepted widths of a cell, in mm."""
EXAMPLES: dict[str, str] = {
    "Four moduli": "E_x=0.35; E_y=0.25; nu_xy=0.3; G_xy=0.07",
    "Isotropic and auxetic": "E_x=0.05±3%; E_y=0.05±3%; nu_xy=-0.3±0.02; G_xy=0.0357±3%; eta_x=0±0.02; eta_y=0±0.02",
    "Stiff and light": "E_x>=0.3; E_y>=0.3; minimize volume",
    "Stiff along the diagonal": "E(45)=0.3; E_x<=0.15; E_y<=0.15",
}
"""Example goals, by application."""


@dataclass(frozen=True)
class GoalRequest:
    """A request of the page; equal requests give equal designs."""

    goals: tuple[str, ...]
    """In the syntax of ``--goal``."""
    n: int = 16
    seed: int = 0
    side: int = 32
    feature: str = "2"
    """In the syntax of ``--feature``: pixels, or ``0.6mm``."""
    cell_mm: float = 10.0
    mesh: str = "pixel"
    constraints: tuple[str, ...] = ()

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> GoalRequest:
        """Read from an address; missing or invalid settings take their defaults."""

        def number(name: str, usual: int, accepted: Collection[int]) -> int:
            text = query.get(name, "")
            return int(text) if text.isdecimal() and len(text) < 9 and int(text) in accepted else usual

        parts = {name: parts_of(query.get(name, "")) for name in ("goals", "c")}
        mesh, width = query.get("mesh", cls.mesh), query.get("cell", "")
        sized = width.replace(".", "", 1).isdecimal() and WIDTHS[0] <= float(width) <= WIDTHS[1]
        return cls(
            parts["goals"] or parts_of(EXAMPLES["Four moduli"]),
            number("n", cls.n, COUNTS),
            number("seed", cls.seed, range(MOST_SEED + 1)),
            number("side", cls.side, SIDES),
            query.get("feature", cls.feature)[:12],
            float(width) if sized else cls.cell_mm,
            mesh if mesh in get_args(Mesh) else cls.mesh,
            parts["c"],
        )

    def query(self) -> dict[str, str]:
        """The settings that differ from the defaults, for the address."""
        said = self.settings()
        usual = GoalRequest(()).settings()
        return {name: value for name, value in said.items() if value != usual.get(name)}

    def settings(self) -> dict[str, str]:
        """All settings, as an address writes them."""
        return {
            "goals": "; ".join(self.goals),
            "n": str(self.n),
            "seed": str(self.seed),
            "side": str(self.side),
            "feature": self.feature,
            "cell": f"{self.cell_mm:g}",
            "mesh": self.mesh,
            "c": "; ".join(self.constraints),
        }

    def link(self) -> str:
        """The query part of an address, after the question mark."""
        return urlencode(self.query())

    def command(self) -> str:
        """The command that gives the same designs."""
        words = ["python", "-m", "ipage_core", "design", "architecture", "--n", str(self.n), "--seed", str(self.seed)]
        for goal in self.goals:
            words += ["--goal", goal]
        for text in self.constraints:
            words += ["--constrain", text]
        words += ["--side", str(self.side), "--feature", self.feature, "--mesh", self.mesh]
        words += ["--cell-mm", f"{self.cell_mm:g}"] if self.feature.endswith("mm") else []
        return shlex.join([*words, "--out", "cells.csv"])

    def parsed(self) -> list[Goal]:
        """The goals, one by one.

        Raises:
            ValueError: one is not understood, or its numbers cannot be.
        """
        return [goal for said in self.goals for goal in cell_goals(*expression(said))]

    def run(self, **more: object) -> GoalDesigns:
        """The designs, with the history of each.

        Raises:
            ValueError: a goal, a constraint or a number is not accepted.
        """
        return design(
            self.parsed(),
            self.n,
            expressions=self.constraints,
            mesh=cast(Mesh, self.mesh),
            side=self.side,
            feature=parse_feature(self.feature, self.cell_mm, self.side),
            cell_mm=self.cell_mm,
            seed=self.seed,
            record=True,
            **more,  # type: ignore[arg-type]
        )
