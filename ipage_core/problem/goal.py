"""The goal for one property, and the text that it is read from."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from ipage_core.problem.numerals import RULE, why_not

Kind = Literal["exactly", "at least", "at most", "between", "minimize", "maximize", "anything"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LARGEST = 1e18
"""Largest tolerance and largest number of a goal: its square is finite in float32."""
GOALS = "NAME=5, NAME=5±0.1 (or 5+-0.1, 5±2%), NAME<=3, NAME>=3, NAME=0.4:0.6, minimize NAME or maximize NAME"
VALUES = "5, 5±0.1 (or 5+-0.1, 5±2%), <=3, >=3, 0.4:0.6, minimize, maximize, anything"
_OPTIMUM = re.compile(r"(minimi[sz]e|maximi[sz]e|anything)\s+(.+)", re.IGNORECASE)
_WEIGHT = re.compile(r"(.*\S)\s+weight\s+(\S+)")
_CHAIN = re.compile(r"([^<>=]+)<=([^<>=]+)<=([^<>=]+)")
_COMPARISON = re.compile(r"(.+?)(<=|>=|=)([^<>=]+)")


@dataclass(frozen=True)
class Goal:
    """The goal for one property: a number, an interval, a bound, minimize, maximize, or anything.

    Raises
    ------
    ValueError
        The kind is not known, the interval is empty, a number is too large, or a tolerance or weight is not above 0.

    Examples
    --------
    >>> Goal.exactly(5, 0.1)
    Goal(kind='exactly', low=5.0, high=5.0, tolerance=0.1, weight=1.0)
    """

    kind: Kind = "anything"
    low: float = -math.inf
    high: float = math.inf
    """Lowest and highest accepted value; equal for an exact number."""
    tolerance: float | None = None
    """Largest error of a hit; None: the property's own."""
    weight: float = 1.0
    """Weight of the error if not all goals can be met."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"goal '{self.kind}' is not known; accepted: {', '.join(KINDS)}")
        if not self.low <= self.high:
            raise ValueError(f"The interval {self.low:g}:{self.high:g} is empty: its second number must be larger")
        if any(LARGEST < abs(end) < math.inf for end in (self.low, self.high)):
            raise ValueError(f"Expected numbers from -{LARGEST:g} to {LARGEST:g}, got {self.text}")
        if self.tolerance is not None and not 0 < self.tolerance <= LARGEST:
            raise ValueError(f"Expected a tolerance above 0, up to {LARGEST:g}, got {self.tolerance:g}")
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
        """An interval; an infinite end is open."""
        if math.isnan(low) or math.isnan(high) or (math.isinf(low) and math.isinf(high)):
            raise ValueError(f"Expected an interval with at least one finite end, got {low:g}:{high:g}")
        kind: Kind = "at most" if math.isinf(low) else "at least" if math.isinf(high) else "between"
        return cls(kind if low != high else "exactly", float(low), float(high))

    @property
    def smallest(self) -> float:
        """The number nearest to zero that the goal names; 0 to minimize, infinite to maximize or for anything.

        >>> Goal.between(4, 6).smallest, Goal("minimize").smallest
        (4.0, 0.0)
        """
        if self.kind == "minimize":
            return 0.0
        return min(abs(self.low), abs(self.high))

    def named(self, name: str) -> str:
        """The goal for the property ``name`` as ``--goal`` reads it; empty for anything.

        >>> Goal.exactly(5, 0.1).named("sag")
        'sag=5.0±0.1'
        """
        if self.kind == "anything":
            return ""
        weight = f" weight {self.weight!r}" if self.weight != 1 else ""
        if self.kind in ("minimize", "maximize"):
            return f"{self.kind} {name}{weight}"
        return f"{name}={self.text}" + (f"±{self.tolerance!r}" if self.tolerance is not None else "") + weight

    def words(self, name: str, unit: str = "") -> str:
        """The goal for the property ``name`` as a reader says it; empty for anything.

        >>> Goal.exactly(12, 0.1).words("thickness", "µm"), Goal.between(0.4, 0.6).words("gap", "eV")
        ('thickness = 12 ± 0.1 µm', '0.4 ≤ gap ≤ 0.6 eV')
        """
        if self.kind == "anything":
            return ""
        if self.kind in ("minimize", "maximize"):
            return f"{self.kind} {name}"
        low, high = f"{self.low:.6g}", f"{self.high:.6g}"
        if self.kind == "between":
            return f"{low} ≤ {name} ≤ {high} {unit}".strip()
        sign = {"at least": "≥", "at most": "≤"}.get(self.kind, "=")
        slack = "" if self.tolerance is None else f" ± {self.tolerance:g}"
        return f"{name} {sign} {high if self.kind == 'at most' else low}{slack} {unit}".strip()

    @property
    def text(self) -> str:
        """As ``--target`` reads it: '5.0', '0.4:0.6', '1.5:', or ':' for anything."""
        if self.kind in ("minimize", "maximize"):
            return self.kind
        low, high = (repr(end) if math.isfinite(end) else "" for end in (self.low, self.high))
        return low if self.low == self.high else f"{low}:{high}"


def read_goal(value: Any) -> Goal:
    """A goal from a number, a pair (low, high), a Goal, or text: '5', '5±0.1', '0.4:0.6', '<=3', 'minimize'.

    Raises:
        TypeError, ValueError: none of these.
    """
    if isinstance(value, Goal):
        return value
    if isinstance(value, tuple | list) and len(value) == 2:
        return Goal.between(*(math.nan if end is None else float(end) for end in value))
    if not isinstance(value, str):
        return Goal.exactly(float(value))
    text = value.strip()
    if re.fullmatch(r"minimi[sz]e|maximi[sz]e|anything", text, re.IGNORECASE):
        return expression(f"{text} NAME")[1]
    if ":" in text:
        return interval(text)
    try:
        return expression(f"NAME{'' if text[:1] in '<>=≤≥' else '='}{text}")[1]
    except ValueError as error:
        rule = f"; {RULE}" if RULE in str(error) else ""
        raise ValueError(f"'{value}' is neither a number nor a goal{rule}") from None


def interval(text: str) -> Goal:
    """A number, LOW:HIGH with either end open, minimize or maximize; ValueError if it is none of them."""
    first, colon, last = text.partition(":")
    if not colon:
        word = text.strip()
        return Goal(word) if word in ("minimize", "maximize") else Goal.exactly(_number(first))  # type: ignore[arg-type]
    if not first.strip() and not last.strip():
        return Goal()
    return Goal.between(_number(first) if first.strip() else -math.inf, _number(last) if last.strip() else math.inf)


def _number(text: str) -> float:
    """The number; ValueError, in words, if it is none."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"'{text.strip()}' is not a number; {why_not(text)}") from None


