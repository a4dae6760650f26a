"""What a notebook needs, in five functions: ``design``, ``train``, ``load``, ``tasks`` and ``read_table``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipage_core import registry
from ipage_core.problem.request import DesignRequest
from ipage_core.problem.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

    from ipage_core.inference.solutions import Solutions
    from ipage_core.tasks.table.table import Table


@dataclass(frozen=True)
class Model:
    """A task with a method's trained networks: what :func:`train` and :func:`load` return."""

    task: Task
    method: str
    folder: Path | None = None
    """Where the networks lie; None: where those that ship with the program do."""
    device: str = "cpu"
    cards: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    def design(self, target: Any, n: int = 100, **settings: Any) -> Solutions:
        """n designs for a target; ``settings`` are those of :class:`~ipage_core.problem.request.DesignRequest`.

        Raises:
            ValueError: the target or a setting is not acceptable.
        """
        return design(self.task, target, n, model=self, **settings)

    def predict(self, x: ArrayLike) -> np.ndarray:
        """The surrogate's properties of designs. (n, d) → (n, m).

        Raises:
            ValueError: the method has no surrogate, or x is not (n, d).
        """
        import torch

        surrogate = self._loaded().surrogate
        if surrogate is None:
            raise ValueError(f"The method '{self.method}' has no surrogate to predict with; 'ipage' has")
        designs = torch.as_tensor(x, dtype=torch.float32, device=self.device)
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
    """All tasks by name: those that ship, those of installed packages, the user's own.

    >>> tasks()["sinewave"].title
    'Sine wave'
    """
    return registry.tasks()


def design(
    task: str | Task, target: Any, n: int = 100, *, model: Model | str | Path | None = None, **settings: Any
) -> Solutions:
    """Find n designs x with Ω(x) = target.

    Args:
        task: a name of :func:`tasks`, or a :class:`~ipage_core.problem.task.Task`.
        target: a number, a sequence of one for each property (a pair is an interval), a dict by property, or text as
            the command line takes it.
        n: how many.
        model: what :func:`train` returned, or the folder of trained networks; the shipped ones if None.
        settings: of :class:`~ipage_core.problem.request.DesignRequest`: ``method``, ``sampling``, ``seed``,
            ``constraints``, ``start``, ``omega_evals``, ``finish``, ``verify``, …

    Raises:
        ValueError: something is not acceptable; the message says what is.

    >>> found = design("sinewave", 1.2, n=20)
    >>> len(found), int(found.verification.hit.sum())
    (20, 20)
    """
    problem = registry.find(task)
    if isinstance(model, str | Path):
        model = load(problem, model, method=settings.pop("method", None))
    if model is not None:
        settings.setdefault("method", model.method)
    known = [name for name in DesignRequest.__dataclass_fields__ if name not in ("task", "target", "n", "targets")]
    if unknown := [name for name in settings if name not in known]:
        raise ValueError(f"The setting '{unknown[0]}' is not known; accepted: {', '.join(known)}")
    request = DesignRequest.of(problem, target, n=n, **settings)
    if model is None:
        return request.run()
    if model.task.name != problem.name:
        raise ValueError(f"The model is for {model.task.name}, not for {problem.name}")
    return request.run(model._loaded())


def load(
    task: str | Task, folder: str | Path | None = None, *, method: str | None = None, device: str = "cpu"
) -> Model:
    """A method's trained networks: the shipped ones, or those that :func:`train` left in ``folder``.

    Raises:
        ValueError: the task or the method is not known, or a network is missing or damaged.
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
) -> Model:
    """Train the networks of a method and keep them in ``out``; a table becomes a task there first.

    A bar on stderr, or in the notebook, shows how far it is.

    Raises:
        ValueError: a setting is not acceptable, or a stopped training is in ``out`` and ``resume`` is False.
    """
    from tqdm.auto import tqdm

    from ipage_core.inference.methods import METHODS
    from ipage_core.training.fit import pick_device
    from ipage_core.training.recipes import train as train_network

    folder = Path(out)
    problem = registry.find(task) if isinstance(task, str | Task) else _of_table(task, folder)
    method = method or problem.default_method
    if method not in METHODS or not METHODS[method].models:
        trainable = ", ".join(name for name, row in METHODS.items() if row.models)
        raise ValueError(f"The method '{method}' is not known or has nothing to train; accepted: {trainable}")
    chosen, cards = pick_device(device), {}
    with tqdm(unit="epoch", disable=None, leave=False) as bar:

        def show(row: dict[str, Any]) -> None:
            bar.total = row["epochs"]
            bar.set_description(f"{problem.name}: {row['model']}", refresh=False)
            bar.update(row["epoch"] - bar.n)

        for name in METHODS[method].models:
            bar.reset()
            cards[name] = train_network(
                problem, name, folder, epochs=epochs, size=size, seed=seed, device=chosen, resume=resume, progress=show
            )
    return Model(problem, method, folder, str(chosen), cards)


def read_table(
    path: str | Path, x: Sequence[str] | None = None, y: Sequence[str] | None = None, **settings: Any
) -> Table:
    """A table of designs and what was measured or simulated of them: CSV, Excel, Parquet, NPZ.

    Args:
        path: of the file.
        x: names of the input columns; guessed if neither x nor y is given.
        y: names of the properties.
        settings: what is not to be guessed: ``separator``, ``decimal``, ``missing``, ``encoding``, ``sheet``.

    Raises:
        ValueError: the file cannot be read, or lacks a column; the message is one sentence.
    """
    from ipage_core.tasks.table import reader

    return reader.read_table(path, reader.Settings(**settings), x=x, y=y)


def _of_table(table: Table, folder: Path) -> Task:
    from ipage_core.tasks.table import own_data

    if not hasattr(table, "frame"):
        raise ValueError(f"Expected a task, its name, or what read_table returns, got {type(table).__name__}")
    if (folder / own_data.CARD).exists():
        return own_data.load(folder)
    return own_data.create(folder, table.frame, table.x, table.y, source=table.source, units=table.units)
