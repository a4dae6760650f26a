"""What an inverse-design task is: a prior over designs, a forward operator Ω, and the units to read them in."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ipage_core.runtime.lazy import torch

if TYPE_CHECKING:
    import pandas as pd
    from torch import Generator, Tensor

    from ipage_core.problem.recipe import Recipe
    from ipage_core.problem.space import Cap, DesignSpace
    from ipage_core.runtime.executor import Progress


class Watch(NamedTuple):
    """Who listens to a slow Ω: ``progress`` is told as results arrive, ``cancel`` is asked whether to stop."""

    progress: Callable[[Progress], None] | None = None
    cancel: Callable[[], bool] | None = None


class DesignText(NamedTuple):
    """A design as text, and back."""

    write: Callable[[Sequence[float]], str]
    parse: Callable[[str], tuple[float, ...]]


_WATCH: ContextVar[Watch] = ContextVar("watch")


@contextmanager
def watching(
    progress: Callable[[Progress], None] | None = None, cancel: Callable[[], bool] | None = None
) -> Iterator[None]:
    """While the block runs, an Ω that takes seconds reports to ``progress`` and stops on ``cancel``."""
    token = _WATCH.set(Watch(progress, cancel))
    try:
        yield
    finally:
        _WATCH.reset(token)


def watched() -> Watch:
    """For the Ω itself: who is :func:`watching`."""
    return _WATCH.get(Watch())


@dataclass(frozen=True)
class Variable:
    """One coordinate of a design, with the interval that designs are searched in.

    >>> Variable("length", "m", 0.5, 2).label
    'length [m]'
    """

    name: str
    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    """Where the prior is unbounded: its central 99.9 %."""
    kind: Literal["real", "integer", "category"] = "real"
    levels: tuple[str, ...] = ()
    """Names of a category's values; a design holds their number, 0, 1, …"""
    scale: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"Expected bounds LOW < HIGH of {self.name}, got {self.low:g} and {self.high:g}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"A log scale needs bounds above 0, {self.name} begins at {self.low:g}")

    @property
    def label(self) -> str:
        """Axis title: the name with its unit."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


@dataclass(frozen=True)
class Property:
    """One property of a design: what Ω computes, and how exactly it has to be met.

    >>> Property("sag", "mm", tolerance=0.1).label
    'sag [mm]'
    """

    name: str
    unit: str = ""
    tolerance: float = math.inf
    """|Ω(x) − y*| that counts as a hit, in ``unit``; infinite where the property only rides along."""
    scale: Literal["linear", "log"] = "linear"
    floor: float | None = None
    """The value that many data sit on because nothing lower can be measured; None: there is none."""

    def __post_init__(self) -> None:
        if not self.tolerance > 0:
            raise ValueError(f"Expected a tolerance above 0 for {self.name}, got {self.tolerance:g}")

    @property
    def label(self) -> str:
        """Axis title: the name with its unit."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


