"""The Python functions: ``design``, ``train``, ``load``, ``tasks`` and ``read_table``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ipage_core import registry
from ipage_core.problem.options import from_python
from ipage_core.problem.request import DesignRequest
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task
from ipage_core.runtime.bar import progress_bar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

    from ipage_core.inference.solutions import Solutions
    from ipage_core.tasks.table.table import Table


@dataclass(frozen=True)
class Model:
    """A task with the trained networks of a method, as :func:`train` and :func:`load` return it.

    Examples
    --------
    >>> model = load("sinewave")
    >>> model
    Model 'ipage' of sinewave, shipped with the program: .design(target, n), .predict(x)
    """

    task: Task
    method: str
    folder: Path | None = None
    """Folder of the networks; None: the networks that ship with the program."""
    device: str = "cpu"
    cards: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    def design(self, target: Any, n: int = 100, **settings: Any) -> Any:
        """Find n designs for a target with these networks.

        Parameters
        ----------
        target : number, sequence, dict or str
            As in :func:`design`.
        n : int
            Number of designs.
        **settings
            Fields of :class:`~ipage_core.problem.request.DesignRequest`.

        Returns
        -------
        Solutions
            Or what :func:`design` returns for goals.

        Raises
        ------
        ValueError
            The target or a setting is not accepted.

        Examples
        --------
        >>> len(load("sinewave").design(1.2, n=5))
        5
        """
        return design(self.task, target, n, model=self, **settings)

    def predict(self, x: ArrayLike) -> np.ndarray:
        """Predict the properties of designs with the surrogate.

        Parameters
        ----------
        x : array_like, shape (n, d)
            Designs.

        Returns
        -------
        ndarray, shape (n, m)

        Raises
        ------
        ValueError
            The method has no surrogate, or x has another shape.

        Examples
        --------
        >>> load("sinewave").predict([[0.1, 0.2], [0.3, 0.4]]).shape
        (2, 1)
        """
        import numpy as np
        import torch

        surrogate = self._loaded().surrogate
        if surrogate is None:
            raise ValueError(f"The method '{self.method}' has no surrogate to predict with; 'ipage' has")
        try:
            numbers = x.detach() if isinstance(x, torch.Tensor) else np.asarray(x, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"Expected designs of shape (n, {self.task.d}), got {type(x).__name__}") from None
        designs = torch.as_tensor(numbers, dtype=torch.float32, device=self.device)
        if designs.dim() != 2 or designs.shape[1] != self.task.d:
            raise ValueError(f"Expected designs of shape (n, {self.task.d}), got {tuple(designs.shape)}")
        with torch.no_grad():
            return surrogate(designs).cpu().double().numpy()

    def _loaded(self) -> Any:
        from ipage_core.inference.methods import load

        return load(self.task, self.method, self.device, models=self.folder)

    def __repr__(self) -> str:
        where = "shipped with the program" if self.folder is None else f"in {self.folder}"
        return f"Model '{self.method}' of {self.task.name}, {where}: .design(target, n), .predict(x)"


def tasks() -> dict[str, Task]:
    """List all tasks: those that ship, those of installed packages and your own.

    Returns
    -------
    dict of str to Task
        The tasks by name.

    Examples
    --------
    >>> tasks()["sinewave"].title
    'Sine wave'
    """
    return registry.tasks()


@overload
def design(
    task: str | Task,
    target: Mapping[str, Any],
    n: int = ...,
    *,
    model: Model | str | Path | None = ...,
    **settings: Any,
) -> Any: ...
@overload
def design(
    task: str | Task, target: Any, n: int = ..., *, model: Model | str | Path | None = ..., **settings: Any
) -> Solutions: ...
def design(
    task: str | Task, target: Any, n: int = 100, *, model: Model | str | Path | None = None, **settings: Any
) -> Any:
    """Find n designs x with Ω(x) = target.

    A progress bar shows the progress of a slow Ω.

    Parameters
    ----------
    task : str or Task
        A task, or its name in :func:`tasks`.
    target : number, sequence, dict or str
        A number, a sequence with one entry for each property, a dict by property, or text as on the command line. A
        tuple (low, high) is an interval. Entries of a dict may also be text: '0.3±0.01', '<=0.5', 'minimize'. The
        properties of cells are those of the command line: ``{"E_x": 0.3, "nu_xy": "-0.4±0.02"}``.
    n : int
        Number of designs.
    model : Model, str or Path, optional
        A trained model, or its folder. Default: the networks that ship with the program.
    **settings
        Fields of :class:`~ipage_core.problem.request.DesignRequest`: ``method``, ``sampling``, ``seed``,
        ``constraints``, ``start``, ``omega_evals``, ``finish``, ``verify``, ``spread``, ``fill``, …; for cells also
        ``mesh``, ``side``, ``feature``, ``cell_mm``, ``starts`` and ``localize_on``, as on the command line.

    Returns
    -------
    Solutions
        For several properties of a cell :class:`~ipage_core.tasks.cells.goal_design.GoalDesigns`, which prints itself,
        converts and exports likewise.

    Raises
    ------
    ValueError
        An argument is not accepted; the message says what is.

    Examples
    --------
    >>> designs = design("sinewave", 1.2, n=20)
    >>> len(designs), int(designs.verification.hit.sum())
    (20, 20)
    >>> len(design("sinewave", (0.4, 0.6), n=20, constraints=["x1 >= 0"]))
    20
    >>> cells = design("architecture", {"E_x": "0.3±0.01", "E_y": "<=0.2"}, n=2)
    >>> print(cells)
    2 designs of architecture for E_x=0.3±0.01, E_y<=0.2
      2 of 2 cells meet every goal, by finite elements at one element a pixel; no wall and no gap is thinner than ...
    """
    from ipage_core.inference.verification import omega_bar

    problem = registry.find(task)
    if isinstance(model, str | Path):
        model = load(problem, model, method=settings.pop("method", None))
    if model is not None and settings.setdefault("method", model.method) not in (model.method, None):
        raise ValueError(f"The model is of the method '{model.method}', not of '{settings['method']}'")
    accepted = [name for name in DesignRequest.__dataclass_fields__ if name not in ("task", "target", "n", "targets")]
    accepted += problem.goal_settings
    if unknown := [name for name in settings if name not in accepted]:
        raise ValueError(f"The setting '{unknown[0]}' is not known; accepted: {', '.join(accepted)}")
    if model is not None and model.task.name != problem.name:
        raise ValueError(f"The model is for {model.task.name}, not for {problem.name}")
    if problem.design_goals is not None:
        options = from_python(problem, target, n, settings | ({} if model is None else _networks(model)))
        with omega_bar():
            if (designs := problem.design_goals(options)) is not None:
                return designs
        settings = {name: value for name, value in settings.items() if name not in problem.goal_settings}
        target = Target.from_goals(problem, options.goal) if isinstance(target, Mapping) else target
    request = DesignRequest.of(problem, target, n=n, **settings)
    for sentence in _doubts(request, target):
        print(sentence, file=sys.stderr)
    with omega_bar():
        return request.run() if model is None else request.run(model._loaded())


def _doubts(request: DesignRequest, target: Any) -> list[str]:
    """Sentences on numbers in text that may be meant otherwise, beside a table with decimal commas."""
    from ipage_core.problem.numerals import comma_doubts, doubts

    values = target.values() if isinstance(target, Mapping) else target
    several = isinstance(values, Iterable) and not isinstance(values, str) and getattr(values, "ndim", 1) > 0
    typed = [value for value in (values if several else [values]) if isinstance(value, str)]
    typed += request.constraints
    commas = (
        comma_doubts(request.task, target, request.target.in_words(request.task)) if isinstance(target, str) else []
    )
    return doubts(request.task, typed) + commas


def _networks(model: Model) -> dict[str, Any]:
    """The options that a model sets; the networks that ship are the defaults."""
    shipped = model.folder is None and model.method == model.task.default_method
    return {"method": None} if shipped else {"model": model.folder, "method": model.method}


def load(
    task: str | Task, folder: str | Path | None = None, *, method: str | None = None, device: str = "cpu"
) -> Model:
    """Load the trained networks of a method.

    Parameters
    ----------
    task : str or Task
        A task, or its name in :func:`tasks`.
    folder : str or Path, optional
        Folder that :func:`train` wrote. Default: the networks that ship with the program.
    method : str, optional
        Default: the task's default method.
    device : str
        'cpu', 'cuda' or 'mps'.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        The task or the method is not known, or a network is missing or damaged.

    Examples
    --------
    >>> load("robotic_arm", method="prior-lm").method
    'prior-lm'
    """
    problem = registry.find(task)
    model = Model(problem, method or problem.default_method, None if folder is None else Path(folder), device)
    return Model(model.task, model.method, model.folder, device, model._loaded().cards)


def train(
    task: str | Task | Table,
    out: str | Path,
    *,
    method: str | None = None,
    epochs: int | None = None,
    size: str = "usual",
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    kinds: Mapping[str, str] | None = None,
) -> Model:
    """Train the networks of a method and save them.

    A progress bar shows the epochs.

    Parameters
    ----------
    task : str, Task or Table
        A task, its name in :func:`tasks`, or a table from :func:`read_table`, which becomes a task in ``out``.
    out : str or Path
        Folder for the networks.
    method : str, optional
        Default: the task's default method.
    epochs : int, optional
        Default: the number in the method's recipe.
    size : str
        Size of the networks: 'small', 'usual' or 'large'.
    seed : int
        Seed of the training.
    device : str
        'auto', 'cpu', 'cuda' or 'mps'.
    resume : bool
        Continue a training that was stopped.
    kinds : mapping of str to str, optional
        For a table, the kind of an input that is guessed wrong: 'real', 'integer', 'category', 'linear' or 'log', as in
        ``{"code": "category"}``.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        A setting is not accepted, or ``out`` holds a stopped training and ``resume`` is False.

    Examples
    --------
    >>> import tempfile
    >>> model = train("sinewave", tempfile.mkdtemp(), size="small", epochs=1)
    >>> model.predict([[0.1, 0.2]]).shape
    (1, 1)
    """
    from ipage_core.inference.methods import METHODS
    from ipage_core.training.fit import pick_device
    from ipage_core.training.recipes import train as train_network

    folder = Path(out)
    problem = registry.find(task) if isinstance(task, str | Task) else task_of_table(task, folder, kinds)
    method = method or problem.default_method
    if method not in METHODS or not METHODS[method].models:
        trainable = ", ".join(name for name, row in METHODS.items() if row.models)
        raise ValueError(f"The method '{method}' is not known or has nothing to train; accepted: {trainable}")
    chosen, cards = pick_device(device), {}
    for name in METHODS[method].models:
        with progress_bar("epoch") as show:
            cards[name] = train_network(
                problem,
                name,
                folder,
                epochs=epochs,
                size=size,
                seed=seed,
                device=chosen,
                resume=resume,
                progress=lambda row: show(row["epoch"], row["epochs"], f"{problem.name}: {row['model']}"),
            )
    return Model(problem, method, folder, str(chosen), cards)


def read_table(
    path: str | Path, x: Sequence[str] | None = None, y: Sequence[str] | None = None, **settings: Any
) -> Table:
    """Read a table of designs and their measured or simulated properties.

    Parameters
    ----------
    path : str or Path
        A file in CSV, Excel, Parquet or NPZ format.
    x : sequence of str, optional
        Names of the input columns. Guessed if neither x nor y is given.
    y : sequence of str, optional
        Names of the property columns.
    **settings
        Settings that are otherwise guessed: ``separator``, ``decimal``, ``missing``, ``encoding``, ``sheet``.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        The file cannot be read, or a column is missing.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "gaps.csv"
    >>> _ = path.write_text("a,b,gap\\n" + "".join(f"{i},{i * i % 7},{i % 5}\\n" for i in range(60)))
    >>> table = read_table(path, x=["a", "b"], y=["gap"])
    >>> table.x, table.y, len(table.frame)
    (('a', 'b'), ('gap',), 60)
    """
    from ipage_core.tasks.table import reader

    return reader.read_table(path, reader.Settings(**settings), x=x, y=y)


def task_of_table(table: Table, folder: Path, kinds: Mapping[str, str] | None) -> Task:
    """The task of a table, made in ``folder`` unless it is there; what was read is said on stderr."""
    from ipage_core.tasks.table import own_data, own_task

    if not hasattr(table, "frame"):
        raise ValueError(f"Expected a task, its name, or what read_table returns, got {type(table).__name__}")
    if (folder / own_data.CARD).exists():
        return own_task.load(folder)
    made = own_data.create(
        folder,
        table.frame,
        table.x,
        table.y,
        source=table.source,
        units=table.units,
        kinds=kinds,
        decimal=table.guessed.decimal,
    )
    unused = [name for name in table.columns if name not in (*table.x, *table.y)]
    said = [f"Inputs: {', '.join(table.x)}. Properties: {', '.join(table.y)}. Not used: {', '.join(unused) or 'none'}."]
    print(*said, *table.warnings(table.x, table.y), sep="\n", file=sys.stderr)
    return made
