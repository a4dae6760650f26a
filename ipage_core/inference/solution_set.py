"""The solution set of one target, {x in the box: f(x) = y*}: moves onto it and along it, and distances on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from ipage_core.inference.localization import localize
from ipage_core.runtime.lazy import LazyModule

qmc: Any = LazyModule("scipy.stats.qmc")

Floats = NDArray[np.float64]

STEPS = 25
"""Levenberg–Marquardt steps for points anywhere in the box."""
REST, COARSE = 0.025, 1.0
"""A point stops moving when its residual is below this share of ``arrived``; the second is for points of a pool."""
NEARBY = 8
"""Levenberg–Marquardt steps for points near the set."""
NEIGHBOURS = 8
"""The distance to this neighbour, counted from the nearest, measures the density of points."""
OWN_IMAGES = 4
"""Number of a design's own images that are expected among its nearest points."""
LONGEST = 0.2
"""Longest Gauss–Newton step of :meth:`SolutionSet.slide`, in units of the distance."""
GROWTHS, GROWING, STRIDE = 4, 1000, 1.5
"""Rounds that add solutions in sparse regions, solutions per round, and the step in distances to neighbours."""


PARALLEL = 2000
"""From this many points on, neighbours are searched on all cores."""


class Space(Protocol):
    """The part of a design space that is needed here: x = decode(u) with u in a box."""

    @property
    def bounds(self) -> Tensor:
        """(2, e) limits of u."""
        ...

    def encode(self, x: Tensor) -> Tensor:
        """(n, d) → (n, e)."""
        ...

    def decode(self, u: Tensor) -> Tensor:
        """(n, e) → (n, d), differentiable."""
        ...

    def excess(self, x: Tensor) -> Tensor:
        """(n, d) → (n, r): excess over the caps, zero where all are kept."""
        ...


