"""Files of strained silicon: which numbers they hold, from where, to how many digits, and what is missing."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from ase.cell import Cell
from ase.io import read

from ipage_core.networks.store import ModelUnavailable
from ipage_core.tasks.silicon import constraints, export, operator

STRAIN = [0.0112345678, 0.01, -0.0212345678, 0.0, 0.003, 0.005]
RESULT = {
    **{"gap": 0.301, "direct": 2.3, "energy": -10.7712345, "pressure": 0.4, "valley": "D1", "shift": [0, 0.01, -0.03]},
    **{"stress": [0.1, 0, 0, 0.2, 0, 0], "force": 0.004, "steps": 2, "provenance": {"code": "GPAW"}},
}


class Thirds:
    def properties(self, x):
        return torch.stack((x[:, 0], 1 / 3 + 0 * x[:, 0], 2 / 3 + 0 * x[:, 0], 7 + x[:, 0]), 1)


def written(monkeypatch, frame, results, surrogate=Thirds):
    """The files' atoms in extended XYZ."""
    monkeypatch.setattr(operator, "cached", lambda x: results)
    monkeypatch.setattr(constraints, "surrogate", surrogate)
    files = export.files(frame, "extxyz")
    return {name: read(io.StringIO(content.decode()), format="extxyz") for name, content in files.items()}


def rows(*about):
    return pd.DataFrame([{**one, **{f"x{j + 1}": e for j, e in enumerate(STRAIN)}} for one in about])


def test_a_file_says_what_its_row_says_and_leaves_out_what_it_does_not(monkeypatch):
    frame = rows(
        {"sample": 3, "stage": "lm", "target1": 0.3, "surrogate1": 0.31, "low1": 0.29, "high1": 0.33, "rank": 2},
        {"sample": 4, "stage": None, "target1": np.nan, "surrogate1": 0.32, "rank": 1},
    )
    files = written(monkeypatch, frame, [None, None])
    assert list(files) == ["si-3.extxyz", "si-4.extxyz"]
    first, second = (atoms.info for atoms in files.values())
    numbers = {"target_gap_eV": 0.3, "surrogate_gap_eV": 0.31, "surrogate_gap_low_eV": 0.29}
    numbers |= {"surrogate_gap_high_eV": 0.33, "sample": 3, "rank": 2}
    assert {name: first[name] for name in numbers} == numbers
    assert first["stage"] == "lm"
    strain = {"e11": 0.011235, "e22": 0.01, "e33": -0.021235, "e23": 0.0, "e13": 0.003, "e12": 0.005}
    assert {name: first[name] for name in strain} == strain
    assert first["unstrained_lattice_constant_A"] == 5.469
    assert (second["sample"], second["surrogate_gap_eV"], second["rank"]) == (4, 0.32, 1)
    absent = {"target_gap_eV", "stage", "surrogate_gap_low_eV", "surrogate_gap_high_eV", "family"}
    assert not absent & set(second)
    assert "family" not in first


def test_a_cif_has_lengths_and_angles_of_the_strained_cell(monkeypatch):
    monkeypatch.setattr(operator, "cached", lambda x: [None])
    monkeypatch.setattr(constraints, "surrogate", Thirds)
    (content,) = export.files(rows({"sample": 0}), "cif").values()
    e11, e22, e33, e23, e13, e12 = STRAIN
    stretched = np.eye(3) + np.array([[e11, e12, e13], [e12, e22, e23], [e13, e23, e33]])
    right = Cell(operator.structure([0.0] * 6).cell.array @ stretched).cellpar()
    assert np.ptp(right[3:]) > 1  # so that no two angles can be exchanged
    assert read(io.BytesIO(content), format="cif").cell.cellpar() == pytest.approx(right, abs=1e-5)


def test_values_of_a_table_become_plain_numbers(monkeypatch):
    kept = []
    monkeypatch.setattr(operator, "cached", lambda x: [None])
    monkeypatch.setattr(constraints, "surrogate", Thirds)
    monkeypatch.setitem(export.FORMATS, "extxyz", lambda atoms, name: kept.append((atoms.info, name)) or b"")
    frame = rows({"sample": 3, "surrogate1": 0.25}).astype({"sample": object})
    frame.at[0, "sample"] = np.int64(3)
    export.files(frame, "extxyz")
    [(info, name)] = kept
    assert name == "Si"
    assert (type(info["sample"]), type(info["surrogate_gap_eV"])) == (int, float)


def test_predictions_are_the_surrogates_to_six_digits_unless_there_is_none(monkeypatch):
    [atoms] = written(monkeypatch, rows({"sample": 0}), [None]).values()
    assert atoms.info["surrogate_gap_eV"] == 0.011235
    assert atoms.info["surrogate_direct_gap_eV"] == 0.333333
    assert atoms.info["surrogate_elastic_energy_eV_per_atom"] == 0.666667

    def missing():
        raise ModelUnavailable("no file")

    files = written(monkeypatch, rows({"sample": 0}, {"sample": 1}), [None, None], missing)
    assert len(files) == 2
    assert not any(name.startswith("surrogate") for atoms in files.values() for name in atoms.info)


def test_a_file_says_whether_its_atoms_are_relaxed(monkeypatch):
    about = [{"sample": i} for i in range(4)]
    results = [None, {"fail": "it broke"}, RESULT, {**RESULT, "forces": [[0, 0, -0.004], [0, 0, 0.004]]}]
    guess, failed, relaxed, forced = written(monkeypatch, rows(*about), results).values()
    for atoms, shift in ((guess, None), (failed, None), (relaxed, RESULT["shift"]), (forced, RESULT["shift"])):
        reference = operator.structure(STRAIN, shift)
        assert atoms.positions == pytest.approx(reference.positions, abs=1e-7)
        assert atoms.cell.array == pytest.approx(reference.cell.array, abs=1e-7)
        assert bool(atoms.info["relaxed"]) == (shift is not None)
        assert ("not relaxed" in atoms.info["provenance"]) == (shift is None)
        assert ("dft_gap_eV" in atoms.info) == (shift is not None)
    assert "DFT failed" not in guess.info["provenance"]
    assert "(DFT failed: it broke)" in failed.info["provenance"]
    assert "0.33 GPa of the pressure" in relaxed.info["provenance"]
    assert guess.calc is failed.calc is None
    assert relaxed.info["dft_elastic_energy_eV_per_atom"] == 0.004085  # (10.779405 − 10.7712345) / 2
    assert relaxed.info["dft_lowest_valley_axis"] == 2
    assert "forces" not in relaxed.calc.results
    assert forced.get_forces()[1].tolist() == [0, 0, 0.004]
    assert forced.get_stress() == pytest.approx(np.array(RESULT["stress"]) / 160.2176621, rel=1e-6)
