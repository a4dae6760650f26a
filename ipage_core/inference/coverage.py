"""Measures, estimates or proves how much of the solution set a list of designs covers, and fills the gaps.

A solution is covered if a design lies within ε of it. Three figures:

- over the box: the covered share of the set's area, from solutions that localization reaches from starts all over the
  box, each weighted by the area it represents. It is measured if f is Ω itself, estimated if f is a surrogate, and too
  low rather than too high.
- posterior-weighted: the share of held-out posterior samples that are covered, with its 95 % interval of Clopper and
  Pearson (1934, doi:10.1093/biomet/26.4.404). Solutions that the method proposes often count more.
- proved: an upper bound on the distance of any solution in the box from its nearest design
  (:mod:`ipage_core.inference.paving`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
from torch import Tensor

from ipage_core.inference.enclosed import NoRule
from ipage_core.inference.enclosure import Enclosure
from ipage_core.inference.paving import Equation, Progress, Radius, prove_radius
from ipage_core.inference.solution_set import Floats, SolutionSet, grow, pool
from ipage_core.inference.spread import farthest
from ipage_core.runtime.lazy import LazyModule

stats: Any = LazyModule("scipy.stats")

WITHIN = 0.05
"""Default ε, in box widths."""
FILL_SECONDS = 8.0
"""Default time for filling the gaps."""
HELD_OUT, LOOKED_AT = 1000, 4000
"""Posterior samples for the estimate; starts of each kind for the share of the box."""
AHEAD = 7919
"""Offset of the held-out samples' seeds from the run's seed."""
TIGHT = 1.1
"""A proof stops when its radius is at most this factor times a known solution's distance: more time gains little."""
RARE = 0.9
"""From this share of designs that miss the target on, they may be for another one."""
TOGETHER = 1e-5
"""Solutions with whole numbers that are this near are one."""
DOUBT = "are they designs of this task, and for this target?"
CLOSER = 0.7
"""Gaps are filled until every known solution is within this share of ε, because others lie between the known ones."""