@dataclass(frozen=True, eq=False)
class Task:
    """An inverse problem y* = Ω(x) with its prior p(x).

    Shapes: x ``(n, d)``, y ``(n, m)`` with m = ``n_targets``; Ω returns ``(n, m + p)``, the first m columns being
    the targets and the rest riding along. Everything here is float64; the networks are float32.
    """

    name: str
    title: str
    variables: tuple[Variable, ...]
    """The d coordinates of a design."""
    properties: tuple[Property, ...]
    """The m + p properties; the first ``n_targets`` of them can be asked for."""
    sample_prior: Callable[[int, Generator], Tensor]
    """(n, generator) → (n, d) designs from p(x)."""
    omega: Callable[[Tensor], Tensor] | None
    """The true forward operator, batched; None where only data exist."""
    omega_seconds: float
    """Typical cost of one evaluation of Ω: below 0.01 s every solution is verified by default."""
    default_target: tuple[float, ...]
    source: str
    """DOI or equation that defines the task."""
    n_targets: int = 1
    arrived: float = 5e-5
    """A sample rests once its surrogate residual is below this fraction of the tolerance: float32 gives no more."""
    support: tuple[tuple[float, float] | None, ...] = ()
    """Per coordinate: (low, high) where the prior is uniform on an interval, else None."""
    dequantize: tuple[float, ...] = ()
    """Per coordinate: half the spacing of the lattice the prior sits on (0: continuous). A density needs it smeared."""
    modes: Callable[[Tensor, Tensor], Tensor] | None = None
    """(n, d) designs, (n, m) targets → (n,) int: which separate family of solutions each belongs to, −1 for none."""
    n_modes: int = 0
    """How many such families the default target has."""
    stored: Callable[[], tuple[Tensor, Tensor]] | None = None
    """Pairs x (n, d), y (n, m + p) computed beforehand, where Ω is too slow to generate any in passing."""
    check_data: Callable[..., dict[str, Any]] | None = None
    """(data=file, n=rows, workers=) computes rows of the stored data again; ``ok`` says whether they agree."""
    merge_data: Callable[[Sequence[Path]], dict[str, Any]] | None = None
    """Merges journals of generating runs into the stored data. → the card, with ``n`` and ``failed``."""
    default_method: str = "ipage"
    """The method that measures best on it."""
    words: Callable[[str], Sequence[str | Cap] | None] | None = None
    """A constraint that only this task understands → simpler ones, or caps; None: not understood either.

    See :func:`ipage_core.problem.constraints.parse`. ValueError: understood, but not acceptable.
    """
    remark: str = ""
    """A sentence without which the properties would be misread: it is said wherever they are shown."""
    words_help: str = ""
    """What ``words`` understands, for a message."""
    space: Callable[[Sequence[str]], DesignSpace] | None = None
    """Constraints → what localization moves, where that is not the designs themselves."""
    read_design: Callable[[Path], Tensor] | None = None
    """A file of the field → (d,), for designs of one's own. ValueError: one sentence."""
    design_text: DesignText | None = None
    """How a design is written in a link, where its numbers would be too many."""
    verify_file: Callable[[Path], Mapping[str, Any] | None] | None = None
    """What Ω says of a design in a file of the field, a value a column; None: not such a file, but a table."""
    data_size: int = 10_000
    """Training pairs, as in the paper's Table 1."""
    held_out: Callable[[], tuple[Tensor, Tensor]] | None = None
    """Pairs x (n, d), y (n, m) that no training sees: the accuracy where no Ω can tell."""
    images: Callable[[Any], Any] | None = None
    """Arrays (n, d) → (n, s, d): designs that count as the same one, the design itself first. None: each is its own."""
    distance_unit: Any = None
    """Array (d,): what counts as 1 in the distance between designs, for each coordinate; None: the box's widths."""
    distance_name: str = "box widths"
    """What that distance is in, as a sentence ends: "no solution is farther than 0.06 box widths"."""
    networks: Callable[[], Mapping[str, type]] = dict
    """→ networks that this task's models alone are built from, by the name that a card gives them."""
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    """How its models differ from the usual ones, by the model's name."""
    sizes: tuple[str, ...] = ("small", "usual", "large")
    """Sizes that its networks come in."""
    training_pairs: Callable[[str, Callable[[], Any]], tuple[Tensor, Tensor, dict[str, Any]]] | None = None
    """(model, surrogate) → x (n, d), y (n, m) that this model learns from, and what its card says of them.

    None: the stored pairs, or generated ones. ``surrogate()`` is the trained separate surrogate, which may label some.
    """
    test_pairs: Callable[[], tuple[Tensor, Tensor]] | None = None
    """Pairs x (n, d), y (n, m) for tests, where Ω is too slow to generate them."""
    generate: Callable[..., dict[str, Any]] | None = None
    """(n, seed or None, out, workers=, scheduler=, progress=) writes a data set, returns its card; None: as usual."""
    log_prior: Callable[[Tensor], Tensor] | None = None
    """(n, d) in the box → (n,) log p(x) per raw unit, where it is known."""
    published_descent: tuple[tuple[tuple[float, ...], tuple[float, ...]], tuple[float, ...]] | None = None
    """Boundary (2, d) and units (d,) that the neural-adjoint method has as published; None: the box and its widths."""
    export_formats: tuple[str, ...] = ()
    """File formats that designs can be written in."""
    export: Callable[[pd.DataFrame, str], Mapping[str, bytes]] | None = None
    """(a row a design with ``sample`` and x1 …, format) → contents by file name."""
    relations: tuple[str, ...] = ()
    """Constraints that hold for every design, such as ``x1 + x2 + x3 = 1`` for the parts of a mixture."""
    columns: tuple[str, ...] = ()
    """The coordinates' names in the user's own table, where they are not quite the labels."""
    models_folder: Path | None = None
    """Where its models lie; None: in ``pretrained/``."""
    describe_accuracy: Callable[[Any], str] | None = None
    """(loaded method) → what is known of its surrogate, to stand before designs that no Ω can verify."""
    beside: Callable[[Any, Any, pd.DataFrame], tuple[pd.DataFrame, dict[str, Any]]] | None = None
    """(loaded method, solutions, their table) → the table with what stands in for an Ω, and more for the summary."""
    to_measure: Callable[[Any, Tensor, Tensor, int], pd.DataFrame] | None = None
    """(loaded method, x (n, d), y* (n, m), how many) → the designs to measure next."""
    design_goals: Callable[[Any], Any] | None = None
    """(options of the command ``design``) → designs for goals beyond the targets; None: the goals are targets."""
    note_accuracy: Callable[[str, dict[str, Any]], None] | None = None
    """(model, accuracy) is called when a model in ``models_folder`` was trained."""

    @property
    def folder(self) -> Path | None:
        """``models_folder`` by its former name."""
        return self.models_folder

    @property
    def as_argument(self) -> str:
        """What names it on the command line."""
        return self.name if self.models_folder is None else f"--model {self.models_folder}"

    @classmethod
    def from_function(
        cls,
        function: Callable[..., Any],
        x: Mapping[str, tuple[float, float] | Variable] | Sequence[Variable],
        y: Mapping[str, float | Property] | Sequence[Property],
        name: str,
        *,
        title: str = "",
        default_target: Sequence[float] | None = None,
        seconds: float | None = None,
        **more: Any,
    ) -> Task:
        """A task whose Ω is a Python function.

        Args:
            function: (n, d) float64 tensor, or array if it does not take tensors, → (n, m) or (n,).
            x: inputs with their bounds: 'length [m]' → (0.5, 2); designs are drawn uniformly from them.
            y: properties with their tolerances: 'sag [mm]' → 0.1.
            name: letters, digits, - and _.
            title: what pages call it; the name if empty.
            default_target: y* to begin with; the median over a few designs if None.
            seconds: cost of one evaluation; measured if None.
            more: further fields of :class:`Task`.

        Raises:
            ValueError: a name, a bound or a tolerance is not acceptable, or the function fails on eight designs.

        >>> sides = {"a [m]": (1, 2), "b [m]": (1, 2)}
        >>> area = Task.from_function(lambda x: x[:, :1] * x[:, 1:], sides, {"area [m²]": 0.1}, "area")
        >>> area.x_labels, area.n_targets
        (('a [m]', 'b [m]'), 1)
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise ValueError(f"The task's name '{name}' is not accepted: letters, digits, - and _")
        variables = _variables(x)
        properties = _properties(y)
        omega = _batched(function, len(properties), name)
        low, high = ([getattr(v, end) for v in variables] for end in ("low", "high"))

        def sample_prior(n: int, generator: Generator) -> Tensor:
            ends = torch.tensor([low, high], dtype=torch.float64)
            unit = torch.rand(n, len(variables), dtype=torch.float64, generator=generator)
            return ends[0] + (ends[1] - ends[0]) * unit

        if default_target is None or seconds is None:  # a test evaluation before anything else
            start = time.perf_counter()
            found = omega(sample_prior(8, torch.Generator().manual_seed(0)))
            seconds = (time.perf_counter() - start) / 8 if seconds is None else seconds
            known = found[found.isfinite().all(1)]
            if not len(known):
                raise ValueError(f"The function of {name} gave no finite number for any of eight designs")
            usual = known[:, : more.get("n_targets", len(properties))].median(0).values
            default_target = [float(f"{v:.3g}") for v in usual] if default_target is None else default_target
        fields: dict[str, Any] = {
            "title": title or name,
            "n_targets": len(properties),
            "support": tuple(zip(low, high, strict=True)),
            "default_method": "ipage",
            "source": getattr(function, "__module__", "") or "a function of the user's own",
        }
        return cls(
            name=name,
            variables=variables,
            properties=properties,
            sample_prior=sample_prior,
            omega=omega,
            omega_seconds=seconds,
            default_target=tuple(float(v) for v in default_target),
            **fields | more,
        )

    @property
    def d(self) -> int:
        """Number of design coordinates."""
        return len(self.variables)

    @cached_property
    def x_labels(self) -> tuple[str, ...]:
        """Axis titles of the d coordinates, with units."""
        return tuple(variable.label for variable in self.variables)

    @cached_property
    def property_labels(self) -> tuple[str, ...]:
        """Axis titles of the m + p properties, with units."""
        return tuple(known.label for known in self.properties)

    @property
    def targets(self) -> tuple[Property, ...]:
        """The m properties that can be asked for."""
        return self.properties[: self.n_targets]

    @cached_property
    def bounds(self) -> Tensor:
        """(2, d) float64: the interval of every coordinate."""
        ends = [[v.low for v in self.variables], [v.high for v in self.variables]]
        return torch.tensor(ends, dtype=torch.float64)

    @cached_property
    def tolerances(self) -> Tensor:
        """(m,) float64: how far each property may be off and still count as a hit."""
        return torch.tensor([known.tolerance for known in self.targets], dtype=torch.float64)

    @property
    def tolerance(self) -> float:
        """The first property's tolerance."""
        return self.properties[0].tolerance

    @property
    def verifies_by_default(self) -> bool:
        """Whether Ω exists and is cheap enough to run on every solution unasked."""
        return self.omega is not None and self.omega_seconds < 0.01

    def pairs(self, n: int | None = None, seed: int = 0) -> tuple[Tensor, Tensor]:
        """n training pairs x ~ p(x), y = Ω(x) → (n, d), (n, m), float64; ``data_size`` of them by default.

        Where the task has stored pairs these are the first n of them, or all; ``seed`` then says nothing.

        Raises:
            ValueError: the task has neither stored pairs nor an Ω.
        """
        if self.stored is not None:
            x, y = self.stored()
            return x[:n], y[:n, : self.n_targets]
        if self.omega is None:
            raise ValueError(f"{self.name} has no forward operator to generate data with")
        x = self.sample_prior(n or self.data_size, torch.Generator().manual_seed(seed))
        return x, self.omega(x)[:, : self.n_targets]

    def parse_design(self, text: str) -> tuple[float, ...]:
        """A design as a link or a form holds it → its d numbers; the inverse of :meth:`write_design`.

        Raises:
            ValueError: not d finite numbers.
        """
        if self.design_text is not None:
            return self.design_text.parse(text)
        try:
            values = tuple(float(part) for part in text.split(","))
        except ValueError:
            values = ()
        if len(values) != self.d or not all(map(math.isfinite, values)):
            raise ValueError(f"A design of this task is {self.d} finite numbers: {', '.join(self.x_labels)}.")
        return values

    def write_design(self, values: Sequence[float]) -> str:
        """The d numbers of a design → a short text for a link."""
        return ", ".join(map(repr, values)) if self.design_text is None else self.design_text.write(values)

    def in_bounds(self, x: Tensor) -> Tensor:
        """(n, d) → (n,) bool: inside the box of ``bounds``, to one part in 10⁶ of its width."""
        low, high = self.bounds.to(x)
        slack = 1e-6 * (high - low)
        return ((x >= low - slack) & (x <= high + slack)).all(dim=-1)


