"""Change the program at random places, one at a time, and run the tests of the changed module.

    python -m tests.tools.mutants                          # 160 mutants of inference, problem, physics and export
    python -m tests.tools.mutants --sample 300 --seed 1    # others
    python -m tests.tools.mutants --only inference/spread  # modules whose path contains this text

A mutant that all tests of its module survive is printed with its line; ``mutants_equivalent.txt`` lists the survivors
that were read and found to change no answer. The exit status is 1 if fewer than 95 % of the others are killed.
Each mutant runs in a fork of one process that has loaded torch and pandas, so that a run takes as long as its tests.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.util
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
MODULES = (
    "ipage_core/inference/*.py",
    "ipage_core/problem/*.py",
    "ipage_core/tasks/*.py",
    "ipage_core/tasks/export.py",
    "ipage_core/tasks/cells/[dehmpsv]*.py",
    "ipage_core/tasks/cells/t[ho]*.py",
    "ipage_core/tasks/crystal/[eglrs]*.py",
    "ipage_core/tasks/own_crystal/[es]*.py",
    "ipage_core/tasks/silicon/[elosv]*.py",
    "ipage_core/tasks/table/export.py",
    "ipage_core/tasks/table/lattice.py",
)
"""Inference, problem, physics and export."""
TESTS = {
    "ipage_core/problem": "problem inference",
    "ipage_core/inference": "inference benchmark/test_coverage.py",
    "ipage_core/tasks/cells": "tasks/cells",
    "ipage_core/tasks/crystal": "tasks/crystal",
    "ipage_core/tasks/own_crystal": "tasks/own_crystal",
    "ipage_core/tasks/silicon": "tasks/silicon",
    "ipage_core/tasks/table": "tasks/table",
    "ipage_core/tasks": "tasks",
}
"""Folder of a module → folders of its tests; in them, tests that name the module run first."""
EQUIVALENT = Path(__file__).with_name("mutants_equivalent.txt")
LIMIT = 240
"""Seconds after which a mutant counts as killed: it loops."""
SHARE = 0.95

COMPARED: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
COMPUTED: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
PAIRS = (
    ("min", "max"), ("amin", "amax"), ("minimum", "maximum"), ("argmin", "argmax"), ("any", "all"), ("sum", "mean"),
    ("sin", "cos"), ("ceil", "floor"),
)  # fmt: skip
NAMES = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}


class Mutant(NamedTuple):
    """One change of one module."""

    file: str
    line: int
    before: str
    after: str
    source: str

    @property
    def text(self) -> str:
        """``file: before → after``, without the line's number, which moves."""
        return f"{self.file}: {self.before} → {self.after}"


def mutants(file: str) -> list[Mutant]:
    """All mutants of a file."""
    tree = ast.parse((ROOT / file).read_text())
    found = []
    for node, change, undo in _changes(tree):
        before = ast.unparse(node)
        change()
        after = ast.unparse(node)
        found.append(Mutant(file, node.lineno, _short(before), _short(after), ast.unparse(tree)))
        undo()
    return found


def _short(text: str) -> str:
    return re.sub(r"\s+", " ", text)[:110]


