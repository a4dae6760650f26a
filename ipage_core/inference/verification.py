"""Verification: runs the true forward operator Ω on designs and compares the result with the target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ipage_core.problem.task import Task
from ipage_core.problem.watch import watched, watching
from ipage_core.runtime.bar import progress_bar


@dataclass(frozen=True, eq=False)
class Verification:
    """Results of Ω for n designs; NaN and False where it did not run."""

    y: Tensor
    """(n, m + p) properties by Ω."""
    resim_error: Tensor
    """(n,) ‖Ω(x) − y*‖², summed over the m targets, in squared units of y (paper, "Quantitative Metric")."""
    hit: Tensor
    """(n,) bool: Ω ran, and every |Ω(x) − y*| is within its tolerance."""
    calls: int
    """Number of Ω evaluations."""

    @classmethod
    def nowhere(cls, task: Task, n: int) -> Verification:
        """The result if Ω ran on no design."""
        y = torch.full((n, len(task.property_labels)), torch.nan, dtype=torch.float64)
        return cls(y, y[:, 0].clone(), torch.zeros(n, dtype=torch.bool), 0)


@contextmanager
def omega_bar() -> Iterator[None]:
    """Progress bar while a slow Ω runs in this block; none inside :func:`~ipage_core.problem.task.watching`."""
    if watched().progress is not None:
        yield
        return
    with progress_bar("design") as show, watching(lambda p: show(p.done, p.total, "Ω"), watched().cancel):
        yield


def verify(
    task: Task, x: Tensor, y_star: Tensor, which: Tensor | None = None, tolerances: Tensor | None = None
) -> Verification:
    """Run Ω on designs x (n, d) with targets y_star (n, m), or only on the rows ``which`` (n,) bool.

    Hits are within ``tolerances`` (m,); default: the task's.

    Raises:
        ValueError: the task has no Ω.
    """
    if task.omega is None:
        raise ValueError(f"{task.name} has no forward operator Ω: its designs cannot be verified")
    which = torch.ones(len(x), dtype=torch.bool) if which is None else which.cpu()
    y = Verification.nowhere(task, len(x)).y
    if which.any():
        y[which] = task.omega(x.detach().cpu().double()[which])
    off = y[:, : task.n_targets] - y_star.cpu().double()
    hit = (off.abs() <= (task.tolerances if tolerances is None else tolerances)).all(1)
    return Verification(y, off.square().sum(1), hit, int(which.sum()))


def rows_to_verify(task: Task, n: int, verify: str, seed: int) -> Tensor:
    """The designs that ``--verify auto|all|none|K`` selects: (n,) bool; K is a random subset of the seed.

    Raises:
        ValueError: another word, or Ω is selected but does not exist.
    """
    if verify == "auto":
        verify = "all" if task.verifies_by_default else "none"
    if verify not in ("all", "none") and not (verify.isascii() and verify.isdigit()):
        raise ValueError(f"verify '{verify}' is not known; accepted: auto, all, none, or how many to verify")
    if verify != "none" and task.omega is None:
        raise ValueError(f"{task.name} has no forward operator Ω to verify with; accepted: --verify none")
    count = {"all": n, "none": 0}.get(verify)
    count = min(n, int(verify)) if count is None else count
    which = torch.zeros(n, dtype=torch.bool)
    which[torch.randperm(n, generator=Generator().manual_seed(seed))[:count]] = True
    return which
