"""Candidates for the next design: the level set of the process, chords across the target, iPage's posterior."""

from __future__ import annotations

import torch
from torch import Tensor

from ipage_core.inference.localization import localize
from ipage_core.problem.space import DesignSpace
from ipage_core.training.campaign.beliefs import Beliefs

NEW, BESIDE = 96, 48
"""Candidates that start anywhere, and near the rows nearest to the target."""
STEP = 0.15
"""Largest distance of a start from its row, in widths of the box."""
CLOSE, FAR, JUST_APART = 64, 0.15, 1.1
"""Candidates close to hits; their largest distance, in widths of the box; their least one, in units of ``apart``."""
CHORDS, ON_CHORD = 48, 17
"""Pairs of rows on both sides of the target; points between them at which the process is evaluated."""
ARRIVED = 0.05
"""Localization stops at this distance from the middle of the accepted interval, in half widths."""
KEPT = 1e-6
"""Excess over a cap up to which the cap counts as kept."""
ANYWHERE = 2048
"""Random designs from which those that keep to the caps are chosen."""
SOURCES = ("level set", "beside a known design", "secant", "iPage", "close to a design that meets the target")


def candidates(
    beliefs: Beliefs,
    space: DesignSpace,
    x: Tensor,
    y: Tensor,
    off: Tensor,
    apart: float,
    generator: torch.Generator,
    proposed: Tensor | None = None,
) -> tuple[Tensor, list[str]]:
    """Admissible designs (k, d), and the origin of each.

    Args:
        beliefs: the processes.
        space: the design space.
        x, y: evaluated designs (n, d) and their results (n, m).
        off: distance of each row from a hit, (n,).
        apart: distance above which designs are distinct.
        generator: source of all random numbers.
        proposed: designs (p, d) of iPage's posterior.
    """
    low, high = space.bounds
    anywhere = placed(space, torch.rand(NEW, len(low), dtype=torch.float64, generator=generator))
    near = x[off.argsort()[:12]]
    around = space.encode(near)[torch.randint(len(near), (BESIDE,), generator=generator)]
    length = STEP * torch.rand(BESIDE, 1, dtype=torch.float64, generator=generator)
    around = around + length * (high - low) * torch.randn(around.shape, dtype=torch.float64, generator=generator)
    starts, named = [anywhere, around], [SOURCES[0]] * NEW + [SOURCES[1]] * BESIDE
    if proposed is not None:
        starts.append(space.encode(proposed))
        named += [SOURCES[3]] * len(proposed)
    u = _localized(beliefs, space, torch.cat(starts).clamp(low, high))
    if bool((off <= 1).any()):
        near_hits = space.encode(close_by(space, x[off <= 1], apart, CLOSE, generator))
        u, named = torch.cat((u, near_hits)), named + [SOURCES[4]] * len(near_hits)
    if y.shape[1] == 1:
        roots = _chords(beliefs, space, x, y[:, 0], off)
        u, named = torch.cat((u, roots)), named + [SOURCES[2]] * len(roots)
    x_exact = designs(space, u)
    kept = keeps(space, x_exact)
    return x_exact[kept], [name for name, one in zip(named, kept.tolist(), strict=True) if one]


def close_by(space: DesignSpace, x: Tensor, apart: float, count: int, generator: torch.Generator) -> Tensor:
    """Designs close to known ones x (n, d), in random directions: (k, d), admissible.

    Their distances, in widths of the box, begin just above ``apart``, at which two designs are distinct.
    """
    low, high = space.bounds
    u = space.encode(x)[torch.randint(len(x), (count,), generator=generator)]
    share = torch.rand(count, 1, dtype=torch.float64, generator=generator)
    length = JUST_APART * apart * (FAR / (JUST_APART * apart)) ** share
    direction = torch.randn(u.shape, dtype=torch.float64, generator=generator)
    u = u + length * (high - low) * direction / direction.norm(dim=1, keepdim=True)
    found = designs(space, u.clamp(low, high))
    return found[keeps(space, found)]


def designs(space: DesignSpace, u: Tensor) -> Tensor:
    """The designs at u: equations and whole numbers hold exactly; caps need not. (n, e) → (n, d)."""
    return space.exact(space.project(space.decode(space.settle(u))))


