"""The least elastic energy at which a strain has a given gap, by descent along the level set of the gap.

This is the question of deep elastic strain engineering (Z. Shi et al. 2019, Fig. 4, doi:10.1073/pnas.1818555116).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from ipage_core.problem.space import DesignSpace
from ipage_core.tasks.silicon.box import BOUNDS
from ipage_core.tasks.silicon.valleys import DIRECT, ENERGY, GAP, PRESSURE, ValleySurrogate

Floats = NDArray[np.float64]
OPTIMIZED = {"direct": (DIRECT, 1.0), "energy": (ENERGY, 100.0), "pressure": (PRESSURE, 0.2)}
"""Name → column of the surrogate's properties, and a factor that scales it to about 1 eV."""
KEPT, BEYOND = 1e-5, 1e-3
"""A descent counts if its gap is off by at most the first [eV] and its caps are exceeded by at most the second."""


class Minimum(NamedTuple):
    """End point of a descent."""

    strain: Floats
    """(6,)."""
    properties: Floats
    """(4,) gap, direct gap [eV], elastic energy [eV per atom], pressure [GPa] by the surrogate."""


def in_double(network: ValleySurrogate) -> ValleySurrogate:
    """Copy of the surrogate in float64: the optimizer's tolerances are below the resolution of float32."""
    exact: ValleySurrogate = copy.deepcopy(network).cpu().double()
    return exact.eval().requires_grad_(False)


def extreme(
    network: ValleySurrogate,
    starts: Tensor,
    gap: float,
    name: str = "energy",
    sign: float = 1.0,
    space: DesignSpace | None = None,
) -> list[Minimum | None]:
    """From each strain (n, 6): the least (``sign`` 1) or greatest (−1) value of a property nearby, at fixed gap.

    ``network`` must compute in float64, see :func:`in_double`. ``space`` holds constraints; without it the strains move
    in the box. None if a descent lost the gap or violated a cap. SLSQP, D. Kraft 1988.
    """
    column, scale = OPTIMIZED[name]
    low, high = torch.from_numpy(BOUNDS) if space is None else space.bounds
    box = list(zip(low.tolist(), high.tolist(), strict=True))

    def strain_of(u: Tensor) -> Tensor:
        return u if space is None else space.decode(u)

    def value(of: Callable[[Tensor], Tensor]) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
        """Wrap a function of strains (1, 6) → () or (k,) as a function of u and its Jacobian, for scipy."""

        def f(u: Floats) -> Floats:
            with torch.no_grad():
                return of(strain_of(torch.from_numpy(u)[None])).numpy()

        def jacobian(u: Floats) -> Floats:
            return torch.autograd.functional.jacobian(lambda v: of(strain_of(v[None])), torch.from_numpy(u)).numpy()

        return f, jacobian

    on_gap = value(lambda x: network.properties(x)[0, GAP] - gap)
    to_least = value(lambda x: sign * scale * network.properties(x)[0, column])
    held: list[Any] = [{"type": "eq", "fun": on_gap[0], "jac": on_gap[1]}]
    if space is not None and space.excess(starts).shape[1]:
        capped = value(lambda x: -_signed(space, x))
        held.append({"type": "ineq", "fun": capped[0], "jac": capped[1]})

    def descended(start: Floats) -> Minimum | None:
        result = minimize(  # type: ignore[call-overload]
            to_least[0],
            start,
            jac=to_least[1],
            bounds=box,
            constraints=held,
            method="SLSQP",
            options={"ftol": 1e-7, "maxiter": 100},
        )
        x = strain_of(torch.from_numpy(np.clip(result.x, low.numpy(), high.numpy()))[None])
        with torch.no_grad():
            match = network.properties(x)[0].numpy()
            beyond = 0.0 if space is None else float(space.excess(x).sum())
        if abs(match[GAP] - gap) > KEPT or beyond > BEYOND:
            return None
        return Minimum(x[0].numpy(), match)

    encoded = starts.double() if space is None else space.encode(starts.double())
    return [descended(start) for start in encoded.numpy()]


def _signed(space: DesignSpace, x: Tensor) -> Tensor:
    """Caps (k,) at one strain (1, 6), negative inside, as the optimizer needs; ``excess`` stops at zero."""
    caps: Sequence[Any] = getattr(space, "caps", ())
    return torch.stack([cap(x)[0] for cap in caps])


def path(
    network: ValleySurrogate,
    gaps: Sequence[float],
    starts: Callable[[float], Tensor],
    tried: int = 3,
    progress: Callable[[int], object] = int,
) -> list[Minimum | None]:
    """The least elastic energy for each gap, from the ``tried`` best of ``starts(gap)`` (n, 6).

    None if no descent keeps the gap. The previous result is a start too, so the path is followed where it is
    continuous. ``progress`` is called with the number of gaps that are done.
    """
    exact, match = in_double(network), list[Minimum | None]()
    for gap in gaps:
        x = starts(gap).double()
        with torch.no_grad():
            x = x[exact.properties(x)[:, ENERGY].argsort()[:tried]]
        if match and match[-1] is not None:
            x = torch.cat((torch.from_numpy(match[-1].strain)[None], x))
        kept = [one for one in extreme(exact, x, gap) if one is not None]
        match.append(min(kept, key=lambda one: one.properties[ENERGY], default=None))
        progress(len(match))
    return match