@dataclass(frozen=True, eq=False)
class Coverage:
    """Coverage of a solution set by designs. Distances are in the set's unit, mostly box widths."""

    within: float
    """ε."""
    points: Floats
    """(k, d) solutions all over the box."""
    weight: Floats
    """(k,) share of the set that each point represents; their sum is 1."""
    distance: Floats
    """(k,) distance from each point to the nearest design."""
    posterior: Floats
    """(j,) the same distance for held-out posterior samples; empty without a posterior."""
    measured: bool
    """Whether the points solve Ω(x) = y* itself, not a surrogate's equation."""
    proof: Radius | None
    """None: not requested, or not possible."""
    refused: str
    """Why there is no proof; empty if there is one, or none was requested."""
    unit: str = "box widths"
    designs: Floats = field(default_factory=lambda: np.empty((0, 0)))
    """(n, d) the designs that count, because they meet the target."""
    left_out: int = 0
    """Number of designs that do not count, because they miss the target."""
    judge: str = "Ω"
    """What says that they miss it: Ω, or the surrogate f."""
    violating: int = 0
    """Number of further designs that do not count, because they lie outside the box or violate the constraints."""
    constrained: bool = False
    """Whether constraints restrict the solutions."""
    undefined: float = 0.0
    """Estimated share of the box in which Ω has no finite value; 0 if a slow Ω was not run."""

    def __repr__(self) -> str:
        n = len(self.designs)
        head = f"Coverage by {n} {'design' if n == 1 else 'designs'}, ε = {self.within:g} {self.unit}"
        return "\n  ".join([head, *self.sentences()])

    def _repr_html_(self) -> str:
        """The text for notebooks."""
        from html import escape

        head, *lines = repr(self).split("\n")
        return f"<p><b>{escape(head)}</b><br>{'<br>'.join(map(escape, lines))}</p>"

    @property
    def fill(self) -> float:
        """The largest distance from a known solution to its nearest design: a lower bound of the fill distance."""
        return float(self.distance.max()) if len(self.distance) else math.nan

    def share(self, within: float | None = None) -> float:
        """Share of the set's area within ε of a design; NaN if no solution is known."""
        epsilon = self.within if within is None else within
        return 1.0 - float(self.weight[self.distance > epsilon].sum()) if len(self.distance) else math.nan

    def likely(self, within: float | None = None) -> tuple[float, float, float]:
        """Posterior-weighted share within ε and its 95 % interval; NaN without a posterior."""
        epsilon, n = self.within if within is None else within, len(self.posterior)
        if not n:
            return math.nan, math.nan, math.nan
        return interval(int((self.posterior <= epsilon).sum()), n)

    def sentence(self) -> str:
        """The strongest statements that hold, what does not count, and the reason if there is no proof."""
        return " ".join(self.sentences())

    def sentences(self) -> list[str]:
        """The sentences of :meth:`sentence`."""
        said = self._not_counted()
        if self.undefined:
            box = "box that the constraints leave" if self.constrained else "box"
            said.append(f"Estimate: Ω has no finite value in {percent(self.undefined)} of the {box}.")
        if self.proof is not None and self.proof.empty:
            none = "no design in the box has exactly this target; those that count come close enough"
            return [*said, f"Proved: {'no solution in the box obeys the constraints' if self.constrained else none}."]
        if self.proof is not None:
            radius = math.ceil(1e4 * self.proof.radius) / 1e4
            said.append(f"Proved: no solution in the box is farther than {radius:.4f} {self.unit} from a design.")
        if len(self.distance):
            how = "Measured" if self.measured else "Estimate"
            unit = "" if self.unit == "box widths" else f" {self.unit}"
            said.append(
                f"{how}, over the box: {percent(self.share())} of the known solutions have a design within "
                f"{self.within:g}{unit}."
            )
        if len(self.posterior):
            share, low, high = self.likely()
            said.append(f"Estimate, posterior-weighted: {percent(share)} ({percent(low)[:-2]}–{percent(high)[:-2]}).")
        if not len(self.distance) and not len(self.posterior) and self.proof is None:
            known = "No solution that obeys the constraints is known" if self.constrained else "No solution is known"
            said.append(f"{known}: nothing can be said of the coverage.")
        if self.refused:
            said.append(f"{self.refused[:1].upper()}{self.refused[1:].rstrip('.')}.")
        return said

    def _not_counted(self) -> list[str]:
        """The sentences on designs that do not count."""
        hits, said = len(self.designs), []
        total = hits + self.left_out
        if self.violating:
            does, where = ("violate", "the constraints") if self.constrained else ("lie", "outside the box")
            what = f"{does}s {where}, so it does" if self.violating == 1 else f"{does} {where}, so they do"
            said.append(f"{self.violating} of {total + self.violating} designs {what} not count.")
        if self.left_out and self.left_out >= RARE * total:
            meet = "meets" if hits == 1 else "meet"
            said.append(f"By {self.judge}, only {hits} of {total} designs {meet} the target: {DOUBT}")
        elif self.left_out:
            what = "misses the target, so it does" if self.left_out == 1 else "miss the target, so they do"
            said.append(f"By {self.judge}, {self.left_out} of {total} designs {what} not count.")
        return said

    def summary(self) -> dict[str, Any]:
        """The figures for JSON; null if unknown."""
        share, low, high = self.likely()
        figures: dict[str, Any] = {
            "within": self.within,
            "left_out": self.left_out,
            "violating": self.violating,
            "undefined": self.undefined,
            "share": self.share(),
            "measured": self.measured,
            "fill_distance": self.fill,
            "mean_distance": float((self.weight * self.distance).sum()) if len(self.distance) else math.nan,
            "posterior_share": share,
            "posterior_share_low": low,
            "posterior_share_high": high,
            "proved_radius": None if self.proof is None else self.proof.radius,
            "boxes": None if self.proof is None else self.proof.tested,
            "no_proof": self.refused or None,
            "sentence": self.sentence(),
        }
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in figures.items()}


