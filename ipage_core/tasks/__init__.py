"""The tasks, by name. A new one is a file with a ``TASK`` and a line here."""

from ipage_core.problem.task import Task
from ipage_core.tasks import ballistics, robotic_arm, robotic_arm_kruse, sinewave
from ipage_core.tasks.cells import task as architecture
from ipage_core.tasks.crystal import task as crystal

TASKS: dict[str, Task] = {
    module.TASK.name: module.TASK
    for module in (sinewave, robotic_arm, robotic_arm_kruse, ballistics, crystal, architecture)
}

__all__ = ["TASKS", "Task"]
