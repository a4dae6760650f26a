"""The least elastic energy for a gap; goals beyond the gap; ranking; structure files."""

import io
import json
from argparse import Namespace

import numpy as np
import pytest
import torch
from ase.io import read

from ipage_core.cli.main import main
from ipage_core.inference import pipeline, verification
from ipage_core.inference.verification import Verification
from ipage_core.problem import constraints
from ipage_core.tasks.export import files
from ipage_core.tasks.silicon import constraints as words
from ipage_core.tasks.silicon import dataset, goals, operator, ranking, symmetry
from ipage_core.tasks.silicon.least import extreme
from ipage_core.tasks.silicon.stress import BASIS_SET, normal_stress
from ipage_core.tasks.silicon.task import TASK, axis


class Quadratic:
    """gap = 0.5 − 10 e33; energy = 50 (e : e); pressure = −100 tr e: the least energy has e33 alone."""

    def properties(self, x):
        energy = 50 * (x[:, :3].square().sum(1) + 2 * x[:, 3:].square().sum(1))
        return torch.stack((0.5 - 10 * x[:, 2], 2 + x[:, 0], energy, -100 * x[:, :3].sum(1)), 1)

    def spread(self, x):
        return torch.zeros(len(x), 4).to(x)

    def valley(self, x):
        return torch.full((len(x),), 2)

    def members(self, x):
        edges = torch.zeros(1, len(x), 7).to(x)
        edges[0, :, 4:] = x[:, :3]
        return self.properties(x)[None], edges


@pytest.fixture
def quadratic(monkeypatch):
    monkeypatch.setattr(words, "surrogate", Quadratic)


def test_the_least_energy_is_where_lagrange_puts_it():
    starts = TASK.sample_prior(4, torch.Generator().manual_seed(1))
    ends = extreme(Quadratic(), starts, 0.3)
    assert ends
    for found in ends:
        assert found.strain == pytest.approx([0, 0, 0.02, 0, 0, 0], abs=1e-5)
        assert found.properties[2] == pytest.approx(0.02, abs=1e-6)


def test_the_least_energy_of_a_film_keeps_the_film():
    space = constraints.parse(TASK, ["biaxial=1%"])
    [found] = extreme(Quadratic(), torch.zeros(1, 6), 0.3, space=space)
    assert found.strain == pytest.approx([0.01, 0.01, 0.02, 0, 0, 0], abs=1e-5)


def test_the_greatest_pressure_ends_at_the_box_and_at_a_cap():
    starts = torch.zeros(1, 6)
    [found] = extreme(Quadratic(), starts, 0.5, "pressure", -1.0)
    assert found.strain[:3] == pytest.approx([-0.03, -0.03, 0], abs=1e-6)
    space = constraints.parse(TASK, ["volume<=1%"])
    [capped] = extreme(Quadratic(), starts, 0.5, "pressure", -1.0, space)
    assert float(words.volume_change(torch.tensor(capped.strain)[None])) == pytest.approx(-0.01, abs=2e-4)


def test_a_gap_that_cannot_be_reached_is_none():
    assert extreme(Quadratic(), torch.zeros(1, 6), 1.5) == [None]


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("energy<=5meV", [0.0, 0, 0, 0, 0, 0], [0.02, 0, 0, 0, 0, 0]),
        ("pressure>=1", [-0.02, 0, 0, 0, 0, 0], [0.0, 0, 0, 0, 0, 0]),
        ("pressure=1 GPa", [-0.01, 0, 0, 0, 0, 0], [-0.02, 0, 0, 0, 0, 0]),
        ("direct<=1.99", [-0.02, 0, 0, 0, 0, 0], [0.0, 0, 0, 0, 0, 0]),
        ("valley=1", [-0.02, 0, 0, 0, 0, 0], [0.0, 0, 0, 0, 0, 0]),
    ],
)
def test_caps_on_what_the_surrogate_predicts(quadratic, text, inside, outside):
    space = constraints.parse(TASK, [text])
    excess = space.excess(torch.tensor([inside, outside], dtype=torch.float64)).sum(1)
    assert excess[0] == pytest.approx(0, abs=1e-9)
    assert excess[1] > 1e-3