def accepted_number(value: Any, name: str, accepted: str) -> float:
    """The value as a number above 0.

    Raises:
        ValueError: it is none; the message has its ``name`` and what is ``accepted``.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < math.inf:
        raise ValueError(f"{name}={value!r} is not accepted: {accepted}")
    return float(value)


def percent(share: float) -> str:
    """Format a share: 100 % only if it is exactly 1, 0 % only if it is exactly 0."""
    value = 100 * share
    shown = round(value, 1)
    shown = min(shown, 99.9) if value < 100 else shown
    return f"{max(shown, 0.1) if value > 0 else shown:g} %"


def interval(hits: int, n: int, level: float = 0.95) -> tuple[float, float, float]:
    """hits/n with its exact confidence interval (Clopper and Pearson 1934)."""
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, hits, n - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, n - hits)) if hits < n else 1.0
    return hits / n, low, high


def coverage(
    solutions: SolutionSet,
    designs: Floats,
    within: float = WITHIN,
    *,
    propose: Callable[[int, int], Tensor] | None = None,
    equation: Equation | str = "",
    decode: Callable[[Any], Any] = lambda u: u,
    unit: str = "box widths",
    measured: bool = False,
    seed: int = 0,
    seconds: float = 20.0,
    progress: Progress | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Coverage:
    """Coverage of a solution set by designs (n, d).

    Args:
        solutions: the set, with its distance.
        designs: designs that hit the target; leave out those that miss it.
        within: ε, in the set's unit.
        propose: (count, seed) → posterior samples, for the posterior-weighted estimate.
        equation: the equation for the proof, or the reason why there is no proof.
        decode: maps the equation's variables to designs, if they differ.
        unit: unit of the distance, for the sentence.
        measured: whether f is Ω itself.
        seed: seed of the run that made the designs; the samples here use other seeds.
        seconds: time limit of the proof.
        progress, cancel: for the proof; see :func:`ipage_core.inference.paving.prove_radius`.

    Raises:
        ValueError: there are no designs, or ε is not positive.
    """
    if not len(designs):
        raise ValueError("there are no designs: a coverage needs at least one")
    within = accepted_number(within, "within", "a distance above 0, such as 0.05")
    seconds = accepted_number(seconds, "seconds", "a number of seconds above 0")
    points = _different(solutions, _whole(solutions, solutions_everywhere(solutions, seed + AHEAD, propose)))
    weight = solutions.spacing(points) if len(points) else np.empty(0)
    posterior = np.empty(0)
    if propose is not None:
        held_out = _whole(solutions, pool(solutions, HELD_OUT, seed + 2 * AHEAD, propose, box=False))
        posterior = solutions.nearest(held_out, designs)[0] if len(held_out) else posterior
    distance = solutions.nearest(points, designs)[0] if len(points) else np.empty(0)
    proof, refused = None, equation if isinstance(equation, str) else ""
    if isinstance(equation, Equation):
        goal = TIGHT * float(distance.max()) if len(distance) else 0.0
        try:
            proof = prove_radius(
                equation,
                solutions.copies(designs).reshape(-1, solutions.d) * solutions.scale,
                solutions.scale,
                goal=goal,
                coordinates=lambda box: decode(Enclosure.variables(box, gradient=False)).value,
                seconds=seconds,
                progress=progress,
                cancel=cancel,
            )
        except NoRule as error:
            refused = str(error)
    total = max(float(weight.sum()), 1e-300)
    return Coverage(within, points, weight / total, distance, posterior, measured, proof, refused, unit, designs)


def _whole(solutions: SolutionSet, points: Floats) -> Floats:
    """The nearest solutions whose whole numbers are whole, where there are any."""
    x, arrived = solutions.whole(points)
    return x[arrived]


def _different(solutions: SolutionSet, points: Floats) -> Floats:
    """The same points, but those that rounding to whole numbers has brought together only once."""
    if not solutions.integers or not len(points):
        return points
    _, first = np.unique(np.rint(solutions.coordinates(points) / TOGETHER), axis=0, return_index=True)
    return points[np.sort(first)]


def solutions_everywhere(solutions: SolutionSet, seed: int, propose: Callable[[int, int], Tensor] | None) -> Floats:
    """Solutions from all over the box, corners included: (k, d)."""
    return grow(solutions, pool(solutions, LOOKED_AT, seed, propose), seed)


def fill_gaps(
    solutions: SolutionSet,
    designs: Floats,
    within: float,
    *,
    propose: Callable[[int, int], Tensor] | None = None,
    seed: int = 0,
    most: int = 10_000,
    seconds: float = FILL_SECONDS,
) -> tuple[Floats, str]:
    """New designs where solutions are farther than ε from the given designs (n, d). → (k, d), why it stopped early.

    Each round localizes from new starts and adds the solutions that are far from all designs, the farthest first. It
    ends when a round adds nothing. The reason to stop early is part of a sentence; empty if it did not.
    """
    began, early = time.perf_counter(), ""
    start = designs
    for k in range(100):
        points = solutions_everywhere(solutions, seed + (k + 1) * AHEAD + 1, propose)
        if not len(points):
            break
        rows = farthest(solutions, points, most - (len(designs) - len(start)), designs, CLOSER * within)
        whole, arrived = solutions.whole(points[rows])
        designs = np.concatenate([designs, whole[arrived]])
        if not len(rows):
            break
        if not arrived.any():
            early = "rounding to whole numbers leaves no solution there"
        elif len(designs) - len(start) >= most:
            early = f"at most {most} designs are added"
        elif time.perf_counter() - began > seconds / 2:  # another round might take as long again
            early = f"the time for it, {seconds:g} s, ended"
        if early:
            break
    return designs[len(start) :], early
