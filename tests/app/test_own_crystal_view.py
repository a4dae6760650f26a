"""The view of a crystal of one's own: atoms on all faces, bonds, the strain's ellipsoid, and the page that shows it."""

import numpy as np
import plotly.graph_objects as go
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from app.figures.solids import ellipsoid, magnification
from app.figures.theme import palette, unpacked
from app.tasks.problem import crystal_figure, crystal_view
from ipage_core import registry
from ipage_core.cli.main import main
from ipage_core.tasks.own_crystal.symmetry import tensor
from tests.support.pages import open_page

STRAIN = np.array([[0.01, 0.002, 0], [0.002, -0.02, 0], [0, 0, 0.005]])


@pytest.mark.parametrize(("times", "copper", "silicon"), [(1, 14, 18), (2, 63, 95)])
def test_every_face_has_its_atoms(times, copper, silicon):
    """An fcc cube has 8 corners and 6 faces; diamond four more inside."""
    assert len(crystal_figure.drawn_atoms(bulk("Cu", "fcc", a=3.6, cubic=True), times)[0]) == copper
    assert len(crystal_figure.drawn_atoms(bulk("Si", "diamond", a=5.4, cubic=True), times)[0]) == silicon


def test_bonds_join_atoms_that_are_drawn():
    atoms = bulk("Si", "diamond", a=5.4, cubic=True)
    drawn = crystal_figure.figure(atoms, STRAIN)
    go.Figure(drawn)
    names = [trace["name"] for trace in drawn["data"]]
    assert names[:3] == ["Si", "bonds", "edges of the cell"]
    bonds = np.stack([unpacked(drawn["data"][1][axis]) for axis in "xyz"], axis=1)
    halves = bonds[~np.isnan(bonds).any(1)].reshape(-1, 2, 3)
    assert len(halves) == 2 * 16  # each of the four atoms inside has four bonds
    assert np.linalg.norm(halves[:, 1] - halves[:, 0], axis=1) == pytest.approx(5.4 * np.sqrt(3) / 8)


def test_the_ellipsoid_has_the_principal_stretches():
    shape = ellipsoid(STRAIN, 10, palette(False))[0]
    radii = np.linalg.norm(np.stack([unpacked(shape[axis]) for axis in "xyz"], axis=1), axis=1)
    principal = 1 + 10 * np.linalg.eigvalsh(STRAIN)
    assert principal[0] - 1e-6 <= radii.min() < principal[0] + 0.01
    assert principal[-1] - 0.01 < radii.max() <= principal[-1] + 1e-6
    assert magnification(STRAIN) == 10
    assert magnification(np.zeros((3, 3))) == 100


def test_bonds_stand_beside_those_without_strain():
    atoms = bulk("MgO", "rocksalt", a=4.2, cubic=True)
    strained = atoms.copy()
    strained.set_cell(atoms.cell.array @ np.diag([1, 1, 1.03]), scale_atoms=True)
    rows = crystal_view.compared(strained, atoms).set_index("")
    assert rows.loc["Mg–O [Å]"].tolist() == ["2.100 … 2.163", "2.100"]
    assert rows.loc["O–Mg–O [°]"].tolist() == ["90.0 … 180.0"] * 2


def test_the_caption_says_where_the_atoms_are_and_the_principal_strains():
    """A shear of 2e changes lengths along the diagonals by ±e."""
    strain = np.array([0, 0, 0.01, 0, 0, 0.02])
    said = crystal_view.caption(strain, None)
    assert said.startswith("Not computed yet: the atoms are where the strain carries them.")
    principal = np.linalg.eigvalsh(tensor(strain))
    assert principal == pytest.approx([-0.02, 0.01, 0.02])
    assert said.endswith("Principal strains: -2.00, +1.00, +2.00 %. Drag to turn.")
    kept = bulk("Cu", "fcc", a=3.6)
    kept.calc = SinglePointCalculator(kept, forces=[[0, 0.003, 0.004]])
    assert "where the calculator left them, with forces of 0.0050 eV/Å at most" in crystal_view.caption(strain, kept)


@pytest.mark.slow
def test_the_page_of_a_crystal_shows_it(tmp_path, monkeypatch):
    pytest.importorskip("spglib")
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path / "home"))
    write(tmp_path / "cu.cif", bulk("Cu", "fcc", a=3.6))
    folder = registry.home() / "tasks" / "cu"
    new = ["new", str(folder), "--crystal", str(tmp_path / "cu.cif"), "--calculator", "emt", "--strain", "2%"]
    for line in (
        [*new, "--y", "pressure", "--test", "0"],
        ["dataset", str(folder), "--n", "16"],
        ["train", str(folder), "--epochs", "1"],
    ):
        assert main(line) in (0, None)
    registry.refresh()
    test = open_page(task="cu", n="5")
    monkeypatch.undo()
    registry.refresh()
    assert not test.exception
    assert any("the crystal" in s.value for s in test.subheader)
    assert any("the atoms are where the strain carries them" in c.value for c in test.caption)
    assert any("Cu–Cu [Å]" in frame.value.iloc[:, 0].tolist() for frame in test.dataframe)
