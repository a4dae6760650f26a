"""Topology on the torus against slow references: floods of the plane, paths by exhaustion, repairs pixel by pixel."""

import heapq
import itertools
import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ipage_core.tasks.cells import topology
from ipage_core.tasks.cells.topology import admissible, components, fill_hinges, has_hinges, is_admissible, percolates

STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))


def masks(n, shape=(4, 6), share=0.55, seed=0):
    return np.random.default_rng(seed).random((n, *shape)) < share


def hinges_of(solid):
    """Pixels (iy, ix) at which a 2 × 2 block starts of which only a diagonal is solid."""
    ny, nx = solid.shape
    found = []
    for y, x in itertools.product(range(ny), range(nx)):
        a, b, c, d = (bool(solid[(y + dy) % ny, (x + dx) % nx]) for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)))
        if a == d and b == c and a != b:
            found.append((y, x))
    return found


def filled(solid):
    solid = solid.copy()
    ny, nx = solid.shape
    while found := hinges_of(solid):
        for y, x in found:
            solid[np.ix_([y, (y + 1) % ny], [x, (x + 1) % nx])] = True
    return solid


def flood(solid):
    """Labels by first pixel in reading order, and the lattice of closed loops of each piece as reduced rows."""
    ny, nx = solid.shape
    labels, loops = np.zeros(solid.shape, dtype=int), []
    for start in itertools.product(range(ny), range(nx)):
        if not solid[start] or labels[start]:
            continue
        seen, stack, own = {start: (0, 0)}, [start], set()
        while stack:
            y, x = stack.pop()
            at = seen[y, x]
            for dy, dx in STEPS:
                to = (y + dy) % ny, (x + dx) % nx
                if not solid[to]:
                    continue
                image = at[0] + (x + dx) // nx, at[1] + (y + dy) // ny
                if to not in seen:
                    seen[to] = image
                    stack.append(to)
                elif image != seen[to]:
                    own.add((image[0] - seen[to][0], image[1] - seen[to][1]))
        loops.append(reduced(own))
        for pixel in seen:
            labels[pixel] = len(loops)
    return labels, loops


def reduced(loops):
    """The lattice that whole vectors of the plane span, by its Hermite normal form ((a, b), (0, c))."""
    a, b, c = 0, 0, 0
    for x, y in loops:
        while x:  # Euclid on the first components
            a, b, x, y = x, y, a - a // x * x if a else 0, b - a // x * y if a else 0
        c = math.gcd(c, y)
    if a < 0:
        a, b = -a, -b
    return a, (b % c if c else b if a else 0), c


def spans(lattice):
    """Whether loops exist along x alone and along y alone."""
    a, b, c = lattice
    return bool(a and (c or not b)), bool(c)


@pytest.mark.parametrize("share", [0.3, 0.55, 0.75])
def test_hinges_pieces_and_percolation_are_those_of_a_flood(share):
    cells = masks(120, share=share)
    assert has_hinges(cells.reshape(2, 60, 4, 6)).tolist() == [
        [bool(hinges_of(cell)) for cell in half] for half in cells.reshape(2, 60, 4, 6)
    ]
    assert np.array_equal(fill_hinges(cells), [filled(cell) for cell in cells])
    for cell in (*cells, *fill_hinges(cells[:40])):
        labels, loops = flood(cell)
        found = components(cell)
        pairs = set(zip(labels.ravel().tolist(), found.labels.ravel().tolist(), strict=True))
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
        assert found.labels.max() == len(found.windings) == len(loops)
        numbers = dict(pairs)
        assert numbers.get(0, 0) == 0
        for k, lattice in enumerate(loops, start=1):
            assert reduced(found.windings[numbers[k] - 1]) == lattice
        ways = [spans(lattice) for lattice in loops]
        assert percolates(cell) == (any(x for x, _ in ways), any(y for _, y in ways))
        assert is_admissible(cell) == (ways == [(True, True)] and not hinges_of(cell))
        sizes = [(labels == k).sum() for k in range(1, len(loops) + 1)]
        largest = labels == 1 + int(np.argmax(sizes)) if sizes else np.zeros(cell.shape, dtype=bool)
        if sizes.count(max(sizes, default=0)) <= 1:
            assert np.array_equal(topology.largest_component(cell), largest)


def test_of_equal_pieces_the_first_in_reading_order_stays():
    cell = np.zeros((4, 6), dtype=bool)
    cell[0, 1:3] = cell[2, 0:2] = cell[2, 4] = True
    assert np.argwhere(topology.largest_component(cell)).tolist() == [[0, 1], [0, 2]]
    cell[2, 2] = True
    assert np.argwhere(topology.largest_component(cell)).tolist() == [[2, 0], [2, 1], [2, 2]]
    assert not topology.largest_component(np.zeros((4, 6))).any()


# From grey to admissible


def repaired(grey, orbits, frozen):
    """Cut at 1/2; of all pixels in hinges the one nearest to 1/2 flips, with its orbit, and never again."""
    solid = grey >= 0.5
    doubt = np.where(frozen, 1.0, np.abs(grey - 0.5))
    while found := hinges_of(solid):
        ny, nx = solid.shape
        block = [((y + dy) % ny, (x + dx) % nx) for y, x in found for dy in (0, 1) for dx in (0, 1)]
        pixel = min(block, key=lambda at: doubt[at])
        if doubt[pixel] == math.inf:
            return filled(solid)
        for at in np.argwhere(orbits == orbits[pixel]):
            solid[tuple(at)] ^= True
            doubt[tuple(at)] = math.inf
    return solid