@pytest.mark.parametrize("wrong", ["valley=4", "energy<=5K", "energy<=much", "pressure=5 bar"])
def test_what_no_surrogate_predicts_is_refused(wrong):
    with pytest.raises(ValueError, match="constraint"):
        constraints.parse(TASK, [wrong])


def options(*goals_, **more):
    said = {"goal": list(goals_), "constrain": [], "n": 3, "method": None, "sampling": "srs", "seed": 0, "model": None}
    return Namespace(**said | {"omega_evals": 0, "verify": "none", "spread": "off"} | more)


def test_goals_on_the_gap_alone_are_targets():
    assert goals.design_goals(options("PBE gap=0.3")) is None


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (["minimize energy"], "the gap needs a goal"),
        (["gap=0.3", "minimize energy", "maximize pressure"], "least or greatest of one"),
        (["gap=0.3", "valley<=2"], "lowest valley"),
        (["gap=0.3", "hardness=2"], "not known"),
        (["minimize gap", "energy<=1"], "needs a number"),
    ],
)
def test_goals_that_make_no_sense_are_refused(said, why):
    with pytest.raises(ValueError, match=why):
        goals.design_goals(options(*said))


def test_the_least_energy_by_the_command_line_is_reached_from_every_start():
    found = goals.design_goals(options("gap=0.4", "minimize energy", method="prior-lm"))
    predicted = words.surrogate().properties(found.localized.float())
    assert (predicted[:, 0] - 0.4).abs().max() < 1e-4
    assert predicted[:, 2].std() < 1e-5
    assert "least energy" in found.note


def test_of_optima_those_are_verified_that_the_seed_chooses(monkeypatch):
    asked = []

    def verify(task, x, y_star, which, tolerances=None):
        asked.append(which)
        return Verification.nowhere(task, len(x))

    monkeypatch.setattr(verification, "verify", verify)
    monkeypatch.setattr(pipeline, "verify_designs", verify)  # under this name once another test has loaded it
    goals.design_goals(options("gap=0.4", "minimize energy", method="prior-lm", n=5, verify="2", seed=7))
    before, chosen = asked
    assert not before.any()  # of the designs without the least energy
    assert torch.equal(chosen, verification.rows_to_verify(TASK, 5, "2", 7))
    assert not torch.equal(chosen, verification.rows_to_verify(TASK, 5, "2", 0))


def test_the_command_says_what_it_reached_and_writes_a_summary(tmp_path, capsys):
    asked = ["design", "silicon", "--goal", "gap=0.4", "--goal", "minimize energy", "--method", "prior-lm"]
    assert main([*asked, "--n", "2", "--verify", "none", "--out", str(tmp_path / "d.csv")]) in (0, None)
    said = capsys.readouterr()
    assert "2 of 2 designs reached the least energy near them, by the surrogate" in said.err
    assert json.loads(said.out)["n"] == 2


def test_images_of_one_strain_are_one_crystal(tmp_path, capsys):
    strain = np.array([0.01, 0.01, -0.02, 0.003, 0, 0])
    assert goals.different(symmetry.images(strain)) == 1
    assert goals.different(np.stack([strain, strain + 0.002 * np.eye(6)[0]])) == 1
    assert goals.different(np.stack([strain, -strain, strain + 0.004 * np.eye(6)[0]])) == 3
    asked = ["design", "silicon", "--goal", "gap=0.3", "--goal", "minimize energy", "--method", "prior-lm"]
    main([*asked, "--n", "4", "--verify", "none", "--out", str(tmp_path / "d.csv")])
    assert "Modulo symmetry they are 1 different crystal." in json.loads(capsys.readouterr().out)["note"]


@pytest.mark.parametrize(("method", "told"), [("mdn", True), ("lookup", True), ("prior-lm", False)])
def test_methods_that_do_not_keep_to_constraints_are_named(method, told, tmp_path, capsys):
    asked = ["design", "silicon", "--target", "0.4", "--constrain", "strain<=2%", "--method", method, "--n", "2"]
    main([*asked, "--verify", "none", "--out", str(tmp_path / "d.csv")])
    assert (f"Designs of the method {method} need not obey the constraints" in capsys.readouterr().err) == told


