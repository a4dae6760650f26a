"""Designs and everything that is known about them: the result of the chain, its table and its summary."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path as Folder
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor

from ipage_core.inference.latent_design import Sampling
from ipage_core.inference.verification import Verification, verify
from ipage_core.networks.store import load_tensors, save_tensors
from ipage_core.problem.task import Task
from ipage_core.runtime.files import replacing

if TYPE_CHECKING:
    from ipage_core.inference.coverage import Coverage
    from ipage_core.inference.methods import Loaded
    from ipage_core.problem.space import DesignSpace


@dataclass(frozen=True, eq=False)
class Path:
    """How the samples moved: T frames, the first the posterior, the last the result."""

    labels: tuple[str, ...]
    """T names: 'posterior', 'step 1', …, 'correction 1', …"""
    x: Tensor
    """(T, n, d) designs."""
    surrogate_error: Tensor
    """(T, n) ‖f(x) − y*‖² by the surrogate; Ω has no part in it."""


@dataclass(frozen=True, eq=False)
class Solutions:
    """n designs for their targets. Row i is sample i everywhere, and ``i`` is its stable id."""

    task: Task
    method: str
    sampling: Sampling
    seed: int
    y_star: Tensor
    """(n, m) what was asked for."""
    z: Tensor
    """(n, k) latent points; for a replaced sample, the fresh one's."""
    posterior: Tensor
    """(n, d) designs as proposed."""
    localized: Tensor | None
    """(n, d) after localization, correction and projection; None for methods without localization."""
    surrogate_posterior: Tensor | None
    """(n, m) the surrogate's f(x) at ``posterior``."""
    surrogate: Tensor | None
    """(n, m) the surrogate's f(x) at ``localized``."""
    verification: Verification
    """Ω at the final designs, where it ran."""
    replaced: Tensor
    """(n,) bool: a fresh posterior sample took the place of one that stalled."""
    success_before_replacement: int
    """How many samples localization brought to the target (by the surrogate) before any was replaced."""
    cycle_error: Tensor
    """(n,) max |z − f_z(x)| over the latent coordinates at ``posterior``; NaN without an invertible network."""
    path: Path | None
    omega_calls: int
    """Evaluations of Ω: corrections and the final verification."""
    seconds: dict[str, float]
    note: str
    """A sentence for the user where the target could not be reached, else empty."""
    filled: dict[str, Any] | None = None
    """What filling the gaps did: ε, how many designs it added, coverage before and after; None: not asked for."""

    def __len__(self) -> int:
        return len(self.final)

    def __repr__(self) -> str:
        errors = self.verification.resim_error[self.verification.resim_error.isfinite()]
        told = f"{self.verification.calls} verified by Ω, {int(self.verification.hit.sum())} hits"
        if len(errors):
            told += f", median error {errors.median().sqrt():.2g}"
        told = told if self.task.omega else "predicted, not verified: the task has no Ω"
        lines = [
            f"{len(self)} designs of {self.task.name} for {self._target_text()}",
            f"  by {self.method}, {self.sampling} latent points, seed {self.seed}; {told}",
            f"  inputs {_some(self.task.x_labels)}; properties {_some(self.task.property_labels)}",
        ]
        return "\n".join([*lines, *(f"  {told}" for told in (self.task.remark, self.note) if told)])

    def _repr_html_(self) -> str:
        """A small table for notebooks: what the text says, and the first designs."""
        from html import escape

        shown = self.to_frame().iloc[:, :12].head(6)
        return f"<p>{escape(repr(self)).replace(chr(10), '<br>')}</p>{shown.to_html(index=False, escape=True)}"

    def _target_text(self) -> str:
        different = self.y_star.unique(dim=0)
        if len(different) > 1:
            return f"{len(different)} targets"
        values = ", ".join(f"{value:g}" for value in different[0].tolist())
        units = {known.unit for known in self.task.targets}
        unit = f" {units.pop()}" if len(units) == 1 else ""
        return ((f"({values})" if len(different[0]) > 1 else values) + unit).rstrip()

    def to_frame(self) -> pd.DataFrame:
        """The designs in named columns with units: inputs, properties by Ω or as predicted, and whether each is a hit.

        >>> from ipage_core import design
        >>> list(design("sinewave", 1.2, n=3).to_frame())
        ['sample', 'x₁', 'x₂', 'y', 'y predicted', 'hit']
        """
        columns: dict[str, Any] = {"sample": range(len(self))}
        columns |= dict(zip(self.task.x_labels, self.final.double().numpy().T, strict=True))
        if self.task.omega is not None:
            columns |= dict(zip(self.task.property_labels, self.verification.y.double().numpy().T, strict=True))
        if self.surrogate is not None:
            predicted = [
                f"{known.name} predicted" + (f" [{known.unit}]" if known.unit else "") for known in self.task.targets
            ]
            columns |= dict(zip(predicted, self.surrogate.double().numpy().T, strict=True))
        if self.task.omega is not None:
            columns["hit"] = self.verification.hit.numpy()
        return pd.DataFrame(columns)

    def verify(self) -> Solutions:
        """The same designs, every one judged by Ω.

        Raises:
            ValueError: the task has no Ω.
        """
        return replace(self, verification=verify(self.task, self.final, self.y_star))

    def export(self, form: str, path: str | Folder) -> list[Folder]:
        """Write the designs: 'csv' into the file ``path``, other formats of the task into the folder ``path``. → files.

        Raises:
            ValueError: the task has no such format.
        """
        path = Folder(path)
        if form == "csv":
            with replacing(path) as beside:
                self.frame().to_csv(beside, index=False)
            return [path]
        from ipage_core.tasks.export import files

        written = []
        for name, content in files(self.task, form, self.frame()).items():
            written.append(path / name)
            with replacing(written[-1]) as beside:
                beside.write_bytes(content)
        return written

    def to_measure(self, k: int = 20) -> pd.DataFrame:
        """Of a table's candidates, the k to measure or simulate next: half for value, half for information.

        Raises:
            ValueError: the task has an Ω of its own, or the method no spread to choose by.
        """
        if self.task.to_measure is None:
            raise ValueError(f"{self.task.name} has an Ω, which verifies designs itself; to_measure is for tables")
        from ipage_core.inference.methods import load

        return self.task.to_measure(load(self.task, self.method), self.final, self.y_star, k)

    def save(self, path: str | Folder) -> None:
        """Keep everything but the path that the samples took, as safetensors; :meth:`load` brings it back."""
        tensors = {name: getattr(self, name) for name in _KEPT if getattr(self, name) is not None}
        judged = self.verification
        tensors |= {"y": judged.y, "resim_error": judged.resim_error, "hit": judged.hit}
        told = {name: getattr(self, name) for name in _SAID} | {"task": self.task.name, "calls": judged.calls}
        save_tensors(Folder(path), tensors, {"solutions": json.dumps(told)})

    @classmethod
    def load(cls, path: str | Folder, task: Task) -> Solutions:
        """What :meth:`save` kept, for the task that it was made with.

        Raises:
            ValueError: the file is damaged, no such file, or of another task.
        """
        tensors, metadata = load_tensors(Folder(path))
        try:
            told = json.loads(metadata["solutions"])
            judged = Verification(tensors.pop("y"), tensors.pop("resim_error"), tensors.pop("hit"), told.pop("calls"))
            name = told.pop("task")
            if name != task.name:
                raise ValueError(f"{path} holds designs of '{name}', not of '{task.name}'")
            kept: dict[str, Any] = {known: tensors.get(known) for known in _KEPT}
            return cls(task=task, verification=judged, path=None, **kept, **told)
        except (KeyError, TypeError, json.JSONDecodeError):
            raise ValueError(f"{path} does not hold designs; accepted: what Solutions.save wrote") from None

    @property
    def final(self) -> Tensor:
        """(n, d) the answer: localized designs, or the posterior samples of a method without localization."""
        return self.posterior if self.localized is None else self.localized

    @property
    def modes(self) -> Tensor | None:
        """(n,) int: the family of solutions each design belongs to (−1: none, out of bounds, or refuted by Ω)."""
        if self.task.modes is None:
            return None
        refuted = self.verification.resim_error.isfinite() & ~self.verification.hit
        accepted = self.task.in_bounds(self.final) & ~refuted
        return torch.where(accepted, self.task.modes(self.final, self.y_star), -1)

    def coverage(
        self,
        within: float = 0.05,
        *,
        method: Loaded | None = None,
        space: DesignSpace | None = None,
        seconds: float = 20.0,
        progress: Callable[[int, float], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> Coverage:
        """How much of the solution set these designs cover: proved where Ω can be followed, else estimated.

        Args:
            within: ε, in box widths: a solution is covered if a design is so near.
            method: whose posterior and surrogate the estimates use; this result's own if None.
            space: the constraints that the designs obey; none if None.
            seconds, progress, cancel: of the proof; see :func:`ipage_core.inference.paving.prove_radius`.

        Raises:
            ValueError: designs for several targets, or none that meets the target.
        """
        from ipage_core.inference.methods import load
        from ipage_core.inference.target_set import coverage_of

        if not (self.y_star == self.y_star[0]).all():
            raise ValueError("These designs are for several targets: a coverage is of one")
        refuted = self.verification.resim_error.isfinite() & ~self.verification.hit
        return coverage_of(
            self.task,
            method or load(self.task, self.method),
            self.final[~refuted],
            self.y_star[0],
            within,
            space=space,
            seed=self.seed,
            seconds=seconds,
            progress=progress,
            cancel=cancel,
        )

    def frame(self) -> pd.DataFrame:
        """One row per sample and stage, with the columns of ``solutions.csv``; cells are NaN where unknown."""
        nowhere = Verification.nowhere(self.task, len(self.final))
        stages = [("posterior", self.posterior, self.surrogate_posterior, nowhere, torch.zeros_like(self.replaced))]
        if self.localized is None:
            stages = [("posterior", self.posterior, None, self.verification, self.replaced)]
        else:
            stages.append(("localized", self.localized, self.surrogate, self.verification, self.replaced))
        m = self.task.n_targets
        blocks = []
        for stage, x, surrogate, verification, replaced in stages:
            columns: dict[str, Any] = {"sample": range(len(x)), "stage": stage}
            columns |= _numbered("target", self.y_star)
            columns |= _numbered("x", x)
            columns |= _numbered(
                "surrogate", torch.full_like(self.y_star, math.nan) if surrogate is None else surrogate
            )
            columns |= _numbered("y", verification.y[:, :m])
            columns["resim_error"] = verification.resim_error.numpy()
            columns["in_bounds"] = self.task.in_bounds(x).numpy()
            columns["replaced"] = replaced.numpy()
            for j, label in enumerate(self.task.property_labels[m:]):
                columns[label] = verification.y[:, m + j].numpy()
            blocks.append(pd.DataFrame(columns))
        return pd.concat(blocks, ignore_index=True)

    def summary(self) -> dict[str, Any]:
        """The JSON object of the command line: counts, errors by Ω (null where it did not run), seconds."""
        errors = self.verification.resim_error[self.verification.resim_error.isfinite()]
        figures: dict[str, Any] = {
            "n": len(self.final),
            "resim_mse": errors.mean().item() if len(errors) else None,
            "resim_median": errors.median().item() if len(errors) else None,
            "verified": self.verification.calls,
            "hits": int(self.verification.hit.sum()),
            "in_bounds": int(self.task.in_bounds(self.final).sum()),
            "replaced": int(self.replaced.sum()),
            "success_before_replacement": self.success_before_replacement,
            "omega_calls": self.omega_calls,
            "seconds": {name: round(value, 4) for name, value in self.seconds.items()},
        }
        if self.modes is not None and (self.modes >= 0).any() and (self.y_star == self.y_star[0]).all():
            figures["modes_found"] = len(set(self.modes.tolist()) - {-1})
            figures["modes_total"] = self.task.n_modes
        if self.verification.calls > len(errors):  # said, not averaged away
            figures["omega_failed"] = self.verification.calls - len(errors)
        if self.filled is not None:
            figures["filled"] = self.filled
        if self.note:
            figures["note"] = self.note
        return figures


_KEPT = (*("y_star", "z", "posterior", "localized", "surrogate_posterior", "surrogate", "replaced", "cycle_error"),)
_SAID = ("method", "sampling", "seed", "success_before_replacement", "omega_calls", "seconds", "note")


def _some(names: tuple[str, ...], most: int = 6) -> str:
    return ", ".join(names) if len(names) <= most else f"{names[0]}, …, {names[-1]} ({len(names)})"


def _numbered(name: str, values: Tensor) -> dict[str, Any]:
    return {f"{name}{j + 1}": column for j, column in enumerate(values.double().numpy().T)}
