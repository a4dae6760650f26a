"""A user's table: reading and checking, a task without Ω, models trained on it, and rounds of results."""

import io
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from ipage_core.cli.main import main
from ipage_core.inference.methods import load
from ipage_core.inference.pipeline import design
from ipage_core.networks import MODELS
from ipage_core.networks.store import ModelUnavailable
from ipage_core.problem import constraints
from ipage_core.tasks.table import candidates, own_data, own_task
from ipage_core.tasks.table import reader as tables
from ipage_core.training.recipes import accuracy, recipe


def table(n=400, seed=0):
    """A band gap, nowhere below 0, of two lengths and an angle that is mostly 90."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(3, 4, n), rng.normal(0, 1, n)
    angle = np.where(rng.random(n) < 0.3, 90.0, rng.uniform(80, 100, n))
    gap = np.maximum(0, 2 * (a - 3.4) + 0.3 * b - 0.01 * np.abs(angle - 90))
    return pd.DataFrame({"a (Å)": a, "b": b, "angle": angle, "gap [eV]": gap})


def run(capsys, *arguments):
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a user's table with a small ensemble and INN, made by the command line."""
    folder = tmp_path_factory.mktemp("own")
    table().to_csv(folder / "gaps.csv", index=False)
    command = [sys.executable, "-m", "ipage_core", "train", "--data", folder / "gaps.csv", "--x", "a (Å),b,angle"]
    command += ["--y", "gap [eV]", "--out", folder / "model", "--epochs", "6", "--size", "small"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, env=environment)
    return folder / "model", process


def test_tables_are_read_in_every_format(tmp_path):
    frame = table(60)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", x=frame.to_numpy()[:, :3], gap=frame["gap [eV]"].to_numpy())
    for name in ("t.csv", "t.parquet"):
        pd.testing.assert_frame_equal(tables.read([tmp_path / name]), frame)
    assert tables.read([tmp_path / "t.npz"]).columns.tolist() == ["x1", "x2", "x3", "gap"]
    german = frame.to_csv(index=False, sep=";", decimal=",").encode()
    pd.testing.assert_frame_equal(tables.read([("t.csv", german)]), frame)


def test_headless_files_lie_side_by_side():
    x, y = b"1.5,2\n3,4\n", b"0\n0.5\n"
    frame = tables.read([("data_x.csv", x), ("data_y.csv", y)])
    assert frame.columns.tolist() == ["data_x_1", "data_x_2", "data_y"]
    assert frame["data_y"].tolist() == [0, 0.5]
    with pytest.raises(ValueError, match=r"as many rows each; here they have: data_x\.csv 2, data_y\.csv 1"):
        tables.read([("data_x.csv", x), ("data_y.csv", b"1\n")])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.pkl", b"", "t.pkl is not accepted: tables are .csv"),
        ("t.ods", b"", "save it as .xlsx or .csv"),
        ("t.xlsx", b"PK", "t.xlsx is not a readable XLSX table"),
        ("t.csv", b"", "t.csv is not a readable CSV table"),
        ("t.csv", b"\xff\xfe\x00", "t.csv is not a readable CSV table"),
        ("t.parquet", b"PAR1", "t.parquet is not a readable PARQUET table"),
        ("t.npz", b"PK", "t.npz is not a readable NPZ table"),
        ("t.csv", b"a,a\n1,2\n", None),
        ("t.csv", b"a,b\n", "t.csv has no rows"),
    ],
)
def test_a_bad_table_gets_a_sentence(name, content, said):
    if said is None:
        assert tables.read([(name, content)]).columns.tolist() == ["a", "a.1"]
        return
    with pytest.raises(ValueError, match=said):
        tables.read([(name, content)])


def test_pickles_are_never_loaded():
    buffer = io.BytesIO()
    np.savez(buffer, x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"t\.npz is not a readable NPZ table"):
        tables.read([("t.npz", buffer.getvalue())])


