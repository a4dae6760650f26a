"""Bands along lines of the Brillouin zone: a stand-in for GPAW, and GPAW itself on a coarse mesh."""

import sys
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
from ase.calculators.calculator import Calculator

from ipage_core.tasks.crystal import band_structure, dft

CUBIC = [3.95] * 3 + [90.0] * 3


def levels_at(k):
    """26 levels: the highest occupied one is highest at R, the lowest empty one lowest at Γ."""
    up = float(np.sum(1 - np.cos(2 * np.pi * np.asarray(k))) / 6)  # 0 at Γ, 1 at R
    return np.concatenate([np.full(19, -3.0), [4 + 0.5 * up], [6 + up], np.full(5, 9.0)])


class StandIn(Calculator):
    implemented_properties = ("energy",)

    def __init__(self, **asked):
        super().__init__()

    def calculate(self, atoms=None, properties=None, system_changes=None):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": -38.0}

    def fixed_density(self, kpts, nbands, **asked):
        assert nbands >= band_structure.PATH.last
        return SimpleNamespace(get_ibz_k_points=lambda: kpts, get_eigenvalues=lambda kpt: levels_at(kpts[kpt]))


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    module = SimpleNamespace(GPAW=StandIn, KohnShamConvergenceError=type("Failed", (Exception,), {}))
    monkeypatch.setitem(sys.modules, "gpaw", module)
    monkeypatch.setattr(dft, "require", lambda: None)
    monkeypatch.setattr(dft, "gpaw_version", lambda: "0")
    monkeypatch.setenv(dft.CACHE_VARIABLE, str(tmp_path))
    return module


def test_the_path_has_its_corners_at_equal_counts():
    path = band_structure.PATH
    k = path.k_points(4)
    assert len(k) == 25
    assert [tuple(one) for one in k[::4]] == [path.corners[name] for name in path.names]
    steps = np.diff(k, axis=0)
    np.testing.assert_allclose(steps.reshape(6, 4, 3), steps[::4, None].repeat(4, 1), atol=1e-12)


def test_edges_and_distances_along_the_path(stand_in):
    (found,) = band_structure.many([[*CUBIC, 6]])
    assert (found["gap"], found["direct"]) == (1.5, 2.0)
    assert (found["top"], found["bottom"]) == ("R", "Γ")
    levels = np.array(found["levels"])
    assert levels.shape == (37, 13)
    assert levels[:, 8].max() == 0
    assert levels[:, 9].min() == pytest.approx(1.5)
    # X–Γ is half a reciprocal lattice vector, R–Γ is √3 times as far
    ways = np.diff(found["corners"])
    np.testing.assert_allclose(ways, np.pi / 3.95 * np.array([1, 1, 1, 1, 3**0.5, 1]), rtol=1e-4)


def test_a_result_is_computed_once_and_told_by_its_number_of_points(stand_in, monkeypatch):
    rows = [[*CUBIC, 6], [*CUBIC, 2]]
    first = band_structure.many(rows)
    monkeypatch.setattr(dft, "ground_state", None)
    assert band_structure.cached(rows) == first
    assert band_structure.many(rows) == first
    assert band_structure.cached([[*CUBIC, 3]]) == [None]
    assert band_structure.cached(rows, dft.STANDARD._replace(ecut=700)) == [None, None]
    assert dft.cached([CUBIC]) == [None]


def test_what_has_no_bands_is_one_sentence(stand_in):
    (found,) = band_structure.many([[4.0, 4.0, 4.0, 125.0, 125.0, 125.0, 2]])
    assert found["fail"] == "No cell has these three angles: its volume would not be positive."
    with pytest.raises(ValueError, match=r"shape \(n, 7\)"):
        band_structure.many([CUBIC])


@pytest.mark.dft
@pytest.mark.skipif(find_spec("gpaw") is None, reason="GPAW is not installed")
def test_at_the_corners_the_bands_are_those_of_a_mesh_of_the_corners():
    """Eight k-points of the mesh are Γ, three X, three M and R: with corners alone, the path is a part of it."""
    coarse = dft.Settings(mesh=2, half=False, grid=16, ecut=300)
    strained = np.array([4.05, 3.95, 3.9, 90.0, 90.0, 90.0])
    mesh = dft.computed(strained, coarse)
    lines = band_structure.solve(strained, coarse, points=1)
    assert lines["gap"] == pytest.approx(mesh["gap"], abs=2e-3)
    assert lines["direct"] == pytest.approx(mesh["direct"], abs=2e-3)
    assert np.abs(band_structure.PATH.corners[lines["top"]]) == pytest.approx(np.abs(mesh["vbm"]))
    assert np.abs(band_structure.PATH.corners[lines["bottom"]]) == pytest.approx(np.abs(mesh["cbm"]))