def _changes(tree: ast.AST) -> Iterator[tuple[Any, Any, Any]]:
    """(node, change, undo) for every place of the tree that has code, not text or types."""
    for node in _code(tree):
        if isinstance(node, ast.Compare):
            for k, operator in enumerate(node.ops):
                if type(operator) in COMPARED:
                    yield _item(node, node.ops, k, COMPARED[type(operator)]())
        elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in COMPUTED:
            text = any(isinstance(part, ast.JoinedStr) for part in ast.walk(node))
            if not text:
                yield _field(node, "op", COMPUTED[type(node.op)]())
        elif isinstance(node, ast.BoolOp):
            yield _field(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
        elif isinstance(node, ast.If | ast.IfExp):
            yield _field(node, "test", ast.UnaryOp(ast.Not(), node.test))
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
            value = node.value
            other = not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else 2 * value or 1.0
            yield _field(node, "value", other)
        elif isinstance(node, ast.Attribute) and node.attr in NAMES:
            yield _field(node, "attr", NAMES[node.attr])
        elif isinstance(node, ast.Name) and node.id in NAMES and isinstance(node.ctx, ast.Load):
            yield _field(node, "id", NAMES[node.id])


def _field(node: Any, name: str, value: Any) -> tuple[Any, Any, Any]:
    old = getattr(node, name)
    return node, lambda: setattr(node, name, value), lambda: setattr(node, name, old)


def _item(node: Any, items: list[Any], k: int, value: Any) -> tuple[Any, Any, Any]:
    old = items[k]
    return node, lambda: items.__setitem__(k, value), lambda: items.__setitem__(k, old)


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes below, without annotations, text, errors, decorators, and imports for type checks."""
    if isinstance(node, ast.JoinedStr | ast.Raise | ast.Assert | ast.ImportFrom | ast.Import):
        return
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _code(child)


def tests_of(file: str) -> list[str]:
    """Test files of a module: those of its folder that name it, then the others."""
    folder = next(known for known in sorted(TESTS, key=len, reverse=True) if file.startswith(f"{known}/"))
    found: list[Path] = []
    for place in TESTS[folder].split():
        path = ROOT / "tests" / place
        found += [path] if path.is_file() else sorted(path.glob("test_*.py"))
    stem = Path(file).stem
    named = [path for path in found if re.search(rf"\b{stem}\b", path.read_text())]
    return [str(path.relative_to(ROOT)) for path in (named or found)]


class Planted(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from other source."""

    def __init__(self, mutant: Mutant) -> None:
        self.name, self.mutant = mutant.file.removesuffix(".py").replace("/", "."), mutant

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """The module itself if it is the changed one."""
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, ROOT / self.mutant.file, loader=self)

    def create_module(self, spec: Any) -> None:
        """The usual module."""

    def exec_module(self, module: Any) -> None:
        """Run the changed source."""
        exec(compile(self.mutant.source, str(ROOT / self.mutant.file), "exec"), module.__dict__)


def begun(mutant: Mutant | None, tests: list[str]) -> int:
    """Start the tests with the mutant in a fork. → its process."""
    process = os.fork()
    if process:
        return process
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        code = 1
        try:
            import pytest

            if mutant is not None:
                sys.meta_path.insert(0, Planted(mutant))
            marks = "not dft and not browser and not gpu and not slow"
            words = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-m", marks]
            code = int(pytest.main([*words, *tests]))
        except BaseException:
            code = 1
    os._exit(code)


def run(chosen: list[Mutant], jobs: int) -> list[Mutant]:
    """Run the tests of each. → those that survived."""
    waiting, survived = list(chosen), []
    running: dict[int, tuple[Mutant, float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop(0)
            running[begun(mutant, tests_of(mutant.file))] = mutant, time.monotonic()
        for process, (mutant, start) in list(running.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            late = time.monotonic() - start > LIMIT
            if late and not ended:
                os.killpg(process, signal.SIGKILL)
                os.waitpid(process, 0)
            if ended or late:
                del running[process]
                lives = bool(ended) and os.waitstatus_to_exitcode(status) == 0
                survived += [mutant] if lives else []
                took = time.monotonic() - start
                said = "SURVIVED" if lives else "late" if late else "killed"
                print(f"{said:9}{took:4.0f} s  {mutant.text}  (line {mutant.line})", flush=True)
        time.sleep(0.05)
    return survived


def main() -> None:
    """Draw mutants, run their tests, print the share that was killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sample", type=int, default=160)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="modules whose path contains this text")
    parser.add_argument("--line", default="", help="mutants whose text contains this")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.chdir(ROOT)
    files = sorted({str(p.relative_to(ROOT)) for pattern in MODULES for p in ROOT.glob(pattern)})
    all_of_them = [one for file in files if arguments.only in file for one in mutants(file)]
    all_of_them = [one for one in all_of_them if arguments.line in one.text]
    equivalent = set(EQUIVALENT.read_text().splitlines()) if EQUIVALENT.exists() else set()
    count = min(arguments.sample, len(all_of_them))
    chosen = random.Random(arguments.seed).sample(all_of_them, count)
    import hypothesis  # noqa: F401  before the forks, as the others
    import pandas  # noqa: F401
    import pytest  # noqa: F401
    import scipy.spatial  # noqa: F401
    import torch

    torch.set_num_threads(1)
    survived = run(chosen, arguments.jobs)
    same = [one for one in survived if one.text in equivalent]
    killed, judged = len(chosen) - len(survived), len(chosen) - len(same)
    print(f"{len(files)} modules, {len(all_of_them)} mutants, {len(chosen)} drawn: {killed} killed, {len(same)} same")
    print(f"killed of the non-equivalent: {killed}/{judged} = {killed / max(1, judged):.1%}")
    sys.exit(killed < SHARE * judged)


if __name__ == "__main__":
    main()
