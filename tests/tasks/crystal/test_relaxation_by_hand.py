"""Relaxation step by step: where starts lie, what is pushed, what a state tells and where it is kept."""

import sys
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import ase.optimize
import numpy as np
import pytest
from ase.calculators.calculator import Calculator
from ase.calculators.singlepoint import SinglePointCalculator

from ipage_core.tasks.crystal import dft, relaxation
from ipage_core.tasks.crystal.strain import CUBIC_ENERGY

LATTICE = np.array([3.95, 3.95, 3.95, 90, 90, 90])


def ideal():
    return relaxation.structure(LATTICE, {})


class Harmonic(Calculator):
    """E = u · H u / 2 in the displacements u of all ions from their ideal sites."""

    implemented_properties = ("energy", "forces")

    def __init__(self, curvatures, base=0.0):
        super().__init__()
        self.curvatures, self.base = curvatures, base

    def calculate(self, atoms=None, properties=None, system_changes=None):
        super().calculate(atoms, properties, system_changes)
        u = (self.atoms.positions - ideal().positions).ravel()
        self.results = {
            "energy": float(self.base + u @ self.curvatures @ u / 2),
            "forces": -(self.curvatures @ u).reshape(-1, 3),
        }


def without_shifts(values, seed=0):
    """→ a Hessian (15, 15) with three zeros, of the shifts, and these eigenvalues; its other eigenvectors."""
    shifts = np.kron(np.ones((5, 1)), np.eye(3)) / np.sqrt(5)
    noise = np.random.default_rng(seed).normal(size=(15, 12))
    inside = np.linalg.qr(noise - shifts @ (shifts.T @ noise))[0]
    return (inside * np.asarray(values)) @ inside.T, inside


def test_the_softest_displacement_is_the_lowest_of_all_but_shifts():
    for seed in range(3):
        curvatures, inside = without_shifts([-3.0, *np.linspace(-2, 40, 11)], seed)
        value, along = relaxation.softest(ideal(), Harmonic(curvatures))
        assert value == pytest.approx(-3)
        assert abs(along.ravel() @ inside[:, 0]) == pytest.approx(1)
        np.testing.assert_allclose(relaxation.hessian(ideal(), Harmonic(curvatures)), curvatures, atol=1e-9)


def test_a_hessian_is_the_second_derivative_also_where_it_changes():
    """Forces −u³: the difference over ±h is h², not 0; and what they are not symmetric in is halved."""

    class Cubes(Harmonic):
        def calculate(self, atoms=None, properties=None, system_changes=None):
            super().calculate(atoms, properties, system_changes)
            u = (self.atoms.positions - ideal().positions).ravel()
            forces = -(u**3)
            forces[3] -= 0.4 * u[7]
            self.results["forces"] = forces.reshape(-1, 3)

    found = relaxation.hessian(ideal(), Cubes(np.eye(15)))
    expected = 1e-4 * np.eye(15)
    expected[3, 7] = expected[7, 3] = 0.2
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert relaxation.hessian(ideal(), Cubes(np.eye(15)), step=0.1)[0, 0] == pytest.approx(0.01)


def test_no_direction_is_softer_than_one_ev_per_square_angstrom_in_the_first_step():
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    sizes = np.array([-30.0, -0.5, 0.001, 0.9, 1.5, 40])
    found = relaxation.stiffened((turned * sizes) @ turned.T)
    np.testing.assert_allclose(found, (turned * [30, 1, 1, 1, 1.5, 40]) @ turned.T, atol=1e-12)


def test_four_random_starts_move_each_ion_by_less_than_a_tenth_of_an_angstrom_a_side():
    moved = np.stack([atoms.positions - ideal().positions for atoms in relaxation.random_starts(LATTICE)])
    assert moved.shape == (4, 5, 3)
    assert moved.std() == pytest.approx(0.08, rel=0.3)
    assert len(np.unique(moved.round(9))) == moved.size


