"""Adam and AdamW as torch has them, without torch's compiler.

The methods of ``torch.optim`` import ``torch._dynamo``, which takes as long as torch itself; nothing here is compiled.
"""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

import torch

_O = TypeVar("_O", bound=type[torch.optim.Optimizer])


def _without_compiler(optimizer: _O) -> _O:
    names = ("add_param_group", "state_dict", "load_state_dict", "zero_grad", "step")
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(optimizer, name)) for name in names}
    methods["step"] = torch.no_grad()(methods["step"])
    return type(optimizer.__name__, (optimizer,), methods)  # type: ignore[return-value]


Adam, AdamW = _without_compiler(torch.optim.Adam), _without_compiler(torch.optim.AdamW)
