"""Training pairs of a slow Ω: computed rows for the surrogate, prior draws labelled by it for the posteriors.

Posteriors need far more pairs than such an Ω can compute. The surrogate's error is below the noise on y that the
likelihood needs anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ipage_core.runtime.lazy import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor

AT_ONCE = 2000
"""Number of draws labelled in one batch."""


def training_pairs(
    model: str,
    computed: tuple[Tensor, Tensor],
    source: str,
    surrogate: Callable[[], Any],
    sample_prior: Callable[[int, Generator], Tensor],
    draws: int,
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Training pairs of a model, and their description for its card.

    ``computed`` are the rows x (N, d), y (N, m) of ``source`` that the model ``mlp`` learns. The other models learn
    ``draws`` points of the prior with the values of ``surrogate()``.
    """
    from ipage_core.networks.store import fingerprint

    x, y = computed
    about: dict[str, Any] = {"from": source}
    if model == "mlp":
        return x, y, about
    about = {"n": len(x), "sha256": fingerprint(x, y), **about}
    network, x = surrogate(), sample_prior(draws, torch.Generator().manual_seed(0))
    with torch.no_grad():
        y = torch.cat([network(part.float()).double() for part in x.split(AT_ONCE)])
    return x, y, {"seed": 0, "labelled_by": "mlp, trained on", "computed": about}
