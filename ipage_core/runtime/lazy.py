"""Modules imported when they are first used: a task is declared, listed and linked to without loading torch."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


class LazyModule:
    """Stands for a module, e.g. ``torch``, until an attribute of it is read.

    >>> math = LazyModule("math")
    >>> math.sqrt(4)
    2.0
    """

    def __init__(self, name: str) -> None:
        self.__name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self.__name), attribute)


def late(path: str) -> Callable[..., Any]:
    """The function at ``package.module:name``, whose module is imported when the function is first called.

    >>> late("math:sqrt")(4)
    2.0
    """
    module, _, name = path.partition(":")

    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(module), name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    return call


torch: Any = LazyModule("torch")
