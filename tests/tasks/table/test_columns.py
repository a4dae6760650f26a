"""Kinds of columns: each is recognized in twenty variants, and look-alikes are not."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from ipage_core.tasks.table.advice import warnings
from ipage_core.tasks.table.columns import describe, mixtures
from ipage_core.tasks.table.reader import Settings, read_table
from tests.tasks.table.variants import content, text, upload

TWENTY = pytest.mark.parametrize("seed", range(20))
PAIRS = ("yes no", "TRUE FALSE", "ja nein", "on off", "Y N", "oui non", "true false", "with without", "T F", "Yes No")


def kind(values):
    return describe(pd.DataFrame({"c": values}), "c")


@TWENTY
def test_yes_and_no(seed):
    rng = np.random.default_rng(seed)
    words = np.array(PAIRS[seed % len(PAIRS)].split())
    frame = content(rng).assign(flag=words[rng.integers(0, 2, 80)])
    if seed > 9:
        frame["flag"] = [w.upper() if rng.random() < 0.2 else w for w in frame["flag"]]
        frame.loc[rng.integers(0, 80, 5), "flag"] = ""
    seen = read_table(upload(text(frame), rng)).columns["flag"]
    assert seen.kind == "boolean"
    assert len(seen.levels) == 2


@TWENTY
def test_categories_and_labels(seed):
    rng = np.random.default_rng(seed)
    pools = (
        ["2H", "1T", "3R"],
        ["A", "B"],
        ["Fe", "Co", "Ni"],
        ["film", "bulk"],
        ["P1", "P2"],
        ["300K", "x"],
        ["4H", "6H"],
    )
    pool = pools[seed % 7]
    frame = content(rng).assign(kind=rng.choice(pool, 80), label=[f"film {k}" for k in range(80)])
    table = read_table(upload(text(frame), rng))
    assert table.columns["kind"].kind == "category"
    assert table.columns["kind"].levels == tuple(sorted(pool))
    assert table.columns["label"].kind == "text"
    assert not table.columns["kind"].numeric


@TWENTY
def test_whole_numbers(seed):
    rng = np.random.default_rng(seed)
    n = rng.integers(1, int(rng.choice([3, 9, 200])), 80)
    cells = n.astype(float) if seed % 2 else n  # '4.0' is whole, too
    frame = content(rng).assign(layers=cells)
    if seed % 3 == 0:
        frame = frame.astype(object)
        frame.loc[3, "layers"] = ""
    seen = read_table(upload(text(frame), rng)).columns
    assert seen["layers"].kind == "integer"
    assert seen["a"].kind == "real"
    if len(set(n)) <= 30 and seed % 3:
        assert seen["layers"].levels == tuple(sorted(set(n.tolist())))


@TWENTY
def test_decades_suit_a_log_scale(seed):
    rng = np.random.default_rng(seed)
    decades = rng.uniform(2.2, 9)
    spans = {
        0: 10 ** rng.uniform(-3, -3 + decades, 100),
        1: np.exp(rng.normal(0, decades / 2, 100)),
        2: 10.0 ** rng.integers(0, 4, 100),
        3: rng.lognormal(3, 1.2, 300),
    }[seed % 4]
    assert kind(spans).scale == "log"
    table = read_table(upload(text(pd.DataFrame({"carriers": spans, "gap": spans * 2}))))
    assert "it is searched on a log scale" in "\n".join(table.warnings(["carriers"], ["gap"]))


@TWENTY
def test_what_spans_decades_by_chance_does_not(seed):
    rng = np.random.default_rng(seed)
    values = {
        0: rng.uniform(0.0005, 1, 400),
        1: np.maximum(1e-3, rng.normal(5, 1.5, 400)),
        2: rng.uniform(-1, 1, 100),
        3: np.linspace(0.01, 5, 200),
    }[seed % 4]
    assert kind(values).scale == "linear"


@TWENTY
def test_parts_of_a_mixture(seed):
    rng = np.random.default_rng(seed)
    parts, total = int(rng.integers(2, 6)), (1.0, 100.0)[seed % 2]
    digits = int(rng.integers(2, 9))
    mixed = (rng.dirichlet(np.ones(parts), 80) * total).round(digits)
    frame = pd.DataFrame(mixed, columns=[f"p{k}" for k in range(parts)])
    frame["other"], frame["T"] = rng.uniform(0, total, 80).round(digits), rng.uniform(300, 900, 80)
    frame = frame[rng.permutation(frame.columns)]
    found = mixtures(frame, list(frame))
    assert [(set(names), t) for names, t in found] == [({f"p{k}" for k in range(parts)}, total)]
    told = "\n".join(read_table(upload(text(frame.assign(gap=rng.random(80))))).warnings(list(frame), ["gap"]))
    assert f"is {total:g} in every row: parts of a mixture" in told


def test_two_sites_are_two_mixtures_and_chance_is_none():
    rng = np.random.default_rng(0)
    a, b = rng.random(60).round(4), rng.random(60).round(4)
    frame = pd.DataFrame({"Sr": a, "Ba": (1 - a).round(4), "Ti": b, "Zr": (1 - b).round(4)})
    assert mixtures(frame, list(frame)) == [(("Sr", "Ba"), 1.0), (("Ti", "Zr"), 1.0)]
    noisy = frame.assign(Ba=frame["Ba"] + rng.normal(0, 0.02, 60).round(4))
    assert mixtures(noisy, ["Sr", "Ba"]) == []
    wide = pd.DataFrame(rng.dirichlet(np.ones(14), 60), columns=[f"p{k}" for k in range(14)])
    assert mixtures(wide, list(wide)) == [(tuple(wide), 1.0)]


@TWENTY
def test_values_that_only_look_like_markers(seed):
    rng = np.random.default_rng(seed)
    values = {
        0: rng.integers(-1, 8, 80).astype(float),
        1: np.maximum(0, rng.normal(0, 1, 80)),
        2: rng.uniform(-1200, 1200, 80).round(),
        3: np.where(rng.random(80) < 0.3, 90.0, rng.uniform(80, 100, 80)),
        4: 10 ** rng.uniform(0, 25, 80),
    }[seed % 5]
    assert kind(values).sentinel is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("largest", [1e308, 1.7e308])
def test_a_number_near_the_end_of_float64_is_described_without_a_warning(largest):
    assert kind([largest] * 40).scale == "linear"
    assert kind(np.geomspace(1, largest, 40)).high == largest


def test_dates_are_no_numbers():
    assert kind([f"0{k % 9 + 1}.02.2024" for k in range(40)]).kind == "date"
    assert kind([f"2024-01-0{k % 9 + 1} 12:30:00" for k in range(40)]).kind == "date"


def test_a_single_input_and_a_single_property():
    rng = np.random.default_rng(0)
    x = rng.random(120).round(5)
    table = read_table(upload(text(pd.DataFrame({"thickness": x, "gap": np.sin(3 * x).round(5)}))))
    assert list(table.columns) == ["thickness", "gap"]
    assert table.guessed == Settings(separator=",", decimal=".", encoding="utf-8")


def test_inputs_and_properties_are_chosen_or_guessed():
    upload_ = upload(text(content(np.random.default_rng(0)), names=["a [Å]", "b, c", "T", "gap"]))
    assert read_table(upload_).x == ("a [Å]", "b, c", "T")
    assert read_table(upload_).y == ("gap",)
    table = read_table(upload_, x=["a", "b, c"], y=["gap"])
    assert (table.x, table.y) == (("a [Å]", "b, c"), ("gap",))
    with pytest.raises(ValueError, match="There is no column 'z'"):
        read_table(upload_, x="z", y="gap")


def test_words_that_differ_in_case_blanks_or_form_are_asked_about():
    words = ["Water", "water ", "316 L", "316\u00a0L", "A\u0308", "Ä", "oil"]
    frame = pd.DataFrame({"s": words * 10, "gap": np.random.default_rng(0).random(70)})
    told = "\n".join(warnings(frame, ["s"], ["gap"]))
    assert "s: 'Water', 'water ' differ in case" in told
    assert "s: '316 L', '316\\xa0L' differ in" in told
    assert "s: 'A\u0308', 'Ä' differ in" in told
    assert "oil" not in told.partition("differ")[2]


def test_one_quantity_in_two_columns_is_asked_about():
    rng = np.random.default_rng(0)
    t, p = rng.uniform(300, 900, (2, 60)).round(1)
    frame = pd.DataFrame({"T": t, "p": p, "F": (1.8 * t - 459.67).round(2), "gap": t / 7 + p, "y": 2 * p})
    told = warnings(frame, ["T", "p", "F"], ["gap", "y"])
    first, second = [one for one in told if "straight line" in one]
    assert first.startswith("F follows T on a straight line, as one quantity in two units; designs would move each by")
    assert second == "y follows the input p on a straight line: is it the same quantity?"


@pytest.mark.parametrize("day", ["0{}-Jan-2020", "Jan {}, 2020", "{}. März 2020", "2020-Okt-0{}", "{} dec 20 10:30"])
def test_dates_with_names_of_months_are_no_categories(day):
    assert kind([day.format(k % 5 + 1) for k in range(60)]).kind == "date"


def test_the_missing_value_of_well_logs_is_a_marker():
    assert kind([*np.linspace(1, 2, 60), *[-999.25] * 5]).sentinel == -999.25


@pytest.mark.parametrize("cells", [[True, False, None] * 20, [True, False] * 30])
def test_stored_booleans_are_categories(cells):
    column = kind(cells)
    assert (column.kind, column.levels) == ("boolean", ("False", "True"))


def test_mixtures_among_many_columns_take_little_memory():
    frame = pd.DataFrame(np.random.default_rng(0).dirichlet(np.ones(600), 60))
    frame.insert(300, "T", np.linspace(0.3, 0.9, 60))
    tracemalloc.start()
    assert mixtures(frame, list(frame)) == []
    frame = frame.drop(columns="T")
    assert mixtures(frame, list(frame)) == [(tuple(frame), 1.0)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
