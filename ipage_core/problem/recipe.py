"""How a task's model differs from the usual one: in its network, its arguments, its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)
class Recipe:
    """What a task says of one of its models; the rest is as usual, see :func:`ipage_core.training.recipes.recipe`."""

    arguments: dict[str, Any] = field(default_factory=dict)
    """Of the network, over the usual ones."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the training, over the usual ones: fields of :class:`ipage_core.training.fit.Settings`."""
    network: str = ""
    """A network that has no other arguments than these, d and m, trained by no other settings; usual if empty."""
    like_ipage: bool = False
    """Whether such a network gets the width ``hidden`` that makes it as large as the task's INN."""
    tried: Sequence[dict[str, Any]] = ()
    """Arguments that :mod:`ipage_core.training.search` tries, where not the usual ones."""
