"""A design request: task, target and settings, the same record for app, command line, links, archives and Python."""

from __future__ import annotations

import math
import operator
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ipage_core.problem.goal import KINDS, Goal, Kind
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task
from ipage_core.runtime.lazy import torch
from ipage_core.runtime.text import parts_of

if TYPE_CHECKING:
    from torch import Tensor

    from ipage_core.inference.methods import Loaded
    from ipage_core.inference.solutions import Solutions

SAMPLINGS = {"srs": "SRS", "lhs": "LHS", "maximin": "maximin"}
"""Names of the latent designs, and their labels on pages and in links."""


def _a_whole_number(name: str, value: Any) -> int:
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    words = "auto, all, none, or " if name == "verify" else ""
    raise ValueError(f"{name}={value!r} is not accepted: {words}a whole number")


@dataclass(frozen=True)
class DesignRequest:
    """Task, target and all settings of a design run.

    Examples
    --------
    >>> from ipage_core.tasks import TASKS
    >>> DesignRequest.of(TASKS["sinewave"], 1.2, n=50).to_query()
    'task=sinewave&method=ipage&n=50&seed=0&sampling=maximin&omega=0&tolerance=1.0&y1=1.2'
    """

    task: Task
    target: Target
    method: str
    n: int = 25
    sampling: str = "maximin"
    seed: int = 0
    constraints: tuple[str, ...] = ()
    """Constraints on x; see :func:`ipage_core.problem.constraints.parse`."""
    start: tuple[float, ...] = ()
    """(d,) the user's design to start from; empty: none."""
    omega_evals: int = 0
    """Ω evaluations for the correction of each design."""
    finish: bool = False
    """Whether a last step with Ω brings the designs to the exact target, if the task has one."""
    verify: str = "auto"
    """Number of designs that Ω verifies: ``auto``, ``all``, ``none`` or a number."""
    tolerance: float = 1.0
    """Factor on the tolerances of hits; it does not change the designs."""
    optimizer: str = "lm"
    steps: int | None = None
    spread: str = "off"
    """Spread designs evenly over all solutions (``box``) or the likely ones (``posterior``), or not (``off``)."""
    fill: float | None = None
    """Designs are added until every known solution has one within this distance, in box widths."""
    fill_seconds: float | None = None
    """Time for adding them, in seconds; None: the default."""
    targets: tuple[tuple[float, ...], ...] = field(default=(), repr=False)
    """Several targets with n designs each, in place of ``target``."""

    def __post_init__(self) -> None:
        for name in ("n", "seed", "omega_evals", "steps"):
            if (value := getattr(self, name)) is not None or name != "steps":
                object.__setattr__(self, name, _a_whole_number(name, value))
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed={self.seed} is not accepted: a whole number from 0 to {2**32 - 1}")
        if not isinstance(self.verify, str):
            object.__setattr__(self, "verify", str(_a_whole_number("verify", self.verify)))

    @classmethod
    def of(cls, task: Task, target: Any, **settings: Any) -> DesignRequest:
        """Make a request with the task's default settings.

        Parameters
        ----------
        task : Task
        target : number, sequence, dict or str
            As in :meth:`Target.of`.
        **settings
            Fields of this class.

        Returns
        -------
        DesignRequest

        Raises
        ------
        ValueError
            The target or a setting is not accepted.

        Examples
        --------
        >>> from ipage_core.tasks import TASKS
        >>> DesignRequest.of(TASKS["robotic_arm"], [1.5, 0], constraints="x1=0; x2=x3").constraints
        ('x1=0', 'x2=x3')
        """
        settings.setdefault("method", task.default_method)
        constraints = settings.get("constraints", ())
        if isinstance(constraints, str):
            constraints = parts_of(constraints)
        elif not isinstance(constraints, Iterable):
            raise ValueError(f"constraints={constraints!r} is not accepted: texts such as 'x1=0'")
        settings["constraints"] = tuple(str(part).strip() for part in constraints)
        return cls(task=task, target=Target.of(task, target), **settings)

    def run(self, method: Loaded | None = None, *, record_every: int = 1) -> Solutions:
        """Design with a loaded method.

        Parameters
        ----------
        method : Loaded, optional
            Default: the method named ``method``, on the CPU.
        record_every : int
            Number of steps between recorded frames of the path.

        Returns
        -------
        Solutions

        Raises
        ------
        ValueError
            A setting is not accepted, or a model is missing.

        Examples
        --------
        >>> from ipage_core.tasks import TASKS
        >>> len(DesignRequest.of(TASKS["sinewave"], 1.2, n=5).run())
        5
        """
        # These imports point back up: running a request needs the engine.
        from ipage_core.inference.methods import load
        from ipage_core.inference.pipeline import design, optimal
        from ipage_core.problem import constraints

        for target in [Target.of(self.task, list(row)) for row in self.targets] or [self.target]:
            target.check_limits(self.task)
        method = method or load(self.task, self.method)
        space = constraints.parse(self.task, self.constraints)
        start_from = None
        if self.target.optimizes and not self.targets:
            (aims, start_from), n = optimal(self.task, method, self.target, self.n, self.seed, space), 1
        else:
            aims, n = self.aims()
        solutions = design(
            self.task,
            method,
            aims,
            n,
            sampling=self.sampling,  # type: ignore[arg-type]
            seed=self.seed,
            omega_evals=self.omega_evals,
            finish=self.finish,
            verify=self.verify,
            space=space,
            seed_design=torch.tensor(self.start, dtype=torch.float64) if self.start else None,
            optimizer=self.optimizer,  # type: ignore[arg-type]
            steps=self.steps,
            record_every=record_every,
            spread=self.spread,  # type: ignore[arg-type]
            fill=self.fill,
            fill_seconds=self.fill_seconds,
            target=self.target,
            start_from=start_from,
        )
        return replace(solutions, constraints=self.constraints)

    def aims(self) -> tuple[Tensor, int]:
        """Target values (t, m) of the designs, and the number of designs for each."""
        if self.targets:
            return torch.tensor(self.targets, dtype=torch.float64), self.n
        y = self.target.accepted if self.target.exact else self.task.pairs()[1]
        aims = self.target.aims(self.task, y, self.n, self.seed)
        return aims, self.n if len(aims) == 1 else 1  # each design of an interval has its own value

    def judged(self) -> Target:
        """The target with the tolerances of hits."""
        return self.target if self.tolerance == 1 else self.target.scaled(self.tolerance, self.task)

    def key(self) -> str:
        """A text that is equal for two requests if and only if they are equal."""
        values = [getattr(self, field.name) for field in fields(self) if field.name != "task"]
        return repr([self.task.name, *values])

    def replace(self, **changes: Any) -> DesignRequest:
        """The same request with some settings changed."""
        return replace(self, **changes)

    def to_query(self) -> str:
        """The query of a link that restores this request. It holds default values too, because they may change."""
        query: dict[str, Any] = {"task": self.task.name, "method": self.method, "n": self.n, "seed": self.seed}
        query |= {"sampling": SAMPLINGS[self.sampling], "omega": self.omega_evals, "tolerance": self.tolerance}
        for j, goal in enumerate(self.target.goals):
            number = goal.low if math.isfinite(goal.low) else goal.high
            query |= {f"y{j + 1}": number} if math.isfinite(number) else {}
        query |= {f"ask{j + 1}": goal.kind for j, goal in enumerate(self.target.goals) if goal.kind != "exactly"}
        query |= {f"upto{j + 1}": goal.high for j, goal in enumerate(self.target.goals) if goal.kind == "between"}
        query |= {
            f"tol{j + 1}": goal.tolerance for j, goal in enumerate(self.target.goals) if goal.tolerance is not None
        }
        query |= {f"weight{j + 1}": goal.weight for j, goal in enumerate(self.target.goals) if goal.weight != 1}
        query |= {"constrain": "; ".join(self.constraints)} if self.constraints else {}
        query |= {"start": self.task.write_design(self.start)} if self.start else {}
        finishes = self.task.space is not None and self.task.space(()).finish is not None
        query |= {"finish": "true"} if self.finish else {"finish": "false"} if finishes else {}
        query |= {"spread": self.spread} if self.spread != "off" else {}
        if self.fill is not None:
            query |= {"fill": self.fill}
            query |= {} if self.fill_seconds is None else {"fill_seconds": self.fill_seconds}
        return urlencode(query)

    @classmethod
    def from_query(cls, query: Mapping[str, str], tasks: Mapping[str, Task]) -> DesignRequest:
        """The request of a link; values that are missing in it are the task's defaults.

        Raises:
            ValueError: the task is not known, or a value is not acceptable.
        """
        name = query.get("task", next(iter(tasks)))
        if name not in tasks:
            raise ValueError(f"task '{name}' is not known; accepted: {', '.join(tasks)}")
        task = tasks[name]
        goals = []
        for j in range(task.n_targets):
            kind = query.get(f"ask{j + 1}", "exactly")
            if kind not in KINDS:
                raise ValueError(f"ask{j + 1}={kind} is not accepted: {', '.join(KINDS)}")
            if kind == "between" and f"upto{j + 1}" not in query:
                raise ValueError(f"ask{j + 1}=between is not accepted without the upper end: add upto{j + 1}")
            y = _number(query, f"y{j + 1}", task.default_target[j])
            up_to = _number(query, f"upto{j + 1}", y)
            goal = goal_of(kind, y, up_to)
            if f"tol{j + 1}" in query:
                goal = replace(goal, tolerance=_number(query, f"tol{j + 1}", 0.0))
            goals.append(replace(goal, weight=_number(query, f"weight{j + 1}", 1.0)))
        sampling = query.get("sampling", "maximin").lower()
        if sampling not in SAMPLINGS:
            raise ValueError(f"sampling={sampling} is not accepted: {', '.join(SAMPLINGS)}")
        start = query.get("start", "")
        return cls(
            task,
            Target(tuple(goals)),
            query.get("method", task.default_method),
            n=_whole(query, "n", 25),
            sampling=sampling,
            seed=_whole(query, "seed", 0),
            constraints=parts_of(query.get("constrain", "")),
            start=task.parse_design(start) if start.strip() else (),
            omega_evals=_whole(query, "omega", 0),
            finish=query.get("finish", "") == "true",
            tolerance=_number(query, "tolerance", 1.0),
            spread=query.get("spread", "off"),
            fill=_number(query, "fill", 0.0) if "fill" in query else None,
            fill_seconds=_number(query, "fill_seconds", 0.0) if "fill_seconds" in query else None,
        )

    def to_command(self) -> str:
        """The command line that computes the same designs."""
        words = ["python", "-m", "ipage_core", "design", self.task.name, *self._target_words(), "--n", str(self.n)]
        words += [f"--constrain={text}" for text in self.constraints]
        words += ["--seed-design", "seed_design.csv"] if self.start else []
        words += ["--sampling", self.sampling, "--method", self.method, "--seed", str(self.seed)]
        words += ["--omega-evals", str(self.omega_evals), *(["--finish"] if self.finish else [])]
        words += ["--spread", self.spread, *([] if self.fill is None else ["--fill", repr(self.fill)])]
        words += [] if self.fill_seconds is None else ["--fill-seconds", repr(self.fill_seconds)]
        words += ["--device", "cpu", "--out", "solutions.csv"]
        return shlex.join(words)

    def _target_words(self) -> list[str]:
        goals = self.target.goals
        if all(goal.tolerance is None and goal.weight == 1 for goal in goals):
            return [f"--target={self.target.text}"]
        return [
            f"--goal={expression}"
            for label, goal in zip(self.task.property_labels, goals, strict=False)
            if (expression := goal.named(label.split(" [")[0]))
        ]


def goal_of(kind: Kind, y: float, up_to: float) -> Goal:
    """The goal of a form; ``up_to`` is the second number of 'between'."""
    if kind == "exactly":
        return Goal.exactly(y)
    if kind in ("minimize", "maximize", "anything"):
        return Goal(kind)
    return Goal(kind, -math.inf if kind == "at most" else y, {"between": up_to, "at most": y}.get(kind, math.inf))


def _number(query: Mapping[str, str], key: str, default: float) -> float:
    try:
        value = float(query.get(key, default))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{key}={query[key][:40]} is not accepted: a finite number")
    return value


def _whole(query: Mapping[str, str], key: str, default: int) -> int:
    text = query.get(key, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"{key}={text[:40]} is not accepted: a whole number")
    return int(text)