def _variables(x: Any) -> tuple[Variable, ...]:
    if not isinstance(x, Mapping):
        return tuple(x)
    found = []
    for label, given in x.items():
        if isinstance(given, Variable):
            found.append(given)
            continue
        try:
            low, high = map(float, given)
        except (TypeError, ValueError):
            raise ValueError(f"Expected the bounds (low, high) of '{label}', got {given!r}") from None
        found.append(Variable(*name_and_unit(label), low, high))
    return tuple(found)


def _properties(y: Any) -> tuple[Property, ...]:
    if not isinstance(y, Mapping):
        return tuple(y)
    return tuple(
        given if isinstance(given, Property) else Property(*name_and_unit(label), float(given))
        for label, given in y.items()
    )


def name_and_unit(label: str) -> tuple[str, str]:
    """'length [m]' → ('length', 'm'); without brackets the unit is empty."""
    name, bracket, unit = label.strip().removesuffix("]").partition(" [")
    return name, unit if bracket else ""


def _batched(function: Callable[..., Any], m: int, name: str) -> Callable[[Tensor], Tensor]:
    """The function as Ω: float64 tensors in and out, shapes checked; it is given an array if it takes no tensor."""

    def omega(x: Tensor) -> Tensor:
        try:
            y = function(x)
        except (TypeError, AttributeError) as error:
            try:
                y = function(x.detach().cpu().numpy())
            except Exception as again:
                raise ValueError(f"The function of {name} fails: {type(again).__name__}: {again}") from error
        except Exception as error:  # the user's own code may fail in any way
            raise ValueError(f"The function of {name} fails: {type(error).__name__}: {error}") from error
        y = torch.as_tensor(y, dtype=torch.float64)
        y = y[:, None] if y.dim() == 1 else y
        if y.shape != (len(x), m):
            raise ValueError(f"The function of {name} returned shape {tuple(y.shape)}; expected ({len(x)}, {m})")
        return y

    return omega


def gaussian_bounds(mean: float, sd: float) -> tuple[float, float]:
    """Central 99.9 % of N(mean, sd²)."""
    half_width = 3.2905267314919255 * sd
    return mean - half_width, mean + half_width