@pytest.fixture
def begun(monkeypatch):
    """The relaxations that begin: calculator, positions, first Hessian, force and steps asked for."""
    seen = []

    class Told(ase.optimize.BFGS):
        def run(self, **asked):
            calculator = getattr(self.atoms, "calc", None)
            at, longest = self.atoms.positions.copy(), self.maxstep
            seen.append(SimpleNamespace(by=calculator, at=at, first=self.H0, longest=longest, **asked))
            return super().run(**asked)

    monkeypatch.setattr(ase.optimize, "BFGS", Told)
    monkeypatch.setattr(dft, "gpaw_version", lambda: "0")
    return seen


SOFT, _ = without_shifts([0.5, *[10.0] * 11])
STIFF, _ = without_shifts([1.5, *[10.0] * 11])


def soft_way():
    return np.linalg.eigh(SOFT + np.kron(np.ones((5, 5)), np.eye(3)) * 100)[1][:, 0].reshape(5, 3)


def test_from_a_soft_minimum_both_sides_are_tried_a_fifth_of_an_angstrom_away(begun):
    by_dft, quick = Harmonic(np.eye(15) * 8, -40.0), Harmonic(SOFT)
    found = relaxation.relax(LATTICE, by_dft, quick, begin=[ideal()])
    pushed = [one.at - ideal().positions for one in begun if one.by is by_dft][1:]
    assert len(pushed) == 2
    np.testing.assert_allclose(pushed[0], -pushed[1], atol=1e-9)
    np.testing.assert_allclose(np.abs(pushed[0]), 0.2 * np.abs(soft_way()), atol=1e-6)
    assert found["branches"][0]["curvature"] == pytest.approx(0.5)
    assert found["starts"] == "potential, then DFT"
    del begun[:]
    relaxation.relax(LATTICE, by_dft, Harmonic(STIFF), begin=[ideal()])
    assert len(begun) == 2, "a stiff minimum is left alone: one relaxation by each"


def test_from_a_saddle_one_side_is_enough_and_it_is_the_lowest_state_that_is_left(begun):
    class Double(Harmonic):
        """Two equal minima along the soft way, 0.1 Å to its sides; across it a bowl."""

        def calculate(self, atoms=None, properties=None, system_changes=None):
            super().calculate(atoms, properties, system_changes)
            way, u = soft_way(), self.atoms.positions - ideal().positions
            s = float((u * way).sum())
            across = u - s * way
            energy = 5 * (across**2).sum() + 2 * ((s / 0.1) ** 4 / 4 - (s / 0.1) ** 2 / 2) * 0.1**2
            slope = 2 * ((s / 0.1) ** 3 - s / 0.1) * 0.1
            self.results = {"energy": -40 + float(energy), "forces": -10 * across - slope * way}

    by_dft = Double(np.eye(15))
    found = relaxation.relax(LATTICE, by_dft, Harmonic(SOFT), begin=[ideal()])
    assert len([one for one in begun if one.by is by_dft]) == 2, "the saddle, and one side of it"
    assert found["branches"][0]["energy"] == pytest.approx(-40 - 0.5 * 0.1**2, abs=1e-4)


def test_it_is_the_lowest_state_whose_sides_are_tried(begun):
    """Ti has two minima along x, the one at +0.4 Å lower by 2 meV; an oxygen is soft along y by the potential."""

    class Two(Calculator):
        implemented_properties = ("energy", "forces")

        def __init__(self, across):
            super().__init__()
            self.across = across

        def calculate(self, atoms=None, properties=None, system_changes=None):
            super().calculate(atoms, properties, system_changes)
            u = self.atoms.positions - ideal().positions
            right = u[1, 0] > 0
            rest = np.zeros((5, 3))
            rest[1, 0] = 0.4 if right else -0.4
            k = np.full((5, 3), 8.0)
            k[2, 1] = self.across
            self.results = {
                "energy": float((k * (u - rest) ** 2).sum() / 2) - 0.002 * right,
                "forces": -k * (u - rest),
            }

    begin = []
    for x in (-0.3, 0.3):
        begin.append(ideal())
        begin[-1].positions[1, 0] += x
    by_dft = Two(8.0)
    relaxation.relax(LATTICE, by_dft, Two(-1.375), begin=begin)  # 4 (k − λ) + 8 − λ = 0 without shifts: λ = 0.5
    first, second, *pushed = [one.at[1, 0] - ideal().positions[1, 0] for one in begun if one.by is by_dft]
    assert (first, second) == (pytest.approx(-0.4, abs=2e-3), pytest.approx(0.4, abs=2e-3))
    assert len(pushed) == 2
    assert min(pushed) > 0.3


