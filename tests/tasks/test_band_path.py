"""Lines through the Brillouin zone, and what a stand-in for GPAW says of the bands along them."""

from types import SimpleNamespace

import numpy as np
import pytest

from ipage_core.runtime import records
from ipage_core.tasks import band_path
from ipage_core.tasks.band_path import BandPath
from ipage_core.tasks.crystal import dft

CORNERS = {"Γ": (0, 0, 0), "X": (0.5, 0, 0), "M": (0.5, 0.5, 0)}
PATH = BandPath(CORNERS, ("X", "Γ", "M"), 4, 2, 6, 4)
"""Bands 2 to 5 are kept, of which 2 and 3 are occupied."""
CELL = np.diag([2.0, 4.0, 5.0])


def levels(k):
    """Seven bands of which the lowest two and the last do not count."""
    x, y, _ = np.cos(2 * np.pi * np.asarray(k))
    return np.array([-50.0, -40.0, -9 + y, -4.123456 - 0.5 * x, 2.1 - y, 9.0, -60.0])


def calculator(asked, levels=levels, shift=0.0):
    def fixed_density(kpts, **more):
        asked.update(more, kpts=kpts)
        return SimpleNamespace(get_ibz_k_points=lambda: kpts + shift, get_eigenvalues=lambda kpt: levels(kpts[kpt]))

    return SimpleNamespace(fixed_density=fixed_density)


def test_a_path_visits_its_corners_in_steps_of_equal_length():
    k = PATH.k_points(2)
    assert k.tolist() == [[0.5, 0, 0], [0.25, 0, 0], [0, 0, 0], [0.25, 0.25, 0], [0.5, 0.5, 0]]
    assert [PATH.place(i, 2) for i in range(5)] == ["X", "between X and Γ", "Γ", "between Γ and M", "M"]
    assert PATH.valence == 1
    np.testing.assert_allclose(PATH.k_points(3)[:3, 0], [1 / 2, 1 / 3, 1 / 6])


def test_gap_edges_and_distances_are_those_of_the_levels():
    asked = {}
    found = PATH.result(calculator(asked), CELL, 2)
    # The highest occupied level is −4.123456 + 0.5 at X, of which the empty one's least, 2.1 − 1, is 4.723456 above.
    assert found["gap"] == 4.72346
    assert (found["top"], found["bottom"]) == ("X", "X")
    assert found["direct"] == 4.72346
    expected = np.array([levels(k)[2:6] for k in PATH.k_points(2)]) + 3.623456
    assert found["levels"] == expected.round(4).tolist()
    # Reciprocal vectors 2π/2 and 2π/4: X lies π/2 from Γ, M √5/4 π.
    ways = [0, np.pi / 4, np.pi / 2, np.pi / 2 + np.pi * 5**0.5 / 8, np.pi / 2 + np.pi * 5**0.5 / 4]
    assert found["at"] == [round(way, 5) for way in ways]
    assert found["corners"] == [0, round(ways[2], 5), round(ways[4], 5)]


def test_a_skew_cells_distances_are_those_of_its_reciprocal_lattice():
    cell = np.array([[2.0, 0, 0], [-1.0, 3**0.5, 0], [0, 0, 3]])  # b1 = 2π (1/2, 1/(2√3), 0), of length 2π/√3
    found = PATH.result(calculator({}), cell, 1)
    assert found["corners"][1] == pytest.approx(np.pi / 3**0.5, abs=1e-5)


def test_edges_at_different_points_make_the_gap_indirect():
    def indirect(k):
        x, y, _ = np.cos(2 * np.pi * np.asarray(k))
        return np.array([0, 0, -9, 0.3 * x, 3 - 0.2 * y, 9, 0])  # highest at Γ; lowest where y is 0: X, or Γ

    found = PATH.result(calculator({}, lambda k: indirect(k) - [0, 0, 0, 0, 0.1 * (k[0] == 0.5), 0, 0]), CELL, 2)
    assert (found["top"], found["bottom"]) == ("Γ", "X")
    assert (found["gap"], found["direct"]) == (2.4, 2.5)


def test_gpaw_is_asked_for_every_point_of_the_path_and_two_bands_more():
    asked = {}
    PATH.result(calculator(asked), CELL, 3)
    np.testing.assert_allclose(asked.pop("kpts"), PATH.k_points(3))
    assert asked == {
        "symmetry": {"point_group": False, "time_reversal": False},
        "nbands": 8,
        "convergence": {"bands": 6, "eigenstates": 1e-5},
        "txt": None,
    }


def test_other_k_points_and_levels_without_a_number_are_refused():
    with pytest.raises(RuntimeError, match="reordered"):
        PATH.result(calculator({}, shift=0.01), CELL, 2)
    with pytest.raises(FloatingPointError, match="not finite"):
        PATH.result(calculator({}, lambda k: levels(k) * np.where(k[0] == 0, np.nan, 1)), CELL, 2)


def test_a_result_has_the_form_in_which_it_is_kept():
    whole = {**PATH.result(calculator({}), CELL, 2), "cpu_s": 1.0}
    assert records.has_form(whole, PATH.form())
    for damage in ({"levels": [[0.0] * 3] * 5}, {"corners": [0.0, 1.0]}, {"at": [[0.0]] * 5}, {"top": 1.0}):
        assert not records.has_form(whole | damage, PATH.form())


def test_rows_are_computed_with_their_settings_and_come_back_in_order(monkeypatch):
    required = []
    monkeypatch.setattr(dft, "require", lambda: required.append(True))
    rows = np.arange(21.0).reshape(3, 7)
    seen = []

    def run(work, items, journal, workers, scheduler, progress, cancel):
        seen.append((workers, scheduler, progress, cancel))
        return {key: item for key, item in reversed(items) if key != "1"}  # one was cancelled

    monkeypatch.setattr(band_path.executor, "run", run)
    found = band_path.many(rows, None, dft.STANDARD)
    assert found[1] is None
    assert [one["row"] for one in found[::2]] == rows[::2].tolist()
    assert found[0]["settings"] == dft.STANDARD._asdict()
    assert len(required) == 1
    band_path.many(rows, None, dft.STANDARD, workers=3, scheduler="tcp://x", progress=print, cancel=bool)
    assert seen == [(0, None, None, None), (3, "tcp://x", print, bool)]
    assert len(required) == 1, "the scheduler's workers have GPAW"
    for wrong in (rows[0], rows[:, :6], rows[None]):
        with pytest.raises(ValueError, match=r"shape \(n, 7\)"):
            band_path.many(wrong, None, dft.STANDARD)
