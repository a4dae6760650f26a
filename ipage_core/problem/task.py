"""A task of inverse design: a prior over designs, a forward operator Ω, names and units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ipage_core.problem.function import fields_of
from ipage_core.problem.operator import Operator
from ipage_core.problem.variable import Property, Variable
from ipage_core.runtime.lazy import Late, torch

if TYPE_CHECKING:
    import pandas as pd
    from torch import Generator, Tensor

    from ipage_core.problem.recipe import Recipe
    from ipage_core.problem.space import Cap, DesignSpace

__all__ = ["DesignText", "Property", "Task", "Variable"]


class DesignText(NamedTuple):
    """Functions that convert a design to text and back."""

    write: Callable[[Sequence[float]], str]
    parse: Callable[[str], tuple[float, ...]]


@dataclass(frozen=True, eq=False)
class Task:
    """An inverse problem y* = Ω(x) with its prior p(x).

    Shapes: x ``(n, d)``, y ``(n, m)`` with m = ``n_targets``. Ω returns ``(n, m + p)``: the m targets, then p further
    properties. Everything here is float64; the networks are float32.

    Examples
    --------
    >>> from ipage_core.tasks import TASKS
    >>> TASKS["robotic_arm"].d, TASKS["robotic_arm"].property_labels
    (4, ('hand, horizontal [m]', 'hand, vertical [m]'))
    """

    name: str
    title: str
    variables: tuple[Variable, ...]
    """The d coordinates of a design."""
    properties: tuple[Property, ...]
    """The m + p properties; the first ``n_targets`` of them can be targets."""
    sample_prior: Callable[[int, Generator], Tensor]
    """(n, generator) → (n, d) designs drawn from p(x)."""
    omega: Callable[[Tensor], Tensor] | None
    """The true forward operator, batched; None if the task has only data. It gets a copy of the designs."""
    omega_seconds: Late[float] = Late()  # noqa: RUF009 -- a descriptor, not a default
    """Typical time of one Ω evaluation, or a function that measures it; below 0.01 s every design is verified by
    default."""
    default_target: Late[tuple[float, ...]] = Late()  # noqa: RUF009 -- a descriptor, not a default
    """The target until another one is given, or a function that measures it."""
    source: str  # type: ignore[misc]  # to mypy, the late fields above have defaults
    """DOI or equation that defines the task."""
    n_targets: int = 1
    arrived: float = 5e-5
    """Localization of a sample ends when its surrogate residual is below this fraction of the tolerance.

    float32 reaches no smaller residual.
    """
    support: tuple[tuple[float, float] | None, ...] = ()
    """For each coordinate: (low, high) if the prior is uniform, else None."""
    dequantize: tuple[float, ...] = ()
    """For each coordinate: half the spacing of a discrete prior's values, 0 if continuous. Noise of this width is added
    before a density is fitted."""
    modes: Callable[[Tensor, Tensor], Tensor] | None = None
    """(n, d) designs, (n, m) targets → (n,) int: the family of solutions each design belongs to, −1 for none."""
    n_modes: int = 0
    """Number of families for the default target."""
    stored: Callable[[], tuple[Tensor, Tensor]] | None = None
    """→ stored pairs x (n, d), y (n, m + p), if Ω is too slow to generate pairs when they are needed."""
    check_data: Callable[..., dict[str, Any]] | None = None
    """(data=file, n=rows, workers=) computes rows of the stored data again; ``ok`` says whether they agree."""
    merge_data: Callable[[Sequence[Path]], dict[str, Any]] | None = None
    """Merges journals of generating runs into the stored data. → the card, with ``n`` and ``failed``."""
    default_method: str = "ipage"
    """The method with the best measured results on this task."""
    words: Callable[[str], Sequence[str | Cap] | None] | None = None
    """A constraint in the task's own words → simpler constraints or caps; None: not understood.

    See :func:`ipage_core.problem.constraints.parse`. ValueError: understood, but not accepted.
    """
    remark: str = ""
    """A sentence shown with the properties wherever they appear, because they would be misread without it."""
    words_help: str = ""
    """The constraints that ``words`` understands, for messages."""
    space: Callable[[Sequence[str]], DesignSpace] | None = None
    """Constraints → the space that localization moves in; None: the designs themselves."""
    read_design: Callable[[Path], tuple[Tensor, str]] | None = None
    """Reads a design from a file of the field → (d,), and a remark on how it was read. ValueError: one sentence."""
    design_text: DesignText | None = None
    """Short text of a design for links; None: its numbers."""
    verify_file: Callable[[Path], Mapping[str, Any] | None] | None = None
    """Runs Ω on a design in a file → values by column; None: the file is a table of designs."""
    verify_table: Callable[[pd.DataFrame], tuple[pd.DataFrame, str] | None] | None = None
    """(table of designs) → the table with all that Ω says of it, and the outcome in a sentence; None: it has the
    task's own columns. For designs of goals beyond the targets."""
    finer: tuple[int, ...] = ()
    """Other numbers of coordinates that a design of ``export`` may have, such as the pixels of a finer cell."""
    surface_file: Callable[[Mapping[str, Any], str], bytes] | None = None
    """(values of ``verify_file``, file suffix) → a property over all directions as a file."""
    data_size: int = 10_000
    """Number of training pairs, as in the paper's Table 1."""
    held_out: Callable[[], tuple[Tensor, Tensor]] | None = None
    """→ pairs x (n, d), y (n, m) outside the training data, to measure the accuracy if there is no Ω."""
    images: Callable[[Any], Any] | None = None
    """Array (n, d) → (n, s, d): the designs equivalent by symmetry, the design itself first. None: no symmetry."""
    distance_unit: Any = None
    """Array (d,): the unit of distances along each coordinate; None: the widths of the box."""
    distance_name: str = "box widths"
    """Name of this unit in a sentence: "no solution is farther than 0.06 box widths"."""
    networks: Callable[[], Mapping[str, type]] = dict
    """→ networks for this task alone, by the name that a card gives them."""
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    """Recipes that replace the general ones, by the model's name."""
    sizes: tuple[str, ...] = ("small", "usual", "large")
    """Sizes of its networks."""
    training_pairs: Callable[[str, Callable[[], Any]], tuple[Tensor, Tensor, dict[str, Any]]] | None = None
    """(model, surrogate) → training pairs x (n, d), y (n, m) of a model, and their description for its card.

    None: the stored pairs, or generated ones. ``surrogate()`` is the trained surrogate, which may label some pairs.
    """
    taught: Callable[[Tensor], Tensor] | None = None
    """Results of Ω (n, m + p) → the same as y (n, k) of the surrogate's training pairs; NaN: not said. None: the same
    columns come first there. The surrogate can then learn from designs that anyone verifies."""
    test_pairs: Callable[[], tuple[Tensor, Tensor]] | None = None
    """→ pairs x (n, d), y (n, m) for tests, if Ω is too slow to generate them."""
    new_pairs: Callable[[int, int], tuple[Tensor, Tensor]] | None = None
    """(n, seed) → pairs x (n, d), y (n, m) like the stored ones, but new; None: draws of the prior, and their Ω."""
    generate: Callable[..., dict[str, Any]] | None = None
    """(n, seed or None, out, workers=, scheduler=, progress=) writes a data set and returns its card; None: by Ω."""
    data_kinds: tuple[str, ...] = ()
    """Kinds of data sets that ``generate`` can write, by ``kind=``; the first is the default."""
    collect: Callable[..., dict[str, Any]] | None = None
    """(n, seed or None, out or None, workers=, scheduler=, progress=) adds n evaluated designs to the task's own rows.

    → a card of them. A task with this hook keeps every answer of Ω; ``out`` is a copy of all rows.
    """
    in_processes: bool = False
    """Whether Ω runs in worker processes, here or on a Dask cluster, as ``--workers`` and ``--scheduler`` say."""
    evaluated: Callable[[], tuple[Tensor, Tensor]] | None = None
    """→ x (n, d), y (n, m + p): all rows that the task keeps, by Ω (NaN where it failed) and complete measured ones."""
    why_failed: Callable[[Tensor], list[str]] | None = None
    """Designs (n, d) → why Ω failed for each; empty where it did not, or has not run. None: not known."""
    distinct: float = 0.02
    """Designs at most so far apart, in ``distance_unit``, count as one and the same."""
    log_prior: Callable[[Tensor], Tensor] | None = None
    """(n, d) in the box → (n,) log p(x) per raw unit; None: not known."""
    published_descent: tuple[tuple[tuple[float, ...], tuple[float, ...]], tuple[float, ...]] | None = None
    """Bounds (2, d) and units (d,) of the neural adjoint as published; None: the box and its widths."""
    export_formats: tuple[str, ...] = ()
    """File formats for designs."""
    export: Callable[..., Mapping[str, bytes]] | None = None
    """(table with ``sample`` and x1 …, one design a row; format; settings) → contents by file name."""
    export_settings: Callable[[Any], Mapping[str, Any]] | None = None
    """(options of the command ``export``) → further arguments of ``export``; None: it has no settings."""
    relations: tuple[str, ...] = ()
    """Constraints on every design, such as ``x1 + x2 + x3 = 1`` for the parts of a mixture."""
    columns: tuple[str, ...] = ()
    """Names of the coordinates in the user's table, if they differ from the labels."""
    models_folder: Path | None = None
    """Folder of its models; None: in ``pretrained/``."""
    data_folder: Path | None = None
    """Folder of the user's table; None: the task is no table."""
    decimal: str = "."
    """Decimal mark of the numbers in the user's table, '.' or ','."""
    files: tuple[str, ...] = ()
    """Names of the files that the user's measured rows came from."""
    describe_accuracy: Callable[[Any], str] | None = None
    """(loaded method) → a sentence on the surrogate's accuracy, shown with designs that no Ω can verify."""
    beside: Callable[[Any, Any, pd.DataFrame], pd.DataFrame] | None = None
    """(loaded method, solutions, their table) → the table with estimates that replace Ω."""
    more_summary: Callable[[Any, Any, pd.DataFrame], dict[str, Any]] | None = None
    """(loaded method, solutions, their table) → further entries of the summary; ``advice`` is shown to the user."""
    to_measure: Callable[[Any, Tensor, Tensor, int], pd.DataFrame] | None = None
    """(loaded method, x (n, d), y* (n, m), number) → the designs to measure next."""
    relax: Callable[..., tuple[pd.DataFrame, Mapping[str, bytes]]] | None = None
    """(x (n, d), samples) → what becomes of designs that may give way: columns, a row a design; files by name.

    None: Ω has the last word.
    """
    design_goals: Callable[[Any], Any] | None = None
    """(options of the command ``design``) → designs for goals beyond the targets; None: goals are targets."""
    goal_settings: tuple[str, ...] = ()
    """Names of the options that only ``design_goals`` reads."""
    predict_table: Callable[[pd.DataFrame, Callable[[Tensor], Tensor]], tuple[pd.DataFrame, str] | None] | None = None
    """(table of designs, surrogate) → the table with predictions, and in a sentence what they are; None: the surrogate
    predicts the targets. For designs of goals beyond the targets."""
    note_accuracy: Callable[[str, dict[str, Any]], None] | None = None
    """(model, accuracy) is called after a model in ``models_folder`` is trained."""

    def __post_init__(self) -> None:
        if self.omega is not None and not isinstance(self.omega, Operator):
            object.__setattr__(self, "omega", Operator(self.omega, self.name))

    def __repr__(self) -> str:
        return f"Task({self.name!r}: {', '.join(self.x_labels)} → {', '.join(self.property_labels)})"

    @property
    def known_target(self) -> tuple[float, ...] | None:
        """``default_target``, or None if Ω would have to run for it."""
        return None if Late.waits(self, "default_target") else self.default_target

    @property
    def example_target(self) -> str:
        """A target as text, for messages: the default one if it is known without Ω, else 1 for each property."""
        return ",".join(f"{value:g}" for value in self.known_target or (1.0,) * self.n_targets)

    @property
    def as_argument(self) -> str:
        """The task as an argument of the command line."""
        if self.models_folder is None:
            return self.name
        return str(self.models_folder) if self.data_folder is None else f"--model {self.models_folder}"

    @classmethod
    def from_function(
        cls,
        function: Callable[..., Any],
        x: Mapping[str, tuple[float, float] | tuple[str, ...] | Variable] | Sequence[Variable],
        y: Mapping[str, float | Property] | Sequence[Property],
        name: str,
        *,
        title: str = "",
        default_target: Sequence[float] | None = None,
        seconds: float | None = None,
        **more: Any,
    ) -> Task:
        """Make a task whose Ω is a Python function.

        Parameters
        ----------
        function : callable
            Takes a float64 tensor of shape (n, d), or an array if it fails on tensors; returns (n, m) or (n,). It may
            change its argument, which is a copy. NaN is a failure.
        x : mapping or sequence of Variable
            Inputs and their bounds, such as {'length [m]': (0.5, 2)}, or the words of a category, such as
            {'metal': ('Cu', 'Ag')}; ``function`` gets the number of the word, from 0. The prior is uniform.
        y : mapping or sequence of Property
            Properties and their tolerances, such as {'sag [mm]': 0.1}.
        name : str
            Letters, digits, - and _.
        title : str
            Name on the pages; default: ``name``.
        default_target : sequence of float, optional
            Target until another one is given, such as the first one on a page. Default: the median result of the
            designs that ``seconds`` evaluates; 0 if none has a finite result.
        seconds : float, optional
            Time of one evaluation. Default: measured when it is first needed, on one design, and on eight more if that
            took less than 0.1 s. ``design`` needs it to decide whether to verify by default; ``campaign``, ``dataset``
            and ``train`` do not. With ``seconds`` and ``default_target`` given, Ω never runs without a request.
        **more
            Further fields of :class:`Task`, such as ``relations``: constraints on every design, by number or by name of
            the inputs, such as ``("Sr + Ba + Ca = 1", "2*x1 - x2 <= 0.5")``. Equations hold exactly. The prior does not
            know them.

        Returns
        -------
        Task

        Raises
        ------
        ValueError
            A name, a bound or a tolerance is not accepted. Ω raises it if the function fails or returns a wrong shape.

        Examples
        --------
        >>> sides = {"a [m]": (1, 2), "b [m]": (1, 2)}
        >>> area = Task.from_function(lambda x: x[:, :1] * x[:, 1:], sides, {"area [m²]": 0.1}, "area")
        >>> area.x_labels, area.n_targets
        (('a [m]', 'b [m]'), 1)
        """
        return cls(**fields_of(function, x, y, name, title, default_target, seconds, more))

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
        return tuple(one.label for one in self.properties)

    @property
    def targets(self) -> tuple[Property, ...]:
        """The m properties that can be targets."""
        return self.properties[: self.n_targets]

    @cached_property
    def bounds(self) -> Tensor:
        """(2, d) float64: lower and upper bounds of the coordinates."""
        ends = [[v.low for v in self.variables], [v.high for v in self.variables]]
        return torch.tensor(ends, dtype=torch.float64)

    @cached_property
    def tolerances(self) -> Tensor:
        """(m,) float64: the largest |Ω(x) − y*| of a hit, for each property."""
        return torch.tensor([one.tolerance for one in self.targets], dtype=torch.float64)

    @property
    def tolerance(self) -> float:
        """The first property's tolerance."""
        return self.properties[0].tolerance

    @property
    def verifies_by_default(self) -> bool:
        """Whether Ω exists and is fast enough to verify every design by default."""
        return self.omega is not None and self.omega_seconds < 0.01

    def pairs(self, n: int | None = None, seed: int = 0) -> tuple[Tensor, Tensor]:
        """n training pairs x ~ p(x), y = Ω(x) → (n, d), (n, m), float64; n is ``data_size`` by default.

        If the task has stored pairs, these are the first n of them, or all, and ``seed`` has no effect. Designs for
        which Ω has no finite result are left out.

        Raises:
            ValueError: the task has neither stored pairs nor an Ω, or Ω fails for all designs.
        """
        if self.stored is not None:
            x, y = self.stored()
            return x[:n], y[:n, : self.n_targets]
        if self.omega is None:
            raise ValueError(f"{self.name} has no forward operator to generate data with")
        x = self.sample_prior(n or self.data_size, torch.Generator().manual_seed(seed))
        y = self.omega(x)[:, : self.n_targets]
        fine = y.isfinite().all(1)
        if not fine.any():
            raise ValueError(f"Ω of {self.name} has a finite result for none of {len(x)} designs within its bounds")
        return (x, y) if fine.all() else (x[fine], y[fine])

    def parse_design(self, text: str) -> tuple[float, ...]:
        """Text of a design in a link or a form → its d numbers; the inverse of :meth:`write_design`.

        Raises:
            ValueError: not d finite numbers.
        """
        if self.design_text is not None:
            return self.design_text.parse(text)
        parts = [part.strip() for part in text.split(",")]
        values = [v.read(part) for v, part in zip(self.variables, parts, strict=False)]
        if len(parts) != self.d or None in values:
            names = [
                f"{v.label} ({' or '.join(v.levels)})" if v.kind == "category" else v.label for v in self.variables
            ]
            raise ValueError(f"Expected {self.d} finite numbers for a design of this task: {', '.join(names)}.")
        return tuple(value for value in values if value is not None)

    def write_design(self, values: Sequence[float]) -> str:
        """The d numbers of a design → short text for a link."""
        if self.design_text is not None:
            return self.design_text.write(values)
        shown = [v.show(value) for v, value in zip(self.variables, values, strict=True)]
        return ", ".join(value if isinstance(value, str) else repr(value) for value in shown)

    @cached_property
    def categories(self) -> Tensor:
        """(d,) bool: which coordinates are categories."""
        return torch.tensor([variable.kind == "category" for variable in self.variables])

    def with_levels(self, x: Tensor) -> Tensor:
        """(n, d) → (n, d): categories at the nearest of their levels, all else as it is."""
        if not bool(self.categories.any()):
            return x
        return torch.where(self.categories.to(x.device), x.clamp(*self.bounds.to(x)).round(), x)

    def in_bounds(self, x: Tensor) -> Tensor:
        """(n, d) → (n,) bool: inside ``bounds``, within 10⁻⁶ of their width."""
        low, high = self.bounds.to(x)
        slack = 1e-6 * (high - low)
        return ((x >= low - slack) & (x <= high + slack)).all(dim=-1)
