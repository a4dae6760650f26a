"""What a run says of itself: a few lines, and the JSON object of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipage_core.inference.solutions import Solutions


def in_words(solutions: Solutions) -> str:
    """The run in a few lines: number, target, method, verification, names, remarks."""
    task, by_omega = solutions.task, solutions.verification
    errors = by_omega.resim_error[by_omega.resim_error.isfinite()]
    result = f"{by_omega.calls} verified by Ω, {int(by_omega.hit.sum())} hits"
    if len(errors):
        result += f", median error {errors.median().sqrt():.2g}"
    if not by_omega.calls:
        result = "predicted, not verified by Ω" if task.omega else "predicted, not verified: the task has no Ω"
    lines = [
        f"{len(solutions)} designs of {task.name} for {_target(solutions)}",
        f"  by {solutions.method}, {solutions.sampling} latent points, seed {solutions.seed}; {result}",
        f"  inputs {_some(task.x_labels)}; properties {_some(task.property_labels)}",
    ]
    return "\n".join([*lines, *(f"  {sentence}" for sentence in (task.remark, solutions.note) if sentence)])


def summary(solutions: Solutions) -> dict[str, Any]:
    """The JSON object of the command line: counts, errors by Ω (null if it did not run) and seconds."""
    by_omega, modes = solutions.verification, solutions.modes
    errors = by_omega.resim_error[by_omega.resim_error.isfinite()]
    figures: dict[str, Any] = {
        "n": len(solutions),
        "resim_mse": errors.mean().item() if len(errors) else None,
        "resim_median": errors.median().item() if len(errors) else None,
        "verified": by_omega.calls,
        "hits": int(by_omega.hit.sum()),
        "in_bounds": int(solutions.task.in_bounds(solutions.final).sum()),
        "replaced": int(solutions.replaced.sum()),
        "success_before_replacement": solutions.success_before_replacement,
        "omega_calls": solutions.omega_calls,
        "seconds": {name: round(value, 4) for name, value in solutions.seconds.items()},
    }
    if modes is not None and (modes >= 0).any() and (solutions.y_star == solutions.y_star[0]).all():
        figures["modes_found"] = len(set(modes.tolist()) - {-1})
        figures["modes_total"] = solutions.task.n_modes
    if by_omega.calls > len(errors):
        figures["omega_failed"] = by_omega.calls - len(errors)
    if solutions.filled is not None:
        figures["filled"] = solutions.filled
    if solutions.note:
        figures["note"] = solutions.note
    return figures


def _target(solutions: Solutions) -> str:
    different = solutions.y_star.unique(dim=0)
    if len(different) > 1:
        return f"{len(different)} targets"
    values = ", ".join(f"{value:g}" for value in different[0].tolist())
    units = {target.unit for target in solutions.task.targets}
    unit = f" {units.pop()}" if len(units) == 1 else ""
    return ((f"({values})" if len(different[0]) > 1 else values) + unit).rstrip()


def _some(names: tuple[str, ...], most: int = 6) -> str:
    return ", ".join(names) if len(names) <= most else f"{names[0]}, …, {names[-1]} ({len(names)})"
