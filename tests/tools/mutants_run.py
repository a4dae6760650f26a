"""Runs mutants: one pytest session per group of tests; each mutant is patched into a fork of it.

The session collects the tests once. A first fork runs them all and notes which test calls which function of the
program; this note is kept in the temporary folder until a test changes. Each mutant's fork then runs only the tests
that call its function, the fastest first, until one fails.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import itertools
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tools.mutants import ROOT, Mutant, changed_source
from tests.tools.mutants_plant import Planted, plant

KEPT = Path(tempfile.gettempdir()) / "ipage-mutants"
LOOPS = 20
"""A mutant counts as killed when it takes this many times the CPU time of its tests: it loops."""
IMPORT_SECONDS = 900
"""Likewise when it is imported anew. CPU time too: a busy machine kills no mutant."""


def survivors(chosen: list[Mutant], tests: str, jobs: int, seconds: float, quick: bool = False) -> list[Mutant]:
    """Run the tests on each mutant. → those that no test kills.

    Those that survive are imported anew, as objects made by an import (tasks, classes' defaults) are not patched; not
    if ``quick``.
    """
    session = _Session(chosen, jobs, seconds)
    marks = "not dft and not browser and not gpu and not slow"
    paths = [str(path) for place in tests.split() for path in sorted((ROOT / "tests").glob(place))]
    plugins = [word for name in ("cacheprovider", "terminal") for word in ("-p", f"no:{name}")]
    own = ["-o", "addopts=--strict-markers --import-mode=importlib", "-m", marks]
    pytest.main([*plugins, *own, *paths], plugins=[session])
    if session.left:
        sys.exit(f"The tests {tests} cannot be collected: run pytest on them")
    return [mutant for mutant in session.survived if quick or _survives_import(mutant, session.tests[mutant], marks)]


class _Session:
    """A pytest plugin that runs mutants in place of the tests."""

    def __init__(self, chosen: list[Mutant], jobs: int, seconds: float) -> None:
        self.chosen, self.jobs, self.seconds = chosen, jobs, seconds
        self.left = len(chosen)
        self.tests: dict[Mutant, list[str]] = {}
        self.survived: list[Mutant] = []

    def pytest_collection(self) -> None:
        """Hypothesis draws the same examples each time, and does not shrink those that fail."""
        from hypothesis import Phase, settings

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", deadline=None, database=None, derandomize=True, phases=phases)
        settings.load_profile("mutants")

    def pytest_runtestloop(self, session: Any) -> bool:
        """Note what the tests call, then run the mutants."""
        items = {item.nodeid: item for item in session.items}
        called = _notes(session.items)
        waiting = list(self.chosen)
        running: dict[int, tuple[Mutant, float]] = {}
        while waiting or running:
            while waiting and len(running) < self.jobs:
                mutant = waiting.pop(0)
                names, expected = _tests_of(mutant, called, self.seconds)
                self.tests[mutant] = names
                work = functools.partial(_fails, mutant, [items[name] for name in names if name in items])
                running[_forked(work, int(10 + LOOPS * expected))] = mutant, time.monotonic()
            for process, (mutant, start) in list(running.items()):
                ended, status = os.waitpid(process, os.WNOHANG)
                if ended:
                    del running[process]
                    self.left -= 1
                    code = os.waitstatus_to_exitcode(status)
                    said = {0: "SURVIVED", 1: "killed", 3: "UNPLANTED"}.get(code, "late")
                    self.survived += [mutant] if code in (0, 3) else []
                    line = f"{mutant.file}:{mutant.line}: {mutant.function}: {mutant.before} → {mutant.after}"
                    print(f"{said:10}{time.monotonic() - start:5.1f} s  {line}", flush=True)
            time.sleep(0.01)
        return True


def _forked(work: Callable[[], bool], seconds: int = 3600) -> int:
    """Run work in a fork, which ends with 1 if it is true, with 3 if it fails, or after seconds. → its process."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    code = 3
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["TMPDIR"] = tempfile.tempdir = folder
            code = int(work())
    except Exception:
        code = 3
    finally:
        os._exit(code)


def _fails(mutant: Mutant, items: list[Any]) -> bool:
    """Whether a test, or the module itself, fails with the mutant."""
    return not plant(mutant) or any(_run(items))


def _run(items: list[Any]) -> Iterator[bool]:
    """Run tests. → for each: whether it fails."""
    for item, following in itertools.zip_longest(items, items[1:]):
        seen = _Seen()
        item.config.pluginmanager.register(seen)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        item.config.pluginmanager.unregister(seen)
        yield seen.failed


class _Seen:
    """A pytest plugin that notes whether a test fails, in itself or in its fixtures."""

    failed = False

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Called after a test's setup, call and teardown."""
        self.failed |= report.failed


def _survives_import(mutant: Mutant, tests: list[str], marks: str) -> bool:
    """Whether the tests pass in a process that imports the mutant."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "mutant.py"
        source.write_text(changed_source(mutant))
        files = dict.fromkeys(test.split("::")[0] for test in tests)
        words = [sys.executable, "-m", "tests.tools.mutants_run", str(source), mutant.file, marks, *files]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
        limit = functools.partial(resource.setrlimit, resource.RLIMIT_CPU, (IMPORT_SECONDS, IMPORT_SECONDS))
        lives = not tests or subprocess.run(words, cwd=ROOT, preexec_fn=limit, **silent).returncode == 0  # type: ignore[call-overload]
    if not lives:
        print(f"killed when imported: {mutant.text}", flush=True)
    return lives


# What the tests call


def _notes(items: list[Any]) -> dict[str, dict[str, float]]:
    """function → tests that call it, with their seconds; a file of tests is run again only if it has changed."""
    KEPT.mkdir(exist_ok=True)
    by_file: dict[Path, list[Any]] = defaultdict(list)
    for item in items:
        by_file[item.path].append(item)
    called: dict[str, dict[str, float]] = defaultdict(dict)
    for path, tests in by_file.items():
        key = hashlib.sha256(str(path.relative_to(ROOT)).encode() + path.read_bytes()).hexdigest()[:24]
        kept = KEPT / f"{key}.json"
        if not kept.exists():
            os.waitpid(_forked(functools.partial(_note, tests, kept)), 0)
        if not kept.exists():
            continue
        for name, (took, functions) in json.loads(kept.read_text()).items():
            for function in functions:
                called[function][name] = took
    return called


def _note(items: list[Any], out: Path) -> bool:
    """Run tests and write which functions of the program each calls, itself or by its fixtures."""
    program = str(ROOT / "ipage_core")
    seen: set[str] = set()
    by_fixture: dict[str, set[str]] = defaultdict(set)

    def trace(frame: Any, event: str, argument: Any) -> None:
        code = frame.f_code
        if code.co_filename.startswith(program):
            seen.add(f"{code.co_filename[len(str(ROOT)) + 1 :]}: {code.co_qualname}")

    class Fixtures:
        @pytest.hookimpl(wrapper=True)
        def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Any:
            before = set(seen)
            seen.clear()
            try:
                return (yield)
            finally:
                by_fixture[fixturedef.argname] |= seen
                seen.update(before)

    items[0].config.pluginmanager.register(Fixtures())
    sys.settrace(trace)
    threading.settrace(trace)
    notes = {}
    runs = _run(items)
    for item in items:
        seen.clear()
        start = time.process_time()
        failed = next(runs)
        took = time.process_time() - start
        functions = seen.union(*(by_fixture[name] for name in item.fixturenames))
        if not failed:
            notes[item.nodeid] = took, sorted(functions)
    sys.settrace(None)
    out.write_text(json.dumps(notes))
    return False


def _tests_of(mutant: Mutant, called: dict[str, dict[str, float]], seconds: float) -> tuple[list[str], float]:
    """Tests that call the mutant's function, for this time at most; and their time.

    Those of files that import its module come first, and of these those of fast files.
    """
    prefix = f"{mutant.file}: "
    exact = called.get(prefix + mutant.function, {}) if mutant.function in _functions(mutant.file) else {}
    tests = dict(exact)
    if not exact:  # a constant, a default value: those of all files that call anything there, as reading is no call
        callers = [name for function, of_it in called.items() if function.startswith(prefix) for name in of_it]
        files = {name.split("::")[0] for name in callers}
        for of_it in called.values():
            tests |= {name: took for name, took in of_it.items() if name.split("::")[0] in files}
    of_file: dict[str, float] = defaultdict(float)
    for name, took in tests.items():
        of_file[name.split("::")[0]] += took
    chosen, expected = [], 0.0

    def order(name: str) -> tuple[bool, float, str, float]:
        file = name.split("::")[0]
        return not _imports(file, mutant.file), of_file[file], file, tests[name]

    for name in sorted(tests, key=order):
        if expected and expected + tests[name] > seconds:
            continue
        chosen.append(name)
        expected += tests[name]
    return chosen, expected


@functools.cache
def _functions(file: str) -> set[str]:
    """Qualified names of a file's functions, not of its classes, whose bodies run when they are imported."""

    def names(node: ast.AST, within: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef):
                yield within + child.name
                yield from names(child, f"{within}{child.name}.<locals>.")
            else:
                yield from names(child, f"{within}{child.name}." if isinstance(child, ast.ClassDef) else within)

    return set(names(ast.parse((ROOT / file).read_text()), ""))


@functools.cache
def _imports(test: str, module: str) -> bool:
    """Whether a file of tests imports a module, or from it."""
    package, _, name = module.removesuffix(".py").replace("/", ".").rpartition(".")
    parts = re.escape(package), re.escape(name)
    pattern = r"^\s*from {0}\.{1} import |^\s*from {0} import .*\b{1}\b".format(*parts)
    return re.search(pattern, (ROOT / test).read_text(), re.MULTILINE) is not None


if __name__ == "__main__":
    changed, module_file, with_marks, *of_it = sys.argv[1:]
    sys.meta_path.insert(0, Planted(Path(changed).read_text(), module_file))
    sys.exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", with_marks, *of_it]))
