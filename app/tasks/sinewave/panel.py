"""Panel of the sine wave: the square of designs, and loops that light up."""

from __future__ import annotations

from app.components import words
from app.figures.run import Run
from app.tasks.panel import TaskPanel
from app.tasks.sinewave import figure as drawn


class SinewavePanel(TaskPanel):
    """Two coordinates, so the whole problem is visible."""

    any_plane = False
    formula = r"y = \Omega(x) = \sin 3\pi x_1 + \cos 3\pi x_2"
    figure = staticmethod(drawn.figure)
    picture = staticmethod(drawn.picture)

    def caption(self, run: Run) -> str:
        more = "A loop's number lights up as soon as a design lies on it." if run.n_modes else ""
        if run.n_modes and run.exact.all() and 0 <= run.y_star[0] < 1:
            more += " The three arcs at the edge x₁ = −1 solve it too, but belong to no numbered loop."
        if run.localizes:
            more += " **Close-up:** if its title says moves × k, each way from ring to dot is drawn k times as long."
        return words.caption(
            run,
            f"Each dot is a design (x₁, x₂); darker background: larger y. {_green(run)}",
            more.strip(),
        )


def _green(run: Run) -> str:
    """What the green curves are, and on which side of them the solutions lie."""
    drawn = [float(end[0]) for end in run.ends if abs(end[0]) <= 2]
    if run.exact.all():
        return (
            "The green curve is every x with y = y*, exactly."
            if drawn
            else "No x has y = y*, so there is no green curve."
        )
    if len(drawn) == 2:
        return "The green curves are every x at an end of the interval; solutions lie between them."
    if not drawn:
        return ""
    side = "darker" if drawn[0] == run.accepted[0, 0] else "lighter"
    return f"The green curve is every x with y = {drawn[0]:.4g}; solutions lie on it or on its {side} side."


PANEL = SinewavePanel()