def cheapest(cost):
    """Fewest costs of a loop once round x that stays between two rows: from each pixel of column 0 to its image."""
    ny, nx = cost.shape
    cut = int(np.argmax(cost.sum(1)))  # the loop does not cross from the row before this one to it
    best = (math.inf, [])
    for row in range(ny):
        before, waiting = {}, [(0.0, (row, 0), ())]
        while waiting:
            spent, (y, x), came = heapq.heappop(waiting)
            if (y, x) in before:
                continue
            before[y, x] = came
            if (y, x) == (row, nx):
                break
            for dy, dx in STEPS:
                to = (y + dy) % ny, x + dx
                crosses = (dy == 1 and to[0] == cut) or (dy == -1 and y == cut)
                if 0 <= to[1] <= nx and not crosses:
                    heapq.heappush(waiting, (spent + cost[to[0], to[1] % nx], to, (y, x)))
        if spent < best[0] - 1e-12:
            at, pixels = (row, nx), []
            while at:
                pixels.append((at[0], at[1] % nx))
                at = before[at]
            best = (spent, pixels)
    loop = np.zeros(cost.shape, dtype=bool)
    for at in best[1]:
        loop[at] = True
    return loop


def percolating(solid):
    labels, loops = flood(solid)
    pieces = [labels == k for k, lattice in enumerate(loops, start=1) if spans(lattice) == (True, True)]
    return max(pieces, key=lambda piece: piece.sum(), default=np.zeros(solid.shape, dtype=bool))


def reference(grey, orbits, fixed):
    """An admissible cell as the function's description says, level by level; and how it was found."""
    blurred = gaussian_filter(grey, 1.0, mode="wrap")
    fallback, bridge = None, np.zeros(grey.shape, dtype=bool)
    for attempt, level in enumerate((None, None, 0.45, 0.4, 0.3, 0.2, 0.1)):
        grown = bridge.copy()
        if level is not None:
            grown |= (blurred >= level) & ~fixed
        solid = repaired(np.where(grown, np.maximum(grey, 0.5), grey), orbits, fixed | bridge)
        whole = percolating(solid)
        symmetric = all(len(set(whole[orbits == orbit].tolist())) == 1 for orbit in np.unique(orbits))
        if whole.any() and symmetric:
            if all(whole[tuple(at)] == (grey[tuple(at)] >= 0.5) for at in np.argwhere(fixed)):
                return whole, attempt
            fallback = whole if fallback is None else fallback
        if not bridge.any():
            cost = np.where(solid, 1e-3, np.maximum(1.1 - blurred, 1e-2)) + 10.0 * (fixed & ~solid)
            loops = cheapest(cost) | cheapest(cost.T).T
            bridge = np.isin(orbits, orbits[loops]) & ~solid
    return (np.ones(grey.shape, dtype=bool), "full") if fallback is None else (fallback, "fallback")


PLAIN = np.arange(35).reshape(5, 7)
MIRRORED = np.minimum(PLAIN, PLAIN[:, ::-1])
TURNED = np.minimum(PLAIN, PLAIN[::-1, ::-1])
PAIRED = PLAIN.copy()
for a, b in np.random.default_rng(8).permutation(35)[:34].reshape(17, 2):
    PAIRED.flat[[a, b]] = min(a, b)
"""Of no symmetry: any two pixels change together."""


@pytest.mark.parametrize("orbits", [None, MIRRORED, TURNED, PAIRED], ids=["no", "mirrored", "turned", "paired"])
@pytest.mark.parametrize(("masked", "level"), [(0, -0.25), (0, 0.05), (0.2, -0.3), (0.35, -0.1)])
def test_grey_cells_become_admissible_as_described(orbits, masked, level):
    fresh = np.random.default_rng(1)
    own = PLAIN if orbits is None else orbits
    for _ in range(25 if masked else 8):
        grey = fresh.random(35)[own] + level
        grey = np.clip(grey, 0.001 * fresh.random(35)[own], 1 - 0.001 * fresh.random(35)[own])
        fixed = (fresh.random(35) < masked)[own]
        grey[fixed & (abs(grey - 0.45) < 0.15)] = 0.5  # which counts as solid
        wanted, _ = reference(grey, own, fixed)
        found = admissible(grey, orbits, fixed if masked else None)
        assert np.array_equal(found, wanted), (grey, fixed)


def test_a_bridge_follows_what_is_dense_rather_than_the_shortest_way():
    own, free = np.arange(99).reshape(9, 11), np.zeros((9, 11), dtype=bool)
    for seed in range(20, 30):
        fresh = np.random.default_rng(seed)
        grey = gaussian_filter(fresh.random((9, 11)), 1.0, mode="wrap")
        grey = (grey - grey.min()) / np.ptp(grey) * 0.95 - 0.2
        grey = np.maximum(grey, 0.001 * fresh.random((9, 11)))
        assert np.array_equal(admissible(grey), reference(grey, own, free)[0]), seed