def _tolerance(text: str, value: float) -> float:
    """A number, or a share of the value in per cent."""
    share, percent, rest = text.strip().partition("%")
    if percent and not rest:
        return _number(share) / 100 * abs(value)
    return _number(text)


def expression(given: str) -> tuple[str, Goal]:
    """ "NAME=5±0.1" and the other forms of ``GOALS`` → the name and the goal.

    Raises:
        ValueError: not understood.
    """
    text = given.strip().replace("≤", "<=").replace("≥", ">=")
    try:
        if match := _WEIGHT.fullmatch(text):
            name, goal = expression(match[1])
            return name, replace(goal, weight=_number(match[2]))
        if match := _OPTIMUM.fullmatch(text):
            word = match[1].lower().replace("se", "ze")
            return match[2].strip(), Goal({"minimize": "minimize", "maximize": "maximize"}.get(word, "anything"))  # type: ignore[arg-type]
        if match := _CHAIN.fullmatch(text):
            return match[2].strip(), Goal.between(_number(match[1]), _number(match[3]))
        if match := _COMPARISON.fullmatch(text):
            name, sign, value = match[1].strip(), match[2], match[3].strip()
            if sign == "=" and ":" in value:
                return name, interval(value)
            number, plus_minus, tolerance = value.replace("+-", "±").replace("+/-", "±").partition("±")
            if sign == "=":
                at = _number(number)
                return name, Goal.exactly(at, _tolerance(tolerance, at) if plus_minus else None)
            if not plus_minus:
                end = _number(number)
                return name, Goal.between(-math.inf, end) if sign == "<=" else Goal.between(end, math.inf)
    except ValueError as error:
        raise ValueError(f"--goal '{given}' is not understood ({error}); accepted: {GOALS}") from None
    raise ValueError(f"--goal '{given}' is not understood; accepted: {GOALS}")