@dataclass(frozen=True, eq=False)
class SolutionSet:
    """{x: f(x) = y*, x admissible}. Distances are Euclidean in x/scale, to the nearest of a design's images."""

    f: Callable[[Tensor], Tensor]
    """Differentiable (n, d) → (n, m): a surrogate, or Ω itself."""
    y_star: Tensor
    """(m,)."""
    space: Space
    scale: Floats
    """(d,) units of the distance, mostly the widths of the box."""
    arrived: float
    """Norm of f(x) − y* (and excess over caps), in ``unit``, below which x counts as a solution."""
    unit: Tensor | None = None
    """(m,) units of the properties; the first also of an excess over a cap. All 1 if None."""
    images: Callable[[Floats], Floats] | None = None
    """(n, d) → (n, s, d): equivalent designs, the design itself first."""
    integers: tuple[int, ...] = ()
    """Coordinates of x that must be whole numbers."""
    trusted: Callable[[Tensor], Tensor] | None = None
    """(n, d) → (n,) bool: where f is accurate enough."""
    like: Tensor = field(default_factory=lambda: torch.empty(0))
    """A tensor with the dtype and device of the inputs of f."""

    @property
    def d(self) -> int:
        """Number of coordinates of a design."""
        return len(self.scale)

    @property
    def dimension(self) -> int:
        """Dimension of the set where Ω is regular: free coordinates minus targets."""
        return self.space.bounds.shape[1] - len(self.y_star)

    def coordinates(self, x: Floats) -> Floats:
        """(n, d) → (n, d) in units of the distance."""
        return np.asarray(x, dtype=np.float64) / self.scale

    def copies(self, x: Floats) -> Floats:
        """(n, d) → (n, s, d): all images in units of the distance."""
        return self.coordinates(x)[:, None] if self.images is None else self.coordinates(self.images(x))

    def nearest(self, x: Floats, designs: Floats) -> tuple[Floats, NDArray[np.int64]]:
        """Distance from each x (n, d) to the nearest of the designs (k, d), and its row. → (n,), (n,)."""
        copies = self.copies(designs)
        flat = copies.reshape(-1, self.d)
        distance, index = closest(flat, self.coordinates(x), 1)
        return distance[:, 0], index[:, 0] // copies.shape[1]

    def two_nearest(self, x: Floats, designs: Floats) -> tuple[Floats, NDArray[np.int64]]:
        """Distances to the nearest two designs, and the row of the nearest. → (n, 2), (n,).

        If a design's own images hide the second design, its distance is replaced by that of the last image searched,
        a lower bound.
        """
        copies = self.copies(designs)
        s, flat = copies.shape[1], copies.reshape(-1, self.d)
        distance, index = closest(flat, self.coordinates(x), min(2 if s == 1 else OWN_IMAGES, len(flat)))
        own = index // s
        other = (own != own[:, :1]).argmax(1)  # 0 if there is none
        other = np.where(other == 0, distance.shape[1] - 1, other)
        return np.stack([distance[:, 0], distance[np.arange(len(x)), other]], axis=1), own[:, 0]

    def separation(self, x: Floats) -> Floats:
        """Distance from each design (n, d) to the nearest other one. → (n,)."""
        distance, _, _ = self.neighbours(x, 1)
        return distance[:, 0]

    def neighbours(self, x: Floats, count: int) -> tuple[Floats, NDArray[np.int64], Floats]:
        """The ``count`` nearest images of *other* designs: distances, ∞ beyond those found, and rows in the images.

        → (n, count), (n, count), (n·s, d).
        """
        copies = self.copies(x)
        n, s = copies.shape[:2]
        flat = copies.reshape(-1, self.d)
        own, wanted = np.arange(n)[:, None], min(count + min(s, OWN_IMAGES), len(flat))
        distance, index = closest(flat, copies[:, 0], wanted)
        distance = np.where(index // s == own, np.inf, distance)
        if s > OWN_IMAGES and np.isinf(distance.min(1)).any():  # of a nearly symmetric design, all images are near
            distance, index = closest(flat, copies[:, 0], min(count + s, len(flat)))
            distance = np.where(index // s == own, np.inf, distance)
        order = np.argsort(distance, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(distance, order, 1), np.take_along_axis(index, order, 1), flat

    def reach(self, x: Floats) -> Floats:
        """(n,) distance from each point to its 8th neighbour: large where points are sparse."""
        points = self.coordinates(x)
        distance, _ = closest(points, points, min(NEIGHBOURS + 1, len(x)))
        return np.maximum(distance[:, -1], 1e-12)

    def spacing(self, x: Floats) -> Floats:
        """(n,) share of the set that each point represents, up to a factor: :meth:`reach` ** its dimension.

        Whole numbers take a dimension each; single points count alike. The largest 5 % are set to the 95th percentile,
        because they are ends of the set or stray points.
        """
        reach, dimension = self.reach(x), self.dimension - len(self.integers)
        if self.integers and dimension < 1:
            return np.ones(len(x))
        return np.asarray(np.minimum(reach, np.quantile(reach, 0.95)) ** max(dimension, 1))

    def tensor(self, x: Floats) -> Tensor:
        """x as an input of f."""
        return torch.as_tensor(x).to(self.like)

    def residual(self, x: Tensor) -> Tensor:
        """(n, d) → (n, m + r): f(x) − y* and the excess over caps, in :attr:`unit`."""
        y_star = self.y_star.to(self.like)
        unit = torch.ones_like(y_star) if self.unit is None else self.unit.to(self.like)
        return torch.cat(((self.f(x) - y_star) / unit, self.space.excess(x) / unit[0]), dim=1)

    def land(
        self, x: Floats, steps: int = STEPS, held: Sequence[int] = (), rest: float = REST
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Bring designs (n, d) onto the set by localization. → the results (n, d), and whether they arrived (n,) bool.

        Coordinates ``held`` stay fixed. A point stops moving below the share ``rest`` of :attr:`arrived`.
        """
        if not len(x):
            return np.empty((0, self.d)), np.zeros(0, bool)
        given = self.tensor(x)
        still = torch.zeros(self.d, dtype=torch.bool, device=given.device)
        still[list(held)] = True

        def design(u: Tensor, rows: Tensor) -> Tensor:
            return torch.where(still, given[rows], self.space.decode(u)) if held else self.space.decode(u)

        def residual(u: Tensor, rows: Tensor) -> Tensor:
            return self.residual(design(u, rows))

        low, high = self.space.bounds.to(self.like)
        start = self.space.encode(given).clamp(low, high)
        path = localize(
            residual, start, torch.stack((low, high)), steps=steps, record_every=10**6, enough=rest * self.arrived
        )
        end = design(path.u[-1], torch.arange(len(x), device=given.device)).detach()
        fine = path.residual.double().norm(dim=1) <= self.arrived
        if self.trusted is not None:
            fine &= self.trusted(end)
        return end.double().cpu().numpy(), fine.cpu().numpy()

    def sure(self, x: Floats) -> NDArray[np.bool_]:
        """(n, d) → (n,) bool: where f is accurate enough; all, if nothing says where."""
        return np.ones(len(x), bool) if self.trusted is None else self.trusted(self.tensor(x)).cpu().numpy()

    def slide(self, x: Floats, direction: Floats | None = None) -> Floats:
        """Move designs along the set by ``direction`` (n, d), in units of the distance, and back towards the set.

        One evaluation of f and its derivatives gives both: the direction, projected onto the tangent at its full
        length, and a Gauss–Newton step. Without a direction, only the latter. A coordinate that is pushed against its
        bound stays there, and the others compensate. → (n, d); :meth:`land` says whether it is a solution.
        """
        if not len(x):
            return x
        low, high = self.space.bounds.to(self.like)
        with torch.enable_grad():
            u = self.space.encode(self.tensor(x)).clamp(low, high).detach().requires_grad_(True)
            at = self.space.decode(u)
            r = self.residual(at)
            slopes = [torch.autograd.grad(column.sum(), u, retain_graph=True)[0] for column in r.unbind(1)]
            wanted = torch.zeros_like(u)
            if direction is not None:
                pulled = (at / torch.as_tensor(self.scale).to(at) * self.tensor(direction)).sum()
                (wanted,) = torch.autograd.grad(pulled, u)
        unit, here, r = self.units(), u.detach().double().cpu(), r.detach().double().cpu()
        lowest, highest = self.space.bounds.double().cpu()
        jacobian, wanted = torch.stack(slopes, dim=1).double().cpu() * unit, wanted.double().cpu() * unit
        length = (
            here.new_zeros(len(u), 1) if direction is None else torch.as_tensor(direction).norm(dim=1, keepdim=True)
        )
        step = _along_and_back(jacobian, r, wanted, length)
        blocked = ((here <= lowest) & (step < 0)) | ((here >= highest) & (step > 0))
        rows = blocked.any(1).nonzero()[:, 0]
        if len(rows):
            free = (~blocked[rows]).double()
            step[rows] = _along_and_back(jacobian[rows] * free[:, None], r[rows], wanted[rows] * free, length[rows])
        there = torch.minimum(torch.maximum(here + step * unit, lowest), highest)
        return self.space.decode(there.to(self.like)).detach().double().cpu().numpy()

    def units(self) -> Tensor:
        """(e,) change of each u that moves a design by one unit of the distance."""
        low, high = self.space.bounds.double()
        middle, step = (low + high) / 2, 0.25 * (high - low)
        ends = self.space.decode((middle + torch.diag(step)).to(torch.float64))
        moved = (ends - self.space.decode(middle[None])) / torch.as_tensor(self.scale)
        return step / moved.norm(dim=1).clamp(min=1e-300)

    def whole(self, x: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Round the integer coordinates, then land with the others free. → (n, d), whether they arrived (n,) bool."""
        if not self.integers:
            return x, np.ones(len(x), bool)
        rounded = x.copy()
        rounded[:, self.integers] = np.rint(rounded[:, self.integers])
        return self.land(rounded, held=self.integers)


def _along_and_back(jacobian: Tensor, r: Tensor, wanted: Tensor, length: Tensor) -> Tensor:
    """Tangential part of ``wanted`` (n, e), scaled to its ``length`` (n, 1), plus the Gauss–Newton step. → (n, e)."""
    transposed = jacobian.transpose(1, 2)
    gram = jacobian @ transposed
    trace = gram.diagonal(dim1=1, dim2=2).sum(1)
    gram.diagonal(dim1=1, dim2=2).add_((1e-9 * trace + 1e-300)[:, None])
    across = torch.linalg.solve(gram, torch.cat((jacobian @ wanted[..., None], r[..., None]), dim=2))
    away, back = (transposed @ across).unbind(2)
    along = wanted - away
    along = along / along.norm(dim=1, keepdim=True).clamp(min=1e-12) * length
    return along - (back * (LONGEST / back.norm(dim=1, keepdim=True).clamp(min=LONGEST))).nan_to_num(nan=0.0)


def closest(points: Floats, to: Floats, count: int) -> tuple[Floats, NDArray[np.int64]]:
    """The ``count`` points nearest to each of ``to`` (n, d), nearest first: distances and rows, both (n, count)."""
    distance, index = cKDTree(points).query(to, k=list(range(1, count + 1)), workers=_processors(len(to)))
    return np.asarray(distance), np.asarray(index)


def _processors(searches: int) -> int:
    """All, −1, where there are so many searches that starting on them pays."""
    return -1 if searches > PARALLEL else 1


def pool(
    solutions: SolutionSet, count: int, seed: int, propose: Callable[[int, int], Tensor] | None, box: bool = True
) -> Floats:
    """Initial solutions (k, d): ``count`` posterior samples and as many Sobol points of the box, localized.

    ``propose`` (count, seed) → (count, d) draws posterior samples. Without it there are only Sobol points; without
    ``box``, only posterior samples.
    """
    starts = []
    if propose is not None:
        x = propose(count, seed).double().cpu().numpy()
        starts.append(x[np.isfinite(x).all(1)])
    if box:
        low, high = solutions.space.bounds.double().numpy()
        points = qmc.Sobol(len(low), seed=seed).random_base2(math.ceil(math.log2(count)))[:count]
        u = torch.as_tensor(low + points * (high - low)).to(solutions.like)
        starts.append(solutions.space.decode(u).detach().double().cpu().numpy())
    x, fine = solutions.land(np.concatenate(starts), rest=COARSE)
    return x[fine]


def grow(solutions: SolutionSet, on_set: Floats, seed: int, rounds: int = GROWTHS, count: int = GROWING) -> Floats:
    """Add solutions in sparse regions, mainly corners: step along the set from the sparsest points, and land again.

    (k, d) → (more, d). Localization from all over the box leaves the ends of the set nearly empty.
    """
    if solutions.dimension < 1 or len(on_set) <= 1:
        return on_set
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        reach = solutions.reach(on_set)
        lonely = np.repeat(np.argsort(-reach, kind="stable")[: count // 2], 2)
        direction = rng.standard_normal((len(lonely), solutions.d))
        direction *= (STRIDE * reach[lonely] / np.linalg.norm(direction, axis=1))[:, None]
        x, fine = solutions.land(solutions.slide(on_set[lonely], direction), NEARBY, rest=COARSE)
        on_set = np.concatenate([on_set, x[fine]])
    return on_set
