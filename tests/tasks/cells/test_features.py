"""Smallest features on the torus."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipage_core.tasks.cells.features import (
    feature_pixels,
    has_features,
    opened,
    parse_feature,
    repaired,
    smallest_features,
)

masks = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((9, 11)) < 0.6)


def union_of_squares(cell: np.ndarray, k: int) -> np.ndarray:
    found = np.zeros_like(cell)
    for y, x in np.ndindex(*cell.shape):
        rows, columns = np.arange(y, y + k) % cell.shape[0], np.arange(x, x + k) % cell.shape[1]
        if cell[np.ix_(rows, columns)].all():
            found[np.ix_(rows, columns)] = True
    return found


@settings(max_examples=30, deadline=None)
@given(masks, st.integers(1, 4))
def test_opening_is_the_union_of_squares(cell: np.ndarray, k: int) -> None:
    assert (opened(cell, k) == union_of_squares(cell, k)).all()


@settings(max_examples=30, deadline=None)
@given(masks, st.integers(1, 4), st.integers(0, 8), st.integers(0, 10))
def test_translation_and_complement_change_nothing(cell: np.ndarray, k: int, down: int, right: int) -> None:
    assert has_features(cell, k) == has_features(np.roll(cell, (down, right), (0, 1)), k) == has_features(~cell, k)


@pytest.mark.parametrize(("wall", "gap"), [(1, 3), (3, 1), (2, 4), (5, 3)])
def test_stripes(wall: int, gap: int) -> None:
    cell = np.tile(np.arange(wall + gap) < wall, (8, 3))
    cell = np.roll(cell, 1, axis=1)  # across the seam
    assert smallest_features(cell) == (wall, gap)
    assert smallest_features(cell.T) == (wall, gap)
    assert bool(has_features(cell, min(wall, gap)))
    assert not has_features(cell, min(wall, gap) + 1)


def test_a_repaired_cell_has_its_features() -> None:
    cell = np.zeros((16, 16), dtype=bool)
    cell[2:8, 2:9] = cell[5, :] = True
    cell[3, 4] = False
    mended = repaired(cell, 2)
    assert has_features(mended, 2)
    assert mended[2:8, 2:9].all()
    assert not mended[5, 12]


def test_millimetres() -> None:
    assert feature_pixels(0.8, 10, 32) == 3
    assert feature_pixels(0.625, 10, 32) == 2
    for bad in ((0, 10, 32), (6, 10, 32), (1, -1, 32)):
        with pytest.raises(ValueError, match="feature"):
            feature_pixels(*bad)


def test_features_are_written_in_pixels_or_millimetres() -> None:
    assert parse_feature("2", 10, 32) == parse_feature("2px", 10, 32) == 2
    assert parse_feature("0.6mm", 10, 32) == 2
    assert parse_feature("0.6 mm", 10, 64) == 4
    for bad in ("", "2cm", "-1mm", "6mm", "mm", "1.5"):
        with pytest.raises(ValueError, match="feature"):
            parse_feature(bad, 10, 32)
