"""The files that leave the program: designs in the formats of their task."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from ipage_core.problem.task import Task


def files(task: str | Task, form: str, frame: pd.DataFrame) -> dict[str, bytes]:
    """Content by file name: the final designs of a ``solutions.csv`` in a format of their task.

    Raises:
        ValueError: the task has no such format, a row is not a design, or an id is none.
    """
    from ipage_core.tasks import TASKS

    if "stage" in frame:  # a sample's row of the last stage is its design
        frame = frame[frame["stage"] == ("localized" if (frame["stage"] == "localized").any() else "posterior")]
    _check_ids(frame["sample"].tolist())
    task = TASKS[task] if isinstance(task, str) else task
    if task.export is None:
        with_formats = ", ".join(name for name, known in TASKS.items() if known.export_formats)
        raise ValueError(
            f"format '{form}' is not known for {task.name}; accepted: none; tasks with formats are {with_formats}"
        )
    if task.export_formats and form not in task.export_formats:
        accepted = ", ".join(task.export_formats)
        raise ValueError(f"format '{form}' is not known for {task.name}; accepted: {accepted}")
    return dict(task.export(frame, form))


def _check_ids(samples: list) -> None:
    """They name files: one that is a path would write elsewhere, one that is there twice would lose a file."""
    seen = set()
    for sample in samples:
        if type(sample) is not int or sample < 0:
            raise ValueError(f"sample '{sample}' is not accepted: the ids are whole numbers, 0 or more")
        if sample in seen:
            raise ValueError(f"sample {sample} is there twice; accepted: ids that differ, a design each")
        seen.add(sample)
