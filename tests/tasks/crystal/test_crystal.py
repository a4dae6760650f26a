"""The crystal task: symmetry of its surrogate, families and ranks, syntax of constraints, files, and its Ω."""

import io
import json
import math
import shutil
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
import torch
from ase.geometry import cellpar_to_cell
from ase.io import read
from hypothesis import given, settings
from hypothesis import strategies as st

from ipage_core.cli.main import main
from ipage_core.inference.methods import Loaded, Prior, load
from ipage_core.inference.pipeline import design
from ipage_core.problem import constraints
from ipage_core.problem.watch import watching
from ipage_core.tasks import TASKS
from ipage_core.tasks.crystal import dft, lattices
from ipage_core.tasks.crystal.bands import AT_R, BandSurrogate, views
from ipage_core.tasks.crystal.families import distances, families, robustness, table
from ipage_core.tasks.crystal.strain import (
    ATOMS,
    CUBIC_ENERGY,
    CUBIC_LENGTH,
    FILM_ENERGY,
    FILM_STRAIN,
    SUBSTRATES,
    largest_strain,
    volume_change,
)
from ipage_core.tasks.crystal.task import TASK, with_edges
from ipage_core.tasks.export import files
from ipage_core.training import recipes
from ipage_core.training.datasets import pairs

BOX = lattices.BOUNDS.tolist()
CUBIC = [CUBIC_LENGTH] * 3 + [90.0] * 3
lattice = st.tuples(*(st.floats(low, high) for low, high in lattices.BOUNDS.T))


class Parabola:
    """A known surrogate: gap 2 − 20 s², ΔE 10 s², s the strain norm; exactly symmetric."""

    def squares(self, x):
        return ((x[:, :3] / CUBIC_LENGTH - 1) ** 2).sum(1) + (torch.deg2rad(x[:, 3:] - 90) ** 2).sum(1) / 2

    def properties(self, x):
        s = self.squares(x)
        return torch.stack((2 - 20 * s, 2.5 - 20 * s, 10 * s), dim=1)

    def spread(self, x):
        return 0.01 * self.properties(x)

    def __call__(self, x):
        return self.properties(x)[:, :1]


def small(**more):
    torch.manual_seed(0)
    return BandSurrogate(6, 1, BOX, members=2, hidden=8, layers=1, **more)


def parabola():
    return Loaded("parabola", Prior(TASK), Parabola(), torch.device("cpu"))


@settings(deadline=None, max_examples=30)
@given(lattice)
def test_the_surrogate_is_equal_for_all_24_images(x):
    images = torch.from_numpy(lattices.images(x))
    properties = small().double().properties(images)
    torch.testing.assert_close(properties, properties[:1].expand(24, 3), rtol=0, atol=1e-12)


@settings(deadline=None)
@given(lattice, lattice)
def test_features_tell_cells_apart_that_are_not_images(x, y):
    low, high = lattices.BOUNDS
    u = torch.from_numpy(2 * (np.array([x, y]) - low) / (high - low) - 1)
    seen = [sorted(map(tuple, features.round(decimals=9).tolist())) for features in views(u)[0]]
    if distances(np.array([x]), np.array([y]))[0, 0] > 1e-2:
        assert seen[0] != seen[1]


def test_the_gap_is_the_lesser_of_two_and_its_gradient_is_right():
    surrogate = small().double()
    x = TASK.sample_prior(5, torch.Generator().manual_seed(0)).requires_grad_(True)
    members, at_r = surrogate.members(x)
    assert torch.equal(members[..., 0], torch.minimum(members[..., 1], at_r))
    assert torch.autograd.gradcheck(surrogate, x)


def test_unknown_gaps_from_r_cost_nothing():
    surrogate, (x, y) = small(), with_edges()
    x, y = x[:50].float(), y[:50].float()
    (loss,) = surrogate.losses(x, torch.cat((y[:, :AT_R], torch.full((50, 1), math.nan)), 1), {}, torch.Generator())
    (more,) = surrogate.losses(x, y, {}, torch.Generator())
    assert 0 < loss["y"] < more["y"]


