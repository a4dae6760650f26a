"""Allowed imports: layers of the core, packages of the app, one direction, no cycles."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from ipage_core.tasks import MODULES as SHIPPED

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {
    "ipage_core": (
        *("runtime", "problem", "networks", "inference", "tasks", "training", "benchmark"),
        *("registry", "api", "cli", "__init__", "__main__"),
    ),
    "app": (
        *("figures", "state", "workers", "components", "tasks", "lessons", "results", "server", "screens", "main"),
    ),
}
"""From the lowest layer up: each may import those before it."""
UP = {
    ("ipage_core.problem", "ipage_core.inference"): "a request knows who carries it out",
    ("ipage_core.inference", "ipage_core.tasks"): "a task is found by its name, and cells have a space of their own",
}
"""Existing exceptions to this order, and their reasons."""
MOST_UP, MOST_ROOMS, MOST_ARROWS = 2, 13, 45


def _modules():
    found = {}
    for top in FLOORS:
        for path in sorted((ROOT / top).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = _modules()


@cache  # parsed when a test asks, not while tests are collected, which each process does
def _trees():
    return {name: ast.parse(path.read_text()) for name, path in MODULES.items()}


def _imported(tree, name):
    """Every module that a module imports, anywhere in it, including type-only imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative imports are hard to follow"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


@cache
def _imports():
    return {name: set(_imported(tree, name)) - {name} for name, tree in _trees().items()}


def _room(name):
    return ".".join([*name.split("."), "__init__"][:2])


def _arrows(top):
    """(package, package) → the imports between them."""
    found = defaultdict(list)
    for name, imported in _imports().items():
        for other in imported & set(MODULES):
            if f"{name}.".startswith(f"{top}.") and other.startswith(f"{top}.") and _room(name) != _room(other):
                found[_room(name), _room(other)].append(f"{name} → {other}")
    return found


def test_the_imports_are_seen():
    """The scan finds imports of all three forms, so that the tests below can fail."""
    assert "app.figures.run" in _imports()["app.state.runs"]  # from module import name
    assert "app.figures.posterior" in _imports()["app.components.share"]  # from package import module
    assert "streamlit" in _imports()["app.main"]  # import module
    assert "ipage_core.tasks.cells.export" not in _imports()["app.components.share"]


@pytest.mark.parametrize("top", FLOORS)
def test_imports_run_one_way(top):
    order = [f"{top}.{room}" for room in FLOORS[top]]
    arrows = _arrows(top)
    unknown = {room for arrow in arrows for room in arrow} - set(order)
    assert not unknown, f"which floor is {unknown}?"
    up = {arrow: why for arrow, why in arrows.items() if order.index(arrow[0]) < order.index(arrow[1])}
    assert set(up) == {arrow for arrow in UP if arrow[0].startswith(f"{top}.")}, up
    assert len(up) <= MOST_UP


@pytest.mark.parametrize("top", FLOORS)
def test_few_rooms_and_few_arrows(top):
    rooms = {_room(name) for name in MODULES if name.startswith(f"{top}.")}
    assert len(rooms) <= MOST_ROOMS
    assert len(_arrows(top)) <= MOST_ARROWS


def test_no_modules_import_each_other_in_a_circle():
    try:
        TopologicalSorter({name: imported & set(MODULES) for name, imported in _imports().items()}).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_the_core_imports_neither_the_app_nor_streamlit_nor_plotly():
    for name, imported in _imports().items():
        if name.startswith("ipage_core"):
            assert not {other.partition(".")[0] for other in imported} & {"app", "streamlit", "plotly"}, name


@pytest.mark.parametrize("loaded", [
    "; ".join(f"import {name}" for name in MODULES if re.match(r"app\.figures|app\.tasks\.\w+\.figure$", name)),
    "import app.results.report",
    "import ipage_core.cli.main, ipage_core.inference.pipeline, ipage_core.benchmark.command",
], ids=["figures", "report", "core"])  # fmt: skip
def test_what_draws_or_computes_loads_no_streamlit(loaded):
    code = f"import sys; {loaded}; sys.exit('streamlit was loaded' if 'streamlit' in sys.modules else 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["ipage_core", "app", "streamlit_app"])
def test_nothing_puts_a_folder_on_the_path(name):
    paths = [ROOT / "streamlit_app.py"] if name == "streamlit_app" else (ROOT / name).rglob("*.py")
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            told = isinstance(node, ast.Attribute) and node.attr == "path" and isinstance(node.value, ast.Name)
            assert not (told and node.value.id == "sys"), f"{path} uses sys.path"


def test_outside_its_own_folder_the_app_knows_no_task_by_its_name():
    """A task's special features belong to its panel. The benchmark's page and figures name the paper's tasks."""
    for name, tree in _trees().items():
        if not name.startswith("app.") or name.startswith(("app.tasks", "app.results", "app.figures.benchmark")):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant):
                assert node.value not in SHIPPED, f"{name}:{node.lineno} {node.value!r}"
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("data_folder", "models_folder"), f"{name}:{node.lineno} asks for {node.attr}"
