"""The result of a design run, for its user: tables, files, verification and coverage."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ipage_core.inference.run_result import RunResult
from ipage_core.inference.solution_tables import named_table, numbered_table
from ipage_core.inference.solution_text import in_words, summary
from ipage_core.inference.verification import Verification, omega_bar, verify
from ipage_core.networks.store import load_tensors, save_tensors
from ipage_core.problem.goal import Goal
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task
from ipage_core.runtime.files import replacing, spreadsheet_safe, write_files
from ipage_core.runtime.text import parts_of

if TYPE_CHECKING:
    from ipage_core.inference.coverage import Coverage
    from ipage_core.inference.methods import Loaded
    from ipage_core.problem.space import DesignSpace


@dataclass(frozen=True, eq=False)
class Solutions(RunResult):
    """n designs for their targets, with their tables and files. Row i is sample i in every field.

    Examples
    --------
    >>> from ipage_core import design
    >>> print(design("sinewave", 1.2, n=10))
    10 designs of sinewave for 1.2
      by ipage, maximin latent points, seed 0; 10 verified by Ω, 10 hits, median error ...
      inputs x₁, x₂; properties y
    """

    def __repr__(self) -> str:
        return in_words(self)

    def _repr_html_(self) -> str:
        """The text and the first six designs as a small HTML table, for notebooks."""
        from html import escape

        shown = self.to_frame().iloc[:, :12].head(6)
        return f"<p>{escape(repr(self)).replace(chr(10), '<br>')}</p>{shown.to_html(index=False, escape=True)}"

    def to_frame(self) -> pd.DataFrame:
        """Convert the designs to a table with named columns and units.

        Returns
        -------
        DataFrame
            Inputs, properties by Ω, properties predicted by the surrogate, with the ends of their 90 % intervals
            unless Ω has verified all designs, whether each design is a hit, and what it rests on.

        Examples
        --------
        >>> from ipage_core import design
        >>> list(design("sinewave", 1.2, n=3).to_frame())
        ['sample', 'x₁', 'x₂', 'y', 'y predicted', 'hit', 'rests on']
        """
        return named_table(self)

    def verify(self) -> Solutions:
        """Run Ω on every design. A progress bar shows how far a slow Ω is.

        Returns
        -------
        Solutions
            The same designs, all verified.

        Raises
        ------
        ValueError
            The task has no Ω.

        Examples
        --------
        >>> from ipage_core import design
        >>> design("sinewave", 1.2, n=3, verify="none").verify().verification.calls
        3
        """
        with omega_bar():
            return replace(self, verification=verify(self.task, self.final, self.y_star))

    def export(self, form: str, path: str | Path) -> list[Path]:
        """Write the designs to files.

        Parameters
        ----------
        form : str
            'csv', or a format of the task, such as 'cif' or 'stl'.
        path : str or Path
            A file for 'csv', a folder for all other formats.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        ValueError
            The task has no such format, or the file has the name of a table that the task learned from.

        Examples
        --------
        >>> import tempfile
        >>> from ipage_core import design
        >>> files = design("crystal", 0.5, n=2).export("cif", tempfile.mkdtemp())
        >>> [file.name for file in files]
        ['srtio3-0.cif', 'srtio3-1.cif']
        """
        path = Path(path)
        if form == "csv":
            if path.exists() and path.name in self.task.files:
                raise ValueError(f"{path} has the name of a table that {self.task.name} learned from: choose another")
            with replacing(path) as beside:
                spreadsheet_safe(self.frame()).to_csv(beside, index=False)
            return [path]
        from ipage_core.tasks.export import files

        return write_files(path, files(self.task, form, self.frame()))

    def to_measure(self, k: int = 20) -> pd.DataFrame:
        """Choose the k candidates to measure or simulate next: half for their value, half for their information.

        Parameters
        ----------
        k : int
            Number of candidates.

        Returns
        -------
        DataFrame

        Raises
        ------
        ValueError
            The task has an Ω, or the method gives no uncertainty to choose by.

        Examples
        --------
        Designs of a table:

        >>> import tempfile, pathlib, ipage_core as ip
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> rows = "".join(f"{i / 60},{i * 37 % 60 / 60},{i / 60 + i * 37 % 60 / 60}\\n" for i in range(60))
        >>> _ = (folder / "gaps.csv").write_text("a,b,gap\\n" + rows)
        >>> table = ip.read_table(folder / "gaps.csv", x=["a", "b"], y=["gap"])
        >>> model = ip.train(table, folder / "model", method="prior-lm")
        >>> len(model.design(1.0, n=20).to_measure(4))
        4
        """
        if self.task.to_measure is None:
            raise ValueError(f"{self.task.name} has an Ω, which verifies designs itself; to_measure is for tables")
        from ipage_core.inference.methods import load

        return self.task.to_measure(load(self.task, self.method), self.final, self.y_star, k)

    def save(self, path: str | Path) -> None:
        """Save everything except ``path`` as a safetensors file.

        Parameters
        ----------
        path : str or Path
            The file.

        Examples
        --------
        >>> import tempfile, pathlib, ipage_core as ip
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "designs.safetensors"
        >>> ip.design("sinewave", 1.2, n=3).save(file)
        >>> len(ip.Solutions.load(file, ip.tasks()["sinewave"]))
        3
        """
        tensors = {name: getattr(self, name) for name in _TENSORS if getattr(self, name) is not None}
        by_omega = self.verification
        tensors |= {"y": by_omega.y, "resim_error": by_omega.resim_error, "hit": by_omega.hit}
        values = {name: getattr(self, name) for name in _VALUES} | {"task": self.task.name, "calls": by_omega.calls}
        values["goals"] = None if self.target is None else [asdict(goal) for goal in self.target.goals]
        save_tensors(Path(path), tensors, {"solutions": json.dumps(values)})

    @classmethod
    def load(cls, path: str | Path, task: Task | str) -> Solutions:
        """Load what :meth:`save` saved.

        Parameters
        ----------
        path : str or Path
            The file.
        task : Task or str
            The task of the designs, or its name.

        Returns
        -------
        Solutions

        Raises
        ------
        ValueError
            The file is missing, damaged, or of another task; or no task has this name.

        Examples
        --------
        See :meth:`save`.
        """
        from ipage_core.tasks import TASKS

        found = TASKS.get(task) if isinstance(task, str) else task
        if not isinstance(found, Task):
            raise ValueError(f"task {task!r} is not known; accepted: a Task, or one of {', '.join(TASKS)}")
        task = found
        tensors, metadata = load_tensors(Path(path))
        try:
            values = json.loads(metadata["solutions"])
            y, errors, hit = (tensors.pop(name) for name in ("y", "resim_error", "hit"))
            verification = Verification(y, errors, hit, values.pop("calls"))
            name, goals = values.pop("task"), values.pop("goals", None)
            values["constraints"] = tuple(values.get("constraints", ()))
            if name != task.name:
                raise ValueError(f"{path} holds designs of '{name}', not of '{task.name}'")
            fields: dict[str, Any] = {field: tensors.get(field) for field in _TENSORS}
            fields["target"] = None if goals is None else Target(tuple(Goal(**goal) for goal in goals))
            return cls(task=task, verification=verification, path=None, **fields, **values)
        except (KeyError, TypeError, json.JSONDecodeError):
            raise ValueError(f"{path} does not hold designs; accepted: a file that Solutions.save wrote") from None

    def coverage(
        self,
        within: float = 0.05,
        *,
        method: Loaded | str | None = None,
        space: DesignSpace | Sequence[str] | str | None = None,
        seconds: float = 20.0,
        progress: Callable[[int, float], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> Coverage:
        """Compute how much of the solution set these designs cover: proved where possible, else estimated.

        Parameters
        ----------
        within : float
            ε in box widths: a solution is covered if a design lies within this distance.
        method : Loaded or str, optional
            Method whose posterior and surrogate give the estimates. Default: the method of these designs.
        space : DesignSpace, str or sequence of str, optional
            Only solutions that obey these constraints count, such as 'x1<=0.5; x2=x3', and only designs that do.
            Default: the constraints of the run; [] for all solutions in the box.
        seconds : float
            Time limit of the proof.
        progress, cancel : callable, optional
            Called during the proof; see :func:`ipage_core.inference.paving.prove_radius`.

        Returns
        -------
        Coverage
            By the designs that obey the constraints and meet the target. It says how many do not.

        Raises
        ------
        ValueError
            An argument is not accepted, the designs have several targets, or none of them counts.

        Examples
        --------
        >>> from ipage_core import design
        >>> design("sinewave", 1.2, n=100, spread="box").coverage(within=0.05).share() > 0.99
        True
        """
        from ipage_core.inference.methods import load
        from ipage_core.inference.target_set import coverage_of
        from ipage_core.problem.constraints import parse
        from ipage_core.problem.space import DesignSpace

        if not (self.y_star == self.y_star[0]).all():
            raise ValueError("These designs have several targets; accepted: designs for one target")
        if isinstance(method, str) or method is None:
            method = load(self.task, method or self.method)
        if space is None:
            space = self.constraints
        if not isinstance(space, DesignSpace):
            space = parse(self.task, parts_of(*([space] if isinstance(space, str) else space)))
        verified = self.verification.resim_error.isfinite()
        return coverage_of(
            self.task,
            method,
            self.final,
            self.y_star[0],
            within,
            space=space,
            meets=self.verification.hit | (~verified & self.predicted_hits()),
            judge="Ω" if verified.any() else "the surrogate f",
            seed=self.seed,
            seconds=seconds,
            progress=progress,
            cancel=cancel,
        )

    def frame(self) -> pd.DataFrame:
        """One row per sample and stage, with the columns of ``solutions.csv``; unknown values are NaN."""
        return numbered_table(self)

    def summary(self) -> dict[str, Any]:
        """The JSON object of the command line: counts, errors by Ω (null if it did not run) and seconds."""
        return summary(self)


_TENSORS = (
    *("y_star", "z", "posterior", "localized", "surrogate_posterior", "surrogate", "replaced", "cycle_error"),
    *("interval_posterior", "interval"),
)
_VALUES = (
    "method",
    "sampling",
    "seed",
    "success_before_replacement",
    "omega_calls",
    "seconds",
    "note",
    "filled",
    "not_spread",
    "calibrated_on",
    "constraints",
)