def test_the_ensemble_teaches_the_posterior(tmp_path, monkeypatch):
    monkeypatch.setattr("ipage_core.tasks.crystal.task.DRAWS", 300)
    out = tmp_path / "crystal"  # where load looks; training may go to any folder
    learned = recipes.train(TASK, "mlp", out, epochs=1)
    assert learned["data"]["n"] == len(lattices.read().i)
    taught = recipes.train(TASK, "inn", out, epochs=1)
    assert taught["data"]["n"] == 300
    assert taught["data"]["computed"] == learned["data"]
    shutil.copytree(out, tmp_path / "elsewhere")
    assert recipes.train(TASK, "cinn", tmp_path / "elsewhere", epochs=1)["data"] == taught["data"]
    found = design(TASK, load("crystal", "ipage", root=tmp_path), torch.tensor([0.9]), 5)
    assert found.surrogate.shape == (5, 1)
    inn, ensemble = (load("crystal", method, root=tmp_path).surrogate for method in ("ipage", "prior-lm"))
    assert inn.state_dict().keys() == ensemble.state_dict().keys()
    assert all(torch.equal(value, ensemble.state_dict()[key]) for key, value in inn.state_dict().items())


def test_pairs_are_the_stored_ones():
    data, (x, y) = lattices.read(), with_edges()
    assert np.array_equal(x.numpy(), data.lattice)
    assert np.array_equal(pairs(TASK)[1][:, 0].numpy(), data.gap)
    assert (y[:, 2] > 0).all(), "a lattice below the cubic minimum"
    known = y[:, AT_R].isfinite()
    torch.testing.assert_close(torch.minimum(y[known, 1], y[known, AT_R]), y[known, 0], rtol=0, atol=2e-4)
    # Where it is not known, the gap at Γ is the lesser: nothing but Γ and R was ever found.
    assert (y[~known, 0] == y[~known, 1]).all()


def test_distance_is_strain_and_modulo_symmetry():
    x = np.array([[3.7, 3.9, 4.1, 85.0, 92.0, 97.0]])
    assert distances(x, lattices.images(x[0])).max() < 1e-7
    stretched, sheared = np.array([CUBIC, CUBIC])
    stretched[0] *= 1.01
    sheared[5] += math.degrees(0.02)  # engineering shear 0.02: two tensor elements of 0.01
    found = distances(np.array([CUBIC]), np.stack((stretched, sheared)))[0]
    assert found == pytest.approx([0.01, 0.01 * math.sqrt(2)], rel=1e-6)


def test_families_merge_images_and_near_duplicates():
    x = np.array([3.7, 3.9, 4.1, 85.0, 92.0, 97.0])
    near = x * 1.002
    cells = np.stack([*lattices.images(x)[[0, 5, 23]], lattices.images(near)[7], np.add(x, (0.2, 0, 0, 0, 0, 0))])
    assert families(cells, [4, 3, 2, 1, 0]).tolist() == [3, 3, 3, 3, 4]
    assert families(cells, range(5), radius=1e-4).tolist() == [0, 0, 0, 3, 4]


@pytest.mark.parametrize("by", ["energy", "cubic", "robustness"])
def test_the_table_ranks(by):
    x = TASK.sample_prior(40, torch.Generator().manual_seed(0))
    x[7] = torch.from_numpy(lattices.images(x[3])[9])
    frame = table(x, Parabola(), by)
    assert frame.sort_values("rank")[by].is_monotonic_increasing
    assert frame["family"][3] == frame["family"][7]
    assert frame["members"][3] == 2
    assert frame["best"].sum() == frame["family"].nunique() == 39
    assert frame["energy"].to_numpy() == pytest.approx(10 * frame["cubic"] ** 2, rel=1e-3)
    with pytest.raises(ValueError, match="accepted: energy, cubic, robustness"):
        table(x, Parabola(), "beauty")


def test_robustness_of_a_linear_gap_is_known():
    class Slope(Parabola):
        def properties(self, x):
            return (0.7 * x[:, 3] + 0 * x[:, 0])[:, None].expand(-1, 3)

    x = TASK.sample_prior(20, torch.Generator().manual_seed(0))
    expected = torch.full((20,), 0.7 * 0.5 / math.sqrt(3), dtype=torch.float64)  # SD of U(±0.5°)
    torch.testing.assert_close(robustness(Slope(), x), expected, rtol=0.05, atol=0)


