"""SrTiO₃ without DFT: known levels, keys of caches, ranks of final designs, and cells beyond the box."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from ipage_core.tasks.crystal import dft, families, relaxation
from ipage_core.tasks.crystal.box import BOUNDS
from ipage_core.tasks.crystal.export import structure
from ipage_core.tasks.crystal.seed import read
from ipage_core.tasks.structures import cif

CUBIC = [3.95, 3.95, 3.95, 90.0, 90.0, 90.0]


class Levels:
    """GPAW's calculator after an SCF, with two k-points of 24 levels, a tenth of an eV apart."""

    k = np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]])

    def get_ibz_k_points(self):
        return self.k

    def get_eigenvalues(self, kpt):
        levels = 0.1 * np.arange(24.0)
        levels[20:] += (2.0, 3.0)[kpt]  # 20 levels are occupied
        return levels + (0.0, 0.5)[kpt]

    def get_number_of_iterations(self):
        return 7


def test_the_gap_is_above_twenty_occupied_bands(monkeypatch):
    monkeypatch.setattr(dft, "ground_state", lambda lattice, settings, occupations: (Levels(), -39.0))
    found = dft.solve(np.array(CUBIC), dft.STANDARD, dft.OCCUPATIONS[0])
    assert found["vbm"] == [0.5, 0.5, 0.5]  # 1.9 + 0.5 eV
    assert found["cbm"] == [0, 0, 0]  # 2.0 + 2.0 eV
    assert found["gap"] == pytest.approx(4.0 - 2.4)
    assert found["direct"] == pytest.approx(2.1)  # at Γ: 4.0 − 1.9; at R 3.1
    assert found["edges"] == [[1.9, 2.4], [4.0, 5.5]]


@pytest.fixture
def gpaw_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv(dft.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(dft, "require", lambda: None)
    monkeypatch.setattr(dft, "gpaw_version", lambda: "here")


@pytest.mark.parametrize("settings", [dft.STANDARD, dft.STANDARD._replace(ecut=700)])
def test_a_result_of_another_machine_is_kept_under_its_version_of_gpaw_and_settings(
    gpaw_elsewhere, monkeypatch, settings
):
    result = {"gap": 1.0, "gpaw": "there"}

    def run(work, items, journal, *, progress, **how):
        progress(dft.cluster.Progress(1, 1, None, "0", dict(result)))
        return {}

    monkeypatch.setattr(dft.cluster, "run", run)
    dft.gaps([CUBIC], settings, scheduler="tcp://there:1")
    (file,) = dft.cache_folder().glob("*.json")
    assert file == dft.cache_file(np.array(CUBIC), settings, "there")
    assert json.loads(file.read_text()) == {"gap": 1.0}


def test_every_setting_has_results_of_its_own_in_the_cache():
    changed = [dft.STANDARD._replace(**{name: 2 * value}) for name, value in dft.STANDARD._asdict().items()]
    files = {dft.cache_file(np.array(CUBIC), settings, "0") for settings in (dft.STANDARD, *changed)}
    assert len(files) == 1 + len(dft.STANDARD)
    assert dft.cache_file(np.array(CUBIC), dft.STANDARD, "1") not in files


def test_a_result_is_found_with_its_own_settings_alone(gpaw_elsewhere):
    fine, k = dft.STANDARD._replace(ecut=700), [0.0, 0.0, 0.0]
    result = {
        "gap": 1.8, "direct": 2.1, "vbm": k, "cbm": k, "energy": -40.0, "iterations": 11,
        "occupations": dft.OCCUPATIONS[0], "edges": [[1.0], [2.8]], "cpu_s": 3.1,
    }  # fmt: skip
    dft.keep(dft.cache_file(np.array(CUBIC), fine), result)
    assert dft.cached([CUBIC], fine) == [result]
    assert dft.cached([CUBIC]) == [None]


@pytest.fixture
def relaxed(gpaw_elsewhere, monkeypatch):
    """→ the function that relaxes the cubic cell, with a potential or without, to one state."""
    state = {"above": 0.0, "gap": 1.0, "direct": 1.0, "energy": -39.0, "force": 0.01, "forces": [[0.0] * 3] * 5}
    state |= {
        "displacement": 0.0,
        "space_group": "",
        "curvature": None,
        "sites": [list(map(float, s)) for s in dft.SITES],
    }
    result = {"branches": [state], "starts": "4", "failed": [], "provenance": {}}
    monkeypatch.setattr(relaxation, "relax", lambda lattice, calculator, quick: result)
    monkeypatch.setattr(relaxation, "gpaw", lambda: None)

    def work(potential):
        monkeypatch.setattr(relaxation, "potential", lambda: potential)
        monkeypatch.setattr(relaxation, "find_spec", lambda name: potential)
        relaxation.work({"lattice": CUBIC})
        assert relaxation.cached([CUBIC]) == [result]

    return work


def test_relaxed_states_of_another_force_are_not_taken_from_the_cache(relaxed, monkeypatch):
    relaxed(None)
    monkeypatch.setattr(relaxation, "FORCE", 0.5 * relaxation.FORCE)
    assert relaxation.cached([CUBIC]) == [None]


def test_states_relaxed_without_the_potential_are_not_those_with_it(relaxed, monkeypatch):
    relaxed(None)
    monkeypatch.setattr(relaxation, "find_spec", lambda name: "there")
    assert relaxation.cached([CUBIC]) == [None]


@pytest.mark.parametrize("name", ["NOISY", "NOISE", "PUSH"])
def test_states_relaxed_from_other_starts_are_not_taken_from_the_cache(relaxed, monkeypatch, name):
    relaxed("CHGNet")
    monkeypatch.setattr(relaxation, name, 2 * getattr(relaxation, name))
    assert relaxation.cached([CUBIC]) == [None]


class Flat:
    """Predicts a gap of 0 for the cubic cell and 0.3 eV for every other one."""

    def properties(self, x):
        off = (x - torch.tensor(CUBIC).to(x)).abs().amax(1) > 1e-4
        return torch.stack((0.3 * off.to(x), off.to(x), off.to(x)), 1)

    def spread(self, x):
        return torch.zeros(len(x), 3)


def test_robustness_is_the_root_mean_square_over_all_perturbed_cells():
    assert families.robustness(Flat(), torch.tensor([CUBIC])).item() == pytest.approx(0.3, rel=1e-4)


def test_final_designs_alone_are_ranked(monkeypatch):
    rows = pd.DataFrame([CUBIC, [3.8, 3.95, 4.1, 90, 88, 90], CUBIC], columns=[f"x{j + 1}" for j in range(6)])
    rows = rows.assign(sample=[0, 0, 1], stage=["posterior", "localized", "localized"])
    monkeypatch.setattr("ipage_core.inference.methods.load", lambda *given: type("Method", (), {"surrogate": Flat()}))
    found = families.rank(rows, "s.csv")
    assert found["sample"].tolist() == [1, 0]  # the cubic cell has less energy
    assert set(found["stage"]) == {"localized"}


@pytest.mark.parametrize("length", [0.99 * BOUNDS[0, 0], 1.01 * BOUNDS[1, 0]])
def test_a_cell_below_the_box_is_refused_like_one_above(tmp_path, length):
    cell = [length, 3.95, 3.95, 90, 90, 90]
    (tmp_path / "own.cif").write_bytes(cif(structure(cell, {}), "SrTiO3"))
    with pytest.raises(ValueError, match="outside the box"):
        read(tmp_path / "own.cif")
