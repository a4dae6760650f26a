"""Runs mutants: one pytest session per group of tests; each mutant is patched into a fork of it.

The session collects the tests once. A first fork runs them all and notes which test calls which function of the
program; this note is kept in the temporary folder until a test changes. Each mutant's fork then runs only the tests
that call its function, the fastest first, until one fails.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import importlib.abc
import importlib.util
import inspect
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tools.mutants import ROOT, Mutant, changed_source

KEPT = Path(tempfile.gettempdir()) / "ipage-mutants"
LOOPS = 20
"""A mutant counts as killed when it takes this many times as long as its tests: it loops."""


def survivors(chosen: list[Mutant], tests: str, jobs: int, seconds: float, quick: bool = False) -> list[Mutant]:
    """Run the tests on each mutant. → those that no test kills.

    Those that survive are imported anew, as objects made by an import (tasks, classes' defaults) are not patched; not
    if ``quick``.
    """
    session = _Session(chosen, jobs, seconds)
    marks = "not dft and not browser and not gpu and not slow"
    paths = [str(path) for place in tests.split() for path in sorted((ROOT / "tests").glob(place))]
    plugins = [word for name in ("cacheprovider", "xdist", "terminal") for word in ("-p", f"no:{name}")]
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
        running: dict[int, tuple[Mutant, float, float]] = {}
        while waiting or running:
            while waiting and len(running) < self.jobs:
                mutant = waiting.pop(0)
                names, expected = _tests_of(mutant, called, self.seconds)
                self.tests[mutant] = names
                process = _forked(lambda m=mutant, n=names: _fails(m, [items[name] for name in n if name in items]))
                running[process] = mutant, time.monotonic(), 30 + LOOPS * expected
            for process, (mutant, start, limit) in list(running.items()):
                ended, status = os.waitpid(process, os.WNOHANG)
                late = time.monotonic() - start > limit
                if late and not ended:
                    os.killpg(process, signal.SIGKILL)
                    os.waitpid(process, 0)
                if ended or late:
                    del running[process]
                    self.left -= 1
                    lives = bool(ended) and os.waitstatus_to_exitcode(status) == 0
                    self.survived += [mutant] if lives else []
                    said = "SURVIVED" if lives else "late" if late else "killed"
                    line = f"{mutant.file}:{mutant.line}: {mutant.function}: {mutant.before} → {mutant.after}"
                    print(f"{said:9}{time.monotonic() - start:5.1f} s  {line}", flush=True)
            time.sleep(0.01)
        return True


def _forked(work: Callable[[], bool]) -> int:
    """Run work in a fork, which ends with 1 if it is true or fails. → its process."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    code = 1
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["TMPDIR"] = tempfile.tempdir = folder
            code = int(work())
    finally:
        os._exit(code)


def _fails(mutant: Mutant, items: list[Any]) -> bool:
    """Whether a test fails with the mutant."""
    _plant(mutant)
    return any(_run(items))


def _run(items: list[Any]) -> Iterator[bool]:
    """Run tests. → for each: whether it fails."""
    for item, following in zip(items, [*items[1:], None], strict=True):
        failed: list[bool] = []
        hook = types.SimpleNamespace(failed=failed)
        hook.pytest_runtest_logreport = lambda report, failed=failed: failed.append(report.failed)
        item.config.pluginmanager.register(hook)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        item.config.pluginmanager.unregister(hook)
        yield any(failed)


def _survives_import(mutant: Mutant, tests: list[str], marks: str) -> bool:
    """Whether the tests pass in a process that imports the mutant."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "mutant.py"
        source.write_text(changed_source(mutant))
        words = [sys.executable, "-m", "tests.tools.mutants_run", str(source), mutant.file, marks, *tests]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
        try:
            lives = not tests or subprocess.run(words, cwd=ROOT, timeout=600, **silent).returncode == 0  # type: ignore[call-overload]
        except subprocess.TimeoutExpired:
            lives = False
    if not lives:
        print(f"killed when imported: {mutant.text}", flush=True)
    return lives


class _Planted(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from other source."""

    def __init__(self, source: str, file: str) -> None:
        self.source, self.file = source, ROOT / file
        self.name = file.removesuffix(".py").replace("/", ".")

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """The module itself if it is the changed one."""
        return importlib.util.spec_from_file_location(name, self.file, loader=self) if name == self.name else None

    def create_module(self, spec: Any) -> None:
        """The usual module."""

    def exec_module(self, module: Any) -> None:
        """Run the changed source."""
        exec(compile(self.source, str(self.file), "exec"), module.__dict__)


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
    by_fixture: dict[Any, set[str]] = {}

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
                by_fixture[fixturedef] = set(seen)
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
        used = [one for defs in item._fixtureinfo.name2fixturedefs.values() for one in defs]
        functions = seen.union(*(by_fixture.get(one, set()) for one in used))
        if not failed:
            notes[item.nodeid] = took, sorted(functions)
    sys.settrace(None)
    out.write_text(json.dumps(notes))
    return False


def _tests_of(mutant: Mutant, called: dict[str, dict[str, float]], seconds: float) -> tuple[list[str], float]:
    """Tests that call the mutant's function, those of fast files first, for this time at most; and their time."""
    prefix = f"{mutant.file}: "
    exact = called.get(prefix + mutant.function, {}) if mutant.function else {}
    tests = dict(exact)
    if not exact:  # at the top of a module or of a class, a default value: all that call anything there
        for function, of_it in called.items():
            tests |= of_it if function.startswith(prefix) else {}
    of_file: dict[str, float] = defaultdict(float)
    for name, took in tests.items():
        of_file[name.split("::")[0]] += took
    chosen, expected = [], 0.0
    for name in sorted(tests, key=lambda n: (of_file[n.split("::")[0]], n.split("::")[0], tests[n])):
        if expected and expected + tests[name] > seconds:
            continue
        chosen.append(name)
        expected += tests[name]
    return chosen, expected


# Planting a mutant


def _plant(mutant: Mutant) -> None:
    """Patch the loaded module in place, whoever has imported from it."""
    name = mutant.file.removesuffix(".py").replace("/", ".")
    path = ROOT / mutant.file
    module = sys.modules.get(name)
    if module is None:
        module = importlib.import_module(name)
    scratch = types.ModuleType(name)
    scratch.__file__ = str(path)
    scratch.__package__ = module.__package__
    sys.modules[name] = scratch  # dataclasses look their module up
    code = compile(changed_source(mutant), str(path), "exec")
    try:
        exec(code, scratch.__dict__)
    finally:
        sys.modules[name] = module
    _patch_closures(mutant, code)
    for key, new in list(scratch.__dict__.items()):
        old = module.__dict__.get(key)
        if key.startswith("__") or old is new:
            continue
        _transfer(old, new, name)
        if (
            isinstance(new, types.FunctionType | type)
            or _unwrapped(new) is not None
            or old.__class__ is not new.__class__
        ):
            continue
        if not _swapped(old, new):
            for other in list(sys.modules.values()):
                names = getattr(other, "__dict__", {})
                if other is module or (key in names and names[key] is old and type(old) is not bool):
                    names[key] = new


def _transfer(old: Any, new: Any, module: str) -> None:
    """Give an old function or class the new one's code."""
    inner_old, inner_new = _unwrapped(old), _unwrapped(new)
    if inner_old is not None and inner_new is not None:
        if inner_old.__module__ == module and len(inner_old.__code__.co_freevars) == len(
            inner_new.__code__.co_freevars
        ):
            inner_old.__code__ = inner_new.__code__
            inner_old.__defaults__, inner_old.__kwdefaults__ = inner_new.__defaults__, inner_new.__kwdefaults__
    elif isinstance(old, type) and isinstance(new, type) and old.__module__ == module:
        for key, value in list(vars(new).items()):
            known = vars(old).get(key)
            if key in ("__dict__", "__weakref__", "__doc__", "__module__", "__slots__"):
                continue
            generated = isinstance(value, types.FunctionType) and value.__code__.co_filename == "<string>"
            if _unwrapped(value) is not None and not generated:
                _transfer(known, value, module)
            elif generated or not isinstance(value, types.MemberDescriptorType | type):
                try:
                    setattr(old, key, value)
                except (AttributeError, TypeError):
                    continue


def _unwrapped(value: Any) -> types.FunctionType | None:
    """The Python function inside a method, property or wrapper."""
    for name in ("fget", "__func__", "func"):
        if isinstance(value, property | classmethod | staticmethod | functools.cached_property) and hasattr(
            value, name
        ):
            value = getattr(value, name)
    value = inspect.unwrap(value) if callable(value) and not isinstance(value, type) else value
    return value if isinstance(value, types.FunctionType) else None


def _swapped(old: Any, new: Any) -> bool:
    """Give an old object the new one's contents, if it can be changed."""
    import numpy as np
    import torch

    if isinstance(old, dict):
        old.clear()
        old.update(new)
    elif isinstance(old, list):
        old[:] = new
    elif isinstance(old, torch.Tensor) and old.shape == new.shape and old.dtype == new.dtype:
        old.data.copy_(new)
    elif isinstance(old, np.ndarray) and old.shape == new.shape and old.flags.writeable:
        old[...] = new
    elif hasattr(old, "__dict__") and not isinstance(old, types.ModuleType):
        vars(old).clear()
        vars(old).update(vars(new))
    else:
        return False
    return True


def _patch_closures(mutant: Mutant, code: types.CodeType) -> None:
    """Functions made inside others already exist; each gets its own new code."""
    found: dict[str, types.CodeType] = {}

    def walk(one: types.CodeType) -> None:
        for constant in one.co_consts:
            if isinstance(constant, types.CodeType):
                found[constant.co_qualname] = constant
                walk(constant)

    walk(code)
    if not any(
        name.startswith(f"{mutant.function}.<locals>") or (name == mutant.function and "<locals>" in name)
        for name in found
    ):
        return
    path = str(ROOT / mutant.file)
    for one in gc.get_objects():
        if isinstance(one, types.FunctionType) and one.__code__.co_filename == path:
            new = found.get(one.__code__.co_qualname)
            if (
                new is not None
                and "<locals>" in new.co_qualname
                and len(new.co_freevars) == len(one.__code__.co_freevars)
            ):
                one.__code__ = new


if __name__ == "__main__":
    changed, module_file, with_marks, *of_it = sys.argv[1:]
    sys.meta_path.insert(0, _Planted(Path(changed).read_text(), module_file))
    sys.exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", with_marks, *of_it]))
