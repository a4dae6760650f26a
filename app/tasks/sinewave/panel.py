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
            more = f"{more} **Close-up, moves × k:** each way from ring to dot is drawn k times as long.".strip()
        green = "The green curve is every x with y = y*, exactly."
        if not run.exact.all():
            green = "The green curves are every x at an end of the interval; solutions lie between or beyond them."
        elif abs(run.y_star[0]) > 2:
            green = "No x has y = y*, so there is no green curve."
        return words.caption(
            run,
            f"Each dot is a design (x₁, x₂); darker background: larger y. {green}",
            more,
        )


PANEL = SinewavePanel()
