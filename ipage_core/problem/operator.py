"""Ω as the program calls it: each call gets designs of its own, and cannot end the program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ipage_core.runtime.lazy import torch


@dataclass(frozen=True, eq=False)
class Operator:
    """The forward operator of a task.

    The function may change its argument in place and may call ``sys.exit``: the caller's designs stay as they are, and
    a ValueError says what happened. Gradients pass. Anything but a tensor, such as boxes for a proof, is passed on.

    Example:
        >>> import torch
        >>> x = torch.ones(2, 1)
        >>> Operator(lambda x: x.mul_(3), "tripled")(x).tolist(), x.tolist()
        ([[3.0], [3.0]], [[1.0], [1.0]])
    """

    function: Callable[[Any], Any]
    name: str
    """Name of the task, for messages."""

    def __call__(self, x: Any) -> Any:
        """Designs (n, d) → properties (n, m + p).

        Raises:
            ValueError: the function calls ``sys.exit``.
        """
        own = x.clone() if isinstance(x, torch.Tensor) else x
        try:
            return self.function(own)
        except SystemExit as end:
            raise ValueError(f"Ω of {self.name} calls sys.exit({end.code!r}); expected a result") from end
