"""The claims about data/crystal are true."""

import hashlib
import re

import numpy as np
import pytest
import torch

from ipage_core.tasks.crystal import dft, lattices
from ipage_core.tasks.crystal.strain import CUBIC_ENERGY, largest_strain, tensor


@pytest.fixture(scope="module")
def data():
    return lattices.read()


@pytest.fixture(scope="module")
def rows():
    return lattices.read_rows()


@pytest.fixture(scope="module")
def readme():
    return lattices.DATA.with_name("README.md").read_text()


def test_every_row_is_its_point_of_the_sequence(rows):
    i = [row["i"] for row in rows]
    assert i == sorted(set(i)), "a row is there twice"
    stored = np.array([[row[name] for name in lattices.NAMES] for row in rows])
    assert (stored == lattices.design(2**13)[i]).all()


def test_no_number_is_missing(data, rows):
    assert len(data.i) == len(rows) - len(data.card["failed"])
    for row in rows:
        absent = {name for name, value in row.items() if value is None}
        if row["fail"] is None:
            assert absent in ({"fail"}, {"fail", "valence", "conduction"})
            assert row["occupations"] in ("fixed-uniform", "fermi-dirac-0.05")
        else:
            assert row["gap"] is row["direct"] is row["energy"] is None
    for column in (data.gap, data.direct, data.energy):
        assert np.isfinite(column).all()


def test_gaps_are_where_they_must_be(data):
    """Within the known range of the box; the direct gap is never the smaller one."""
    assert -0.3 < data.gap.min() < 0.1
    assert 2.0 < data.gap.max() < 2.4
    assert (data.direct >= data.gap).all()
    # Angles dominate the gap in this box.
    assert np.corrcoef(data.gap, ((data.lattice[:, 3:] - 90) ** 2).sum(axis=1))[0, 1] < -0.8


def test_the_energy_of_the_cubic_crystal_is_where_energies_of_strained_ones_lead(data):
    """Energy as a cubic crystal's polynomial of third order in the strain, by the rows of less than 8 %."""
    x = torch.from_numpy(data.lattice)
    near = largest_strain(x).numpy() < 0.08
    strain = tensor(x).numpy()[near]
    axial, shear = strain[:, range(3), range(3)], strain[:, (0, 0, 1), (1, 2, 2)]
    t, q, s = axial.sum(1), (axial**2).sum(1), (shear**2).sum(1)
    terms = np.stack((np.ones_like(t), t**2, q, s, t**3, t * q, t * s, (axial**3).sum(1)), axis=1)
    fitted = np.linalg.lstsq(terms, data.energy[near], rcond=None)[0]
    assert len(terms) == 50
    assert fitted[0] == pytest.approx(CUBIC_ENERGY, abs=0.02)


def test_band_edges_agree_with_gap_and_k_points(rows, data):
    assert np.array_equal(data.card["k_points"], dft.irreducible())
    valence, conduction = data.edges[:, 0], data.edges[:, 1]
    known = np.isfinite(valence[:, 0])
    assert known.any()
    with np.errstate(invalid="ignore"):
        off = conduction.min(axis=1) - valence.max(axis=1) - data.gap
        direct = (conduction - valence).min(axis=1) - data.direct
    assert np.abs(off[known]).max() < 2e-4
    assert np.abs(direct[known]).max() < 2e-4
    k = dft.irreducible().tolist()
    for row in (row for row in rows if row["valence"] is not None and row["fail"] is None):
        # Edges are rounded to 1e-4 eV, so two k-points may tie.
        assert row["valence"][k.index(row["vbm"])] == max(row["valence"])
        assert row["conduction"][k.index(row["cbm"])] == min(row["conduction"])


def test_the_card_and_the_readme_describe_this_file(data, rows, readme):
    assert data.card["n"] == len(rows)
    assert data.card["seed"] == lattices.SEED
    assert dft.Settings(**data.card["operator"]) == dft.STANDARD
    assert lattices.summary() in readme, "run: python -m ipage_core dataset crystal --merge JOURNAL"
    assert hashlib.sha256(lattices.DATA.read_bytes()).hexdigest() in readme
    for name in rows[0]:
        assert f"`{name}`" in readme, f"column {name} is not explained"
    for i in data.card["failed"]:
        assert re.search(rf"row {i} failed", readme)
