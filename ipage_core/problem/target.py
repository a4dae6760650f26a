"""What is asked of each property: a number, a bound, an interval, the least or the greatest, or nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from ipage_core.problem.names import find
from ipage_core.runtime.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from ipage_core.problem.task import Task

Kind = Literal["exactly", "at least", "at most", "between", "minimize", "maximize", "anything"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NEAREST = 200
"""Pairs nearest to the numbers asked for, among which an interval beside them looks for what is possible."""
GOALS = "NAME=5, NAME=5±0.1 (or 5+-0.1), NAME<=3, NAME>=3, NAME=0.4:0.6, minimize NAME or maximize NAME"
_OPTIMUM = re.compile(r"(minimi[sz]e|maximi[sz]e|anything)\s+(.+)", re.IGNORECASE)
_WEIGHT = re.compile(r"(.*\S)\s+weight\s+(\S+)")
_CHAIN = re.compile(r"([^<>=]+)<=([^<>=]+)<=([^<>=]+)")
_COMPARISON = re.compile(r"(.+?)(<=|>=|=)([^<>=]+)")


@dataclass(frozen=True)
class Goal:
    """What is asked of one property.

    >>> Goal.exactly(5, 0.1)
    Goal(kind='exactly', low=5.0, high=5.0, tolerance=0.1, weight=1.0)
    """

    kind: Kind = "anything"
    low: float = -math.inf
    high: float = math.inf
    """The least and the greatest value accepted; equal where one number is asked for."""
    tolerance: float | None = None
    """How far off still counts as a hit; None: the property's own."""
    weight: float = 1.0
    """How much its misfit counts beside those of others, where not all can be met."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"goal '{self.kind}' is not known; accepted: {', '.join(KINDS)}")
        if not self.low <= self.high:
            raise ValueError(f"The interval {self.low:g}:{self.high:g} holds nothing: its second number must be larger")
        if self.tolerance is not None and not 0 < self.tolerance < math.inf:
            raise ValueError(f"Expected a tolerance above 0, got {self.tolerance:g}")
        if not 0 < self.weight < math.inf:
            raise ValueError(f"Expected a weight above 0, got {self.weight:g}")

    @classmethod
    def exactly(cls, value: float, tolerance: float | None = None) -> Goal:
        """One number, met within ``tolerance``."""
        if not math.isfinite(value):
            raise ValueError(f"Expected a finite number as the target, got {value}")
        return cls("exactly", float(value), float(value), tolerance)

    @classmethod
    def between(cls, low: float, high: float) -> Goal:
        """An interval; an infinite end is no end."""
        if math.isnan(low) or math.isnan(high) or (math.isinf(low) and math.isinf(high)):
            raise ValueError(f"Expected an interval with at least one finite end, got {low:g}:{high:g}")
        kind: Kind = "at most" if math.isinf(low) else "at least" if math.isinf(high) else "between"
        return cls(kind if low != high else "exactly", float(low), float(high))

    @property
    def text(self) -> str:
        """As ``--target`` reads it: '5.0', '0.4:0.6', '1.5:', or ':' for anything."""
        if self.kind in ("minimize", "maximize"):
            return self.kind
        low, high = (repr(end) if math.isfinite(end) else "" for end in (self.low, self.high))
        return low if self.low == self.high else f"{low}:{high}"


@dataclass(frozen=True)
class Target:
    """One goal for each property that can be asked for, in the task's order."""

    goals: tuple[Goal, ...]

    @classmethod
    def of(cls, task: Task, given: Any) -> Target:
        """A target from a number, a sequence, a dict by name, or text as the command line takes it.

        Raises:
            ValueError: not understood; the message says what is accepted.
        """
        if isinstance(given, Target):
            _check_count(task, given.goals, given)
            return given
        if isinstance(given, str):
            return cls.parse(task, given)
        if isinstance(given, Mapping):
            goals = [Goal()] * task.n_targets
            for name, value in given.items():
                goals[_property(task, str(name))] = _goal(task, value, name)
            return cls(tuple(goals))
        try:
            values = list(given) if not isinstance(given, Goal) and hasattr(given, "__iter__") else [given]
        except TypeError:  # a tensor of no dimension has __iter__ all the same
            values = [given]
        goals = [_goal(task, value, given) for value in values]
        _check_count(task, goals, given)
        return cls(tuple(goals))

    @classmethod
    def parse(cls, task: Task, text: str) -> Target:
        """From ``--target``: a number or an interval LOW:HIGH for each property, separated by commas.

        Raises:
            ValueError: not m numbers or intervals.
        """
        try:
            goals = [_interval(part) for part in text.split(",")]
        except ValueError:
            goals = []
        _check_count(task, goals, text)
        return cls(tuple(goals))

    @classmethod
    def from_goals(cls, task: Task, expressions: Sequence[str]) -> Target:
        """From ``--goal``, one expression a property; a property without one may be anything.

        >>> from ipage_core.tasks import TASKS
        >>> Target.from_goals(TASKS["robotic_arm"], ["hand, vertical=0.5±0.1"]).goals[1].tolerance
        0.1

        Raises:
            ValueError: an expression is not understood, or two are about the same property.
        """
        goals: dict[int, Goal] = {}
        for said in expressions:
            name, goal = expression(said)
            j = _property(task, name)
            if j in goals:
                raise ValueError(f"--goal '{said}': '{name}' has a goal already; accepted: one for each property")
            goals[j] = goal
        if not goals:
            raise ValueError(f"At least one goal is needed; accepted: {GOALS}")
        return cls(tuple(goals.get(j, Goal()) for j in range(task.n_targets)))

    @property
    def exact(self) -> bool:
        """Whether one number is asked of every property."""
        return all(goal.low == goal.high for goal in self.goals)

    @property
    def optimizes(self) -> bool:
        """Whether the least or the greatest of a property is asked for."""
        return any(goal.kind in ("minimize", "maximize") for goal in self.goals)

    @property
    def text(self) -> str:
        """As ``--target`` reads it, all digits included."""
        return ",".join(goal.text for goal in self.goals)

    @property
    def accepted(self) -> Tensor:
        """(2, m) float64: the least and the greatest value accepted of each property."""
        ends = [[goal.low for goal in self.goals], [goal.high for goal in self.goals]]
        return torch.tensor(ends, dtype=torch.float64)

    def tolerances(self, task: Task) -> Tensor:
        """(m,) float64: how far each property may be off and still count as a hit."""
        own = [known.tolerance for known in task.targets]
        said = [own[j] if goal.tolerance is None else goal.tolerance for j, goal in enumerate(self.goals)]
        return torch.tensor(said, dtype=torch.float64)

    @property
    def weights(self) -> Tensor:
        """(m,) float64."""
        return torch.tensor([goal.weight for goal in self.goals], dtype=torch.float64)

    def scaled(self, factor: float, task: Task) -> Target:
        """The same goals, judged by ``factor`` times their tolerances."""
        tolerances = self.tolerances(task).tolist()
        goals = [replace(g, tolerance=factor * t) for g, t in zip(self.goals, tolerances, strict=True)]
        return Target(tuple(goals))

    def within(self, task: Task, y: Tensor) -> Tensor:
        """(n, m) properties → (n,) bool: every goal is met; numbers within their tolerance, intervals exactly."""
        low, high = self.accepted.to(y)
        slack = torch.where(low == high, self.tolerances(task).to(y), 1e-9 * (1 + y.abs()))
        return ((y >= low - slack) & (y <= high + slack)).all(1)

    def aims(self, task: Task, y: Tensor, n: int, seed: int) -> Tensor:
        """Points to aim at so that n designs spread over what is accepted as the data do. (k, m) → (1 or n, m).

        One point if one number is asked of every property. Else n values of ``y``, properties known to be possible,
        from inside the interval by the tolerance: a hit of its own aim then lies in the interval. Beside a number asked
        for exactly, values are taken from the pairs nearest to it. If no datum is inside, the one point nearest to the
        data.
        """
        low, high = self.accepted
        exact = low == high
        if exact.all():
            return low[None]
        slack = torch.minimum(self.tolerances(task), 0.5 * (high - low)).nan_to_num(nan=0.0)
        low, high = low + slack, high - slack
        y = y[:, : task.n_targets]
        if exact.any():
            distance = ((y - low)[:, exact] / y.std(0)[exact]).norm(dim=1)
            y = torch.where(exact, low, y[distance.argsort()[:NEAREST]])
        inside = y[((y >= low) & (y <= high)).all(1)]
        if not len(inside):
            return y.clamp(low, high)[(y.clamp(low, high) - y).norm(dim=1).argmin()][None]
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(n, generator=generator)
        if (~exact).sum() == 1:  # evenly through their quantiles
            at = ((torch.arange(n) + 0.5) / n * len(inside)).long()
            return inside[inside[:, ~exact][:, 0].argsort()][at][order]
        return inside[torch.randint(len(inside), (n,), generator=generator)]


