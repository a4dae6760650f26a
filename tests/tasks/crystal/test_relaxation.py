"""Relaxed SrTiO₃ cells: starts converge, states are distinguished, a saddle is reported, files hold the results."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from ase.calculators.calculator import Calculator
from ase.io import read

from ipage_core.cli.main import main
from ipage_core.tasks.crystal import dft, relaxation
from ipage_core.tasks.crystal.box import BOUNDS
from ipage_core.tasks.crystal.strain import CUBIC_ENERGY

LATTICE = np.array([3.95, 3.95, 3.95, 90, 90, 90])


class Wells(Calculator):
    """Ti in a well of four kinds of minima along the diagonals, two of them ``apart`` [eV] higher; O on springs."""

    implemented_properties = ("energy", "forces")

    def __init__(self, apart=0.01, depth=1.0):
        super().__init__()
        self.apart, self.depth = apart, depth

    def calculate(self, atoms=None, properties=None, system_changes=None):
        super().calculate(atoms, properties, system_changes)
        cell = self.atoms.cell.array
        ideal = np.array(dft.SITES) @ cell
        moved = self.atoms.positions - ideal
        moved = moved - moved[0]  # against Sr: a shift of all atoms costs nothing
        u, r = moved[1], 0.1
        k = self.depth / r**2
        tilt = self.apart / (4 * r**2)
        energy = k * (-(u**2).sum() / 2 + (u**4).sum() / (4 * r**2)) - tilt * u[0] * u[1]
        on_ti = k * (u - u**3 / r**2) + tilt * np.array([u[1], u[0], 0])
        forces = np.zeros((5, 3))
        forces[1] = on_ti
        forces[2:] = -5 * moved[2:]
        forces[0] = -forces[1:].sum(0)
        energy += 2.5 * (moved[2:] ** 2).sum()
        self.results = {"energy": float(energy), "forces": forces}


@pytest.mark.parametrize("quick", [None, Wells()])
def test_states_within_20_mev_are_told_and_others_are_not(quick):
    near = relaxation.relax(LATTICE, Wells(apart=0.01), quick)
    assert len(near["branches"]) == 2
    assert near["branches"][1]["above"] == pytest.approx(0.005, abs=5e-4)
    assert near["failed"] == []
    assert all(branch["force"] <= relaxation.FORCE for branch in near["branches"])
    assert len(relaxation.relax(LATTICE, Wells(apart=0.2), None)["branches"]) == 1


def test_the_curvature_tells_a_minimum_from_a_saddle():
    result = relaxation.relax(LATTICE, Wells(), Wells())
    assert result["branches"][0]["curvature"] > 0
    ideal = relaxation.structure(LATTICE, {})
    assert relaxation.softest(ideal, Wells())[0] < -100


class Springs(Calculator):
    """All ions on springs of 10 eV/Å², but Ti along x: on one of ``soft``, or in two minima at ±0.1 Å, 1 meV deep."""

    implemented_properties = ("energy", "forces")

    def __init__(self, soft=None):
        super().__init__()
        self.soft = soft

    def calculate(self, atoms=None, properties=None, system_changes=None):
        super().calculate(atoms, properties, system_changes)
        moved = self.atoms.positions - np.array(dft.SITES) @ self.atoms.cell.array
        moved -= moved[0]
        along, r, deep = moved[1, 0], 0.1, 1e-3
        forces, energy = -10 * moved, 5 * (moved**2).sum() - 5 * along**2
        if self.soft:
            energy, forces[1, 0] = energy + self.soft / 2 * along**2, -self.soft * along
        else:
            ratio = (along / r) ** 2
            energy, forces[1, 0] = energy + deep * (ratio**2 - 2 * ratio), -4 * deep / r**2 * along * (ratio - 1)
        forces[0] = -forces[1:].sum(0)
        self.results = {"energy": float(energy), "forces": forces}


@pytest.mark.parametrize(("soft", "gain"), [(0.5, -1e-3), (1.5, 0.0)])
def test_a_soft_state_of_the_potential_is_left_to_both_sides(soft, gain):
    ideal = Springs()
    ideal.calculate(relaxation.structure(LATTICE, {}))
    result = relaxation.relax(LATTICE, Springs(), Springs(soft))
    assert result["failed"] == []
    assert result["branches"][0]["energy"] - ideal.results["energy"] == pytest.approx(gain, abs=2e-4)


def test_the_softest_displacement_and_the_first_hessian():
    value, along = relaxation.softest(relaxation.structure(LATTICE, {}), Springs(0.5))
    ti_against_the_others = np.zeros((5, 3))
    ti_against_the_others[:, 0] = np.array([-1, 4, -1, -1, -1]) / np.sqrt(20)
    assert 0.4 < value < 0.7
    assert abs((along * ti_against_the_others).sum()) > 0.9
    assert np.abs(along.sum(0)).max() < 1e-9
    first = relaxation.stiffened(np.diag([-30.0, 0.001, 5.0]))
    assert np.allclose(first, np.diag([30.0, relaxation.SOFTEST, 5.0]))


def test_random_starts_are_the_same_in_every_run():
    one, other = (np.stack([atoms.positions for atoms in relaxation.random_starts(LATTICE)]) for _ in range(2))
    assert (one == other).all()
    moved = one - relaxation.structure(LATTICE, {}).positions
    assert len(one) == relaxation.NOISY
    assert moved.std() == pytest.approx(relaxation.NOISE, rel=0.3)


def test_a_start_that_fails_is_told_and_the_others_go_on():
    class Broken(Wells):
        def calculate(self, atoms=None, properties=None, system_changes=None):
            super().calculate(atoms, properties, system_changes)
            if self.results["forces"][1][0] < -1e9 or self.atoms.positions[1, 0] < 1.9:
                raise RuntimeError("no convergence")

    result = relaxation.relax(LATTICE, Broken(), None)
    assert len(result["failed"]) == 1
    assert "no convergence" in result["failed"][0]
    assert result["branches"]


def test_columns_and_files_hold_the_branches(monkeypatch):
    monkeypatch.setattr(dft, "gpaw_version", lambda: "0")
    result = relaxation.relax(LATTICE, Wells(), Wells())
    for branch, gap in zip(result["branches"], (2.0, 2.1), strict=True):
        branch["gap"], branch["energy"] = gap, CUBIC_ENERGY - 0.3
    frame = relaxation.table(np.stack([LATTICE] * 2), [result, None])
    assert frame["relaxed_gap"][0] == 2.0
    assert frame["relaxed_gap_spread"][0] == pytest.approx(0.1)
    assert frame["relaxed_delta_e"][0] == pytest.approx(-0.3)
    assert frame["relaxed_branches"].tolist() == [2, 0]
    assert frame["relaxed_failed"][1] == "cancelled"
    written = relaxation.files(LATTICE[None], [result], [4])
    assert list(written) == ["srtio3-4-relaxed-0.cif", "srtio3-4-relaxed-1.cif"]
    atoms = read(io.StringIO(written["srtio3-4-relaxed-0.cif"].decode()), format="cif")
    assert atoms.cell.cellpar() == pytest.approx(LATTICE)
    moved = relaxation.structure(LATTICE, {})
    moved.set_scaled_positions(result["branches"][0]["sites"])
    assert atoms.get_all_distances(mic=True) == pytest.approx(moved.get_all_distances(mic=True), abs=1e-5)


def test_verify_relaxes_the_final_designs_alone(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv(dft.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(dft, "require", lambda: None)
    monkeypatch.setattr(dft, "gpaw_version", lambda: "0")
    monkeypatch.setattr(dft, "gaps", lambda x, **_: [{"gap": 0.5, "direct": 0.6, "energy": CUBIC_ENERGY}] * len(x))
    monkeypatch.setattr(relaxation, "gpaw", Wells)
    monkeypatch.setattr(relaxation, "potential", lambda: None)
    for module in (dft, relaxation):  # 0 workers: in this process, where the stand-ins are
        monkeypatch.setattr(module, "cores", lambda: 0)
    middle = BOUNDS.mean(0)
    rows = [{"sample": 0, "stage": stage, **{f"x{j + 1}": v for j, v in enumerate(middle)}} for stage in ("p", "l")]
    pd.DataFrame(rows).to_csv(tmp_path / "d.csv", index=False)
    line = ["verify", "crystal", str(tmp_path / "d.csv"), "--out", str(tmp_path / "v.csv"), "--relax"]
    assert main([*line, "--structures", str(tmp_path / "cif")]) in (0, None)
    found = pd.read_csv(tmp_path / "v.csv")
    assert found["relaxed_branches"].isna().tolist() == [True, False]
    assert len(list((tmp_path / "cif").iterdir())) == 2
    assert main(["verify", "sinewave", str(tmp_path / "d.csv"), "--out", str(tmp_path / "w.csv"), "--relax"]) == 2
    assert "no meaning" in capsys.readouterr().err


class Stuck(Calculator):
    """Never comes to rest: every start that reaches it is told as failed."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=None, system_changes=None):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": 0.0, "forces": np.full((5, 3), 1.0)}


