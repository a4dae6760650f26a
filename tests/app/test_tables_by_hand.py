"""Tables of candidates, cells and costs, from numbers that are written down here."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from app.components import favourites
from app.figures.theme import unpacked
from app.results import result_tables
from app.tasks import candidates, verification
from app.tasks.cells import figure as cells
from app.tasks.cells import measures
from app.tasks.cells.goals import planes
from app.tasks.crystal import candidates as crystal
from app.tasks.crystal import relaxing
from app.tasks.silicon import candidates as silicon
from app.tasks.silicon import figure as silicon_figure
from ipage_core.inference.costs import Cost
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks import TASKS
from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD
from ipage_core.tasks.crystal.strain import CUBIC_ENERGY

# Candidates for DFT: the first is verified, the second is not


def two(task, achieved, monkeypatch, module):
    monkeypatch.setattr(module, "badges", lambda run: [["hit"], []])
    monkeypatch.setattr(module, "half_widths", lambda task, x: np.array([0.01, 0.02]))
    monkeypatch.setattr(verification, "verdicts", lambda *of: ["hit", ""])
    return SimpleNamespace(
        task=task, n=2, aims=np.array([[0.5], [0.6]]), achieved=np.array([achieved, [np.nan] * len(achieved)]),
        verified=np.array([True, False]), x=np.arange(12.0).reshape(1, 2, 6) / 100,
        final=pd.DataFrame({f"x{j + 1}": [0.01 * j, 0.01 * (j + 6)] for j in range(6)} | {"basis": ["Ω", "f"]}),
    )  # fmt: skip


def test_a_table_of_crystals_says_ev_per_atom_per_cent_and_which_film_was_grown(monkeypatch):
    run = two("crystal", [0.51, 0.7, 0.9], monkeypatch, crystal)
    ranked = pd.DataFrame({
        "rank": [2, 1], "gap": [0.52, 0.61], "energy": [0.2, 0.05], "cubic": [0.03, 0.01], "best": [True, True],
        "largest_strain": [0.02, 0.005], "volume": [-0.04, 0.01], "robustness": [0.006, 0.007],
        "family": [1, 2], "members": [1, 1],
    })  # fmt: skip
    shown = crystal.table(run, ranked)
    assert shown["ΔE per atom"].tolist() == pytest.approx([0.9 / 5, 0.05 / 5])
    assert shown["film"].tolist() == ["none grown", ""]
    assert shown[["gap*", "gap by surrogates", "±"]].to_numpy().tolist() == [[0.5, 0.52, 0.01], [0.6, 0.61, 0.02]]
    assert shown.loc[0, ["gap by DFT", "ΔE by DFT", "ΔE by surrogates"]].tolist() == [0.51, 0.9, 0.2]
    assert shown.loc[1, ["gap by DFT", "ΔE by DFT"]].isna().all()
    assert shown.loc[0, ["from cubic", "largest strain", "volume"]].tolist() == pytest.approx([3, 2, -4])
    assert shown["gap ± by noise"].tolist() == [0.006, 0.007]


def test_a_table_of_silicon_says_mev_per_cent_and_one_scissor(monkeypatch):
    run = two("silicon", [0.31, 2.5, 0.004], monkeypatch, silicon)
    ranked = pd.DataFrame({
        "rank": [2, 1], "gap": [0.32, 0.4], "energy": [0.005, 0.001], "direct": [2.4, 2.3], "pressure": [1.5, -2.5],
        "valley": [1, 3], "largest_strain": [0.02, 0.005], "volume": [-0.04, 0.01], "family": [1, 1],
        "members": [2, 2], "best": [True, False],
    })  # fmt: skip
    shown = silicon.table(run, ranked, scissor=True)
    assert shown["gap + scissor"].tolist() == pytest.approx([0.31 + silicon.SCISSOR, 0.4 + silicon.SCISSOR])
    assert shown["elastic energy"].tolist() == pytest.approx([5, 1])
    assert shown.loc[0, ["energy by DFT", "gap by DFT"]].tolist() == pytest.approx([4, 0.31])
    assert shown.loc[0, ["largest strain", "volume"]].tolist() == pytest.approx([2, -4])
    assert shown.iloc[1, -6:].tolist() == pytest.approx([6, 7, 8, 9, 10, 11])  # strains in per cent
    assert "gap + scissor" not in silicon.table(run, ranked)


def test_the_rows_of_candidates_are_by_rank_and_ticks_name_their_samples(monkeypatch):
    table = pd.DataFrame({"sample": [0, 1, 2, 3], "rank": [3, 1, 4, 2]})
    picked = SimpleNamespace(selection=SimpleNamespace(rows=[0, 3, 9]))
    monkeypatch.setattr(candidates.st, "dataframe", lambda *shown, **how: picked)
    assert candidates.ask_rows(table, {}, "key") == ([1, 3, 0, 2], [1, 2])


def test_plus_minus_is_half_of_the_interval_of_the_first_property(monkeypatch):
    monkeypatch.setattr(candidates, "loaded", lambda task, method: None)
    ends = torch.tensor([[1.0, 0.0], [2.0, 0.0]]), torch.tensor([[1.5, 9.0], [2.1, 9.0]])
    monkeypatch.setattr(candidates, "interval", lambda *of: ends)
    assert candidates.half_widths.__wrapped__("crystal", np.zeros((2, 6))) == pytest.approx([0.25, 0.05])


def test_relaxed_states_are_above_the_lowest_in_mev_and_minima_where_the_curvature_is_positive():
    state = {"gap": 1.8, "space_group": "Pm-3m", "displacement": 0.1, "force": 0.01}
    lowest = {**state, "above": 0.0, "energy": CUBIC_ENERGY + 0.05, "curvature": 0.3}
    saddle = {**state, "above": 0.012, "energy": CUBIC_ENERGY - 0.1, "curvature": -0.2}
    unknown = {**state, "above": 0.02, "energy": CUBIC_ENERGY, "curvature": None}
    shown = relaxing.table(np.array([9.0, 1.7]), [(1, {"branches": [lowest, saddle, unknown]})])
    assert shown["above"].tolist() == pytest.approx([0, 12, 20])
    assert shown["ΔE per atom"].tolist() == pytest.approx([0.01, -0.02, 0])
    assert shown["kind"].tolist() == ["minimum", "saddle", "not known"]
    assert shown["gap, ideal sites"].tolist() == [1.7] * 3
    assert shown["state"].tolist() == [0, 1, 2]


def test_what_is_kept_is_the_result_and_its_address_names_the_sample(monkeypatch):
    pressed = []
    monkeypatch.setattr(favourites.st, "button", lambda *shown, on_click, **how: pressed.append(on_click))
    monkeypatch.setattr(favourites.st, "session_state", SimpleNamespace(setdefault={}.setdefault))
    run = SimpleNamespace(
        task="sinewave", method="ipage", x=np.arange(8.0).reshape(2, 2, 2), aims=np.array([[1.2], [1.3]]),
        achieved=np.array([[1.21], [1.28]]), y_star=np.array([1.2]), off_by=np.array([0.01, 0.02]),
    )  # fmt: skip
    request = DesignRequest.of(TASKS["sinewave"], "1.2", method="ipage", seed=4)
    favourites.ask_to_keep(request, run, 1)
    pressed[0]()
    (one,) = favourites.kept()
    assert one["x"].tolist() == [6, 7]
    assert one["y_star"].tolist() == [1.3]
    assert one["y"].tolist() == [1.28]
    assert (one["off_by"], one["address"]) == (0.02, f"{request.to_query()}&sample=1")


def test_silicon_s_second_atom_moves_and_a_shear_turns_the_axes_that_it_names():
    def unpacked_atoms(strain, shift):
        (atoms,) = [
            t for t in silicon_figure.crystal(np.array(strain), np.array(shift))["data"] if t.get("name") == "Si"
        ]
        return np.stack([np.asarray(unpacked(atoms[name])) for name in "xyz"], axis=1)

    places = silicon_figure.sites_in(1)[0] - 0.5
    moved = unpacked_atoms([0.0] * 6, [0.01, 0.02, 0.03]) - places
    assert moved[:14] == pytest.approx(0, abs=1e-6)
    assert moved[14:] == pytest.approx(np.tile(silicon_figure.TIMES * np.array([0.01, 0.02, 0.03]), (4, 1)), abs=1e-6)
    for k, pair in enumerate([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]):  # xx, yy, zz, yz, xz, xy
        tensor = np.zeros((3, 3))
        tensor[pair] = tensor[pair[::-1]] = 0.01
        moved = unpacked_atoms(np.eye(6)[k] / 100, [0.0] * 3) - places
        assert moved == pytest.approx(silicon_figure.TIMES * places @ tensor, abs=1e-6)


# Cells


def test_the_modulus_of_a_z_score_and_the_bound_of_a_volume():
    assert cells.modulus(np.array([0.0, 2.0])) == pytest.approx([E_X_MEAN, E_X_MEAN + 2 * E_X_SD])
    assert cells.hashin_shtrikman(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 0.25, 1])


def test_no_cell_of_the_front_has_both_more_volume_and_less_stiffness():
    points = np.array([[0.5, 0.2], [0.3, 0.1], [0.7, 0.15], [0.4, 0.1], [0.8, 0.6], [0.3, 0.05]])
    assert planes.pareto(points).tolist() == [[0.3, 0.1], [0.5, 0.2], [0.8, 0.6]]


@pytest.mark.parametrize("wide", [2, 3, 7])
def test_the_thinnest_member_is_as_wide_as_the_wall(wide):
    cell = np.zeros((32, 32), np.uint8)
    cell[:, 5 : 5 + wide] = 1
    assert measures.thinnest(cell) == wide
    cell[10:20] = 1  # across, thicker
    assert measures.thinnest(cell) == wide


def test_the_nearest_cell_and_the_share_of_its_pixels_that_differ(monkeypatch):
    rng = np.random.default_rng(0)
    known = (rng.random((5, 1024)) > 0.5).astype(np.uint8)
    monkeypatch.setattr(measures, "training", lambda task: (known, np.arange(5.0)[:, None]))
    one = known[3].astype(np.float32)
    one[:16] = 1 - one[:16]
    x, share, y = measures.nearest(SimpleNamespace(task="by hand", x=one[None, None]), 0)
    assert (x == known[3]).all()
    assert (share, y) == (16 / 1024, 3.0)


def test_a_laminate_is_as_many_times_stiffer_along_as_in_its_weakest_direction():
    cell = np.ones((32, 32), bool)
    assert measures.anisotropy.__wrapped__(np.packbits(cell).tobytes(), 1) == pytest.approx([1], abs=1e-3)
    cell[:, :8] = False
    cell[:8] = False  # a square grid is weaker along its diagonals, but not by a hundred
    (grid,) = measures.anisotropy.__wrapped__(np.packbits(cell).tobytes(), 1)
    assert 1 < grid < 10


# Tables of the benchmark


def test_costs_are_minutes_of_training_and_seconds_of_each_stage(monkeypatch):
    monkeypatch.setattr(result_tables, "cost", lambda task, method: Cost(1000, 90.0))
    row = {
        "kind": "time", "task": "sinewave", "method": "ipage", "sampling": "maximin", "device": "cpu", "parameters": 1,
        "training_seconds": 1.0, "peak_mb": 300.4, "inference_seconds": 0.12345, "localization_seconds": 1.23456,
    }  # fmt: skip
    rows = pd.DataFrame([row | {"device": "cuda"}, row, row | {"kind": "memory"}])
    shown = result_tables.costs({"compute": (rows, {})})
    assert shown["device"].tolist() == ["CPU", "GPU"]
    columns = ["parameters", "training [min]", "peak memory [MB]", "inference [s]", "localization [s]"]
    assert shown[columns].to_numpy().tolist() == [[1000, 1.5, 300, 0.123, 1.23]] * 2


def test_quality_and_ablation_are_means_over_seeds():
    row = {"task": "sinewave", "method": "ipage", "sampling": "srs", "stage": "posterior", "seed": 0}
    measured = {"mmd2": 0.1, "diversity": 0.2, "log_prior": -1.0, "log_prior_reference": -2.0, "in_bounds": 0.9}
    other = {"mmd2": 0.3, "diversity": 0.4, "log_prior": -2.0, "log_prior_reference": -4.0, "in_bounds": 1.0}
    rows = pd.DataFrame([row | measured, row | other | {"seed": 1}])
    shown = result_tables.quality_table({"quality": (rows, {})})
    assert shown.iloc[0, 4:].tolist() == pytest.approx([0.2, 0.3, -1.5, -3.0, 0.95])
    row = {"task": "sinewave", "start": "prior", "optimizer": "lm", "surrogate": "mlp", "sampling": "srs"}
    numbers = {"seconds": [1.0, 3.0], "mean": [0.1, 0.3], "success": [0.5, 1.0], "modes": [8, 9]}
    ablated = pd.DataFrame([row] * 2).assign(**numbers, omega_calls=[40.0, np.nan])
    shown = result_tables.ablation_table(ablated)
    assert shown.iloc[0, 5:].tolist() == pytest.approx([2, 0.2, 0.75, 8.5, 40])