def test_dft_begins_with_the_potentials_hessian_and_the_potential_with_none(begun):
    by_dft, quick = Harmonic(np.eye(15) * 8), Harmonic(STIFF)
    relaxation.relax(LATTICE, by_dft, quick, begin=[ideal()])
    first, then = begun
    assert (first.by, then.by) == (quick, by_dft)
    assert (first.fmax, first.steps, then.fmax, then.steps) == (0.015, 200, 0.015, 40)
    assert then.longest == 0.08, "Å, so that no step of DFT is a wild one"
    np.testing.assert_allclose(then.first, relaxation.stiffened(STIFF), atol=1e-6)
    del begun[:]
    relaxation.relax(LATTICE, by_dft, None, begin=[ideal()])
    np.testing.assert_allclose(begun[0].first, 70 * np.eye(15))  # that of ASE


def resting(energy, positions, forces, **info):
    atoms = ideal()
    atoms.positions = positions
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
    atoms.info = info
    return atoms


class Ended:
    """In place of BFGS: every start ends in the next of these states."""

    ends: ClassVar[list] = []

    def __init__(self, atoms, **_):
        made = self.ends.pop(0)
        atoms.positions, atoms.calc = made.positions, made.calc
        bands = np.array([-5.0] * (dft.VALENCE - 1) + [0.0, made.info["gap"], 9.0])
        atoms.calc.get_ibz_k_points, atoms.calc.get_eigenvalues = lambda: [0], lambda kpt: bands

    def run(self, **_):
        pass


def test_figures_of_states_are_those_of_the_run_in_as_many_digits_as_are_told(monkeypatch):
    rng = np.random.default_rng(3)
    places = ideal().positions + rng.normal(0, 0.1, (5, 3))
    places[0] = (-0.123456789, -0.2, -0.3)  # across the cell's faces
    forces = rng.normal(0, 0.003, (5, 3))
    ends = [resting(-40.12345678, places, forces, gap=1.23456789)]
    ends.append(resting(-40.11111111, ideal().positions, 0 * forces, gap=1.0))
    monkeypatch.setattr(Ended, "ends", ends)
    monkeypatch.setattr(ase.optimize, "BFGS", Ended)
    monkeypatch.setattr(dft, "gpaw_version", lambda: "0")
    first, second = relaxation.relax(LATTICE, None, begin=[ideal(), ideal()])["branches"]
    assert (first["above"], second["above"]) == (0.0, 0.01235)
    assert (first["energy"], second["energy"]) == (-40.123457, -40.111111)
    assert (first["gap"], first["direct"]) == (1.23457, 1.23457)
    assert first["force"] == round(float(max(np.sqrt((forces**2).sum(1)))), 5)
    assert first["forces"] == [[round(value, 5) for value in row] for row in forces.tolist()]
    moved = places - ideal().positions
    moved = moved - moved.mean(0)
    assert first["displacement"] == round(float(np.sqrt((moved**2).sum() / 5)), 4)
    assert first["sites"] == [[round(value / 3.95, 7) for value in row] for row in places.tolist()]
    assert first["sites"][0][0] == -0.0312549
    assert first["curvature"] is None


def test_the_curvature_is_told_to_four_digits(begun):
    curvatures, _ = without_shifts([1.23456789, *[10.0] * 11])
    found = relaxation.relax(LATTICE, Harmonic(np.eye(15) * 8), Harmonic(curvatures), begin=[ideal()])
    assert found["branches"][0]["curvature"] == 1.2346


