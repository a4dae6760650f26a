"""The claims about data/silicon are true."""

import json

import numpy as np
import pytest

from ipage_core.tasks.silicon import dataset, operator


@pytest.fixture(scope="module")
def rows():
    return dataset.read_rows()


def test_every_row_is_its_point_of_the_sequence(rows):
    i = [row["i"] for row in rows]
    assert i == sorted(set(i)), "a row is there twice"
    stored = np.array([[row[name] for name in dataset.NAMES] for row in rows])
    assert (stored == dataset.design(2**13)[i]).all()


def test_no_number_is_missing_and_failures_are_marked(rows):
    card = dataset.read().card
    assert card["n"] == len(rows)
    assert card["failed"] == [row["i"] for row in rows if row["fail"] is not None]
    for row in rows:
        absent = {name for name, value in row.items() if value is None}
        assert absent == {"fail"} if row["fail"] is None else row["gap"] is row["energy"] is None


def test_every_row_was_computed_with_the_settings_of_today(rows):
    for text in {row["provenance"] for row in rows}:
        row = json.loads(text)
        assert row["k_mesh"].startswith(f"cubic, shifted, {len(operator.k_points())} points")
        assert (row["ecut"], row["grid"]) == (operator.STANDARD.ecut, operator.STANDARD.grid)
    assert all(row["force"] < operator.STANDARD.force for row in rows if row["fail"] is None)


def test_numbers_are_where_they_must_be(rows):
    data = dataset.read()
    assert data.gap.min() > -0.15
    # Pressure moves the gap by −14 meV/GPa (Welber, Solid State Commun. 17, 1021, 1975); every shear lowers it.
    pressure = -data.stress[:, :3].mean(1)
    assert (data.gap < 0.605 - 0.014 * pressure).all()
    assert np.abs(data.conduction.min(1) - data.valence[:, 2] - data.gap).max() < 2.1e-5
    assert (np.diff(data.valence, axis=1) >= 0).all()


def test_the_elastic_energy_has_silicons_constants():
    """Least squares against experiment (McSkimin, Andreatch, J. Appl. Phys. 35, 2161, 1964): PBE is a little soft."""
    data = dataset.read()
    e = data.strain
    volume = operator.LATTICE_CONSTANT**3 / 8 / 160.2177  # Å³ per atom, over the GPa Å³ of an eV
    cross = e[:, 0] * e[:, 1] + e[:, 1] * e[:, 2] + e[:, 0] * e[:, 2]
    columns = [0.5 * (e[:, :3] ** 2).sum(1), cross, 2 * (e[:, 3:] ** 2).sum(1), e[:, :3].sum(1)]
    c11, c12, c44, at_rest = np.linalg.lstsq(volume * np.column_stack(columns), data.energy, rcond=None)[0]
    assert (c11, c12, c44) == pytest.approx((165.8, 63.9, 79.6), rel=0.15)
    assert abs(at_rest) < 1.5


def test_stress_is_the_slope_of_the_energy():
    """Of the part linear in strain: pressure against −K tr ε, K = (C11 + 2 C12) / 3."""
    data = dataset.read()
    slope = np.polyfit(data.strain[:, :3].sum(1), -data.stress[:, :3].mean(1), 1)[0]
    assert slope == pytest.approx(-(165.8 + 2 * 63.9) / 3, rel=0.15)


def test_the_readme_describes_this_file(rows):
    readme = dataset.DATA.with_name("README.md").read_text()
    assert dataset.summary() in readme, "fold brings it up to date"
    for name in rows[0]:
        assert f"`{name}`" in readme, f"column {name} is not explained"
