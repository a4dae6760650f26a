"""The target of a design run: one goal for each property."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ipage_core.problem.goal import GOALS, Goal, expression, interval, read_goal
from ipage_core.problem.names import find
from ipage_core.problem.numerals import RULE
from ipage_core.runtime.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from ipage_core.problem.task import Task

NEAREST = 200
"""For a task with a fixed number and an interval: values in the interval come from this many nearest pairs."""

MOST_SAID = 6
"""A sentence names so many goals at most."""


@dataclass(frozen=True)
class Target:
    """One goal for each target property, in the task's order.

    Examples
    --------
    >>> from ipage_core.tasks import TASKS
    >>> Target.of(TASKS["robotic_arm"], [(1, 1.5), 0]).text
    '1.0:1.5,0.0'
    """

    goals: tuple[Goal, ...]

    @classmethod
    def of(cls, task: Task, given: Any) -> Target:
        """Make a target from a number, a sequence, a dict by name, or text as on the command line.

        Parameters
        ----------
        task : Task
        given : number, sequence, dict, str, Goal or Target
            A tuple (low, high) is an interval: of the property, or of the only property.

        Returns
        -------
        Target

        Raises
        ------
        ValueError
            Not understood; the message says what is accepted.

        Examples
        --------
        >>> from ipage_core.tasks import TASKS
        >>> Target.of(TASKS["sinewave"], (0.4, 0.6)).text
        '0.4:0.6'
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
        if isinstance(given, tuple) and len(given) == 2 and task.n_targets == 1:
            given = [given]  # an interval
        try:
            values = list(given)
        except TypeError:  # a single number or goal
            values = [given]
        goals = [_goal(task, value, given) for value in values]
        _check_count(task, goals, given)
        return cls(tuple(goals))

    @classmethod
    def parse(cls, task: Task, text: str) -> Target:
        """Read ``--target``: a number or an interval LOW:HIGH for each property, separated by commas.

        Parameters
        ----------
        task : Task
        text : str

        Returns
        -------
        Target

        Raises
        ------
        ValueError
            Not one number or interval for each property.

        Examples
        --------
        >>> from ipage_core.tasks import TASKS
        >>> Target.parse(TASKS["robotic_arm"], "1.5,0").exact
        True
        """
        goals, why = list[Goal](), ""
        try:
            goals = [interval(part) for part in text.split(",")]
        except ValueError as error:
            why = f" ({error})" if text.count(",") + 1 == task.n_targets else ""
        _check_count(task, goals, text, why)
        return cls(tuple(goals))

    @classmethod
    def from_goals(cls, task: Task, expressions: Sequence[str]) -> Target:
        """Read ``--goal``: one expression for each property. A property without a goal may be anything.

        Parameters
        ----------
        task : Task
        expressions : sequence of str

        Returns
        -------
        Target

        Raises
        ------
        ValueError
            An expression is not understood, or two have the same property.

        Examples
        --------
        >>> from ipage_core.tasks import TASKS
        >>> Target.from_goals(TASKS["robotic_arm"], ["hand, vertical=0.5±0.1"]).goals[1].tolerance
        0.1
        """
        goals: dict[int, Goal] = {}
        for text in expressions:
            name, goal = expression(text)
            j = _property(task, name)
            if j in goals:
                raise ValueError(f"--goal '{text}': '{name}' already has a goal; accepted: one for each property")
            goals[j] = goal
        if not goals:
            raise ValueError(f"At least one goal is needed; accepted: {GOALS}")
        return cls(tuple(goals.get(j, Goal()) for j in range(task.n_targets)))

    @property
    def exact(self) -> bool:
        """Whether every goal is one number."""
        return all(goal.low == goal.high for goal in self.goals)

    @property
    def ranged(self) -> bool:
        """Whether a goal is a range or an optimum, so that designs may have aims of their own."""
        return any(goal.kind not in ("exactly", "anything") for goal in self.goals)

    @property
    def optimizes(self) -> bool:
        """Whether a goal is to minimize or maximize."""
        return any(goal.kind in ("minimize", "maximize") for goal in self.goals)

    @property
    def text(self) -> str:
        """The text that ``--target`` reads, with all digits."""
        return ",".join(goal.text for goal in self.goals)

    def in_words(self, task: Task) -> str:
        """The goals as a reader says them: 'fan speed = 70 rpm, noise ≤ 4.5 dB'."""
        named = zip(task.targets, self.goals, strict=True)
        words = [said for one, goal in named if (said := goal.words(one.name, one.unit))]
        return ", ".join([*words[:MOST_SAID], "…"] if len(words) > MOST_SAID else words)

    @property
    def accepted(self) -> Tensor:
        """(2, m) float64: lowest and highest accepted values."""
        ends = [[goal.low for goal in self.goals], [goal.high for goal in self.goals]]
        return torch.tensor(ends, dtype=torch.float64)

    def tolerances(self, task: Task) -> Tensor:
        """(m,) float64: largest error of a hit, for each property."""
        tolerances = [
            one.tolerance_at(goal.smallest) if goal.tolerance is None else goal.tolerance
            for one, goal in zip(task.targets, self.goals, strict=True)
        ]
        return torch.tensor(tolerances, dtype=torch.float64)

    def ranges(self, y_star: Tensor) -> tuple[Tensor, Tensor]:
        """Lowest and highest accepted values of designs with the aims y_star (n, m) → (n, m) twice.

        Exact goals, and the open side of a minimum or maximum, end at the aim; −∞ to ∞ is anything.
        """
        low, high = (end.to(y_star).expand_as(y_star).clone() for end in self.accepted)
        for j, goal in enumerate(self.goals):
            if goal.kind in ("exactly", "maximize"):
                low[:, j] = y_star[:, j]
            if goal.kind in ("exactly", "minimize"):
                high[:, j] = y_star[:, j]
        return low, high

    def check_limits(self, task: Task) -> None:
        """Refuse a goal that no design can have, by the limits of its property.

        Raises:
            ValueError: beyond the limits by more than the tolerance; the message says what is accepted.
        """
        for one, goal, slack in zip(task.targets, self.goals, self.tolerances(task).tolist(), strict=True):
            low, high = one.limits
            if goal.high < low - slack or goal.low > high + slack:
                wanted = goal.high if goal.high < low else goal.low
                accepted = f"{low:.4g} to {high:.4g} ({one.limited_by})"
                raise ValueError(f"No design has {wanted:.4g} for '{one.label}'; accepted: {accepted}")

    @property
    def weights(self) -> Tensor:
        """(m,) float64."""
        return torch.tensor([goal.weight for goal in self.goals], dtype=torch.float64)

    def scaled(self, factor: float, task: Task) -> Target:
        """The same goals with ``factor`` times their tolerances."""
        tolerances = self.tolerances(task).tolist()
        goals = [replace(g, tolerance=factor * t) for g, t in zip(self.goals, tolerances, strict=True)]
        return Target(tuple(goals))

    def within(self, task: Task, y: Tensor) -> Tensor:
        """(n, m) properties → (n,) bool: every goal is met, numbers within their tolerance, intervals exactly."""
        low, high = self.accepted.to(y)
        slack = torch.where(low == high, self.tolerances(task).to(y), 1e-9 * (1 + y.abs()))
        return ((y >= low - slack) & (y <= high + slack)).all(1)

    def aims(self, task: Task, y: Tensor, n: int, seed: int) -> Tensor:
        """Values that n designs aim at, spread over the target as the data y (k, m) are. → (1 or n, m).

        If every goal is one number: that point. Otherwise n values of ``y``, which are known to be possible. They lie
        inside the interval by at least the tolerance, so that a hit lies in the interval too. If some goals are
        numbers, the values come from the ``NEAREST`` pairs. If no value of ``y`` is inside: the point nearest to the
        data.
        """
        low, high = self.accepted
        exact = low == high
        if exact.all():
            return low[None]
        slack = torch.minimum(self.tolerances(task), 0.5 * (high - low)).nan_to_num()
        low, high = low + slack, high - slack
        y = y[:, : task.n_targets]
        y = y[y.isfinite().all(1)]  # where Ω failed nothing is known
        if exact.any():
            distance = ((y - low)[:, exact] / y.std(0)[exact]).norm(dim=1)
            y = torch.where(exact, low, y[distance.argsort()[:NEAREST]])
        inside = y[((y >= low) & (y <= high)).all(1)]
        if not len(inside):
            return y.clamp(low, high)[(y.clamp(low, high) - y).norm(dim=1).argmin()][None]
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(n, generator=generator)
        if (~exact).sum() == 1:  # at even quantiles
            at = ((torch.arange(n) + 0.5) / n * len(inside)).long()
            return inside[inside[:, ~exact][:, 0].argsort()][at][order]
        return inside[torch.randint(len(inside), (n,), generator=generator)]