@pytest.mark.parametrize(("quick", "left"), [(None, 4), (Wells(apart=0.01), 2), (Wells(apart=0.0), 1)])
def test_dft_continues_one_start_of_each_state_of_the_potential(monkeypatch, quick, left):
    monkeypatch.setattr(relaxation, "STEPS", 1)
    monkeypatch.setattr(dft, "gpaw_version", lambda: "0")
    result = relaxation.relax(LATTICE, Stuck(), quick)
    assert len(result["failed"]) == left
    assert "a force of 1.732 eV/Å is left after 1 steps" in result["failed"][0]


def test_the_potentials_version_is_told_where_it_has_run(monkeypatch):
    monkeypatch.setattr(dft, "gpaw_version", lambda: "0")
    monkeypatch.setattr(relaxation, "version", lambda name: f"{name} 1.2")
    monkeypatch.setattr(relaxation, "find_spec", lambda name: object())
    assert relaxation.provenance(Wells())["starts"] == "4 body diagonals and 4 random, by CHGNet chgnet 1.2"
    assert relaxation.provenance(None)["starts"] == "4 body diagonals"
    monkeypatch.setattr(relaxation, "find_spec", lambda name: None)
    assert relaxation.provenance(Wells())["starts"] == "4 body diagonals and 4 random, by CHGNet "
    assert relaxation.potential() is None
    assert relaxation.provenance(None)["convergence"] == "density 1e-5, eigenstates 1e-7, force 0.015 eV/A"


def test_the_relaxation_asks_for_the_settings_of_the_static_gaps(monkeypatch):
    asked = {}
    monkeypatch.setitem(sys.modules, "gpaw", SimpleNamespace(GPAW=lambda **settings: asked.update(settings)))
    monkeypatch.setattr(dft, "require", lambda: None)
    relaxation.gpaw()
    assert asked["mode"] == {"name": "pw", "ecut": dft.STANDARD.ecut}
    assert asked["gpts"] == (dft.STANDARD.grid,) * 3
    assert np.array_equal(asked["kpts"], dft.k_points())
    assert asked["occupations"] == {"name": "fermi-dirac", "width": 0.02}
    assert asked["convergence"] == {"density": 1e-5, "eigenstates": 1e-7, "bands": 21}  # 20 valence bands, and one
    assert asked["symmetry"] == {"point_group": False}
    assert asked["nbands"] == 24
    assert asked["maxiter"] == 120
