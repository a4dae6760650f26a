"""Panel of the robotic arm, for both conventions of its angles."""

from __future__ import annotations

from app.components import words
from app.figures.run import Run
from app.tasks.panel import TaskPanel
from app.tasks.robotic_arm import figure as drawn


class ArmPanel(TaskPanel):
    """Arms that reach for one point."""

    any_plane = False
    figure = staticmethod(drawn.figure)
    picture = staticmethod(drawn.picture)

    def caption(self, run: Run) -> str:
        return words.caption(
            run,
            "Each line is an arm on its rail; all hands should meet at the target (green). One arm is drawn thick. "
            "Grey dots are where hands of the prior end up, unaimed.",
        )


PANEL = ArmPanel()
