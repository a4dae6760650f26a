"""Imports modules on first use, so that tasks can be listed and linked without loading torch."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


class LazyModule:
    """Stands for a module, e.g. ``torch``, and imports it when an attribute is first read.

    >>> math = LazyModule("math")
    >>> math.sqrt(4)
    2.0
    """

    def __init__(self, name: str) -> None:
        self.__name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self.__name), attribute)


def late(path: str) -> Callable[..., Any]:
    """A function at ``package.module:name`` whose module is imported on the first call.

    >>> late("math:sqrt")(4)
    2.0
    """
    module, _, name = path.partition(":")

    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(module), name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    return call


torch: Any = LazyModule("torch")
