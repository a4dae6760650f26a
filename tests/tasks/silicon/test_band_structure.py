"""Bands of strained silicon along lines of the Brillouin zone: the path, and GPAW itself on a coarse mesh."""

from importlib.util import find_spec

import numpy as np
import pytest

from ipage_core.tasks.crystal import dft
from ipage_core.tasks.silicon import band_structure, operator

PATH = band_structure.PATH


def test_the_path_visits_the_ends_of_all_three_axes():
    assert {PATH.corners[name] for name in ("X₃", "X₂", "X₁")} == {tuple(x) for x in operator.X_POINTS.tolist()}
    assert PATH.corners["L"] == tuple(operator.L_POINTS[-1])
    cell = operator.structure(np.zeros(6), np.zeros(3)).cell.array
    for axis, name in enumerate(("X₁", "X₂", "X₃")):
        along = np.array(PATH.corners[name]) @ np.linalg.inv(cell).T * operator.LATTICE_CONSTANT
        assert along == pytest.approx(np.eye(3)[axis])  # 2π/a₀ on that axis of the crystal


def test_rows_of_another_width_are_refused(monkeypatch):
    monkeypatch.setattr(dft, "require", lambda: None)
    with pytest.raises(ValueError, match=r"shape \(n, 7\): a design and the k-points"):
        band_structure.many([[0.0] * 6])


def test_a_crystal_that_does_not_relax_says_so(monkeypatch, tmp_path):
    pytest.importorskip("gpaw")
    monkeypatch.setenv(dft.CACHE_VARIABLE, str(tmp_path))

    def stuck(strain, settings):
        raise operator.NotRelaxed("The ions did not relax in 6 steps: a force of 0.020 eV/Å is left.")

    monkeypatch.setattr(operator, "relaxed", stuck)
    (found,) = band_structure.many([[0.0] * 6 + [1]])
    assert found["fail"] == "The ions did not relax in 6 steps: a force of 0.020 eV/Å is left."
    assert band_structure.cached([[0.0] * 6 + [1]]) == [None]


@pytest.mark.dft
@pytest.mark.skipif(find_spec("gpaw") is None, reason="GPAW is not installed")
def test_a_pull_along_an_axis_tells_its_corner_from_the_others():
    """Under e33 the axes 1 and 2 stay alike; at Γ the bands are those of Ω."""
    coarse = operator.Settings(mesh=1, ecut=200, grid=12)
    pulled = np.array([0.0, 0.0, 0.02, 0.0, 0.0, 0.0])
    lines, by_omega = band_structure.solve(pulled, coarse, points=1), operator.solve(pulled, coarse)
    at = {name: levels for name, levels in zip(PATH.names, np.array(lines["levels"]), strict=True) if name != "Γ"}
    assert at["X₁"][:6] == pytest.approx(at["X₂"][:6], abs=1e-3)
    assert np.abs(at["X₁"][4] - at["X₃"][4]) > 0.05
    gamma = np.array(lines["levels"])[1]
    assert gamma[4] - gamma[3] == pytest.approx(by_omega["direct"], abs=1e-3)
    assert lines["top"] == "Γ"