def test_a_file_of_a_state_holds_its_figures(monkeypatch):
    state = {
        "above": 0.01235, "gap": 1.23457, "direct": 1.5, "energy": CUBIC_ENERGY - 0.1234567, "force": 0.01,
        "forces": [[0.001, -0.002, 0.003]] * 5, "displacement": 0.1, "space_group": "P1 (1)", "sites": dft.SITES,
    }  # fmt: skip
    result = {"branches": [state, state], "provenance": {"code": "GPAW"}}
    written = relaxation.files([LATTICE, LATTICE], [None, result], [3, 5])
    assert list(written) == ["srtio3-5-relaxed-0.cif", "srtio3-5-relaxed-1.cif"]
    lines = written["srtio3-5-relaxed-1.cif"].decode().splitlines()
    told = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# ") and ": " in line)
    assert (told["sample"], told["branch"], told["gap"], told["above_eV_per_cell"]) == ("5", "1", "1.23457", "0.01235")
    assert told["delta_e_eV_per_cell"] == "-0.123457"
    assert told["provenance"].endswith('; ions relaxed; {"code": "GPAW"}')
    assert f"_ipage_total_energy_eV   {CUBIC_ENERGY - 0.1234567:.6f}" in lines
    assert "  O3  0.00100  -0.00200  0.00300" in lines


@pytest.mark.parametrize("quick", [None, object()])
def test_what_has_been_relaxed_is_kept_for_this_potential(monkeypatch, tmp_path, quick):
    state = {
        "above": 0.0, "gap": 1.0, "direct": 1.5, "energy": CUBIC_ENERGY, "force": 0.01, "forces": [[0.0] * 3] * 5,
        "displacement": 0.1, "space_group": "P1 (1)", "curvature": None, "sites": [[0.0] * 3] * 5,
    }  # fmt: skip
    kept = {"branches": [state], "starts": "DFT alone", "failed": [], "provenance": {}}
    other = LATTICE + 0.01
    asked = []

    def relax(lattice, calculator, potential):
        asked.append((calculator, potential))
        return kept if lattice == LATTICE.tolist() else {**kept, "branches": []}

    monkeypatch.setenv(dft.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(dft, "gpaw_version", lambda: "0")
    monkeypatch.setattr(relaxation, "gpaw", lambda: "GPAW")
    monkeypatch.setattr(relaxation, "potential", lambda: quick)
    monkeypatch.setattr(relaxation, "relax", relax)
    assert relaxation.work({"lattice": LATTICE.tolist()}) == kept
    assert relaxation.work({"lattice": other.tolist()})["branches"] == []
    assert asked == [("GPAW", quick)] * 2
    for installed in (True, False):
        monkeypatch.setattr(relaxation, "find_spec", lambda name, there=installed: object() if there else None)
        found = relaxation.cached([LATTICE, other])
        assert found == ([kept, None] if installed is (quick is not None) else [None, None])


def test_only_lattices_that_are_not_kept_are_relaxed(monkeypatch):
    kept = {"branches": [], "failed": ["old"]}
    lattices = np.stack([LATTICE + k for k in range(4)])
    monkeypatch.setattr(dft, "require", lambda: None)
    monkeypatch.setattr(relaxation, "cached", lambda x: [None, kept, None, None])
    monkeypatch.setattr(relaxation, "cores", lambda: 2)
    asked = []

    def run(work, items, journal, workers, **where):
        asked.append((items, workers))
        return {key: {"branches": [], "failed": [key]} for key, _ in items[:2]}  # the last one was cancelled

    monkeypatch.setattr(relaxation.executor, "run", run)
    found = relaxation.many(lattices)
    assert [one and one["failed"] for one in found] == [["0"], ["old"], ["2"], None]
    assert [(key, item["lattice"]) for key, item in asked[0][0]] == [(str(k), lattices[k].tolist()) for k in (0, 2, 3)]
    assert asked[0][1] == 2
    relaxation.many(lattices, workers=7)
    assert asked[1][1] == 7
    monkeypatch.setattr(relaxation, "cores", lambda: 16)
    relaxation.many(lattices)
    assert asked[2][1] == 3, "no more processes than lattices"


def test_the_potential_runs_silently_on_the_processor(monkeypatch):
    asked = {}
    dynamics = ModuleType("chgnet.model.dynamics")
    dynamics.CHGNetCalculator = lambda **settings: asked.update(settings)
    for name in ("chgnet", "chgnet.model"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "chgnet.model.dynamics", dynamics)
    monkeypatch.setattr(relaxation, "find_spec", lambda name: object())
    relaxation.potential()
    assert asked == {"use_device": "cpu", "verbose": False}
