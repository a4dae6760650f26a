"""Recipe of a task's model: how its network, arguments and training differ from the defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)
class Recipe:
    """A task's own settings for one model; see :func:`ipage_core.training.recipes.recipe` for the defaults."""

    arguments: dict[str, Any] = field(default_factory=dict)
    """Arguments of the network that replace the defaults."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Training settings that replace the defaults: fields of :class:`ipage_core.training.fit.Settings`."""
    network: str = ""
    """Another network, with only these arguments, d and m; the default network if empty."""
    like_ipage: bool = False
    """Whether ``hidden`` is chosen so that this network is as large as the task's INN."""
    descents: dict[str, Any] = field(default_factory=dict)
    """Of the neural adjoint: settings that replace the method's, fields of
    :class:`ipage_core.inference.neural_adjoint.Search`."""
    tried: Sequence[dict[str, Any]] = ()
    """Arguments that :mod:`ipage_core.training.search` tries instead of the default ones."""
