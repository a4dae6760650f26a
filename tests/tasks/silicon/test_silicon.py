"""Silicon under strain: symmetry, band edges and rejected input in analytic cases; Ω itself where GPAW is installed."""

import itertools
import json
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipage_core.tasks.crystal import dft
from ipage_core.tasks.silicon import dataset, operator, symmetry

real = [pytest.mark.dft, pytest.mark.skipif(find_spec("gpaw") is None, reason="GPAW is not installed")]
COARSE = operator.Settings(mesh=1, ecut=150, grid=12)
STRAIN = [0.02, -0.01, 0.005, 0.012, -0.008, 0.004]

strains = st.lists(st.floats(-0.03, 0.03), min_size=6, max_size=6).map(np.array)


def test_the_operations_are_a_group_of_24():
    group = symmetry.on_strains()
    known = {tuple(m.ravel()) for m in group}
    assert len(known) == 24
    assert (group[0] == np.eye(6)).all()
    assert {tuple((a @ b).ravel()) for a, b in itertools.product(group, group)} == known


def test_the_images_are_those_that_the_crystal_has():
    """Each operation must map the two atoms of diamond, and its lattice, onto themselves."""
    atoms = operator.structure(np.zeros(6))
    cell = atoms.cell.array
    for q in symmetry.operations():
        integers = cell @ q.T @ np.linalg.inv(cell)
        assert np.allclose(integers, integers.round())
        assert abs(np.linalg.det(integers)) == pytest.approx(1)
        bond = (atoms.positions[1] - atoms.positions[0]) @ q.T
        # Onto the bond or, where the operation exchanges the two atoms, onto its opposite, up to a lattice vector.
        steps = [(bond - sign * (atoms.positions[1] - atoms.positions[0])) @ np.linalg.inv(cell) for sign in (1, -1)]
        assert any(np.allclose(step, step.round()) for step in steps)


@settings(deadline=None)
@given(strains)
def test_images_have_the_same_invariants_and_no_distance(x):
    turned = symmetry.images(x)
    principal = np.linalg.eigvalsh(operator.tensor(turned))
    assert np.allclose(principal, principal[0], atol=1e-12)
    assert np.allclose(np.linalg.norm(turned * symmetry.MANDEL, axis=1), np.linalg.norm(operator.tensor(x)))
    assert symmetry.distance(x, turned) == pytest.approx(np.zeros(24), abs=1e-12)


def test_strains_that_no_operation_joins_are_apart():
    one, other = [0.01, 0, 0, 0.01, 0, 0], [0.01, 0, 0, 0, 0.01, 0]  # same invariants of the diagonal and the shears
    assert not (np.abs(symmetry.images(one) - np.array(other)).max(1) < 1e-9).any()
    assert symmetry.distance(one, other) == pytest.approx(0.01 * np.sqrt(2))


def test_the_box_is_its_own_image():
    corners = np.array(list(itertools.product(*dataset.BOUNDS.T)))
    turned = symmetry.images(corners).reshape(-1, 6)
    assert (turned >= dataset.BOUNDS[0]).all()
    assert (turned <= dataset.BOUNDS[1]).all()


@pytest.mark.parametrize("mesh", [1, 2, 3])
def test_the_mesh_has_the_cubes_symmetry_and_no_special_point(mesh):
    k = operator.k_points(operator.Settings(mesh=mesh))
    assert k.shape == (4 * mesh**3, 3)
    reciprocal = np.linalg.inv(operator.structure(np.zeros(6)).cell.array).T
    known = _modulo(k)
    for q in symmetry.operations():
        assert _modulo(k @ reciprocal @ q.T @ np.linalg.inv(reciprocal)) == known
    assert _modulo(-k) == known
    assert not _modulo(np.zeros((1, 3))) & known


def _modulo(k):
    return {tuple(row) for row in np.round(np.mod(np.round(k, 5), 1) * 1000).astype(int) % 1000}


def test_the_special_points_are_where_they_should_be():
    reciprocal = np.linalg.inv(operator.structure(np.zeros(6)).cell.array).T * operator.LATTICE_CONSTANT
    assert (operator.X_POINTS @ reciprocal).round(9).tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert np.abs(operator.L_POINTS @ reciprocal).round(9) == pytest.approx(np.full((4, 3), 0.5))
    assert len({tuple(row) for row in (operator.L_POINTS @ reciprocal).round(3)}) == 4


def test_a_parabola_finds_its_own_minimum_and_a_slope_ends_at_the_end():
    at = operator.ON_DELTA
    assert operator.line_minimum(at, 3 + 2 * (at - 0.81) ** 2) == pytest.approx((3, 0.81))
    assert operator.line_minimum(at, 2 - at) == pytest.approx((1, 1))
    assert operator.line_minimum(at, at) == pytest.approx((0.7, 0.7))


def test_a_strain_that_is_none_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(dft, "require", lambda: None)
    for bad in ([0] * 5, [[0] * 6], [np.nan] + [0] * 5):
        with pytest.raises(ValueError, match="six finite numbers"):
            operator.bands(bad)
    with pytest.raises(ValueError, match="half its length"):
        operator.bands([-0.6, 0, 0, 0, 0, 0])


