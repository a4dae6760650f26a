"""What is special about a task belongs to the task: nobody else asks for its name."""

import re
from pathlib import Path

from ipage_core.tasks import TASKS

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = ("ipage_core/tasks/", "ipage_core/benchmark/")
WORDS = re.compile(r"""["'](""" + "|".join(TASKS) + r""")["']""")


def test_no_task_is_special_cased_by_its_name_in_the_core():
    found = []
    for path in sorted((ROOT / "ipage_core").rglob("*.py")):
        where = path.relative_to(ROOT).as_posix()
        if where.startswith(ALLOWED):
            continue
        lines = [(k, line) for k, line in enumerate(path.read_text().splitlines(), 1) if ">>>" not in line]
        found += [f"{where}:{k}: {line}" for k, line in lines if WORDS.search(line)]
    assert found == []


def test_the_search_for_names_would_find_one():
    assert WORDS.search('if task.name == "crystal":')
    assert not WORDS.search('"crystals are slow"')


def test_every_recipe_is_of_a_model_and_every_format_is_written():
    from ipage_core.training.baselines import NAMES
    from ipage_core.training.recipes import BUILT_AS

    for task in TASKS.values():
        assert set(task.recipes) <= {*BUILT_AS, *NAMES}
        assert bool(task.export_formats) == (task.export is not None)
