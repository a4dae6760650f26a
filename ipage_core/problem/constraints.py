"""Constraints as text, e.g. ``a=b``, ``x3=0.2``, ``0.1<=x1`` → the space in which localization moves."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import torch

from ipage_core.problem import linear
from ipage_core.problem.linear import Linear
from ipage_core.problem.names import find
from ipage_core.problem.numerals import RULE
from ipage_core.problem.space import Box, Cap, DesignSpace, Tied, scaled
from ipage_core.problem.task import Task

ACCEPTED = "NAME=NUMBER, NAME=LEVEL, NAME=NAME, NAME<=NUMBER, NAME>=NUMBER or sums such as 2*NAME+NAME<=NUMBER"
WHOLE = 1e-9
"""How far a number may be from a whole one that it stands for."""
_OPERATOR = re.compile(r"\s*(<=|>=|=)\s*")


def parse(task: Task, expressions: Sequence[str] = ()) -> DesignSpace:
    """The design space of a task under these constraints, which all hold together.

    Every task accepts fixed coordinates (``x3=0.2``, ``solvent=water``), tied ones (``x1=x2``), bounds (``x1<=0.5``)
    and linear relations (``2*x1 - x2 <= 3``, ``x1 + x2 + x3 = 1``). Equations hold exactly in every design. A task may
    understand more: ``Task.words`` turns an expression into simpler ones or into caps, and ``Task.space`` replaces this
    function.

    Raises:
        ValueError: an expression is not understood, lies outside the bounds or contradicts another one.
    """
    if task.space is not None:
        return task.space(expressions)
    typed_here, expressions = bool(expressions), [*task.relations, *expressions]
    whole = torch.tensor([variable.kind != "real" for variable in task.variables])
    logarithmic = torch.tensor([variable.scale == "log" for variable in task.variables])
    held = task.categories
    if not expressions:
        return scaled(Box(task.bounds), logarithmic, whole, whole, held)
    said = ", ".join([_in_names(task, text) for text in task.relations] + expressions[len(task.relations) :])
    low, high = task.bounds.clone()
    equations: list[Linear] = []
    group = list(range(task.d))  # coordinates with the same number are tied
    caps: list[Cap] = []
    inequalities: list[Linear] = []
    todo = [(text, text) for text in expressions]
    while todo:
        text, typed = todo.pop(0)
        match, left = _split(task, text)
        number = _value(task, match, left) if match and left is not None else None
        if match and left is not None and number is not None:
            if match[2] in ("=", "<="):
                high[left] = min(high[left], math.floor(number + WHOLE) if whole[left] else number)
            if match[2] in ("=", ">="):
                low[left] = max(low[left], math.ceil(number - WHOLE) if whole[left] else number)
        elif match and left is not None and match[2] == "=" and (right := _index(task, match[3])) is not None:
            old, new = group[right], group[left]
            group = [new if g == old else g for g in group]
        elif (relation := linear.read(text, lambda name: _summand(task, name), task.d)) is not None:
            (equations if relation.sign == "=" else inequalities).append(relation)
        else:
            for meant in _words(task, text, typed):
                if isinstance(meant, str):
                    todo.append((meant, typed))
                else:
                    caps.append(meant)
    caps += [relation.cap(task.bounds) for relation in inequalities]
    for tied in set(group):
        members = [j for j in range(task.d) if group[j] == tied]
        low[members], high[members] = low[members].max(), high[members].min()
        if low[members[0]] > high[members[0]]:
            box = ", ".join(f"{a:g} to {b:g}" for a, b in task.bounds.T[members].tolist())
            what = " and ".join(task.x_labels[j] for j in members)
            only = ", whole numbers" if any(task.variables[j].kind == "integer" for j in members) else ""
            raise ValueError(f"The constraints {said} leave no values for {what}, whose bounds are {box}{only}")
    relations = equations + inequalities
    if typed_here and relations and not linear.can_hold(relations, torch.stack((low, high)), group, whole):
        raise ValueError(f"The constraints {said} contradict each other: no design meets them all")
    free = sorted({g for j, g in enumerate(group) if low[j] < high[j]})
    expand = torch.tensor([[float(g == f) for g in group] for f in free], dtype=torch.float64).view(len(free), task.d)
    if not free:
        raise ValueError(f"The constraints {said} fix every coordinate: nothing is left to design")
    offset = torch.where(low < high, 0.0, low)
    at = [group.index(f) for f in free]
    limits = torch.stack((low[at], high[at]))
    if not equations:
        return scaled(Tied(limits, expand, offset, tuple(caps)), logarithmic[at], whole[at], whole, held[at])
    try:
        solved = linear.eliminate(limits, expand, offset, equations, whole[at])
    except ValueError as error:
        raise ValueError(f"The constraints {said} contradict each other: {error}") from None
    if not solved.kept:
        raise ValueError(f"The constraints {said} fix every coordinate: nothing is left to design")
    for j in (at[k] for k in range(len(at)) if k not in solved.kept):  # caps now keep their bounds
        row = torch.nn.functional.one_hot(torch.tensor(j), task.d).double()
        caps += [Linear(row, "<=", float(high[j])).cap(task.bounds), Linear(row, ">=", float(low[j])).cap(task.bounds)]
    at = [at[k] for k in solved.kept]
    space = Tied(solved.bounds, solved.expand, solved.offset, tuple(caps))
    return scaled(space, logarithmic[at], whole[at], whole, held[at])


def _in_names(task: Task, relation: str) -> str:
    """A relation of the task for a message: 'Sr + Ba + Ca = 1' for 'x6 + x7 + x8 = 1'."""
    names = [label.split(" [")[0] for label in task.x_labels]
    return re.sub(r"\bx([1-9]\d*)\b", lambda at: names[int(at[1]) - 1] if int(at[1]) <= task.d else at[0], relation)


def _split(task: Task, text: str) -> tuple[list[str] | None, int | None]:
    """Split a constraint at its operator; → its parts, its left coordinate. A name may hold an operator ('T=300K')."""
    parts = [[text, text[: at.start()].strip(), at[1], text[at.end() :].strip()] for at in _OPERATOR.finditer(text)]
    for match in reversed(parts):  # the last operator first, for names like 'T=300K'
        left = _index(task, match[1])
        if left is None:
            continue
        category = task.variables[left].kind == "category"
        if category or _number(match[3], task.x_labels[left]) is not None or _index(task, match[3]) is not None:
            return match, left
    return None, None


def _value(task: Task, match: list[str], left: int) -> float | None:
    """The number on the right, or the place of a category's level; None: there is a name."""
    variable = task.variables[left]
    if variable.kind != "category":
        return _number(match[3], task.x_labels[left])
    value = variable.read(match[3]) if match[2] == "=" else None
    if value is None:
        levels = ", ".join(variable.levels[:20])
        raise ValueError(
            f"constraint '{match[0]}': {variable.name} is a category; accepted: {variable.name}=LEVEL with {levels}"
        )
    return value


