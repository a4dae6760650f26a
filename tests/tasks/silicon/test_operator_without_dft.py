"""Ω of silicon with a stand-in for GPAW: relaxation, stress, band edges and their minima on a known crystal."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from ase.calculators.calculator import Calculator
from ase.units import GPa

from ipage_core.runtime.executor import Progress
from ipage_core.tasks.crystal import dft
from ipage_core.tasks.silicon import operator, symmetry

REST = np.array([0.02, -0.01, 0.03])
"""Where the second atom rests, from its place in the strained cell [Å]."""
STRAIN = np.array([0.01, -0.02, 0.03, 0.004, 0.006, -0.008])


def levels_at(k):
    """Seven bands [eV] at k: the fifth is a parabola along each line Δ, lowest at 0.85, 0.8 and 0.75 of the way."""
    k = np.asarray(k)
    for i, (x, at, height) in enumerate(zip(operator.X_POINTS, (0.85, 0.8, 0.75), (0.7, 0.5, 0.6), strict=True)):
        share = k @ x / (x @ x)
        if share > 0 and np.allclose(share * x, k):
            return [-9, -5, -4, -3, height + 10 * (share - at) ** 2, 5, 6 + i]
    if np.allclose(k, 0):
        return [-12.0, -0.3, -0.2, -0.1, 2.5, 3.0, 3.5]
    return [-9, -5, -4, -3, 1.5 + float(np.abs(k).sum()), 5, 6]


class StandIn(Calculator):
    """The two atoms on a spring of the force constant that the relaxation assumes, times ``stiffer``."""

    implemented_properties = ("energy", "forces", "stress")
    stiffer, asked, rest, calculations = 1.0, None, REST, 0
    tension = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    levels = staticmethod(levels_at)
    ordered = staticmethod(np.asarray)

    def __init__(self, **asked):
        super().__init__()
        type(self).asked, type(self).calculations = asked, 0

    def calculate(self, atoms=None, properties=None, system_changes=None):
        super().calculate(atoms, properties, system_changes)
        type(self).calculations += 1
        apart = self.atoms.positions[1] - operator.structure(STRAIN, np.zeros(3)).positions[1] - self.rest
        k = 13.4 * self.stiffer
        pull = -k * apart
        self.results = {
            "energy": -10.0 + k * (apart @ apart) / 2,
            "forces": np.array([-pull, pull]),
            "stress": np.array(self.tension) * GPa,
        }

    def fixed_density(self, kpts, **asked):
        kpts = np.asarray(kpts)
        assert asked == {
            "symmetry": {"point_group": False, "time_reversal": False},
            "nbands": 7,
            "convergence": {"bands": 5, "eigenstates": 1e-7},
            "txt": None,
        }
        return SimpleNamespace(
            get_ibz_k_points=lambda: self.ordered(kpts),
            get_eigenvalues=lambda kpt: np.array(self.levels(kpts[kpt]), dtype=float),
        )


@pytest.fixture
def stand_in(monkeypatch):
    class Failed(Exception):
        pass

    module = SimpleNamespace(GPAW=StandIn, KohnShamConvergenceError=Failed)
    monkeypatch.setitem(sys.modules, "gpaw", module)
    monkeypatch.setattr(dft, "require", lambda: None)
    monkeypatch.setattr(dft, "gpaw_version", lambda: "0")
    monkeypatch.setattr(StandIn, "stiffer", 1.0)
    return module


def test_the_ions_relax_and_the_crystal_is_described(stand_in):
    found = operator.bands(STRAIN)
    assert found["shift"] == pytest.approx(REST.tolist(), abs=1e-5)
    assert found["steps"] == 2  # one step on a spring whose constant is known
    assert found["force"] < 1e-4
    assert np.abs(found["forces"]).max() < 1e-4
    assert found["energy"] == pytest.approx(-10)
    assert found["stress"] == pytest.approx([1, 2, 3, 4, 5, 6])
    assert found["pressure"] == pytest.approx(-2)
    asked = StandIn.asked
    assert asked["mode"] == {"name": "pw", "ecut": 300}
    assert (asked["nbands"], asked["gpts"], asked["maxiter"]) == (8, (16, 16, 16), 100)
    assert asked["occupations"] == {"name": "fermi-dirac", "width": 0.01}
    assert asked["convergence"] == {"density": 1e-5, "eigenstates": 1e-7, "bands": 5}
    assert asked["symmetry"] == {"point_group": False}
    assert len(asked["kpts"]) == 108


def test_the_gap_is_the_lowest_of_the_searched_edges(stand_in):
    found = operator.bands(STRAIN)
    assert found["valence"] == [-0.3, -0.2, -0.1]
    assert found["conduction_gamma"] == 2.5
    assert found["conduction_delta"] == pytest.approx([0.7, 0.5, 0.6])
    assert found["delta_at"] == pytest.approx([0.85, 0.8, 0.75])
    assert found["conduction_l"] == pytest.approx([2.0, 2.0, 2.0, 3.0])
    assert found["valley"] == "D1"
    assert found["gap"] == pytest.approx(0.6)
    assert found["direct"] == pytest.approx(2.6)


def test_a_valley_that_rises_along_the_whole_line_lies_at_its_beginning(stand_in, monkeypatch):
    line = operator.X_POINTS[0]

    def rising(k):
        share = k @ line / (line @ line)
        usual = levels_at(k)
        return [*usual[:4], 0.2 + share - 0.7, *usual[5:]] if share > 0 and np.allclose(share * line, k) else usual

    monkeypatch.setattr(StandIn, "levels", staticmethod(rising))
    found = operator.bands(STRAIN)
    assert (found["valley"], found["gap"]) == ("D0", pytest.approx(0.3))
    assert found["conduction_delta"][0] == pytest.approx(0.2)
    assert found["delta_at"][0] == 0.7


@pytest.mark.parametrize("name", ["G", "L0", "L1", "L2", "L3", "D0", "D1", "D2"])
def test_the_lowest_edge_names_its_valley(stand_in, monkeypatch, name):
    i = int(name[1:] or 0)
    place = {"G": np.zeros(3), "L": operator.L_POINTS[i], "D": 0.94 * operator.X_POINTS[i % 3]}[name[0]]

    def lowered(k):
        usual = levels_at(k)
        return [*usual[:4], 0.25, *usual[5:]] if np.allclose(k, place) else usual

    monkeypatch.setattr(StandIn, "levels", staticmethod(lowered))
    found = operator.bands(STRAIN)
    assert found["valley"] == name
    if name[0] != "D":
        assert found["gap"] == pytest.approx(0.35)
        said = found["conduction_gamma"] if name == "G" else found["conduction_l"][i]
        assert said == 0.25


def test_numbers_have_the_digits_of_the_cache(stand_in, monkeypatch):
    usual = levels_at
    monkeypatch.setattr(StandIn, "levels", staticmethod(lambda k: np.array(usual(k)) + np.arange(7) / 7e2))
    monkeypatch.setattr(StandIn, "tension", (1 / 3, 2 / 3, 7 / 3, 1 / 6, 1 / 7, 1 / 9))
    monkeypatch.setattr(StandIn, "rest", REST + np.array([1, 2, 4]) * 1e-3 / 3)
    monkeypatch.setattr(StandIn, "stiffer", 1.1)
    clock = iter([1.0, 3.23456])
    with monkeypatch.context() as patch:
        patch.setattr(operator.time, "process_time", lambda: next(clock))
        found = operator.bands(STRAIN)
    assert found["cpu_s"] == 2.23
    # Edges to 0.01 meV: the fifth band is raised by 4/700 eV, the valence bands by 1/700, 2/700 and 3/700 eV.
    assert found["valence"] == [-0.29857, -0.19714, -0.09571]
    assert found["conduction_gamma"] == 2.50571
    assert found["conduction_l"] == [2.00571, 2.00571, 2.00571, 3.00571]
    assert found["conduction_delta"] == [0.70571, 0.50571, 0.60571]
    assert (found["gap"], found["direct"]) == (0.60143, 2.60143)
    assert found["stress"] == [0.3333, 0.6667, 2.3333, 0.1667, 0.1429, 0.1111]
    assert found["pressure"] == -1.1111
    # Two steps on a spring 1.1 times as stiff as assumed leave (1 − 1.1)² of the way from the guess to the rest.
    left = 0.01 * (-0.53 * 5.469 / 2 * STRAIN[3:] - StandIn.rest)
    assert found["steps"] == 3
    assert found["shift"] == np.round(StandIn.rest + left, 5).tolist()
    pull = 13.4 * 1.1 * left
    assert found["force"] == round(float(np.linalg.norm(pull)), 5)
    assert found["forces"] == pytest.approx(np.array([pull, -pull]), abs=6e-6)
    assert all(round(one, 5) == one for row in found["forces"] for one in row)
    assert found["energy"] == round(-10 + 13.4 * 1.1 * float(left @ left) / 2, 6)

    def uneven(k):
        share = float(np.asarray(k) @ operator.X_POINTS[2] / 0.5)
        return [-9, -5, -4, -3, 1 + (share - 0.8123456) ** 2, 5, 6]

    monkeypatch.setattr(StandIn, "levels", staticmethod(uneven))
    assert operator.bands(STRAIN)["delta_at"][2] == 0.8123


def test_one_step_is_taken_even_from_a_guess_almost_at_rest(stand_in, monkeypatch):
    monkeypatch.setattr(StandIn, "rest", 1e-4 - 0.53 * 5.469 / 2 * STRAIN[3:])
    found = operator.bands(STRAIN)
    assert found["steps"] == StandIn.calculations == 2
    assert found["shift"] == StandIn.rest.round(5).tolist()


def test_bands_in_another_order_or_without_numbers_are_no_result(stand_in, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(StandIn, "ordered", staticmethod(lambda k: k[::-1]))
        assert "reordered the k-points" in operator.bands(STRAIN)["fail"]
    one = operator.L_POINTS[1]
    monkeypatch.setattr(
        StandIn, "levels", staticmethod(lambda k: [np.nan] * 7 if np.allclose(k, one) else levels_at(k))
    )
    assert "not finite" in operator.bands(STRAIN)["fail"]


def test_a_softer_or_stiffer_crystal_takes_more_steps_or_fails(stand_in, monkeypatch):
    monkeypatch.setattr(StandIn, "stiffer", 1.2)
    found = operator.bands(STRAIN)
    assert 2 < found["steps"] <= 6
    assert found["shift"] == pytest.approx(REST.tolist(), abs=1e-3)
    assert found["force"] < 0.01
    monkeypatch.setattr(StandIn, "stiffer", 2.0)  # the step overshoots by as much as it was off
    failed = operator.bands(STRAIN)
    assert "did not relax in 6 steps" in failed["fail"]
    assert StandIn.calculations == 6
    assert set(failed) == {"fail", "cpu_s", "provenance"}


def test_what_goes_wrong_in_gpaw_belongs_to_its_row(stand_in, monkeypatch):
    monkeypatch.setattr(operator, "solve", lambda *_: (_ for _ in ()).throw(stand_in.KohnShamConvergenceError()))
    assert operator.bands(STRAIN)["fail"] == "The SCF did not converge in 100 steps."
    monkeypatch.setattr(operator, "solve", lambda *_: 1 / 0)
    assert operator.bands(STRAIN)["fail"] == "ZeroDivisionError: division by zero"
    for wrong in (np.zeros(5), np.full(6, np.nan), np.zeros((1, 6))):
        with pytest.raises(ValueError, match="six finite numbers"):
            operator.bands(wrong)
    with pytest.raises(ValueError, match="less than half its length"):
        operator.bands([-0.5, 0, 0, 0, 0, 0])
    assert "fail" in operator.bands([-0.49, 0, 0, 0, 0, 0])  # solved, here by 1 / 0


def test_the_minimum_of_a_parabola_on_a_line():
    at = operator.ON_DELTA
    assert operator.line_minimum(at, 0.3 + 2 * (at - 0.81) ** 2) == pytest.approx((0.3, 0.81))
    assert operator.line_minimum(at, 0.3 + 2 * (at - 0.93) ** 2) == pytest.approx((0.3, 0.93))
    assert operator.line_minimum(at, at) == (0.70, 0.70)
    assert operator.line_minimum(at, -at) == (-1.0, 1.0)
    # Of an uneven function only the smallest value and its neighbours count.
    assert operator.line_minimum(at, np.array([9, 0.5 + 1e-3, 0.5, 0.5 + 1e-3, 40])) == pytest.approx((0.5, 0.86))


def test_a_strain_is_a_symmetric_tensor_that_maps_the_cell():
    e = operator.tensor(STRAIN)
    assert np.array_equal(e, e.T)
    assert np.diag(e).tolist() == STRAIN[:3].tolist()
    assert [e[1, 2], e[0, 2], e[0, 1]] == STRAIN[3:].tolist()
    atoms = operator.structure(STRAIN, np.zeros(3))
    half = operator.LATTICE_CONSTANT / 2
    cubic = half * np.array([(0, 1, 1), (1, 0, 1), (1, 1, 0)])
    assert np.allclose(atoms.cell.array, cubic @ (np.eye(3) + e))
    assert np.allclose(atoms.positions[1] - atoms.positions[0], [half / 2] * 3 @ (np.eye(3) + e))
    moved = operator.structure(STRAIN).positions - atoms.positions
    assert np.allclose(moved[1], -0.53 * half * STRAIN[3:])
    assert np.allclose(operator.structure(STRAIN, REST).positions[1] - atoms.positions[1], REST)


def test_edges_are_searched_at_x_and_l():
    half = np.array([(0, 1, 1), (1, 0, 1), (1, 1, 0)]) / 2
    at_x, at_l = (k @ np.linalg.inv(half).T for k in (operator.X_POINTS, operator.L_POINTS))  # in 2π/a₀
    assert np.abs(at_x).tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert at_l.tolist() == [[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5], [0.5, 0.5, 0.5]]


@pytest.mark.parametrize("mesh", [1, 2, 3])
def test_k_points_are_a_cubic_mesh_half_a_step_off_gamma(mesh):
    k = operator.k_points(operator.Settings(mesh=mesh))
    assert k.shape == (4 * mesh**3, 3)
    assert (k > -0.5).all()
    assert (k <= 0.5).all()
    assert np.array_equal(k, k.round(6))
    half = np.array([(0, 1, 1), (1, 0, 1), (1, 1, 0)]) / 2
    cartesian = k @ np.linalg.inv(half).T  # in 2π/a₀
    steps = cartesian * mesh - 0.5
    assert np.abs(steps - np.rint(steps)).max() < 1e-4
    for q in symmetry.operations():  # the mesh goes over into itself
        turned = (cartesian @ q.T) @ half.T
        apart = turned[:, None] - k[None]
        assert np.abs(apart - np.rint(apart)).max(-1).min(1).max() < 1e-4


def test_provenance_names_settings_and_mesh(stand_in):
    said = operator.provenance(operator.DENSE)
    assert (said["ecut"], said["grid"], said["gpaw"]) == (300, 20, "0")
    assert said["k_mesh"] == "cubic, shifted, 864 points, step 2π/(6 a0)"
    assert said["convergence"].endswith("force 0.001 eV/Å")
    assert said["spin_orbit"] is False
    assert operator.Settings() == operator.STANDARD == (3, 300, 16, 0.01, 100)
    assert operator.DENSE == (6, 300, 20, 0.001, 100)
    asked = {"mode": {"name": "pw", "ecut": 200}, "gpts": (12, 12, 12), "maxiter": 50}
    operator.bands(STRAIN, operator.Settings(mesh=1, ecut=200, grid=12, maxiter=50))
    assert {name: StandIn.asked[name] for name in asked} == asked
    assert len(StandIn.asked["kpts"]) == 4


def test_a_result_is_cached_in_its_form_and_a_failure_is_not(stand_in, monkeypatch, tmp_path):
    monkeypatch.setenv("IPAGE_CACHE", str(tmp_path))
    item = {"strain": STRAIN.tolist(), "settings": operator.STANDARD._asdict()}
    other = np.array([0.0, 0, 0, 0, 0, 0.01])
    with monkeypatch.context() as patch:
        patch.setattr(StandIn, "stiffer", 2.0)
        assert "fail" in operator.work(item)
    assert operator.cached(np.stack([STRAIN, other])) == [None, None]
    found = operator.work(item)
    assert operator.cached(np.stack([other, STRAIN])) == [None, found]
    assert operator.cached(STRAIN[None], operator.DENSE) == [None]
    [file] = tmp_path.rglob("si-*.json")
    shapes = {"valence": (3,), "conduction_l": (4,), "conduction_delta": (3,), "delta_at": (3,), "stress": (6,)}
    for name, shape in {**shapes, "shift": (3,), "forces": (2, 3)}.items():
        assert np.shape(found[name]) == shape
        file.write_text(json.dumps({**found, name: found[name][1:]}))
        assert operator.cached(STRAIN[None]) == [None], name


def test_gpaw_is_needed_only_where_the_work_runs(monkeypatch):
    def missing():
        raise dft.DFTUnavailable("no GPAW here")

    asked = {}

    def run(work, items, out, **where):
        asked.update(where)
        return {key: {"gap": 0.1} for key, _ in items}

    monkeypatch.setattr(dft, "require", missing)
    monkeypatch.setattr(dft, "gpaw_version", missing)
    monkeypatch.setattr(operator.executor, "run", run)
    assert operator.cached(np.zeros((2, 6))) == [None, None]
    with pytest.raises(dft.DFTUnavailable):
        operator.many(np.zeros((2, 6)))
    assert operator.many(np.zeros((2, 6)), scheduler="tcp://there") == [{"gap": 0.1}] * 2
    assert asked["scheduler"] == "tcp://there"
    for wrong in (np.zeros(6), np.zeros((2, 5)), np.zeros((1, 2, 6))):
        with pytest.raises(ValueError, match="shape"):
            operator.many(wrong, scheduler="tcp://there")


def test_only_what_is_not_cached_is_computed_and_what_comes_from_elsewhere_is_kept(stand_in, monkeypatch, tmp_path):
    monkeypatch.setenv("IPAGE_CACHE", str(tmp_path))
    monkeypatch.setattr(operator, "cores", lambda: 2)
    x = np.array([STRAIN, 0.5 * STRAIN, 0.25 * STRAIN, 0.125 * STRAIN])
    known = operator.work({"strain": x[1].tolist(), "settings": operator.STANDARD._asdict()})
    fresh = {**known, "gap": 0.125}
    seen, asked = [], {}

    def run(work, items, journal, *, progress, **where):
        asked.update(where, work=work, items=items)
        progress(Progress(0, len(items), None, None, None))
        progress(Progress(1, len(items), None, "3", None))
        progress(Progress(2, len(items), 1.0, "2", fresh))
        return {"2": fresh}

    monkeypatch.setattr(operator.executor, "run", run)
    assert operator.many(x, progress=seen.append) == [None, known, fresh, None]
    assert [key for key, _ in asked["items"]] == ["0", "2", "3"]
    assert [item["strain"] for _, item in asked["items"]] == x[[0, 2, 3]].tolist()
    assert (asked["work"], asked["workers"], asked["scheduler"]) == (operator.work, 2, None)
    assert [one.key for one in seen] == [None, "3", "2"]
    assert operator.cached(x) == [None, known, None, None]  # workers on this machine write the cache themselves
    assert operator.many(x, scheduler="tcp://there", workers=7) == [None, known, fresh, None]
    assert (asked["workers"], asked["scheduler"]) == (7, "tcp://there")
    assert operator.cached(x) == [None, known, fresh, None]
    operator.many(x[:1])
    assert asked["workers"] == 1
