"""Panel of ballistics."""

from __future__ import annotations

from app.components import words
from app.figures.run import Run
from app.tasks.ballistics import figure as drawn
from app.tasks.ballistics.sketch import throw
from app.tasks.panel import TaskPanel


class BallisticsPanel(TaskPanel):
    """Throws that all land on one mark."""

    any_plane = False
    plane = (2, 3)  # angle and v₀: a target narrows them most, and x₀ and y₀ hardly
    sketch = staticmethod(throw)
    formula = (
        r"\begin{gathered} \Omega(x) = x_0 + v_0\cos\alpha\,\tfrac{m}{k}\,(1 - e^{-kt/m}) \;\text{ at the time } t "
        r"\text{ with} \\ y_0 + \tfrac{m}{k^2}\big[(g m + k\,v_0 \sin\alpha)(1 - e^{-kt/m}) - g k t\big] = 0 \\ "
        r"\alpha:\,\text{angle},\; m = 0.2\,\text{kg},\; k = 0.25\,\text{kg/s},\; g = 9.81\,\text{m/s}^2 \\ "
        r"k:\,\text{drag of the air, which opposes the velocity} \end{gathered}"
    )
    figure = staticmethod(drawn.figure)
    picture = staticmethod(drawn.picture)

    def caption(self, run: Run) -> str:
        return words.caption(
            run,
            f"Each line is a throw{words.drawn(run, drawn.DRAWN)}; all should land on the target (green). "
            "Grey ticks under the ground are where throws of the prior land, unaimed.",
        )


PANEL = BallisticsPanel()