def _summand(task: Task, name: str) -> int | None:
    """The coordinate that a name in a sum stands for; a category has no sums."""
    j = _index(task, name)
    if j is not None and task.variables[j].kind == "category":
        raise ValueError(f"{task.variables[j].name} is a category, of which there are no sums; accepted: NAME=LEVEL")
    return j


def _index(task: Task, name: str) -> int | None:
    return find(name, task.x_labels, task.columns)


def _words(task: Task, text: str, typed: str) -> Sequence[str | Cap]:
    meant = None if task.words is None else task.words(text)
    if meant is None:
        also = f"; {task.words_help}" if task.words_help else ""
        also += f"; {RULE}" if re.search(r"\d,\d", typed) else ""
        names = ", ".join(dict.fromkeys(task.x_labels)) if task.d < 20 else "x1 …"
        raise ValueError(f"constraint '{typed}' is not understood; accepted: {ACCEPTED} with NAME among {names}{also}")
    return meant


def _number(text: str, label: str) -> float | None:
    """The number; an angle in radians may also be typed in degrees ('60°', '60 deg')."""
    if label.endswith("[rad]") and (degrees := re.fullmatch(r"(.*?)\s*(?:°|deg)", text)):
        value = _number(degrees[1], "")
        return None if value is None else math.radians(value)
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