def test_strain_and_volume_by_hand():
    x = torch.tensor([CUBIC, [1.02 * CUBIC_LENGTH, CUBIC_LENGTH, 0.97 * CUBIC_LENGTH, 90.0, 90.0, 90.0]]).double()
    assert largest_strain(x).tolist() == pytest.approx([0, 0.03], abs=1e-6)
    assert volume_change(x).tolist() == pytest.approx([0, 1.02 * 0.97 - 1], abs=1e-6)
    cells = lattices.design(20)
    by_ase = [abs(np.linalg.det(cellpar_to_cell(cell))) / CUBIC_LENGTH**3 - 1 for cell in cells]
    assert volume_change(torch.from_numpy(cells)).tolist() == pytest.approx(by_ase)


@pytest.mark.parametrize(
    "expressions",
    [["a=b"], ["angles=90"], ["alpha=90", "β=90"], ["c=3.905"], ["substrate=gdsco3"], ["strain<=8%"], ["volume<=0.05"],
     ["a=b", "a=c"]],
)  # fmt: skip
def test_constraints_are_obeyed(expressions):
    found = design(TASK, parabola(), torch.tensor([1.7]), 50, space=constraints.parse(TASK, expressions))
    x = found.final.double()
    plane = SUBSTRATES["GdScO3"]
    off = {
        "a=b": x[:, 0] - x[:, 1],
        "a=c": x[:, 0] - x[:, 2],
        "angles=90": x[:, 3:] - 90,
        "alpha=90": x[:, 3] - 90,
        "β=90": x[:, 4] - 90,
        "c=3.905": x[:, 2] - 3.905,
        "substrate=gdsco3": torch.cat((x[:, :2] - plane, x[:, 5:] - 90), dim=1),
        "strain<=8%": (largest_strain(x) - 0.08).clamp(min=0),
        "volume<=0.05": (volume_change(x).abs() - 0.05).clamp(min=0),
    }
    assert max(off[text].abs().max() for text in expressions) <= 1e-6
    assert ((found.surrogate - 1.7).abs() < 1e-3).float().mean() > 0.9
    assert TASK.in_bounds(x).all()


def test_a_cap_that_excludes_the_target_is_kept_all_the_same():
    moves = constraints.parse(TASK, ["angles=90", "strain<=1%"])
    found = design(TASK, parabola(), torch.tensor([0.5]), 20, space=moves)
    assert "cannot be reached" in found.note
    assert largest_strain(found.final.double()).max() <= 0.01 + 1e-6
    assert largest_strain(found.final.double()).max() > 0.009


def test_out_of_reach_is_said_with_the_nearest_gap():
    moves = constraints.parse(TASK, ["angles=90", "substrate=SrTiO3", "c>=3.9", "c<=4.0"])
    found = design(TASK, parabola(), torch.tensor([0.5]), 20, space=moves)
    assert "cannot be reached" in found.note
    assert "1.9" in found.note


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("substrate=glass", "substrate 'glass' is not known; accepted: LaAlO3"),
        ("strain<=much", "expected a fraction between 0 and 1, or a percentage, e.g. strain<=5%"),
        ("volume<=300%", "expected a fraction"),
        ("colour=red", "substrate=NAME"),
        ("angles=45", "leave no values for"),
    ],
)
def test_wrong_constraints_are_one_sentence(text, says):
    with pytest.raises(ValueError, match=says):
        constraints.parse(TASK, [text])


def solutions(n=4):
    found = design(TASK, parabola(), torch.tensor([1.5]), n).frame()
    found.loc[found.index[-1], ["y1", "direct PBE gap [eV]", "ΔE [eV per cell]"]] = 1.49, 1.8, 2.25
    return found