def _check_count(task: Task, goals: Sequence[Goal], said: Any) -> None:
    if len(goals) != task.n_targets or all(goal.kind == "anything" for goal in goals):
        wanted = ", ".join(task.property_labels[: task.n_targets])
        example = ",".join(f"{value:g}" for value in task.default_target)
        asked = f"--target '{said}'" if isinstance(said, str) else f"The target {said}"
        raise ValueError(
            f"{asked}: {task.name} takes {task.n_targets} number(s) or interval(s) LOW:HIGH ({wanted}), e.g. {example}"
        )


def _goal(task: Task, value: Any, said: Any) -> Goal:
    """A goal from a number, a pair (low, high), text or a goal."""
    if isinstance(value, Goal):
        return value
    try:
        if isinstance(value, str):
            return _interval(value)
        if isinstance(value, tuple | list) and len(value) == 2:
            return Goal.between(*(math.nan if end is None else float(end) for end in value))
        return Goal.exactly(float(value))
    except (TypeError, ValueError) as error:
        wanted = ", ".join(task.property_labels[: task.n_targets])
        raise ValueError(
            f"The target {said!r} is not understood ({error}); {task.name} takes a number, an interval (low, high) "
            f"or a goal for each of: {wanted}"
        ) from None


def _interval(text: str) -> Goal:
    first, colon, last = text.partition(":")
    if not colon:
        word = text.strip()
        return Goal(word) if word in ("minimize", "maximize") else Goal.exactly(float(first))  # type: ignore[arg-type]
    if not first.strip() and not last.strip():
        return Goal()
    return Goal.between(float(first) if first.strip() else -math.inf, float(last) if last.strip() else math.inf)


