"""Export: designs as files in the formats of their task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from ipage_core.problem.task import Task


def files(task: str | Task, form: str, frame: pd.DataFrame, **settings: Any) -> dict[str, bytes]:
    """The final designs of a ``solutions.csv`` in a format of their task. → content by file name.

    ``settings`` are those of the task's ``export``, such as the layout of cells.

    Raises:
        ValueError: the task has no such format, a row is not a design, or an id is not valid.
    """
    from ipage_core.tasks import TASKS

    if "stage" in frame:  # the last stage of each sample is its design
        frame = frame[frame["stage"] == ("localized" if (frame["stage"] == "localized").any() else "posterior")]
    _check_ids(frame["sample"].tolist())
    task = TASKS[task] if isinstance(task, str) else task
    if task.export is None:
        with_formats = ", ".join(name for name, task in TASKS.items() if task.export_formats)
        raise ValueError(
            f"format '{form}' is not known for {task.name}; accepted: none; tasks with formats are {with_formats}"
        )
    if task.export_formats and form not in task.export_formats:
        accepted = ", ".join(task.export_formats)
        raise ValueError(f"format '{form}' is not known for {task.name}; accepted: {accepted}")
    return dict(task.export(frame, form, **settings))


def _check_ids(samples: list) -> None:
    """Ids become file names: a path would write elsewhere, a duplicate would overwrite a file."""
    seen = set()
    for sample in samples:
        if type(sample) is not int or sample < 0:
            raise ValueError(f"sample '{sample}' is not accepted: the ids are whole numbers, 0 or more")
        if sample in seen:
            raise ValueError(f"sample {sample} is there twice; accepted: ids that differ, a design each")
        seen.add(sample)
