"""Task-specific code belongs to the task: no other code refers to a task by name."""

import ast
from pathlib import Path

from ipage_core.tasks import MODULES, TASKS

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = ("ipage_core/tasks/", "ipage_core/benchmark/")


def names_in(code: str) -> list[str]:
    """Task names that are values in some code, without examples in docstrings."""
    values = [node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)]
    return [value for value in values if isinstance(value, str) and value in MODULES]


def test_no_task_is_special_cased_by_its_name_in_the_core():
    paths = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "ipage_core").rglob("*.py"))]
    assert len(paths) > 100
    found = {path: names_in((ROOT / path).read_text()) for path in paths if not path.startswith(ALLOWED)}
    assert {path: names for path, names in found.items() if names} == {}


def test_only_the_registry_adds_tasks_and_methods():
    found = [
        path.relative_to(ROOT).as_posix()
        for top in ("ipage_core", "app")
        for path in sorted((ROOT / top).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "extend" and isinstance(node.value, ast.Name)
        if node.value.id in ("TASKS", "METHODS")
    ]
    assert set(found) == {"ipage_core/registry.py"}


def test_the_search_for_names_would_find_one():
    assert names_in('if task.name == "crystal": ...') == ["crystal"]
    assert names_in('EPOCHS = {"sinewave": 160}') == ["sinewave"]
    assert names_in('""">>> TASKS["sinewave"]"""') == []


def test_every_recipe_is_of_a_model_and_every_format_is_written():
    from ipage_core.training.baselines import NAMES
    from ipage_core.training.recipes import BUILT_AS

    for task in TASKS.values():
        assert set(task.recipes) <= {*BUILT_AS, *NAMES}
        assert bool(task.export_formats) == (task.export is not None)
