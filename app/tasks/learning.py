"""The offer to learn from new results of a slow Ω: a further version of the surrogate beside the shipped one."""

from __future__ import annotations

import json
import zlib
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
from ipage_core.training.learn import EPOCHS, new_rows


def offer(task: Task, x: torch.Tensor, y: torch.Tensor, by: str) -> None:
    """A button where results are new, and what the last learning gave.

    Args:
        task: the task.
        x: designs (n, d).
        y: their results by Ω (n, m + p); NaN: it did not run, or failed.
        by: the kind of Ω, such as DFT.
    """
    if classroom.on():
        return
    rows, values = new_rows(task, x, y) if len(x) else (x, y)
    name = f"{task.name}-{by.lower()}-{len(rows)}-{zlib.crc32(rows.numpy().tobytes()) & 0xFFFF:04x}"
    out, run = registry.home() / "models" / name, commands.run(f"learn {task.name}")
    run.poll()
    if len(rows) and run.state != "running" and not (out / "mlp.json").exists():
        several = f"{len(rows)} new {by} result{'s' if len(rows) > 1 else ''}"
        if st.button(f"Learn from {several}", key=f"learn-{task.name}", icon=":material/model_training:"):
            file = registry.home() / "verified" / f"{name}.csv"
            _write(task, rows, values, file)
            run.start("learn", task.name, str(file), "--out", str(out))
            st.rerun()
        st.caption(
            f"The surrogate trains for {EPOCHS} more epochs, as a version of its own. The shipped one stays as it is."
        )
    st.fragment(_follow, run_every=1.0 if run.state == "running" else None)(run, run.state, task)


def computed(
    task: Task, work: str, properties: Callable[[dict[str, Any]], list[float]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """All results that this server's jobs have computed: x (n, d) within the bounds, y (n, m + p).

    ``work`` is the operator, as jobs name it; ``properties`` turns one of its results into the m + p properties.
    """
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


def _follow(run: commands.Run, before: str, task: Task) -> None:
    run.poll()
    if run.state == "running":
        st.info("The surrogate is learning: seconds …", icon=":material/model_training:")
        return
    if before == "running":
        st.rerun()
    if run.state == "failed":
        st.error(plain(run.message), icon=":material/error:")
    elif run.state == "done":
        said, name, first = json.loads(run.said[-1]), Path(run.arguments[-1]).name, task.targets[0]
        after = f"{number(said['mae_after'])} {first.unit}".strip()
        st.success(
            f"**{plain(name)}** has learned from {said['new']} results: its mean error of {first.name} on them fell "
            f"from {number(said['mae_before'])} to {after}, hash {said['sha256'][:8]}. The shipped model is unchanged."
            if said["mae_after"] < said["mae_before"]
            else f"**{plain(name)}** has seen {said['new']} results, but its mean error of {first.name} on them is no "
            f"smaller: {after}, before {number(said['mae_before'])}. The shipped model is unchanged.",
            icon=":material/check_circle:",
        )
        st.caption(f"It is among the methods of this task: {task.default_method}@{plain(name)}.")