def test_the_first_guess_moves_the_ions_against_shear_only():
    stretched = operator.structure([0.02, -0.01, 0.03, 0, 0, 0])
    assert stretched.get_scaled_positions()[1] == pytest.approx([0.25] * 3)
    sheared = operator.structure([0, 0, 0, 0.01, 0, 0])
    carried = operator.structure([0, 0, 0, 0.01, 0, 0], np.zeros(3))
    assert sheared.positions[1] - carried.positions[1] == pytest.approx([-0.53 * 5.469 / 2 * 0.01, 0, 0])


class Broken:
    class KohnShamConvergenceError(Exception): ...


def test_what_fails_is_a_row_that_says_so(monkeypatch):
    monkeypatch.setattr(dft, "require", lambda: None)
    monkeypatch.setattr(dft, "gpaw_version", lambda: "0")
    monkeypatch.setitem(sys.modules, "gpaw", Broken)

    def not_converged(strain, settings):
        raise Broken.KohnShamConvergenceError

    monkeypatch.setattr(operator, "solve", not_converged)
    row = dataset.work({"i": 5, "strain": STRAIN})
    assert row["fail"] == "The SCF did not converge in 100 steps."
    assert row["gap"] is row["energy"] is None
    assert [row[name] for name in dataset.NAMES] == STRAIN
    assert '"k_mesh": "cubic, shifted, 108 points' in row["provenance"]


def test_a_run_goes_on_where_it_was_and_fold_takes_a_torn_journal(tmp_path, monkeypatch):
    monkeypatch.setattr(dft, "require", lambda: None)
    calls = []

    def fake(item):
        calls.append(item["i"])
        fail = "no" if item["i"] == 1 else None
        return dataset.row_of(item["i"], item["strain"], {"gap": None if fail else 0.1, "provenance": {}, "fail": fail})

    monkeypatch.setattr(dataset, "work", fake)
    monkeypatch.setattr(dataset, "DATA", tmp_path / "none")
    out = tmp_path / "rows.parquet"
    assert dataset.generate(3, dataset.SEED, out, workers=0)["failed"] == [1]
    assert dataset.generate(5, dataset.SEED, out, workers=0)["n"] == 5
    assert calls == [0, 1, 2, 3, 4]

    journal = tmp_path / "rows.parquet.journal"
    journal.write_bytes(journal.read_bytes() + b'{"key": "11:5", "resu')
    folded = tmp_path / "folded.parquet"
    assert dataset.fold([journal], folded)["n"] == 5
    assert folded.read_bytes() == out.read_bytes()
    assert dataset.fold([journal], folded)["n"] == 5

    plain = tmp_path / "rows.jsonl"
    plain.write_text(json.dumps(json.loads(journal.read_text().splitlines()[0])["result"]) + "\n")
    assert dataset.fold([plain], tmp_path / "one.parquet")["n"] == 1

    journal.write_text(journal.read_text().splitlines()[0].replace('"i": 0', '"i": 3') + "\n")
    with pytest.raises(ValueError, match="row 3 is not point 3"):
        dataset.fold([journal], folded)


def test_the_sequence_fills_the_box_and_goes_on():
    x = dataset.design(300)
    assert (x[:100] == dataset.design(100)).all()
    assert (x > dataset.BOUNDS[0]).all()
    assert (x < dataset.BOUNDS[1]).all()
    assert np.abs(x.mean(0)).max() < 1e-3


class TestReal:
    pytestmark = real

    def test_turned_strains_have_the_same_gap(self):
        """≤ 0.1 meV, at settings that are cheap and keep the symmetry as the standard ones do."""
        results = [operator.bands(x, COARSE) for x in symmetry.images(STRAIN)[[0, 6, 13]]]
        assert not any("fail" in result for result in results)
        for name in ("gap", "direct", "energy"):
            assert np.ptp([result[name] for result in results]) < 1e-4
        assert np.ptp([sorted(result["conduction_delta"]) for result in results], axis=0).max() < 1e-4

    def test_the_ions_relax_and_the_guess_is_close(self):
        result = operator.bands(STRAIN)
        assert result["force"] < operator.STANDARD.force
        assert result["steps"] <= 3
        guess = -operator.INTERNAL_STRAIN * operator.LATTICE_CONSTANT / 2 * np.array(STRAIN[3:])
        assert result["shift"] == pytest.approx(guess, abs=0.003)

    def test_the_unstrained_crystal_is_silicon(self):
        """PBE: an indirect gap of about 0.6 eV at 85 % of the way to X, 2.55 eV at Γ; degenerate edges."""
        result = operator.bands(np.zeros(6))
        assert result["energy"] == pytest.approx(operator.REFERENCE_ENERGY, abs=1e-5)
        assert result["gap"] == pytest.approx(0.605, abs=0.002)
        assert result["direct"] == pytest.approx(2.55, abs=0.01)
        assert result["delta_at"] == pytest.approx([0.84] * 3, abs=0.01)
        for name in ("valence", "conduction_delta", "conduction_l"):
            assert np.ptp(result[name]) < 1e-4
        assert np.abs(result["stress"]).max() < 0.5