def keeps(space: DesignSpace, x: Tensor) -> Tensor:
    """Which designs (n, d) keep to all caps: (n,) bool."""
    return (space.excess(x) <= KEPT).all(1)


def spread_out(space: DesignSpace, count: int, seed: int) -> Tensor:
    """Designs that keep to all caps, each as far as possible from those before it: (count, d).

    Raises:
        ValueError: no design that keeps to the caps was among ``ANYWHERE`` random ones, moved towards the caps.
    """
    generator = torch.Generator().manual_seed(seed)
    low, high = space.bounds
    u = placed(space, torch.rand(ANYWHERE, len(low), dtype=torch.float64, generator=generator))
    x = designs(space, u)
    if int(keeps(space, x).sum()) < count:
        x = designs(space, localize(lambda v, rows: 10 * space.excess(space.decode(v)), u, space.bounds).u[-1])
    x = x[keeps(space, x)]
    if not len(x):
        raise ValueError(f"The constraints leave no design: none of {ANYWHERE} random ones could be moved to keep them")
    share = (space.encode(x) - low) / (high - low)
    chosen, far = [0], (share - share[0]).norm(dim=1)
    while len(chosen) < count:
        chosen.append(int(far.argmax()))
        far = torch.minimum(far, (share - share[chosen[-1]]).norm(dim=1))
    return x[chosen]


def placed(space: DesignSpace, share: Tensor) -> Tensor:
    """Points of the unit cube → u, uniform in the box; each level of a category is equally likely. (n, e) → (n, e)."""
    low, high = space.bounds
    u = low + (high - low) * share
    if space.held is None:
        return u
    level = low.ceil() + ((high.floor() - low.ceil() + 1) * share).floor()
    return torch.where(space.held, level.clamp(max=high), u)


def _localized(beliefs: Beliefs, space: DesignSpace, u: Tensor) -> Tensor:
    """Localize onto the level set of the means, inside the box; caps are further residuals."""

    def residual(v: Tensor, rows: Tensor) -> Tensor:
        x = space.decode(v)
        return torch.cat((beliefs.residual(x), space.excess(x) * 10), dim=1)

    return localize(residual, u, space.bounds, enough=ARRIVED, steps=12, record_every=100).u[-1]


def _chords(beliefs: Beliefs, space: DesignSpace, x: Tensor, y: Tensor, off: Tensor) -> Tensor:
    """Points where the process crosses the target between a row above and a row below; near hits first. → (r, e)."""
    middle = beliefs.ends[:, 0]
    if not bool(middle.isfinite().all()):
        return space.encode(x[:0])
    aim = middle.mean()
    read = beliefs.read(y[:, None])[:, 0]
    above, below = ((read > aim).nonzero()[:, 0], (read < aim).nonzero()[:, 0])
    if not len(above) or not len(below):
        return space.encode(x[:0])
    above, below = above[off[above].argsort()[:12]], below[off[below].argsort()[:12]]
    pairs = torch.cartesian_prod(above, below)
    if space.held is not None:  # nothing lies between two levels of a category
        levels = space.encode(x)[:, space.held]
        pairs = pairs[(levels[pairs[:, 0]] == levels[pairs[:, 1]]).all(1)]
        if not len(pairs):
            return space.encode(x[:0])
    apart = (beliefs.at.inward(x[pairs[:, 0]]) - beliefs.at.inward(x[pairs[:, 1]])).norm(dim=1)
    pairs = pairs[(apart * (1 + off[pairs].sum(1).log1p())).argsort()[:CHORDS]]
    first, last = space.encode(x[pairs[:, 0]]), space.encode(x[pairs[:, 1]])
    at = torch.linspace(0, 1, ON_CHORD, dtype=torch.float64)[:, None, None]
    path = first + at * (last - first)
    with torch.no_grad():
        flat = space.decode(path.reshape(-1, path.shape[2]))
        value = beliefs.processes[0].mean_of(beliefs.at.inward(flat)).view(ON_CHORD, -1) - aim
    crossing = (value[:-1] * value[1:] <= 0).long().argmax(0)
    rows = torch.arange(len(pairs))
    a, b = value[crossing, rows], value[crossing + 1, rows]
    share = torch.where(a == b, 0.5, a / torch.where(a == b, 1.0, a - b)).clamp(0, 1)[:, None]
    return path[crossing, rows] + share * (path[crossing + 1, rows] - path[crossing, rows])
