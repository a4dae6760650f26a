"""Topology on the torus, wallpaper groups, the generator's invariants and its data set."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import label

from ipage_core.runtime.executor import Progress
from ipage_core.tasks.cells.dataset import DATA, Cell, cell, pack, read, read_card, unpack
from ipage_core.tasks.cells.generation import CHUNKS, check, generate
from ipage_core.tasks.cells.homogenization import homogenize, moduli
from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD
from ipage_core.tasks.cells.topology import components, fill_hinges, has_hinges, largest_component, percolates
from ipage_core.tasks.cells.wallpaper import GROUPS, ONE_AXIS, is_symmetric, operations, symmetrize

CHUNK = CHUNKS["random"]

masks = arrays(bool, (8, 8))
shifts = st.tuples(st.integers(0, 7), st.integers(0, 7))
# Every operation of the square lattice's point group, about a pixel corner.
turns = st.sampled_from(
    [lambda a, k=k, flip=flip: np.rot90(a[:, ::-1] if flip else a, k) for k in range(4) for flip in (0, 1)]
)


def picture(rows: str) -> np.ndarray:
    return np.array([[c == "#" for c in row] for row in rows.split()])


@pytest.fixture(scope="module")
def generated() -> list[Cell]:
    return [cell(0, i) for i in range(400)]


def test_hinges_across_the_seams_are_seen_and_filled() -> None:
    corner = np.zeros((4, 4), dtype=bool)
    corner[0, 0] = corner[3, 3] = True
    assert has_hinges(corner)
    filled = fill_hinges(corner)
    assert filled[[0, 0, 3, 3], [0, 3, 0, 3]].all()
    assert filled.sum() == 4


@given(masks)
def test_filling_removes_every_hinge_and_no_solid(mask: np.ndarray) -> None:
    filled = fill_hinges(mask)
    assert not has_hinges(filled)
    assert (filled >= mask).all()
    assert (fill_hinges(filled) == filled).all()


@given(masks, turns, shifts)
def test_filling_commutes_with_the_lattice(mask: np.ndarray, turn, shift) -> None:  # type: ignore[no-untyped-def]
    def move(a: np.ndarray) -> np.ndarray:
        return np.roll(turn(a), shift, (0, 1))

    assert (fill_hinges(move(mask)) == move(fill_hinges(mask))).all()


def test_hinges_of_a_batch() -> None:
    batch = np.zeros((2, 3, 4, 4), dtype=bool)
    batch[1, 2, 1, 1] = batch[1, 2, 2, 2] = True
    assert has_hinges(batch).tolist() == [[False] * 3, [False, False, True]]
    assert not has_hinges(fill_hinges(batch)).any()


@given(masks)
def test_components_agree_with_a_flood_fill(mask: np.ndarray) -> None:
    labels = components(mask).labels
    seen = np.zeros(mask.shape, dtype=bool)
    found = 0
    for start in zip(*np.nonzero(mask), strict=True):
        if seen[start]:
            continue
        found += 1
        stack, members = [start], set()
        while stack:
            iy, ix = stack.pop()
            if (iy, ix) in members or not mask[iy, ix]:
                continue
            members.add((iy, ix))
            stack += [((iy + 1) % 8, ix), ((iy - 1) % 8, ix), (iy, (ix + 1) % 8), (iy, (ix - 1) % 8)]
        rows, columns = np.array(sorted(members)).T
        seen[rows, columns] = True
        assert len(set(labels[rows, columns])) == 1
        assert (labels == labels[start]).sum() == len(members)
    assert labels.max() == found
    assert ((labels > 0) == mask).all()
    sizes = np.bincount(labels.ravel(), minlength=2)[1:]
    assert largest_component(mask).sum() == sizes.max()


@given(masks, shifts)
def test_percolation_ignores_the_origin(mask: np.ndarray, shift: tuple[int, int]) -> None:
    assert percolates(np.roll(mask, shift, (0, 1))) == percolates(mask)
    assert percolates(mask.T) == percolates(mask)[::-1]


@given(arrays(bool, (4, 4)))
def test_percolation_agrees_with_tiling(mask: np.ndarray) -> None:
    """Percolation along x: some pixel of the middle tile is connected to its image k tiles to the right."""
    tiles = label(np.tile(mask, (17, 17)))[0].reshape(17, 4, 17, 4).swapaxes(1, 2)
    images = [tiles[8, 8 + k] for k in range(1, 9)]
    assert percolates(mask)[0] == any(((tiles[8, 8] == image) & mask).any() for image in images)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("....  .... .... ....", (False, False)),
        ("####  #### #### ####", (True, True)),
        ("####  .... .... ....", (True, False)),
        (".#..  .#.. .#.. .#..", (False, True)),
        ("####  .#.. .#.. .#..", (True, True)),
        (".##.  .##. .... ....", (False, False)),
        ("##..  .##. ..## #..#", (False, False)),  # a diagonal stripe bears no load along either axis
        ("####  .##. ..## #..#", (True, True)),
        ("####  .... ###. ....", (True, False)),
    ],
)
def test_percolation_of_known_cells(rows: str, expected: tuple[bool, bool]) -> None:
    assert percolates(picture(rows)) == expected


def test_a_stripe_of_slope_two_winds_twice() -> None:
    stripe = np.zeros((4, 8), dtype=bool)
    for step in range(8):
        stripe[step % 4, [step, (step + 1) % 8]] = True
    found = components(stripe)
    assert found.labels.max() == 1
    assert {(abs(x), abs(y)) for x, y in found.windings[0]} == {(1, 2)}
    assert percolates(stripe) == (False, False)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("group", GROUPS)
def test_operations_form_a_group(group: str, swap: bool) -> None:
    table = {tuple(p) for p in operations(group, 8, swap=swap).tolist()}
    orders = dict(zip(GROUPS, (1, 2, 2, 2, 4, 4, 4, 4, 8, 4, 8, 8), strict=True))
    assert len(table) == orders[group]
    assert tuple(range(64)) in table
    products = {tuple(np.array(a)[list(b)].tolist()) for a in table for b in table}
    assert products == table


@pytest.mark.parametrize("group", GROUPS)
def test_operations_keep_neighbours_together(group: str) -> None:
    """Each is an isometry of the torus: adjacent pixels stay adjacent."""
    for p in operations(group, 8):
        rows, columns = np.divmod(p.reshape(8, 8), 8)
        for axis in (0, 1):
            dy = np.abs(np.roll(rows, -1, axis) - rows) % 8
            dx = np.abs(np.roll(columns, -1, axis) - columns) % 8
            assert (np.minimum(dy, 8 - dy) + np.minimum(dx, 8 - dx) == 1).all()


def test_the_twelve_groups_are_distinct() -> None:
    assert len(GROUPS) == 12
    field = np.random.default_rng(0).standard_normal((8, 8))
    for group in GROUPS:
        symmetric = symmetrize(field, group)
        held = {g for g in GROUPS if is_symmetric(symmetric, g)}
        assert group in held
        own = {tuple(p) for p in operations(group, 8).tolist()}
        assert held == {g for g in GROUPS if {tuple(p) for p in operations(g, 8).tolist()} <= own}
    for group in ONE_AXIS:
        assert not is_symmetric(symmetrize(field, group), group, swap=True)


@pytest.mark.parametrize("group", GROUPS)
def test_symmetrized_fields_are_equal_to_the_last_bit(group: str) -> None:
    field = np.random.default_rng(1).standard_normal((32, 32))
    average = symmetrize(field, group)
    assert is_symmetric(average, group)
    np.testing.assert_allclose(average.ravel(), field.ravel()[operations(group, 32)].mean(axis=0), atol=1e-14)


def test_unknown_groups_and_odd_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="Expected one of p1"):
        operations("p3", 32)
    with pytest.raises(ValueError, match="even number"):
        operations("p2", 31)


def test_cells_are_what_the_generator_promises(generated: list[Cell]) -> None:
    for c in generated:
        assert c.pixels.shape == (32, 32)
        assert c.volume_fraction == c.pixels.mean()
        assert not has_hinges(c.pixels)
        assert components(c.pixels).labels.max() == 1
        assert percolates(c.pixels) == (True, True)
        assert any(is_symmetric(c.pixels, c.group, swap=swap) for swap in (False, True))
    assert {c.group for c in generated} == set(GROUPS)


def test_a_cell_depends_on_seed_and_index_alone(generated: list[Cell]) -> None:
    again = cell(0, 399)
    assert (again.pixels == generated[399].pixels).all()
    assert (again.group, again.attempts) == (generated[399].group, generated[399].attempts)
    assert (cell(1, 399).pixels != again.pixels).any()
    assert len({c.pixels.tobytes() for c in generated}) == 400


def test_statistics_of_the_generator(generated: list[Cell]) -> None:
    """Fraction solid 0.71 ± 0.16, a third of the candidates rejected: four standard errors of 400 cells."""
    f = np.array([c.volume_fraction for c in generated])
    assert abs(f.mean() - 0.715) < 0.032
    assert abs(f.std() - 0.16) < 0.025
    assert abs(1 - 400 / sum(c.attempts for c in generated) - 0.335) < 0.08


def test_packing_is_lossless(generated: list[Cell]) -> None:
    pixels = np.array([c.pixels for c in generated])
    assert pack(pixels).shape == (400, 128)
    assert (unpack(pack(pixels)) == pixels).all()
    # The first byte is the start of the bottom row, its highest bit the leftmost pixel.
    one = np.zeros((1, 32, 32), dtype=bool)
    one[0, 0, 0] = one[0, 1, 2] = True
    assert (pack(one)[0, 0], pack(one)[0, 4]) == (128, 32)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cells") / "cells.parquet"
    generate(CHUNK + 30, 0, out, workers=0)
    return out


def test_data_set_holds_the_cells_in_order(small: Path, generated: list[Cell]) -> None:
    data = read(small)
    n = CHUNK + 30
    assert (data.pixels == [c.pixels for c in generated[:n]]).all()
    assert data.group.tolist() == [c.group for c in generated[:n]]
    assert data.volume_fraction.tolist() == [c.volume_fraction for c in generated[:n]]
    c = homogenize(data.pixels)
    np.testing.assert_allclose(data.stiffness, c, atol=1e-14)
    e_x = moduli(c).e_x
    assert data.card == read_card(small)
    assert data.card["e_x_mean"] == pytest.approx(e_x.mean(), rel=1e-12)
    assert data.card["e_x_sd"] == pytest.approx(e_x.std(), rel=1e-12)
    assert data.card["sha256"] == hashlib.sha256(np.packbits(data.pixels).tobytes()).hexdigest()
    assert [p for p in small.parent.iterdir() if p.suffix != ".lock"] == [small]


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, small: Path) -> None:
    out = tmp_path / "cells.parquet"
    done: list[str | None] = []

    def stop(state: Progress) -> None:
        done.append(state.key)
        if state.done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(CHUNK + 30, 0, out, workers=0, progress=stop)
    assert not out.exists()
    generate(CHUNK + 30, 0, out, workers=0, progress=lambda state: done.append(state.key))
    assert done == [None, f"0:0:{CHUNK}", None, f"0:{CHUNK}:{CHUNK + 30}"]
    assert out.read_bytes() == small.read_bytes()


def test_check_tells_what_was_changed(small: Path, tmp_path: Path) -> None:
    assert check(small, 7)["ok"]
    table = pq.read_table(small)
    forged = tmp_path / "forged.parquet"
    column = table.column_names.index("c12")
    pq.write_table(table.set_column(column, "c12", pc.add(table["c12"], 1e-8)), forged)
    assert check(forged, 7) | {"c_error": 0} == {
        "ok": False,
        "rows": 7,
        "same_pixels": 7,
        "c_error": 0,
        "sha256_ok": True,
    }
    pq.write_table(table.take(np.arange(table.num_rows)[::-1]), forged)
    result = check(forged, 7)
    assert not result["ok"]
    assert not result["sha256_ok"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    pq.write_table(pa.table({"a": [1]}), other)
    for reader in (read, read_card):
        with pytest.raises(ValueError, match="not a set of cells"):
            reader(other)
    with pytest.raises(ValueError, match="at least one cell"):
        generate(0, 0, other)


def test_shipped_data_set() -> None:
    """A few rows regenerate to the bit, C to 1e-9; y* = 1 is E_x ≈ 0.6 E_s; the folder stays small."""
    result = check(DATA, 20)
    assert result["ok"], result
    card = read_card()
    assert (card["n"], card["seed"]) == (100_000, 0)
    assert card["e_x_mean"] + card["e_x_sd"] == pytest.approx(0.6, abs=0.02)
    assert sum(path.stat().st_size for path in DATA.parent.iterdir()) <= 20e6
    readme = (DATA.parent / "README.md").read_text()
    assert card["sha256"] in readme
    assert hashlib.sha256(DATA.read_bytes()).hexdigest() in readme
    assert (card["e_x_mean"], card["e_x_sd"]) == (E_X_MEAN, E_X_SD)
    assert f"{card['e_x_mean']:.6f}" in readme
    assert f"{card['e_x_sd']:.6f}" in readme