def test_the_summary_warns():
    frame = table()
    frame["same"], frame["name"] = 1.0, "SrTiO3"
    frame["grid"] = np.arange(len(frame)) % 5 * 0.5
    frame.loc[3, "b"] = np.nan
    frame = pd.concat([frame, frame.iloc[[0]]], ignore_index=True)
    seen = {column.name: column for column in tables.look(frame)}
    assert not seen["name"].numeric
    assert seen["same"].constant
    assert (seen["angle"].spike, seen["gap [eV]"].spike, seen["grid"].grid) == (90.0, 0.0, 0.5)
    assert tables.guess(list(seen.values())) == (["a (Å)", "b", "angle", "grid"], ["gap [eV]"])
    told = "\n".join(tables.warnings(frame, ["a (Å)", "b", "angle", "same", "grid"], ["gap [eV]"]))
    assert "1 of 401 rows lack a finite number in b" in told
    assert "same is the same in every row" in told
    assert "1 rows repeat the design of another one" in told
    assert "% of gap [eV] are exactly 0, its least value: taken as a floor" in told
    assert "% of angle are exactly 90" in told
    assert "grid takes only 5 values, 0.5 apart" in told
    assert "complete rows are few" not in told
    assert "30 complete rows are few for 2 inputs" in "\n".join(
        tables.warnings(frame[:30], ["a (Å)", "angle"], ["grid"])
    )


def test_a_table_becomes_a_task(tmp_path):
    task = own_data.create(
        tmp_path / "My gaps!",
        table(),
        ["a (Å)", "b", "angle"],
        ["gap [eV]"],
        source="gaps.csv",
        units={"angle": "°"},
        bounds={"b": (-2.0, 2.0)},
    )
    assert (task.name, task.omega, task.properties[0].floor) == ("my-gaps", None, 0.0)
    assert task.x_labels == ("a [Å]", "b", "angle [°]")
    assert task.property_labels == ("gap [eV]",)
    assert task.bounds[:, 1].tolist() == [-2.0, 2.0]
    assert task.support[0] is not None
    assert task.support[1:] == (None, None)
    assert task.dequantize[:2] == (0.0, 0.0)
    assert task.dequantize[2] > 0
    assert task.default_target[0] > 0
    x, _ = task.stored()
    held_x, _ = task.held_out()
    assert (len(x), len(held_x)) == (360, 40)
    assert task.in_bounds(task.sample_prior(100, torch.Generator().manual_seed(0))).all()
    assert sorted(p.name for p in (tmp_path / "My gaps!").glob("[!.]*")) == ["rows.safetensors", "task.json"]


def test_the_card_says_what_kind_an_input_is(tmp_path):
    rng = np.random.default_rng(0)
    frame = table().assign(layers=rng.integers(1, 9, 400), carriers=10 ** rng.uniform(2, 6, 400))
    task = own_data.create(tmp_path / "t", frame, ["layers", "carriers", "b"], ["gap [eV]"], source="t")
    assert [(v.kind, v.scale) for v in task.variables] == [("integer", "linear"), ("real", "log"), ("real", "linear")]
    assert own_data.read_card(tmp_path / "t")["x"][0]["levels"] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_kinds_can_be_set(tmp_path):
    rng = np.random.default_rng(0)
    frame = table().assign(layers=rng.integers(1, 9, 400), carriers=10 ** rng.uniform(2, 6, 400))
    choice = {"frame": frame, "x": ["layers", "carriers"], "y": ["gap [eV]"], "source": "t"}
    task = own_data.create(tmp_path / "t", **choice, kinds={"layers": "real log", "carriers": "linear"})
    assert [(v.kind, v.scale) for v in task.variables] == [("real", "log"), ("real", "linear")]
    for kinds, said in (
        ({"layers": "odd"}, "'odd' is no kind of the column 'layers'; accepted: real, integer, category, linear, log"),
        ({"carriers": "integer"}, "holds numbers that are not whole"),
        ({"gap [eV]": "real"}, "not among the chosen inputs"),
    ):
        with pytest.raises(ValueError, match=said):
            own_data.create(tmp_path / "u", **choice, kinds=kinds)


