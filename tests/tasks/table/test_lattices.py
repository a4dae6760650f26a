"""Lattices of own tables: which inputs they are, in which units, and their files."""

import io
import math

import numpy as np
import pandas as pd
import pytest
from ase.io import read

from ipage_core.problem.task import Task, Variable
from ipage_core.tasks.table.export import files
from ipage_core.tasks.table.lattice import lattice, lattice_in_angstrom

CELL = [3.1, 4.2, 5.3, 81.0, 92.0, 103.0]


def table(*labels, high=9.0):
    return Task.from_function(lambda x: x[:, :1], dict.fromkeys(labels, (0.5, high)), {"y": 1}, "t")


def test_lattice_parameters_are_known_by_their_names():
    task = table("x", "c [nm]", "B [pm]", "a [Å]", "Gamma [rad]", "α [°]", "beta")
    assert lattice(task) == [3, 2, 1, 5, 6, 4]
    order, factors = lattice_in_angstrom(task)
    assert order == [3, 2, 1, 5, 6, 4]
    assert factors.tolist() == pytest.approx([1, 0.01, 10, 1, 1, 180 / np.pi])
    assert lattice(table("a", "b", "c", "α", "β")) is None
    assert lattice_in_angstrom(table("a", "b", "c", "α", "β")) is None
    assert lattice(table("a", "A [nm]", "b", "c", "α", "β", "γ"))[0] == 0  # the first of two


LENGTHS = {
    "Å": 1, "A": 1, "Ang": 1, "angstrom": 1, "Ångström": 1, "ångstrom": 1, "nm": 10, "pm": 1e-2,
    "bohr": 0.529177210544, "a0": 0.529177210544, "a.u.": 0.529177210544,
}  # fmt: skip
ANGLES = {"°": 1, "deg": 1, "deg.": 1, "degree": 1, "Degrees": 1, "rad": 180 / math.pi}


@pytest.mark.parametrize("place", range(6))
def test_every_unit_is_converted_to_angstrom_and_degrees(place):
    names = ["a", "b", "c", "alpha", "beta", "gamma"]
    for unit, factor in (LENGTHS if place < 3 else ANGLES).items():
        labels = [f"{name} [{unit}]" if k == place else name for k, name in enumerate(names)]
        expected = [factor if k == place else 1 for k in range(6)]
        assert lattice_in_angstrom(table(*labels))[1].tolist() == pytest.approx(expected, rel=1e-12)
    for unit in ("inch", *(ANGLES if place < 3 else LENGTHS)):
        labels = [f"{name} [{unit}]" if k == place else name for k, name in enumerate(names)]
        with pytest.raises(ValueError, match=f"unit '{unit}' of {names[place]} is not known"):
            lattice_in_angstrom(table(*labels))


@pytest.mark.parametrize("place", range(6))
def test_numbers_without_a_unit_must_be_plausible(place):
    most = 1.0 if place < 3 else 4.0
    for high in (most, 0.99 * most):
        highs = [5.0, 5.0, 5.0, 90.0, 90.0, 90.0]
        highs[place] = high
        variables = [Variable(name, low=0.1, high=top) for name, top in zip("abcαβγ", highs, strict=True)]
        task = Task.from_function(lambda x: x[:, :1], variables, {"y": 1}, "t")
        if high == most:
            assert lattice_in_angstrom(task)[1].tolist() == [1] * 6
        else:
            says = (
                rf"{'abcαβγ'[place]} has no unit, and with at most {high:g} is hardly in {'Å' if place < 3 else 'deg'}"
            )
            with pytest.raises(ValueError, match=says):
                lattice_in_angstrom(task)


@pytest.mark.parametrize(("form", "as_ase"), [("cif", None), ("poscar", "vasp"), ("extxyz", "extxyz")])
def test_a_lattice_is_a_file_without_atoms(form, as_ase):
    names = ["a", "b", "c", "α", "β", "γ"]
    frame = pd.DataFrame([{"sample": 4, **dict(zip(names, CELL, strict=True))}])
    ((name, content),) = files(frame, form, names, "t").items()
    assert name == f"t-4.{'vasp' if form == 'poscar' else form}"
    text = content.decode()
    assert "t sample 4; lattice only" in text
    if as_ase is None:
        assert "_cell_length_c   5.3000000000" in text
        assert "_cell_angle_gamma   103.0000000000" in text
    else:
        again = read(io.StringIO(text), format=as_ase)
        assert again.cell.cellpar() == pytest.approx(CELL)
        assert again.pbc.all()
        assert again.get_chemical_symbols() == ["X"]
        assert again.get_scaled_positions().tolist() == [[0, 0, 0]]
    for wrong in ({"a": -1.0}, {"a": 0.0}, {"α": 180.0}, {"α": 10.0, "β": 10.0, "γ": 90.0}):
        with pytest.raises(ValueError, match=r"Sample 4: (No cell has the angles|Expected a, b, c > 0)"):
            files(frame.assign(**wrong), form, names, "t")
    with pytest.raises(ValueError, match="format 'stl' is not known"):
        files(frame, "stl", names, "t")


def test_a_poscar_names_its_placeholder_above_its_fractional_place():
    names = ["a", "b", "c", "α", "β", "γ"]
    frame = pd.DataFrame([{"sample": 4, **dict(zip(names, CELL, strict=True))}])
    lines = files(frame, "poscar", names, "t")["t-4.vasp"].decode().splitlines()
    assert lines[0].endswith("not verified; X is a placeholder")
    assert [line.split() for line in lines[5:8]] == [["X"], ["1"], ["Direct"]]
