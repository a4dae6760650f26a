"""The solution set of one target, {x in the box: f(x) = y*}: moves onto it and along it, and distances on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import qmc
from torch import Tensor

from ipage_core.inference.localization import localize

Floats = NDArray[np.float64]

STEPS = 25
"""Levenberg–Marquardt steps for points anywhere in the box."""
REST = 0.025
"""A point stops moving when its residual is below this fraction of ``arrived``."""
NEARBY = 8
"""Levenberg–Marquardt steps for points near the set."""
NEIGHBOURS = 8
"""The distance to this neighbour, counted from the nearest, measures the density of points."""
OWN_IMAGES = 4
"""Number of a design's own images that are expected among its nearest points."""
GROWTHS, GROWING, STRIDE = 4, 1000, 1.5
"""Rounds that add solutions in sparse regions, solutions per round, and the step in distances to neighbours."""


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
        distance, index = _closest(flat, self.coordinates(x), 1)
        return distance[:, 0], index[:, 0] // copies.shape[1]

    def two_nearest(self, x: Floats, designs: Floats) -> tuple[Floats, NDArray[np.int64]]:
        """Distances to the nearest two designs, and the row of the nearest. → (n, 2), (n,).

        If a design's own images hide the second design, its distance is replaced by that of the last image searched,
        a lower bound.
        """
        copies = self.copies(designs)
        s, flat = copies.shape[1], copies.reshape(-1, self.d)
        distance, index = _closest(flat, self.coordinates(x), min(2 if s == 1 else OWN_IMAGES, len(flat)))
        own = index // s
        other = (own != own[:, :1]).argmax(1)  # 0 if there is none
        other = np.where(other == 0, distance.shape[1] - 1, other)
        return np.stack([distance[:, 0], distance[np.arange(len(x)), other]], axis=1), own[:, 0]

    def separation(self, x: Floats) -> Floats:
        """Distance from each design (n, d) to the nearest other one. → (n,)."""
        distance, _, _ = self.neighbours(x, 1)
        return distance[:, 0]

    def neighbours(self, x: Floats, count: int) -> tuple[Floats, NDArray[np.int64], Floats]:
        """The ``count`` nearest images of *other* designs: distances, and rows in the images. → (n, c), …"""
        copies = self.copies(x)
        n, s = copies.shape[:2]
        flat = copies.reshape(-1, self.d)
        wanted = min(count + min(s, OWN_IMAGES), len(flat))  # a design's own images may come first
        distance, index = _closest(flat, copies[:, 0], wanted)
        distance = np.where(index // s == np.arange(n)[:, None], np.inf, distance)
        order = np.argsort(distance, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(distance, order, 1), np.take_along_axis(index, order, 1), flat

    def reach(self, x: Floats) -> Floats:
        """(n,) distance from each point to its 8th neighbour: large where points are sparse."""
        points = self.coordinates(x)
        distance, _ = _closest(points, points, min(NEIGHBOURS + 1, len(x)))
        return np.maximum(distance[:, -1], 1e-12)

    def spacing(self, x: Floats) -> Floats:
        """(n,) share of the set that each point represents, up to a factor: :meth:`reach` ** :attr:`dimension`.

        The largest 5 % are set to the 95th percentile, because they are ends of the set or stray points.
        """
        reach = self.reach(x)
        return np.asarray(np.minimum(reach, np.quantile(reach, 0.95)) ** max(self.dimension, 1))

    def tensor(self, x: Floats) -> Tensor:
        """x as an input of f."""
        return torch.as_tensor(x).to(self.like)

    def land(self, x: Floats, steps: int = STEPS, held: Sequence[int] = ()) -> tuple[Floats, NDArray[np.bool_]]:
        """Bring designs (n, d) onto the set by localization. → the results (n, d), and whether they arrived (n,) bool.

        Coordinates ``held`` stay fixed.
        """
        if not len(x):
            return np.empty((0, self.d)), np.zeros(0, bool)
        given, y_star = self.tensor(x), self.y_star.to(self.like)
        unit = torch.ones_like(y_star) if self.unit is None else self.unit.to(self.like)
        still = torch.zeros(self.d, dtype=torch.bool, device=given.device)
        still[list(held)] = True

        def design(u: Tensor, rows: Tensor) -> Tensor:
            return torch.where(still, given[rows], self.space.decode(u)) if held else self.space.decode(u)

        def residual(u: Tensor, rows: Tensor) -> Tensor:
            at = design(u, rows)
            return torch.cat(((self.f(at) - y_star) / unit, self.space.excess(at) / unit[0]), dim=1)

        low, high = self.space.bounds.to(self.like)
        start = self.space.encode(given).clamp(low, high)
        path = localize(
            residual, start, torch.stack((low, high)), steps=steps, record_every=10**6, enough=REST * self.arrived
        )
        end = design(path.u[-1], torch.arange(len(x), device=given.device)).detach()
        fine = path.residual.double().norm(dim=1) <= self.arrived
        if self.trusted is not None:
            fine &= self.trusted(end)
        return end.double().cpu().numpy(), fine.cpu().numpy()

    def along(self, x: Floats, direction: Floats) -> Floats:
        """Move designs along the set by ``direction`` (n, d), in units of the distance, projected onto its tangent.

        The step is straight; :meth:`land` brings the result back to the set. → (n, d).
        """
        with torch.enable_grad():
            u = self.space.encode(self.tensor(x)).detach().requires_grad_(True)
            at = self.space.decode(u)
            y = self.f(at)
            scale = torch.as_tensor(self.scale).to(at)
            (pull,) = torch.autograd.grad((at / scale * self.tensor(direction)).sum(), u, retain_graph=True)
            slopes = [torch.autograd.grad(column.sum(), u, retain_graph=True)[0] for column in y.unbind(1)]
        unit, here = self.units(), u.detach().double().cpu()
        wanted = pull.double().cpu() * unit
        jacobian = torch.stack(slopes, dim=1).double().cpu() * unit
        gram = jacobian @ jacobian.transpose(1, 2)
        trace = gram.diagonal(dim1=1, dim2=2).sum(1)
        gram = gram + (1e-12 * trace + 1e-300)[:, None, None] * torch.eye(len(slopes), dtype=torch.float64)
        across = torch.linalg.solve(gram, jacobian @ wanted[..., None])
        step = wanted - (jacobian.transpose(1, 2) @ across)[..., 0]
        length = torch.as_tensor(direction).norm(dim=1, keepdim=True)
        step = step / step.norm(dim=1, keepdim=True).clamp(min=1e-12) * length
        low, high = self.space.bounds.double()
        return self.space.decode((here + step * unit).clamp(low, high).to(self.like)).detach().double().cpu().numpy()

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


def _closest(points: Floats, to: Floats, count: int) -> tuple[Floats, NDArray[np.int64]]:
    """The ``count`` points nearest to each of ``to`` (n, d), nearest first: distances and rows, both (n, count)."""
    distance, index = cKDTree(points).query(to, k=list(range(1, count + 1)), workers=-1)
    return np.asarray(distance), np.asarray(index)


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
    x, fine = solutions.land(np.concatenate(starts))
    return x[fine]


def grow(solutions: SolutionSet, on_set: Floats, seed: int, rounds: int = GROWTHS, count: int = GROWING) -> Floats:
    """Add solutions in sparse regions, mainly corners: step along the set from the sparsest points, and land again.

    (k, d) → (more, d). Localization from all over the box leaves the ends of the set nearly empty.
    """
    if solutions.dimension < 1 or len(on_set) < 2:
        return on_set
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        reach = solutions.reach(on_set)
        lonely = np.repeat(np.argsort(-reach, kind="stable")[: count // 2], 2)
        direction = rng.standard_normal((len(lonely), solutions.d))
        direction *= (STRIDE * reach[lonely] / np.linalg.norm(direction, axis=1))[:, None]
        x, fine = solutions.land(solutions.along(on_set[lonely], direction), NEARBY)
        on_set = np.concatenate([on_set, x[fine]])
    return on_set
