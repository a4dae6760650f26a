"""Plants mutants: in the loaded program, by patching it in place, or in an import."""

from __future__ import annotations

import functools
import gc
import importlib
import importlib.abc
import importlib.util
import inspect
import sys
import types
from typing import Any

from tests.tools.mutants import ROOT, Mutant, changed_source


class Planted(importlib.abc.MetaPathFinder, importlib.abc.Loader):
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


def plant(mutant: Mutant) -> bool:
    """Patch the loaded module in place, whoever has imported from it. → whether the changed module can be run."""
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
    except Exception:  # the mutant itself fails
        return False
    finally:
        sys.modules[name] = module
    _patch_closures(mutant, code)
    for cached in [one for one in module.__dict__.values() if hasattr(one, "cache_clear")]:
        cached.cache_clear()
    for key, new in list(scratch.__dict__.items()):
        old = module.__dict__.get(key)
        if key.startswith("__") or old is new:
            continue
        _transfer(old, new, name)
        if isinstance(new, tuple) and type(old).__name__ == type(new).__name__ != "tuple":
            new = type(old)(*new)  # of a NamedTuple of the module, whose class is made anew too
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
    return True


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
    elif type(old).__module__.startswith("ipage_core") and isinstance(getattr(old, "__dict__", None), dict):
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
