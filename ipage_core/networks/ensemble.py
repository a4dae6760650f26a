"""Several SiLU networks: their mean is the surrogate of data without an Ω, their spread its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ipage_core.networks.base import Network
from ipage_core.networks.standardize import Standardizer

LEAST = 1e-12
"""Members with a mean squared error below this, in units of y's variance, count as equally good."""


def parallel_layers(
    members: int, widths: Sequence[int], last_scale: float = 1.0
) -> tuple[nn.ParameterList, nn.ParameterList]:
    """Weights (members, n_in, n_out) and biases (members, 1, n_out) of dense layers, drawn as PyTorch draws its own.

    ``last_scale``: factor on those of the last layer.
    """
    weights, biases = nn.ParameterList(), nn.ParameterList()
    for k, (n_in, n_out) in enumerate(pairwise(widths), start=2):
        bound = (last_scale if k == len(widths) else 1.0) * (1 / math.sqrt(n_in))
        weights.append(torch.empty(members, n_in, n_out).uniform_(-bound, bound))
        biases.append(torch.empty(members, 1, n_out).uniform_(-bound, bound))
    return weights, biases


def through(weights: nn.ParameterList, biases: nn.ParameterList, h: Tensor) -> Tensor:
    """The layers of all members, with SiLU between them. (n, n_in) → (members, n, n_out)."""
    h = h.expand(len(weights[0]), -1, -1)
    for k, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        h = torch.baddbmm(bias, nn.functional.silu(h) if k else h, weight)
    return h


class Ensemble(Network):
    """Surrogate ŷ = f(x) with its spread. (n, d) → (n, m), raw units in and out.

    ``floor`` holds the detection limit of each property, or None: a value that many rows share because nothing lower
    can be measured (a band gap of 0). Such a row only says "at most the floor" (Tobin 1958, doi:10.2307/1907382). f
    may go on below it, smoothly, so it has no kink to learn and localization has a gradient everywhere. Where f <
    floor, the property is the floor: see :meth:`predict`.

    With ``leave_out``, each member is trained without one part of the rows (see :func:`part_of`), and
    :meth:`left_out` gives the error of every row without bias. A NaN in y is ignored.
    """

    lowest: Tensor

    def __init__(
        self,
        d: int,
        m: int,
        members: int = 4,
        hidden: int = 128,
        layers: int = 3,
        floor: Sequence[float | None] = (),
        leave_out: bool = False,
    ) -> None:
        super().__init__()
        self.leave_out = leave_out
        self.arguments: dict[str, Any] = {"d": d, "m": m, "members": members, "hidden": hidden, "layers": layers}
        self.arguments |= {"floor": list(floor), "leave_out": leave_out}
        if members < 3:
            raise ValueError(f"Expected at least 3 members, to estimate a spread, got {members}")
        self.x_scale, self.y_scale = Standardizer(d), Standardizer(m)
        values = [-math.inf if value is None else value for value in floor or [None] * m]
        self.register_buffer("lowest", torch.tensor(values, dtype=torch.float32))
        self.weights, self.biases = parallel_layers(members, [d, *[hidden] * layers, m])

    def of(self, columns: Sequence[int]) -> Ensemble:
        """The ensemble for some of its properties."""
        columns = list(columns)
        floor = [self.arguments["floor"][j] for j in columns] if self.arguments["floor"] else []
        part = Ensemble(**self.arguments | {"m": len(columns), "floor": floor})
        last = len(self.weights) - 1
        own = ("y_scale.mean", "y_scale.sd", "lowest", f"weights.{last}", f"biases.{last}")
        state = self.state_dict()
        part.load_state_dict({name: value[..., columns] if name in own else value for name, value in state.items()})
        return part.eval().requires_grad_(False)

    def _standardized(self, x: Tensor) -> Tensor:
        """(n, d) → (members, n, m) in units of y's standard deviation."""
        return through(self.weights, self.biases, self.x_scale(x))

    def members(self, x: Tensor) -> Tensor:
        """(n, d) → (members, n, m)."""
        return self.y_scale.inverse(self._standardized(x))

    def forward(self, x: Tensor) -> Tensor:
        """The members' mean, for localization; it may go below the floor. (n, d) → (n, m)."""
        return self.members(x).mean(0)

    def predict(self, x: Tensor) -> Tensor:
        """Predicted measurement: the members' mean, each clipped at the floor. (n, d) → (n, m)."""
        return torch.maximum(self.members(x), self.lowest).mean(0)

    def spread(self, x: Tensor) -> Tensor:
        """Standard deviation over the members' predictions. (n, d) → (n, m)."""
        return torch.maximum(self.members(x), self.lowest).std(0)

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the mean ℓ2 loss of the members (paper, Eq. 5) in standardized units; one-sided on the floor."""
        measured = ~y.isnan()
        error = self._standardized(x) - self.y_scale(torch.where(measured, y, self.y_scale.mean))
        error = torch.where(y <= self.lowest, error.clamp(min=0), error)
        square = torch.where(measured, error.square(), 0.0).sum(2)
        if self.leave_out:
            parts = part_of(x, len(square))
            square = square * (parts != torch.arange(len(square), device=x.device)[:, None])
            square = square * (len(square) / (len(square) - 1))  # as if no row were left out
        yield {"y": square.mean()}

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """The geometric mean over properties of their mean squared error (selects φ*).

        With the sum, one property that cannot be learned would end the training of all others. Errors are those of
        :meth:`predict`, in units of y's standard deviation.
        """
        error = ((self.predict(x) - y) / self.y_scale.sd).square().nanmean(0)
        return {"l2": (error[error.isfinite()] + LEAST).log().mean().exp()}

    @torch.no_grad()
    def left_out(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Rows predicted by the member that did not see them: y − ŷ and the members' spread, (n, m) in raw units."""
        each = torch.maximum(self.members(x.float()), self.lowest).double()
        own = each[part_of(x, len(each)), torch.arange(len(x))]
        return y - own, each.std(0)


def part_of(x: Tensor, parts: int) -> Tensor:
    """Assign each design to one of a number of parts by a hash of its numbers. (n, d) → (n,) int.

    So repeated measurements of one design are in the same part, and nothing has to be stored.
    """
    bits = (x.detach().cpu().float() + 0.0).contiguous().view(torch.int32).long()
    mixed = torch.zeros(len(x), dtype=torch.int64)
    for column in bits.T:
        mixed = (mixed ^ column) * 0x5851F42D4C957F2D  # wraps around
        mixed = mixed ^ (mixed >> 29)
    return (mixed % parts).to(x.device)