def test_parts_of_a_mixture_stay_one_in_every_design(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.dirichlet([1, 1, 1], 100).round(6), columns=["Sr", "Ba", "Ca"]).assign(T=rng.random(100))
    frame["gap"] = frame["Sr"] + frame["T"]
    task = own_data.create(tmp_path / "t", frame, ["Sr", "T", "Ba", "Ca"], ["gap"], source="t")
    assert task.relations == ("x1 + x3 + x4 = 1",)
    assert task.dequantize[3] > 0
    for said in ((), ("T=0.5",), ("Sr<=0.25", "T>=0.5")):
        space = constraints.parse(task, said)
        low, high = space.bounds
        u = low + (high - low) * torch.rand(50, len(low), dtype=torch.float64)
        x = space.exact(space.decode(u).float())
        assert (x[:, [0, 2, 3]].sum(1) - 1).abs().max() < 1e-12
        assert x.dtype == torch.float64
    with pytest.raises(ValueError, match=r"constraints Sr \+ Ba \+ Ca = 1, Sr=0.5, Ba=0.6 contradict each other"):
        constraints.parse(task, ["Sr=0.5", "Ba=0.6"])


def test_a_marker_of_missing_values_is_no_floor(tmp_path):
    frame = table()
    frame.loc[::8, "gap [eV]"] = -999.0
    assert own_data.create(tmp_path / "t", frame, ["b"], ["gap [eV]"], source="t").properties[0].floor is None
    assert "probably a marker" in "\n".join(tables.warnings(frame, ["b"], ["gap [eV]"]))


def test_rows_of_one_design_stay_on_one_side(tmp_path):
    frame = pd.concat([table(100)] * 3, ignore_index=True)
    task = own_data.create(tmp_path / "t", frame, ["b"], ["gap [eV]"], source="t")
    assert not set(task.stored()[0][:, 0].tolist()) & set(task.held_out()[0][:, 0].tolist())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"x": []}, "at least one input"),
        ({"x": ["nope"]}, "There is no column 'nope'"),
        ({"x": ["b", "b"]}, "'b' is chosen twice"),
        ({"y": ["b"]}, "'b' is chosen twice"),
        ({"x": ["same"]}, "'same' is 1 in every row"),
        ({"bounds": {"b": (50, 60)}}, "hold none of its data"),
        ({"bounds": {"gap [eV]": (0, 1)}}, "not among the chosen inputs"),
        ({"frame": table(20)}, "20 rows with numbers in all inputs and a property are too few"),
    ],
)
def test_a_bad_choice_gets_a_sentence_and_leaves_nothing(tmp_path, change, said):
    choice = {"frame": table().assign(same=1.0), "x": ["b"], "y": ["gap [eV]"], "source": "t"} | change
    with pytest.raises(ValueError, match=said):
        own_data.create(tmp_path / "t", **choice)
    assert not (tmp_path / "t").exists()