def test_images_are_one_family_and_the_best_comes_first():
    x = torch.tensor(symmetry.images(np.array([0.01, -0.005, 0.02, 0.004, -0.003, 0.001])))[:5]
    x = torch.cat((x, torch.tensor([[0.02, 0.02, 0.02, 0, 0, 0]], dtype=torch.float64)))
    ranked = ranking.table(x, Quadratic())
    assert ranked["family"].tolist() == [1] * 5 + [2]
    assert ranked["rank"].tolist()[-1] == 6
    assert ranked["best"].sum() == 2
    with pytest.raises(ValueError, match="accepted: energy"):
        ranking.table(x, Quadratic(), "beauty")


def test_the_axis_of_a_valley():
    assert [axis(name) for name in ("D0", "D1", "D2", "L3", "G")] == [3, 2, 1, 0, 0]


RESULT = {
    **{"gap": 0.301, "direct": 2.3, "energy": -10.77, "pressure": 0.4, "valley": "D0", "shift": [0, 0, -0.03]},
    **{"stress": [0.1, 0, 0, 0, 0, 0], "force": 0.004, "forces": [[0, 0, -0.004], [0, 0, 0.004]], "steps": 2},
    "provenance": {"code": "GPAW", "k_mesh": "108 points, step 2π/3 a0"},
}


@pytest.mark.parametrize("form", TASK.export_formats)
def test_a_verified_strain_leaves_relaxed_with_forces_and_where_they_come_from(monkeypatch, form):
    import pandas as pd

    monkeypatch.setattr(operator, "cached", lambda x: [RESULT, None])
    strain = [0.01, 0.01, -0.02, 0, 0, 0.005]
    frame = pd.DataFrame([{"sample": i, **{f"x{j + 1}": e for j, e in enumerate(strain)}} for i in (3, 4)])
    written = files(TASK, form, frame)
    assert len(written) == 2
    (name, content), (_, guess) = written.items()
    assert name.startswith("si-3.")
    atoms = read(io.StringIO(content.decode()), format={"poscar": "vasp"}.get(form, form))
    reference = operator.structure(strain, [0, 0, -0.03])
    assert atoms.cell.cellpar() == pytest.approx(reference.cell.cellpar(), abs=1e-6)
    assert atoms.get_distance(0, 1) == pytest.approx(reference.get_distance(0, 1), abs=2e-5)
    assert b"GPAW" in content
    assert b"not relaxed" in guess
    if form == "extxyz":
        assert atoms.get_potential_energy() == pytest.approx(-10.77)
        assert atoms.get_forces() == pytest.approx(np.array(RESULT["forces"]))
        assert atoms.info["dft_gap_eV"] == pytest.approx(0.301)
        assert atoms.info["dft_direct_gap_eV"] == 2.3
        assert atoms.info["dft_lowest_valley_axis"] == 3
        assert atoms.info["dft_pressure_GPa"] == 0.4
        assert atoms.info["dft_largest_force_eV_per_A"] == 0.004
        # Per atom, over the unstrained crystal of −10.779405 eV per two atoms.
        assert atoms.info["dft_elastic_energy_eV_per_atom"] == pytest.approx((-10.77 + 10.779405) / 2, abs=1e-6)
        assert atoms.get_stress() == pytest.approx([0.1 / 160.2176621, 0, 0, 0, 0, 0], rel=1e-6)  # eV/Å³ in GPa
        assert atoms.info["unstrained_lattice_constant_A"] == 5.469


def test_the_surrogates_stress_is_that_of_dft():
    data = dataset.read(dataset.DATA.with_name("test_random.parquet"))
    stress = normal_stress(words.surrogate(), torch.from_numpy(data.strain))
    error = np.abs(stress.numpy() - data.stress[:, :3] - BASIS_SET)
    assert np.quantile(error, 0.9) < 0.3 < 0.1 * np.abs(data.stress[:, :3]).max()
