"""Imports modules on first use, so that tasks can be listed and linked without loading torch; and late values."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


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


class Late(Generic[T]):
    """A field of a dataclass, given as a value or as a function of no arguments, which is called on first use.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Disc:
    ...     area: Late[float] = Late()
    >>> Disc(lambda: 3.14).area, Disc(2.0).area, Late.waits(Disc(lambda: 3.14), "area")
    (3.14, 2.0, True)
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Late[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            raise AttributeError(self.name)  # to a dataclass: the field has no default
        value = instance.__dict__[self.name]
        if callable(value):
            value = instance.__dict__[self.name] = value()
        return value

    def __set__(self, instance: object, value: T | Callable[[], T]) -> None:
        instance.__dict__[self.name] = value

    @staticmethod
    def waits(instance: object, name: str) -> bool:
        """Whether a late field is a function that was not called yet."""
        return callable(instance.__dict__[name])


torch: Any = LazyModule("torch")