@pytest.mark.parametrize("form", ["cif", "poscar", "extxyz"])
def test_ase_reads_back_the_lattice(form, tmp_path, capsys):
    frame = solutions()
    frame.to_csv(tmp_path / "s.csv", index=False)
    command = ["export", "crystal", str(tmp_path / "s.csv"), "--format", form, "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["files"] == 4
    final = pd.read_csv(tmp_path / "s.csv").query("stage == 'localized'").set_index("sample")
    for path in (tmp_path / "out").iterdir():
        atoms = read(path, format={"poscar": "vasp"}.get(form, form))
        sample = int(path.stem.split("-")[1])
        expected = final.loc[sample, [f"x{j}" for j in range(1, 7)]].to_numpy(dtype=float)
        assert atoms.cell.cellpar() == pytest.approx(expected, abs=1e-6)
        assert atoms.get_chemical_symbols() == ["Sr", "Ti", "O", "O", "O"]
        assert atoms.get_scaled_positions().round(6) % 1 == pytest.approx(np.array(dft.SITES), abs=1e-5)
        assert "PBE gap, unrelaxed internal coordinates" in path.read_text()
        assert "relaxed, this cell's gap is another (1-2 eV larger in four of four tested)" in path.read_text()


def test_extxyz_says_what_is_known():
    written = files("crystal", "extxyz", solutions().assign(energy=2.5))
    known = [read(io.StringIO(content.decode()), format="extxyz").info for content in written.values()]
    assert [int(info["sample"]) for info in known] == [0, 1, 2, 3]
    assert [bool(info["verified"]) for info in known] == [False, False, False, True]
    assert known[3]["dft_gap_eV"] == pytest.approx(1.49)
    assert known[3]["dft_delta_e_eV"] == pytest.approx(2.25)
    assert "dft_gap_eV" not in known[0]
    assert ["plane waves to 600 eV, 32 k-points of a 4 x 4 x 4 mesh" in info["provenance"] for info in known] == [
        False,
        False,
        False,
        True,
    ]
    assert known[0]["surrogate_delta_e_eV"] == pytest.approx(2.5)
    assert known[0]["surrogate_gap_eV"] == pytest.approx(1.5, abs=1e-2)


def test_a_format_that_is_not_known_is_one_line(tmp_path, capsys):
    solutions().to_csv(tmp_path / "s.csv", index=False)
    assert main(["export", "crystal", str(tmp_path / "s.csv"), "--format", "stl", "--out", str(tmp_path)]) == 2
    assert "accepted: cif, poscar, extxyz" in capsys.readouterr().err


def test_omega_says_what_dft_says_and_nothing_where_it_failed(monkeypatch):
    asked = {}

    def gaps(x, progress, cancel, **where):
        asked.update(x=x, progress=progress, cancel=cancel, **where)
        good = {"gap": -0.1, "direct": 0.2, "energy": CUBIC_ENERGY + 3}
        return [good, {"fail": "no", "cpu_s": 1.0}, None]

    monkeypatch.setattr(dft, "gaps", gaps)
    told = print
    with watching(told):
        y = TASK.omega(torch.tensor([CUBIC] * 3))
    assert asked["progress"] is told
    assert asked["cancel"] is asked["workers"] is asked["scheduler"] is None
    assert y[0].tolist() == pytest.approx([-0.1, 0.2, 3])
    assert y[1:].isnan().all()
    TASK.omega(torch.tensor([CUBIC] * 3))
    assert asked["progress"] is None


@pytest.mark.dft
@pytest.mark.slow
@pytest.mark.skipif(find_spec("gpaw") is None, reason="GPAW is not installed")
def test_the_cubic_minimum_is_where_the_constants_say():
    lengths = np.array([3.925, 3.95, 3.975])
    energy = [dft.gap((a, a, a, 90, 90, 90))["energy"] for a in lengths]
    curve = np.polyfit(lengths - 3.95, energy, 2)
    assert 3.95 - curve[1] / (2 * curve[0]) == pytest.approx(CUBIC_LENGTH, abs=1e-4)
    assert np.polyval(curve, CUBIC_LENGTH - 3.95) == pytest.approx(CUBIC_ENERGY, abs=1e-4)


def test_the_task_is_listed():
    assert TASKS["crystal"] is TASK
    assert TASK.omega_seconds > 0.01, "DFT must not run unasked"


def test_the_line_beyond_which_no_film_is_grown_is_the_surrogates_energy_at_the_record_strain():
    c = torch.linspace(3.9, 4.35, 200)
    a = torch.full_like(c, CUBIC_LENGTH * (1 - FILM_STRAIN))
    right = torch.full_like(c, 90.0)
    with torch.no_grad():
        energy = load("crystal", "prior-lm").surrogate.properties(torch.stack((a, a, c, right, right, right), 1))[:, 2]
    assert energy.min() / ATOMS == pytest.approx(FILM_ENERGY, abs=0.001)
