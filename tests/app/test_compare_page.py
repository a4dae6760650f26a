"""The page Compare, without a browser and without trained models."""

import json

import pytest

from app.components.target_form import target_label
from app.figures.theme import unpacked
from ipage_core.inference.costs import cost
from ipage_core.runtime.paths import ROOT
from ipage_core.tasks import TASKS


@pytest.fixture
def compare(app):
    def start(**query):
        test = app(**{"n": "3", **query})
        test.switch_page("screens/compare.py")
        test.query_params.update(query)
        return test.run()

    return start


def figure(test, k):
    return json.loads(test.get("plotly_chart")[k].proto.spec)


def test_two_runs_are_there_before_any_click(compare):
    test = compare()
    assert not test.exception
    assert test.query_params["runs"] == "ipage~maximin~0,prior-lm~maximin~0"
    errors, cost = figure(test, 0), figure(test, 1)
    assert errors["layout"]["yaxis2"]["matches"] == "y"
    assert errors["layout"]["xaxis2"]["matches"] == "x"
    assert {trace["name"] for trace in cost["data"]} == {"latent", "proposal", "localization", "verification"}
    numbers = next(d.value for d in test.dataframe if "hits" in d.value)
    assert numbers["hits"].str.endswith("/ 100").all()
    assert numbers["run"].tolist() == ["A: iPage, maximin, seed 0", "B: Random start (control), maximin, seed 0"]


@pytest.mark.skipif(not (ROOT / "pretrained/sinewave/inn.json").exists(), reason="no trained networks in pretrained/")
def test_networks_cost_what_the_page_benchmark_says(compare):
    test = compare()
    numbers = next(d.value for d in test.dataframe if "hits" in d.value)
    for shown, method in zip(numbers.itertuples(), ("ipage", "prior-lm"), strict=True):
        assert shown.parameters == cost("sinewave", method).parameters
        assert numbers["trained for, s"][shown.Index] == round(cost("sinewave", method).training_seconds)


def test_the_target_is_named_by_its_property(compare):
    test = compare(task="sinewave")
    assert test.number_input(key="compare-sinewave-y").label == "Target y*"
    assert target_label(TASKS["ballistics"], 0) == "Target y*: landing point [m]"
    assert target_label(TASKS["robotic_arm"], 1) == "y₂*: hand, vertical [m]"


def test_figures_stand_as_tables_too(compare):
    test = compare(task="sinewave", runs="ipage~maximin~0,inn~srs~1")
    errors, seconds = (d.value for d in test.dataframe[-2:])
    assert errors.groupby("run")["squared error"].unique().map(list).tolist() == [
        ["by the surrogate f", "by Ω"],
        ["by Ω"],
    ]
    drawn = figure(test, 0)["data"][1]
    first = errors[(errors["run"] == errors["run"][0]) & (errors["squared error"] == "by the surrogate f")]
    assert first["median"].to_numpy() == pytest.approx(unpacked(drawn["y"]), rel=1e-5)
    assert seconds["localization, seconds"][1] == 0
    assert [b.proto.label for b in test.get("download_button")] == ["Download CSV"] * 2


def test_the_address_brings_runs_back_and_coverage_is_run_on_demand(compare, monkeypatch):
    test = compare(task="sinewave", runs="inn~srs~4,ipage~lhs~2,nonsense~srs~0")
    assert not test.exception
    assert test.query_params["runs"] == "inn~srs~4,ipage~lhs~2"
    assert len(test.get("plotly_chart")) == 2
    test.button(key="coverage").click().run()
    assert not test.exception
    spec = figure(test, 2)
    assert {trace["name"] for trace in spec["data"]} == {"A: INN alone, SRS, seed 4", "B: iPage, LHS, seed 2"}
    assert spec["layout"]["yaxis"]["range"] == [0, 9.6]
    test.number_input(key="compare-sinewave-y").set_value(0.5).run()
    assert len(test.get("plotly_chart")) == 2  # the coverage of another target is not shown


def test_tasks_of_several_targets(compare):
    test = compare()
    test.selectbox(key="compare_task").set_value("robotic_arm").run()
    assert not test.exception
    assert test.number_input(key="compare-robotic_arm-y₂").value == 0


def test_names_of_four_runs_end_where_their_panels_do(compare):
    test = compare(runs="ipage~maximin~0,ipage~lhs~0,inn~srs~1,prior-lm~maximin~0")
    titles = [one["text"] for one in figure(test, 0)["layout"]["annotations"]]
    assert titles[2:] == ["<b>C: INN alone, SRS, seed 1</b>", "<b>D: Random start (control)</b>"]
