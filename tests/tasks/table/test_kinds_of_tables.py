"""Twenty tables of each kind: words, codes, decades, mixtures, integers, similar names, lattices in other units."""

import numpy as np
import pandas as pd
import pytest
import torch

from ipage_core.problem import constraints
from ipage_core.tasks.table import own_data, own_task
from ipage_core.tasks.table.columns import YES_NO
from ipage_core.tasks.table.lattice import lattice_in_angstrom
from ipage_core.tasks.table.names import choose
from ipage_core.tasks.table.reader import read_table
from tests.tasks.table.variants import content, text, upload

TWENTY = pytest.mark.parametrize("seed", range(20))


def made(folder, frame, x, y=("gap",), **more):
    """The frame read back from a CSV file, as a task."""
    table = read_table(upload(text(frame)))
    return own_data.create(folder / "t", table.frame, list(x), list(y), source="t.csv", **more)


def drawn(task, n=200, seed=0):
    """Possible starts of localization, in the task's space."""
    space = constraints.parse(task)
    low, high = task.bounds
    x = low + (high - low) * torch.rand(n, task.d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    u = space.encode(x).clamp(*space.bounds)
    return space.exact(space.project(space.decode(space.settle(u))))


@TWENTY
def test_yes_and_no_in_any_language_are_a_category(tmp_path, seed):
    rng = np.random.default_rng(seed)
    yes, no = YES_NO[seed % len(YES_NO)]
    spell = (str, str.upper, str.capitalize)[seed % 3]
    frame = content(rng).assign(annealed=rng.choice([spell(yes), spell(no)], 80))
    task = made(tmp_path, frame, ["a", "b", "T", "annealed"])
    assert task.variables[3].kind == "category"
    assert set(task.variables[3].levels) == {spell(yes), spell(no)}
    assert set(drawn(task)[:, 3].tolist()) == {0.0, 1.0}


@TWENTY
def test_words_and_codes_are_categories(tmp_path, seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 9))
    words = [f"{w}{k}" for k, w in enumerate(rng.permutation(["Ö", "x y", "β-", "A;B ", "c,d", "=e", "'f'", "g/"]))][
        :count
    ]
    codes = rng.choice(np.arange(100, 900), count, replace=False)
    frame = content(rng).assign(route=rng.choice(words, 80), code=rng.choice(codes, 80))
    frame.loc[: count - 1, "route"], frame.loc[: count - 1, "code"] = words, codes
    task = made(tmp_path, frame, ["a", "route", "code"], kinds={"code": "category"})
    assert task.variables[1].levels == tuple(sorted(words))
    assert task.variables[2].levels == tuple(map(str, sorted(codes)))
    x = drawn(task)
    assert torch.equal(x[:, 1:], x[:, 1:].round())
    assert own_task.shown(task, 1, pd.Series(x[:, 1].numpy())).isin(words).all()
    as_measured = own_data.measured(task.models_folder)
    assert [words.index(frame["route"][k]) for k in range(5)] == [
        words.index(task.variables[1].show(v)) for v in as_measured.x[:5, 1].tolist()
    ]


@TWENTY
def test_a_category_with_a_cell_that_lacks_leaves_out_that_row(tmp_path, seed):
    rng = np.random.default_rng(seed)
    frame = content(rng).assign(route=rng.choice(["sol", "gel"], 80))
    gone = rng.choice(80, int(rng.integers(1, 20)), replace=False)
    frame.loc[gone, "route"] = ("", "NA", "-", "n/a", "?")[seed % 5]
    task = made(tmp_path, frame, ["a", "b", "route"])
    assert task.variables[2].levels == ("gel", "sol")
    assert sorted(own_data.measured(task.models_folder).row.tolist()) == sorted(set(range(1, 81)) - set(gone + 1))


@TWENTY
def test_decades_are_searched_by_their_logarithm(tmp_path, seed):
    rng = np.random.default_rng(seed)
    low, decades = 10.0 ** rng.integers(-12, 18), rng.uniform(3, 8)
    frame = content(rng).assign(carriers=[float(f"{v:.4g}") for v in low * 10 ** rng.uniform(0, decades, 80)])
    task = made(tmp_path, frame, ["a", "b", "carriers"])
    assert task.variables[2].scale == "log"
    space = constraints.parse(task)
    middle = space.decode(space.bounds.mean(0)[None])[0, 2]
    assert middle.item() == pytest.approx((frame["carriers"].min() * frame["carriers"].max()) ** 0.5)
    if 1e-6 < np.ptp(frame["carriers"]) < 1e17:
        again = made(tmp_path / "linear", frame, ["a", "b", "carriers"], kinds={"carriers": "linear"})
        assert again.variables[2].scale == "linear"