def _check_count(task: Task, goals: Sequence[Goal], given: Any, why: str = "") -> None:
    if len(goals) != task.n_targets or all(goal.kind == "anything" for goal in goals):
        wanted = ", ".join(task.property_labels[: task.n_targets])
        name = f"--target '{given}'" if isinstance(given, str) else f"The target {given}"
        rule = f"; a comma separates properties, {RULE}" if task.data_folder and "," in str(given) else ""
        raise ValueError(
            f"{name}: {task.name} takes {task.n_targets} number(s) or interval(s) LOW:HIGH ({wanted}), "
            f"e.g. {task.example_target}{rule}{why}"
        )


def _goal(task: Task, value: Any, given: Any) -> Goal:
    """A goal from a number, a pair (low, high), text or a goal."""
    try:
        return read_goal(value)
    except (TypeError, ValueError, OverflowError) as error:
        wanted = ", ".join(task.property_labels[: task.n_targets])
        raise ValueError(
            f"The target {given!r} is not understood ({error}); {task.name} takes a number, an interval (low, high) "
            f"or a goal for each of: {wanted}"
        ) from None


def _property(task: Task, name: str) -> int:
    j = find(name, task.property_labels[: task.n_targets], position="y")
    if j is None:
        raise ValueError(
            f"property '{name}' is not known; accepted: {', '.join(task.property_labels[: task.n_targets])}"
        )
    return j
