"""The offer to learn from new results of a slow Ω: a further version of the surrogate beside the shipped one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch

from app.components.words import number, plain
from app.state import classroom
from app.workers import commands, jobs
from ipage_core import registry
from ipage_core.problem.task import Task
from ipage_core.training.learn import new_rows


def offer(task: Task, work: str, properties: Callable[[dict[str, Any]], list[float]], unit: str) -> None:
    """A button where results are new, and what the last learning gave.

    Args:
        task: the task.
        work: the operator, as jobs name it.
        properties: result of the operator → the m + p properties.
        unit: of the first property.
    """
    if classroom.on():
        return
    x, y = _results(work, properties, task)
    rows, values = new_rows(task, x, y) if len(x) else (x, y)
    name = f"{task.name}-dft-{len(rows)}"
    out, run = registry.home() / "models" / name, commands.run(f"learn {task.name}")
    run.poll()
    if len(rows) and run.state != "running" and not (out / "mlp.json").exists():
        several = f"{len(rows)} new DFT result{'s' if len(rows) > 1 else ''}"
        if st.button(f"Learn from {several}", key=f"learn-{task.name}", icon=":material/model_training:"):
            file = registry.home() / "verified" / f"{name}.csv"
            _write(task, rows, values, file)
            run.start("learn", task.name, str(file), "--out", str(out))
            st.rerun()
        st.caption("The surrogate trains for ten more epochs, as a version of its own. The shipped one stays.")
    st.fragment(_follow, run_every=1.0 if run.state == "running" else None)(run, run.state, task, unit)


def _results(
    work: str, properties: Callable[[dict[str, Any]], list[float]], task: Task
) -> tuple[torch.Tensor, torch.Tensor]:
    """All results that this server has computed: x (n, d), y (n, m + p)."""
    results = jobs.verified(work)
    x = torch.tensor([key for key, _ in results], dtype=torch.float64).view(len(results), task.d)
    y = torch.tensor([properties(result) for _, result in results], dtype=torch.float64)
    y = y.view(len(results), len(task.properties))
    inside = task.in_bounds(x)
    return x[inside], y[inside]


def _write(task: Task, x: torch.Tensor, y: torch.Tensor, file: Path) -> None:
    """The results as ``verify`` writes them."""
    m = task.n_targets
    names = [f"y{j + 1}" for j in range(m)] + list(task.property_labels[m:])
    columns: dict[str, np.ndarray] = {f"x{j + 1}": column for j, column in enumerate(x.numpy().T)}
    columns |= dict(zip(names, y.numpy().T, strict=True))
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_csv(file, index=False)


def _follow(run: commands.Run, before: str, task: Task, unit: str) -> None:
    run.poll()
    if run.state == "running":
        st.info("The surrogate is learning: seconds …", icon=":material/model_training:")
        return
    if before == "running":
        st.rerun()
    if run.state == "failed":
        st.error(plain(run.message), icon=":material/error:")
    elif run.state == "done":
        said, name = json.loads(run.said[-1]), Path(run.arguments[-1]).name
        st.success(
            f"**{plain(name)}** has learned from {said['new']} results: its mean error on them fell from "
            f"{number(said['mae_before'])} to {number(said['mae_after'])} {unit}, hash {said['sha256'][:8]}. "
            "The shipped model is unchanged."
            if said["mae_after"] < said["mae_before"]
            else f"**{plain(name)}** has seen {said['new']} results, but its mean error on them is no smaller: "
            f"{number(said['mae_after'])} {unit}, before {number(said['mae_before'])}. The shipped model is unchanged.",
            icon=":material/check_circle:",
        )
        st.caption(f"It is among the methods of this task: {task.default_method}@{plain(name)}.")