@TWENTY
def test_mixtures_stay_mixtures(tmp_path, seed):
    rng = np.random.default_rng(seed)
    parts, total = int(rng.integers(2, 6)), (1.0, 100.0)[seed % 2]
    digits = (6, 4, 3, 2)[seed % 4]
    shares = rng.dirichlet(np.ones(parts), 80) * total
    shares = shares.round(digits if total == 1 else digits - 1)
    if seed % 3:
        shares[:, -1] = (total - shares[:, :-1].sum(1)).round(8)
    names = ["Sr", "Ba", "Ca", "La", "Y"][:parts]
    frame = pd.DataFrame(shares.clip(0), columns=names).assign(T=rng.uniform(300, 900, 80).round(1))
    frame["gap"] = (1 + frame["Sr"] / total).round(5)
    task = made(tmp_path, frame, [*names, "T"])
    assert task.relations == (f"{' + '.join(f'x{j + 1}' for j in range(parts))} = {total:g}",)
    assert (drawn(task)[:, :parts].sum(1) - total).abs().max() < 1e-9 * total


@TWENTY
def test_whole_numbers_stay_whole(tmp_path, seed):
    rng = np.random.default_rng(seed)
    first, step = int(rng.integers(-5, 2000)), int(rng.integers(1, 40))
    frame = content(rng).assign(layers=first + step * rng.integers(0, 12, 80))
    task = made(tmp_path, frame, ["a", "layers"])
    assert task.variables[1].kind == "integer"
    x = drawn(task)
    assert torch.equal(x[:, 1], x[:, 1].round())
    assert ((x >= task.bounds[0] - 1e-9) & (x <= task.bounds[1] + 1e-9)).all()


@TWENTY
def test_names_that_differ_in_case_or_begin_alike_are_told_apart(tmp_path, seed):
    rng = np.random.default_rng(seed)
    pairs = (("t", "T"), ("Water", "Water content"), ("pH", "PH"), ("a", "a b"), ("n", "N"), ("Si", "SI"))
    short, long = pairs[seed % 6] if seed % 2 else pairs[seed % 6][::-1]
    frame = content(rng).rename(columns={"a": short, "T": long})
    assert choose(list(frame), f"{short},{long}") == [short, long]
    task = made(tmp_path, frame, [short, "b", long])
    for j, name in ((0, short), (2, long)):
        limit = float(task.bounds[:, j].mean())
        bounds = constraints.parse(task, [f"{name} <= {limit}"]).bounds
        assert float(bounds[1, j]) == limit
        assert torch.equal(bounds[:, 1], task.bounds[:, 1])
        assert torch.equal(bounds[:, 2 - j], task.bounds[:, 2 - j])


@TWENTY
def test_lattices_in_any_unit_become_angstrom_and_degrees(tmp_path, seed):
    rng = np.random.default_rng(seed)
    length, to_length = [("nm", 0.1), ("pm", 100.0), ("Å", 1.0), ("angstrom", 1.0), ("bohr", 1 / 0.529177210544)][
        seed % 5
    ]
    angle, to_angle = [("deg", 1.0), ("°", 1.0), ("rad", np.pi / 180), ("degrees", 1.0)][seed % 4]
    style = ("{} ({})", "{} [{}]", "{} / {}")[seed % 3]
    cells = np.concatenate((rng.uniform(3.6, 4.2, (80, 3)), rng.uniform(85, 95, (80, 3))), axis=1)
    factors = np.array([to_length] * 3 + [to_angle] * 3)
    names = [style.format(n, length) for n in "abc"] + [style.format(n, angle) for n in ("alpha", "beta", "gamma")]
    frame = pd.DataFrame((cells * factors).round(7), columns=names).assign(gap=cells[:, 0].round(5))
    order, back = lattice_in_angstrom(made(tmp_path, frame, names))
    np.testing.assert_allclose(frame[names].to_numpy()[:, order] * back, cells, rtol=1e-5)


@TWENTY
def test_an_unknown_unit_of_length_is_refused_for_structure_files(tmp_path, seed):
    rng = np.random.default_rng(seed)
    unit = ("m", "mm", "inch", "µm", "cm", "km", "ft", "Torr", "eV", "K")[seed % 10]
    names = [f"{n} [{unit}]" for n in "abc"] + ["alpha", "beta", "gamma"]
    cells = np.concatenate((rng.uniform(3.6, 4.2, (80, 3)), rng.uniform(85, 95, (80, 3))), axis=1)
    frame = pd.DataFrame(cells.round(5), columns=names).assign(gap=cells[:, 0].round(5))
    with pytest.raises(ValueError, match="is not known for structure files"):
        lattice_in_angstrom(made(tmp_path, frame, names))


@TWENTY
def test_one_input_makes_a_task(tmp_path, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 5, 60).round(4) * 10.0 ** rng.integers(-3, 4)
    frame = pd.DataFrame({"thickness": x, "gap": (np.sin(x) + 0.1 * x).round(6)})
    task = made(tmp_path, frame, ["thickness"])
    assert (task.d, task.n_targets) == (1, 1)
    assert task.bounds[:, 0].tolist() == [frame["thickness"].min(), frame["thickness"].max()]
