"""Metric, strain and symmetry of cells, curvature of an energy, gaps from bands, starts: by hand."""

import math

import numpy as np
import pytest
import torch
from ase.calculators.calculator import Calculator

from ipage_core.tasks.crystal import dft, relaxation
from ipage_core.tasks.crystal.lattices import design, images
from ipage_core.tasks.crystal.strain import CUBIC_LENGTH, SUBSTRATES, largest_strain, metric, tensor, volume_change

CUBIC = [CUBIC_LENGTH] * 3 + [90.0] * 3


def cells(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def test_the_metric_holds_the_scalar_products_of_the_axes():
    from ase.geometry import cellpar_to_cell

    x = [3.8, 4.0, 4.2, 85.0, 95.0, 99.0]
    axes = cellpar_to_cell(x)
    assert np.allclose(metric(cells(x))[0].numpy(), axes @ axes.T)
    assert volume_change(cells(x)).item() == pytest.approx(np.linalg.det(axes) / CUBIC_LENGTH**3 - 1)


def test_strain_and_volume_are_those_of_known_cells():
    stretched = [*[CUBIC_LENGTH * f for f in (1.02, 0.97, 1.01)], 90, 90, 90]
    tilted = [CUBIC_LENGTH] * 3 + [90.0, 90.0, 80.0]
    x = cells(CUBIC, stretched, tilted)
    assert volume_change(x).tolist() == pytest.approx([0, 1.02 * 0.97 * 1.01 - 1, math.sin(math.radians(80)) - 1])
    shear = math.cos(math.radians(80))  # eigenvalues 1 ± cos 80° of the metric over a₀²
    expected = [0, 0.03, max(math.sqrt(1 + shear) - 1, 1 - math.sqrt(1 - shear))]
    assert largest_strain(x).tolist() == pytest.approx(expected, abs=1e-7)


def test_the_strain_tensor_is_the_symmetric_stretch():
    stretch = np.array([[0.03, 0.004, -0.01], [0.004, -0.02, 0.006], [-0.01, 0.006, 0.01]])
    axes = CUBIC_LENGTH * (np.eye(3) + stretch)
    lengths = np.linalg.norm(axes, axis=1)
    cosines = [axes[i] @ axes[j] / lengths[i] / lengths[j] for i, j in ((1, 2), (0, 2), (0, 1))]
    x = cells([*lengths, *np.degrees(np.arccos(cosines))])
    np.testing.assert_allclose(tensor(x)[0].numpy(), stretch, atol=1e-12)
    assert largest_strain(x).item() == pytest.approx(np.abs(np.linalg.eigvalsh(stretch)).max())


def test_films_of_srtio3_on_substrates_are_strained_as_published():
    """In percent, to a tenth, against SrTiO₃'s own 3.905 Å."""
    published = {
        "LaAlO3": -2.9, "NdGaO3": -1.1, "LSAT": -0.9, "SrTiO3": 0, "DyScO3": 1.0, "GdScO3": 1.6, "SmScO3": 2.1,
        "KTaO3": 2.2, "NdScO3": 2.6,
    }  # fmt: skip
    assert SUBSTRATES.keys() == published.keys()
    films = tensor(cells(*([a, a, 3.905, 90, 90, 90] for a in SUBSTRATES.values())))[:, 0, 0] + 1
    own = tensor(cells([3.905] * 3 + [90.0] * 3))[0, 0, 0] + 1
    for misfit, expected in zip((films / own - 1).tolist(), published.values(), strict=True):
        assert 100 * misfit == pytest.approx(expected, abs=0.06)


def test_the_24_images_of_a_cell_are_the_same_crystal():
    x = np.array([3.8, 4.0, 4.2, 85.0, 95.0, 99.0])
    every = images(x)
    assert every.shape == (24, 6)
    assert np.array_equal(every[0], x)
    assert len({tuple(row) for row in every.round(6).tolist()}) == 24
    at = torch.tensor(every)
    for function in (volume_change, largest_strain):
        assert function(at).std() < 1e-12
    rows = {tuple(row) for row in every.round(6).tolist()}
    assert all({tuple(row) for row in images(image).round(6).tolist()} == rows for image in every)
    assert min(rows) == (3.8, 4.0, 4.2, 85.0, 85.0, 81.0)
    # Swapping a and b swaps α and β; reversing a turns β and γ into their supplements.
    assert (4.0, 3.8, 4.2, 95.0, 85.0, 99.0) in rows
    assert (3.8, 4.0, 4.2, 85.0, 85.0, 81.0) in rows


def test_designs_are_the_beginning_of_one_sequence():
    assert np.array_equal(design(9)[:4], design(4))
    assert not np.array_equal(design(4, seed=8), design(4))
    assert np.array_equal(design(4), design(4).round(5))


class Springs(Calculator):
    """Every ion on its own spring of 4, Ti of −2 eV/Å² along x, bound to the mean position: a shift costs nothing."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=None, system_changes=None):
        super().calculate(atoms, properties, system_changes)
        moved = self.atoms.positions - relaxation.structure(CUBIC, {}).positions
        moved = moved - moved.mean(0)
        k = np.full((5, 3), 4.0)
        k[1, 0] = -2.0
        forces = -k * moved
        self.results = {"energy": float((k * moved**2).sum() / 2), "forces": forces - forces.mean(0)}


def test_the_least_curvature_is_the_lowest_eigenvalue_without_shifts():
    k = np.diag([4.0, -2.0, 4, 4, 4])
    inside = np.eye(5) - 1 / 5
    expected = np.linalg.eigvalsh(inside @ k @ inside).min()  # along x, Ti against the rest
    assert relaxation.softest(relaxation.structure(CUBIC, {}), Springs())[0] == pytest.approx(expected, abs=1e-6)
    assert expected < -0.7


def test_starts_push_titanium_along_the_diagonals_against_oxygen():
    ideal = relaxation.structure(CUBIC, {})
    starts = relaxation.starts(CUBIC)
    assert len(starts) == 4
    for diagonal, atoms in zip(((1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1)), starts, strict=True):
        moved = (atoms.positions - ideal.positions) / CUBIC_LENGTH
        assert np.allclose(moved[0], 0)
        assert np.allclose(moved[1], 0.02 * np.array(diagonal))
        assert np.allclose(moved[2:], -0.01 * np.array(diagonal))


def state(energy, shift=0.0):
    from ase.calculators.singlepoint import SinglePointCalculator

    atoms = relaxation.structure(CUBIC, {})
    atoms.positions[1] += shift
    atoms.info = {"gap": 1.0, "direct": 1.5}
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=np.full((5, 3), 0.001))
    return atoms


def test_states_within_20_mev_count_and_equal_ones_once(monkeypatch):
    ends = iter([state(-40.0), state(-40.0005, 0.1), state(-39.9795), state(-39.9815), state(-39.98155)])
    monkeypatch.setattr(relaxation, "starts", lambda lattice: [relaxation.structure(CUBIC, {}) for _ in range(5)])

    class Ended:
        def __init__(self, atoms, **_):
            self.atoms = atoms

        def run(self, **_):
            made = next(ends)
            self.atoms.positions, self.atoms.info, self.atoms.calc = made.positions, made.info, made.calc

    monkeypatch.setattr("ase.optimize.BFGS", Ended)
    monkeypatch.setattr(dft, "gpaw_version", lambda: "0")
    found = relaxation.relax(CUBIC, None)
    assert [branch["energy"] for branch in found["branches"]] == pytest.approx([-40.0005, -39.98155])
    assert [branch["above"] for branch in found["branches"]] == pytest.approx([0, 0.01895])
    first = found["branches"][0]
    assert first["force"] == pytest.approx(0.001 * math.sqrt(3), abs=1e-5)
    moved = np.zeros((5, 3))
    moved[1] = 0.1
    moved -= moved.mean(0)
    assert first["displacement"] == pytest.approx(math.sqrt((moved**2).sum(1).mean()), abs=1e-4)
    assert first["space_group"] == "R3m (160)"
    assert found["starts"] == "DFT alone"


def test_gaps_are_read_from_bands_19_and_20_wherever_their_edges_lie(monkeypatch):
    edges = {0: (0.2, 2.0), 1: (-0.5, 1.7)}
    bands = {k: np.array([-5.0] * (dft.VALENCE - 1) + [top, bottom, 9.0]) for k, (top, bottom) in edges.items()}
    monkeypatch.setattr(relaxation, "starts", lambda lattice: [relaxation.structure(CUBIC, {})])

    class Ended:
        def __init__(self, atoms, **_):
            atoms.calc = state(-40.0).calc
            atoms.calc.get_ibz_k_points, atoms.calc.get_eigenvalues = lambda: [0, 1], lambda kpt: bands[kpt]

        def run(self, **_):
            pass

    monkeypatch.setattr("ase.optimize.BFGS", Ended)
    monkeypatch.setattr(dft, "gpaw_version", lambda: "0")
    (branch,) = relaxation.relax(CUBIC, None)["branches"]
    assert (branch["gap"], branch["direct"]) == (pytest.approx(1.5), pytest.approx(1.8))


def test_the_cells_of_a_table_are_described_by_their_lowest_branch():
    lowest = {"gap": 2.0, "direct": 2.5, "energy": -39.5, "force": 0.01, "displacement": 0.1}
    branches = [{**lowest, "space_group": "P1 (1)", "curvature": 1}]
    branches.append({**branches[0], "gap": 1.7, "energy": -39.49})
    results = [{"branches": branches, "failed": ["a", "b"]}, {"branches": [], "failed": ["c"]}, None]
    frame = relaxation.table([CUBIC] * 3, results)
    assert frame["relaxed_gap"].tolist()[0] == 2.0
    assert frame["relaxed_gap_spread"][0] == pytest.approx(0.3)
    assert frame["relaxed_branches"].tolist() == [2, 0, 0]
    assert frame["relaxed_failed"].tolist() == ["a; b", "c", "cancelled"]


def test_figures_of_a_branch_are_rounded_for_reading(monkeypatch):
    made = state(-40.0000004, 0.1)
    made.info = {"gap": 1.23456789, "direct": 1.5000049}
    monkeypatch.setattr(relaxation, "starts", lambda lattice: [relaxation.structure(CUBIC, {})])

    class Ended:
        def __init__(self, atoms, **_):
            atoms.positions, atoms.calc = made.positions, made.calc
            edges = np.array([-5.0] * (dft.VALENCE - 1) + [0.0, 1.23456789])
            atoms.calc.get_ibz_k_points, atoms.calc.get_eigenvalues = lambda: [0], lambda kpt: edges

        def run(self, **_):
            pass

    monkeypatch.setattr("ase.optimize.BFGS", Ended)
    monkeypatch.setattr(dft, "gpaw_version", lambda: "0")
    found = relaxation.relax(CUBIC, None)
    (branch,) = found["branches"]
    assert (branch["gap"], branch["direct"], branch["energy"]) == (1.23457, 1.23457, -40.0)
    assert branch["displacement"] == round(branch["displacement"], 4)
    assert branch["force"] == round(branch["force"], 5)
    assert branch["sites"][1] == [round(value, 7) for value in branch["sites"][1]]
    assert found["provenance"]["starts"] == "4 body diagonals"


def test_shifts_of_all_ions_do_not_count_where_a_potential_notices_them():
    class Hill(Calculator):
        """Every ion rolls off its own place by 2 eV/Å², so that a shift of all gains energy too."""

        implemented_properties = ("energy", "forces")

        def calculate(self, atoms=None, properties=None, system_changes=None):
            super().calculate(atoms, properties, system_changes)
            moved = self.atoms.positions - relaxation.structure(CUBIC, {}).positions
            self.results = {"energy": -float((moved**2).sum()), "forces": 2 * moved}

    assert relaxation.softest(relaxation.structure(CUBIC, {}), Hill())[0] == pytest.approx(-2)
