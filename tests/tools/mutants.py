"""Change the program at random places, one at a time, and run the tests that call the changed function.

    python -m tests.tools.mutants                          # 170 mutants of inference, problem, physics and export
    python -m tests.tools.mutants --sample 300 --seed 1    # others
    python -m tests.tools.mutants --only inference/spread  # modules whose path contains this text

A mutant that no test kills is printed with its line. ``mutants_equivalent.txt`` lists those that were read and found to
change no answer. The exit status is 1 if fewer than 95 % of the others are killed.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
GROUPS: tuple[tuple[str, str], ...] = (
    ("ipage_core/problem/*.py ipage_core/inference/*.py", "problem inference benchmark/test_coverage.py"),
    ("ipage_core/tasks/*.py", "tasks/test_*.py tasks/*/test_band_structure.py tasks/silicon/test_least.py"),
    ("ipage_core/tasks/cells/[dehmpsv]*.py ipage_core/tasks/cells/t[ho]*.py", "tasks/cells"),
    ("ipage_core/tasks/crystal/[eglrs]*.py", "tasks/crystal"),
    ("ipage_core/tasks/own_crystal/[es]*.py", "tasks/own_crystal"),
    ("ipage_core/tasks/silicon/[elosv]*.py", "tasks/silicon"),
    ("ipage_core/tasks/table/export.py ipage_core/tasks/table/lattice.py", "tasks/table"),
)
"""Inference and problem, physics, export: modules and their tests, to which those of the examples in them are added."""
EXAMPLES = "test_doctests.py"
EQUIVALENT = Path(__file__).with_name("mutants_equivalent.txt")
SHARE = 0.95

COMPARED: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
NEGATED = (ast.Is, ast.IsNot, ast.Eq, ast.NotEq, ast.In, ast.NotIn)
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
    place: int
    """Its number among the file's mutants."""
    line: int
    function: str
    """Qualified name of the function, or of the class; empty: at the top of the module."""
    before: str
    after: str

    @property
    def text(self) -> str:
        """``file: function: before → after``, without the line's number, which moves."""
        return f"{self.file}: {self.function}: {self.before} → {self.after}"


def mutants(file: str) -> list[Mutant]:
    """All mutants of a file."""
    found = []
    for place, (node, change, undo, function) in enumerate(_changes(ast.parse((ROOT / file).read_text()))):
        before = ast.unparse(node)
        change()
        found.append(Mutant(file, place, node.lineno, function, _short(before), _short(ast.unparse(node))))
        undo()
    return found


def changed_source(mutant: Mutant) -> str:
    """The whole module with the mutant."""
    tree = ast.parse((ROOT / mutant.file).read_text())
    if mutant.place < 0:
        return ast.unparse(tree)
    for place, (_, change, _, _) in enumerate(_changes(tree)):
        if place == mutant.place:
            change()
            return ast.unparse(tree)
    raise IndexError(mutant.text)


def _short(text: str) -> str:
    return re.sub(r"\s+", " ", text)[:110]


def _changes(tree: ast.AST) -> Iterator[tuple[Any, Any, Any, str]]:
    """(node, change, undo, function) for every place of the tree that has code, not text or types."""
    for node, function in _code(tree, ""):
        for one in _changes_of(node):
            yield (*one, function)


def _changes_of(node: Any) -> Iterator[tuple[Any, Any, Any]]:
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
        one = isinstance(node.test, ast.Compare) and len(node.test.ops) == 1 and isinstance(node.test.ops[0], NEGATED)
        if not one:  # else the comparison gives the same mutant
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


def _code(node: ast.AST, function: str) -> Iterator[tuple[ast.AST, str]]:
    """(node, qualified name of its function), without annotations, text, errors, decorators, and imports."""
    if isinstance(node, ast.JoinedStr | ast.Raise | ast.Assert | ast.ImportFrom | ast.Import):
        return
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    if isinstance(node, ast.FunctionDef) and node.name == "__repr__":
        return
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "Recipe":  # training
        return
    if isinstance(node, ast.keyword) and node.arg == "strict":  # an error, if lengths differ
        return
    yield node, function.removesuffix(".").removesuffix(".<locals>")
    shaped = isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".reshape")
    inner = function
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        inner = f"{function}{node.name}"
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        within = (
            function.removesuffix(".").removesuffix(".<locals>")
            if name == "args" and isinstance(node, ast.FunctionDef)
            else inner
        )
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not (shaped and ast.unparse(child) == "-1"):  # NumPy reads -2 likewise
                nested = isinstance(child, ast.FunctionDef | ast.ClassDef) and within
                joint = ("." if isinstance(node, ast.ClassDef) else ".<locals>.") if nested else ""
                yield from _code(child, within + joint)


def equivalent() -> list[str]:
    """Patterns of the mutants that change no answer; each stands on a line, after a comment with the reason."""
    lines = EQUIVALENT.read_text().splitlines() if EQUIVALENT.exists() else []
    return [line for line in lines if line and not line.startswith("#")]


def is_equivalent(mutant: Mutant, patterns: list[str]) -> bool:
    """Whether a pattern, in which * stands for any text, matches."""
    return any(fnmatchcase(mutant.text, pattern.replace("[", "[[]")) for pattern in patterns)


def files_of(modules: str) -> list[str]:
    """Files of a group that a pattern names."""
    return sorted({str(p.relative_to(ROOT)) for pattern in modules.split() for p in ROOT.glob(pattern)})


def main() -> None:
    """Draw mutants, run their tests, print the share that was killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sample", type=int, default=170)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="modules whose path contains this text")
    parser.add_argument("--line", default="", help="mutants whose text contains this")
    parser.add_argument("--tests", default="", help="tests to run, below tests/; default: those of the modules' folder")
    parser.add_argument("--control", action="store_true", help="plant each module unchanged: every one must survive")
    parser.add_argument("--quick", action="store_true", help="do not import those that survive anew")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60, help="time of the tests of one mutant")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.chdir(ROOT)
    from tests.tools.mutants_run import survivors

    of_group = [[one for file in files_of(modules) for one in mutants(file)] for modules, _ in GROUPS]
    total = [one for group in of_group for one in group if arguments.only in one.file and arguments.line in one.text]
    if arguments.control:
        of_group = [
            [Mutant(file, -1, 0, "", "unchanged", "unchanged") for file in files_of(part)] for part, _ in GROUPS
        ]
        total = [one for group in of_group for one in group if arguments.only in one.file]
    patterns = equivalent()
    judged = [one for one in total if not is_equivalent(one, patterns)]
    chosen = set(random.Random(arguments.seed).sample(judged, min(arguments.sample, len(judged))))
    survived: list[Mutant] = []
    for (_, tests), group in zip(GROUPS, of_group, strict=True):
        drawn = [one for one in group if one in chosen]
        tests = arguments.tests or f"{tests} {EXAMPLES}"
        if drawn:
            survived += survivors(drawn, tests, arguments.jobs, arguments.seconds, arguments.quick)
    killed = len(chosen) - len(survived)
    print(f"{len(total)} mutants, {len(total) - len(judged)} of them equivalent; {len(chosen)} drawn, {killed} killed")
    print(f"killed of the non-equivalent: {killed}/{len(chosen)} = {killed / max(1, len(chosen)):.1%}")
    sys.exit(killed < SHARE * len(chosen))


if __name__ == "__main__":
    main()
