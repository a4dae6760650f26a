"""Panel of the robotic arm, for both conventions of its angles."""

from __future__ import annotations

import numpy as np
import torch

from app.components import formula, words
from app.figures.run import Run
from app.tasks.panel import TaskPanel
from app.tasks.robotic_arm import figure as drawn
from app.tasks.robotic_arm.sketch import arm
from ipage_core.problem.task import Task

OMEGA = (
    r"\Omega(x) = \begin{pmatrix} \tfrac12\cos\theta_1 + \tfrac12\cos\theta_2 + \cos\theta_3 \\ "
    r"x_1 + \tfrac12\sin\theta_1 + \tfrac12\sin\theta_2 + \sin\theta_3 \end{pmatrix} \\[4pt] "
)
ANGLES = {
    "robotic_arm": r"\theta = (x_2,\; x_3 - x_2,\; x_4 - x_2 - x_3)",
    "robotic_arm_kruse": r"\theta = (x_2,\; x_2 + x_3,\; x_2 + x_3 + x_4)",
}
"""The angles of the segments, by the published convention."""


class ArmPanel(TaskPanel):
    """Arms that reach for one point."""

    any_plane = False
    plane = (1, 2)  # the joints that a target narrows most, in the first convention
    sketch = staticmethod(arm)

    def explain(self, task: Task, dark: bool) -> None:
        formula.show(task, OMEGA + ANGLES[task.name], self.sketch(dark))

    def handles(self, task: Task, x: np.ndarray) -> np.ndarray:
        return drawn.linkages(task.name, x[None])[0]

    def dragged(self, task: Task, x: np.ndarray, handle: int, to: np.ndarray) -> np.ndarray:
        """The mount slides on its rail; a joint turns the segment that ends in it and carries the rest along."""
        if handle == 0:
            return np.array([to[1], *x[1:]])
        angles = drawn.ANGLES[task.name](torch.from_numpy(x[None]))[0].numpy().copy()
        before = self.handles(task, x)[handle - 1]
        angles[handle - 1] = np.arctan2(*(to - before)[::-1])
        return np.array([x[0], *drawn.relative_angles(task.name, angles)])

    figure = staticmethod(drawn.figure)
    picture = staticmethod(drawn.picture)

    def caption(self, run: Run) -> str:
        return words.caption(
            run,
            f"Each line is an arm on its rail{words.drawn(run, drawn.DRAWN)}; all hands should meet at the target "
            "(green). One arm is drawn thick. Grey dots are where hands of the prior end up, unaimed.",
        )


PANEL = ArmPanel()