def _property(task: Task, name: str) -> int:
    j = find(name, task.property_labels[: task.n_targets], position="y")
    if j is None:
        raise ValueError(
            f"property '{name}' is not known; accepted: {', '.join(task.property_labels[: task.n_targets])}"
        )
    return j


def expression(said: str) -> tuple[str, Goal]:
    """Name and goal of an expression of ``GOALS``.

    Raises:
        ValueError: it is none.
    """
    text = said.strip().replace("≤", "<=").replace("≥", ">=")
    try:
        if match := _WEIGHT.fullmatch(text):
            name, goal = expression(match[1])
            return name, replace(goal, weight=float(match[2]))
        if match := _OPTIMUM.fullmatch(text):
            word = match[1].lower().replace("se", "ze")
            return match[2].strip(), Goal({"minimize": "minimize", "maximize": "maximize"}.get(word, "anything"))  # type: ignore[arg-type]
        if match := _CHAIN.fullmatch(text):
            return match[2].strip(), Goal.between(float(match[1]), float(match[3]))
        if match := _COMPARISON.fullmatch(text):
            name, sign, value = match[1].strip(), match[2], match[3].strip()
            if sign == "=" and ":" in value:
                return name, _interval(value)
            number, plus_minus, tolerance = value.replace("+-", "±").replace("+/-", "±").partition("±")
            if sign == "=":
                return name, Goal.exactly(float(number), float(tolerance) if plus_minus else None)
            if not plus_minus:
                end = float(number)
                return name, Goal.between(-math.inf, end) if sign == "<=" else Goal.between(end, math.inf)
    except ValueError as error:
        raise ValueError(f"--goal '{said}' is not understood ({error}); accepted: {GOALS}") from None
    raise ValueError(f"--goal '{said}' is not understood; accepted: {GOALS}")