def test_a_damaged_folder_gets_a_sentence(tmp_path):
    with pytest.raises(ModelUnavailable, match="holds no task of own data"):
        own_task.load(tmp_path)
    own_data.create(tmp_path / "t", table(), ["b"], ["gap [eV]"], source="t")
    (tmp_path / "t" / "task.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match="damaged"):
        own_task.load(tmp_path / "t")


def test_the_ensemble_goes_on_below_the_floor():
    torch.manual_seed(0)
    network = MODELS["ensemble"](d=1, m=1, members=3, hidden=16, layers=1, floor=[0.0])
    x = torch.linspace(-1, 1, 400)[:, None]
    y = x.clamp(min=0)
    network.fit_scales(x, y)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(300):
        optimizer.zero_grad()
        (loss,) = (part["y"] for part in network.losses(x, y, {}, torch.Generator()))
        loss.backward()
        optimizer.step()
    left, right = x[:, 0] < -0.3, x[:, 0] > 0.1
    assert (network(x)[left] < -0.05).all()
    assert (network.predict(x) >= 0).all()
    assert (network.predict(x) - y)[right].abs().max() < 0.05
    assert network.spread(x)[left].max() < 0.02
    told = accuracy(network, x.double(), y.double())
    assert told["r2"][0] > 0.99
    assert told["n"] == 400
    with pytest.raises(ValueError, match="at least 3 members"):
        MODELS["ensemble"](d=1, m=1, members=2)


def test_the_command_line_trains_own_data(trained):
    folder, process = trained
    assert "are exactly 0, its least value" in process.stderr
    rows = [json.loads(line) for line in process.stdout.splitlines()]
    assert [row["model"] for row in rows] == ["mlp", "inn"]
    assert rows[1]["held_out"]["n"] == 40
    assert rows[1]["held_out"]["error_per_spread"]
    card = json.loads((folder / "task.json").read_text())
    assert card["rounds"][0]["source"] == "gaps.csv"
    assert card["rounds"][0]["held_out"]["mlp"] == rows[0]["held_out"] == rows[1]["held_out"]
    assert json.loads((folder / "mlp.json").read_text())["recipe"][1]["hidden"] == 64


def test_the_command_line_designs_with_own_data(trained, tmp_path, capsys):
    folder, _ = trained
    code, out, err = run(
        capsys, "design", "--model", folder, "--target", 0.5, "--n", 30, "--out", tmp_path / "s.csv",
        "--to-measure", tmp_path / "next.csv", "--measure", 6, "--constrain", "a>=3.5",
    )  # fmt: skip
    assert code == 0, err
    assert err.startswith("R² ")
    assert "on 40 held-out rows. 90 % intervals hold" in err
    assert "Not verified" in err
    summary = json.loads(out.splitlines()[-1])
    assert (summary["n"], summary["verified"], summary["hits"], summary["in_bounds"]) == (30, 0, 0, 30)
    assert summary["held_out"]["n"] == 40
    frame = pd.read_csv(tmp_path / "s.csv")
    added = ["low1", "high1", "basis", "spread1", "nearest_row", "nearest_distance", "nearest_y1", "expected_misfit"]
    added += ["closest_row", "closest_misfit", "row_is_closer"]
    assert frame.columns.tolist()[-16:-5] == added
    assert (frame["low1"] < frame["high1"]).all()
    best = (table()["gap [eV]"] - 0.5).abs()
    assert (frame["closest_row"] == best.idxmin() + 1).all()
    np.testing.assert_allclose(
        frame["closest_misfit"], best.min() / json.loads((folder / "task.json").read_text())["y"][0]["tolerance"]
    )
    assert frame.columns.tolist()[-5:] == ["a (Å)", "b", "angle", "gap [eV] predicted", "gap [eV] (90 %)"]
    ends = frame["gap [eV] (90 %)"].str.replace("−", "-").str.split(" – ", expand=True).astype(float)
    digit = (frame["high1"] - frame["low1"]) / 20  # two digits of half the width
    assert ((ends[0] - frame["low1"]).abs() <= digit).all()
    assert ((ends[1] - frame["high1"]).abs() <= digit).all()
    assert "is expected to come closest to its target: gap " in err
    assert frame["angle"].equals(frame["x3"])
    assert frame["gap [eV] predicted"].equals(frame["surrogate1"])
    assert frame[["y1", "resim_error"]].isna().all(axis=None)
    localized = frame[frame["stage"] == "localized"]
    assert (localized["x1"] >= 3.5 - 1e-6).all()
    nearest = table().iloc[localized["nearest_row"].to_numpy() - 1]
    np.testing.assert_allclose(nearest["gap [eV]"], localized["nearest_y1"])
    chosen = pd.read_csv(tmp_path / "next.csv")
    assert len(chosen) == 6
    assert chosen["why"].tolist() == ["value", "information"] * 3
    assert chosen["gap [eV]"].isna().all()
    assert not chosen[["a (Å)", "b", "angle"]].duplicated().any()


def test_a_column_of_text_is_named(tmp_path):
    frame = table().assign(note=[f"sample {k}" for k in range(len(table()))])
    assert tables.look(frame)[-1].distinct == len(frame)
    with pytest.raises(ValueError, match="The column 'note' holds 400 different words"):
        own_data.create(tmp_path / "t", frame, ["b", "note"], ["gap [eV]"], source="t")


def test_names_that_a_solution_has_already_are_not_overwritten(tmp_path):
    frame = table().rename(columns={"b": "x1", "angle": "sample"})
    task = own_data.create(tmp_path / "t", frame, ["sample", "x1"], ["gap [eV]"], source="t")
    told = own_task.named(task, pd.DataFrame({"sample": [0], "x1": [90.0], "x2": [0.5], "surrogate1": [1.0]}))
    assert told.iloc[0].to_dict() == {
        "sample": 0, "x1": 90.0, "x2": 0.5, "surrogate1": 1.0,
        "sample (own)": 90.0, "x1 (own)": 0.5, "gap [eV] predicted": 1.0,
    }  # fmt: skip


def test_predict_and_a_moved_folder(trained, tmp_path, capsys):
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for path in trained[0].iterdir():
        (moved / path.name).write_bytes(path.read_bytes())
    pd.DataFrame({"x1": [3.5], "x2": [0.0], "x3": [90.0]}).to_csv(tmp_path / "x.csv", index=False)
    code, _, err = run(capsys, "predict", "--model", moved, tmp_path / "x.csv", "--out", tmp_path / "p.csv")
    assert code == 0, err
    assert "surrogate1" in pd.read_csv(tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("column", "change", "how"),
    [
        ("a (Å)", lambda a: a / 1e3, "not times 1000: probably another unit"),
        ("angle", lambda a: a * 1e6, "not divided by 1e+06:"),
        ("share", lambda share: 100 * share, "not divided by 100, as percent: probably another unit"),
        ("share", lambda share: share / 2, ""),
        ("b", lambda b: b - 273.15, "not plus 273.15:"),
        ("gap [eV]", lambda gap: 1e9 * gap.clip(lower=0.1), "not divided by 1e+09:"),
        ("a (Å)", lambda a: a - 273.15, ""),  # a length is in no °C
        ("a (Å)", lambda a: 1.2 * a, ""),
        ("gap [eV]", lambda gap: 50 + gap, ""),
        ("decades", lambda y: 1e3 * y, ""),  # it may well have such values
    ],
)
def test_values_to_add_in_another_unit_are_refused(tmp_path, column, change, how):
    frame = table().assign(decades=10 ** np.linspace(0, 4, 400), share=np.linspace(0.8, 0.98, 400))
    x, y = ["a (Å)", "b", "angle"], ["gap [eV]", "decades", "share"]
    own_data.create(tmp_path / "t", frame, x, y, source="t", units={"b": "°C"})
    more = table(12, seed=5).assign(decades=10 ** np.linspace(0, 4, 12), share=np.linspace(0.85, 0.95, 12))
    more[column] = change(more[column])
    if how:
        with pytest.raises(ValueError, match=re.escape(how)) as told:
            own_data.add(tmp_path / "t", more, source="more.csv")
        assert str(told.value).startswith(f"more.csv: '{column}' is ")
        assert len(own_data.measured(tmp_path / "t").x) == 400
    assert own_data.add(tmp_path / "t", more, source="more.csv", as_they_are=bool(how)) == 12


def test_a_table_that_is_read_anew_into_its_folder_has_the_new_rows(tmp_path):
    read = []
    for seed in (0, 1):
        own_data.create(tmp_path / str(seed), table(60, seed), ["a (Å)", "b", "angle"], ["gap [eV]"], source="t.csv")
        shutil.copytree(tmp_path / str(seed), tmp_path / "own", dirs_exist_ok=True)
        for path in (tmp_path / "own").iterdir():  # two files written within the clock's resolution look alike
            os.utime(path, (1000 + seed, 1000 + seed))
        read.append(own_data.measured(tmp_path / "own").x)
        assert torch.equal(read[-1], own_data.measured(tmp_path / str(seed)).x)
    assert not torch.equal(*read)


def test_results_come_back_as_another_round(trained, tmp_path, capsys):
    folder = tmp_path / "model"
    folder.mkdir()
    for path in trained[0].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    task = own_task.load(folder)
    method = load(task, "ipage")
    found = design(task, method, torch.tensor([0.5]), 20)
    chosen = candidates.to_measure(task, method, found.final, found.y_star, 4)
    chosen.to_csv(tmp_path / "empty.csv", index=False)
    before = own_data.measured(folder)
    with pytest.raises(ValueError, match="fill in what was measured"):
        own_data.add(folder, tables.read([tmp_path / "empty.csv"]), source="empty.csv")
    chosen["gap [eV]"] = [0.5, 0.6, np.nan, 0.4]
    chosen.to_csv(tmp_path / "results.csv", index=False)
    code, _, err = run(capsys, "train", "--model", folder, "--add", tmp_path / "results.csv", "--epochs", 2)
    assert code == 0, err
    assert err.startswith("3 rows added")
    after = own_data.measured(folder)
    assert len(after.x) == len(before.x) + 3
    assert after.round[-3:].tolist() == [1, 1, 1]
    assert (after.held_out[:-3] == before.held_out).all()
    assert not after.held_out[-3:].any()
    rounds = own_data.read_card(folder)["rounds"]
    assert [r["rows"] for r in rounds] == [400, 3]
    assert all("mlp" in r["held_out"] for r in rounds)
    code, _, err = run(capsys, "train", "--model", folder, "--add", tmp_path / "results.csv")
    assert code == 2
    assert "are in the data already" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--data", "nope.csv", "--x", "a", "--y", "b", "--out", "o"], "nope.csv does not exist"),
        (["train", "--data", "nope.csv", "--out", "o"], "--data needs --x COLS and --y COLS"),
        (["train", "--x", "a", "--out", "o"], "need --data FILE"),
        (["train", "--out", "o"], "TASK or --model DIR is required"),
        (["train", "sinewave"], "--out DIR is required"),
        (["train", "sinewave", "--out", "o", "--size", "huge"], "size 'huge' is not known"),
        (["train", "--model", "nowhere"], "--model nowhere: there is no such folder"),
        (["design", "--model", ".", "--target", "1", "--out", "o.csv"], ". holds no task of own data"),
        (["train", "sinewave", "--model", "nowhere"], "takes the place of TASK"),
        (["train", "--add", "f.csv", "--out", "o"], "--add needs --model DIR"),
        (["design", "--target", "1", "--out", "o.csv"], "TASK or --model DIR is required"),
        (["design", "sinewave", "--target", "1", "--out", "o.csv", "--to-measure", "n.csv"], "--to-measure is for own"),
    ],
)
def test_bad_arguments_get_a_sentence(capsys, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert said in err
    assert not list(tmp_path.iterdir())


def test_energies_far_from_zero_are_targets_not_directions(trained, tmp_path):
    frame = table().assign(energy=lambda t: -4000 + t["b"])
    task = own_data.create(tmp_path / "t", frame, ["b", "angle"], ["energy"], source="t")

    class Known:
        latent_dim = 2

        def sample(self, y_star, z):
            return torch.special.ndtr(z) * (task.bounds[1] - task.bounds[0]).to(z) + task.bounds[0].to(z)

    from ipage_core.inference.methods import Loaded

    method = Loaded("ipage", Known(), lambda x: x[:, :1] - 4000, torch.device("cpu"))
    found = design(task, method, torch.tensor([-3999.5]), 10)
    assert (found.final[:, 0] - 0.5).abs().max() < 0.01


def test_sizes_change_widths_only(tmp_path):
    task = own_data.create(tmp_path / "t", table(), ["b", "angle"], ["gap [eV]"], source="t")
    for model in ("inn", "mlp", "cinn"):
        _, usual, settings = recipe(task, model)
        _, large, same = recipe(task, model, "large")
        assert same == settings
        assert large["hidden"] == 2 * usual["hidden"]
        assert {k for k in large if large[k] != usual.get(k)} <= {"hidden", "surrogate_hidden"}
    with pytest.raises(ValueError, match="have one size"):
        recipe(task, "mdn", "small")


def test_lengths_in_metres_make_the_same_task_in_another_unit(tmp_path):
    frame = table()
    in_metres = frame.assign(**{"a (Å)": 1e-10 * frame["a (Å)"]}).rename(columns={"a (Å)": "a (m)"})
    one = own_data.create(tmp_path / "1", frame, ["a (Å)", "b"], ["gap [eV]"], source="t")
    other = own_data.create(tmp_path / "2", in_metres, ["a (m)", "b"], ["gap [eV]"], source="t")
    torch.testing.assert_close(1e10 * other.bounds[:, 0], one.bounds[:, 0])
    assert other.variables[0].scale == one.variables[0].scale
    with pytest.raises(ValueError, match="accepted: ends that are 1e-15 to 1e\\+17 apart"):
        own_data.create(tmp_path / "3", in_metres.assign(b=1e-17 * frame["b"]), ["b"], ["gap [eV]"], source="t")
