"""Panel of ballistics."""

from __future__ import annotations

from app.components import words
from app.figures.run import Run
from app.tasks.ballistics import figure as drawn
from app.tasks.panel import TaskPanel


class BallisticsPanel(TaskPanel):
    """Throws that all land on one mark."""

    any_plane = False
    figure = staticmethod(drawn.figure)
    picture = staticmethod(drawn.picture)

    def caption(self, run: Run) -> str:
        return words.caption(
            run,
            "Each line is a throw; all should land on the target (green). Grey ticks under the ground are where "
            "throws of the prior land, unaimed.",
        )


PANEL = BallisticsPanel()
