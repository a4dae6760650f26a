"""The view Coverage of Explore, without a browser and without trained models."""

import json
from dataclasses import replace

import numpy as np
import pytest

from app.figures.theme import unpacked
from app.state import coverage as state
from ipage_core.inference import coverage as core
from ipage_core.tasks import TASKS
from tests.support import stand_ins


@pytest.fixture
def coverage(app, monkeypatch):
    monkeypatch.setattr(core, "LOOKED_AT", 300)
    monkeypatch.setattr(core, "HELD_OUT", 200)
    monkeypatch.setattr(state, "SECONDS", 1.0)
    return lambda **query: app(**{"view": "Coverage", "n": "25", **query})


def figure(test):
    return json.loads(test.get("plotly_chart")[0].proto.spec)


def sentence(test):
    return next(m.value for m in test.markdown if "of the known solutions have a design within" in m.value)


NEAR = "solutions: within ε of a design"


def test_coverage_is_worked_out_when_asked_for(coverage):
    test = coverage(task="sinewave", within="0.1")
    assert not test.exception
    assert not test.get("plotly_chart")  # slow, so only after the button
    test.button(key="cover").click().run()
    assert not test.exception
    assert sentence(test).startswith("**Proved: exactly 9 separate pieces. Proved: no solution in the box is farther")
    traces = {trace["name"]: trace for trace in figure(test)["data"]}
    assert set(traces) == {
        NEAR, "solutions: farther than ε", "designs", "measured", "posterior-weighted", "proved", "ε = 0.1",
    }  # fmt: skip
    assert len(unpacked(traces["designs"]["x"])) == 25
    share = unpacked(traces["measured"]["y"])
    assert (np.diff(share) >= 0).all()
    assert share[-1] == 100
    before = len(unpacked(traces[NEAR]["x"]))
    test.number_input(key="within").set_value(0.05).run()  # ε only judges known distances: no new computation
    fewer = {trace["name"]: trace for trace in figure(test)["data"]}[NEAR]
    assert len(unpacked(fewer["x"])) < before
    assert "have a design within 0.05" in sentence(test)


def test_gaps_are_filled_and_the_added_designs_can_be_removed(coverage):
    test = coverage(task="sinewave", within="0.05")
    test.button(key="fill-gaps").click().run()
    assert not test.exception
    assert test.query_params["fill"] == "0.05"
    added = int(test.success[0].value.split()[0])
    assert added > 10
    assert f"{25 + added} in all" in test.success[0].value
    assert not test.warning
    assert "100 % now" in test.success[0].value or "99.9 % now" in test.success[0].value
    assert len(unpacked({t["name"]: t for t in figure(test)["data"]}["designs"]["x"])) == 25 + added
    assert any(f"{25 + added} designs" in m.value for m in test.markdown)
    for view in ("Localization", "Posterior", "Latent design", "Compare"):
        test.segmented_control(key="view").set_value(view).run()
        assert not test.exception, view
    test.segmented_control(key="view").set_value("Coverage").run()
    test.button(key="fill-gaps").click().run()
    assert "fill" not in test.query_params
    assert not test.success
    test.button(key="fill-gaps").click().run()
    test.number_input(key="y1").set_value(0.7).run()
    assert "fill" not in test.query_params  # another target starts unfilled


def test_a_link_fills_the_gaps_too(coverage):
    test = coverage(task="sinewave", fill="0.1")
    assert "added" in test.success[0].value
    test.session_state["share_texts"] = True
    test.run()
    assert "--fill 0.1" in next(c.value for c in test.code if "ipage_core design" in c.value)
    assert not coverage(task="sinewave", fill="nonsense").success


def test_what_has_no_coverage_says_so(coverage):
    assert "ask for exact values" in coverage(task="sinewave", ask1="at least").info[0].value
    test = coverage(task="sinewave", method="inn")
    assert test.button(key="fill-gaps").disabled
    with stand_ins.known(stand_ins.wide_task(1024)):
        wide = coverage(task="wide1024", n="3")
        assert "between 1024 free coordinates" in wide.info[0].value
        assert not wide.exception


def test_a_task_without_a_proof_gets_an_estimate(coverage):
    with stand_ins.known(replace(TASKS["sinewave"], omega_seconds=1e3)):
        test = coverage(task="sinewave")
        test.button(key="cover").click().run()
        assert not test.exception
        assert "Estimate, over the box" in sentence(test)
        assert "Proved" not in sentence(test)
        assert "No proof available: Ω of sinewave takes 1000 s" in sentence(test)


def test_a_constrained_run_is_covered_and_filled_within_its_constraints(coverage):
    test = coverage(task="sinewave", within="0.05", constrain="x1<=0; x2>=0.25")
    test.button(key="fill-gaps").click().run()
    assert not test.exception
    assert "added" in test.success[0].value
    traces = {trace["name"]: trace for trace in figure(test)["data"]}
    for name in (NEAR, "designs"):
        assert unpacked(traces[name]["x"]).max() <= 1e-4
        assert unpacked(traces[name]["y"]).min() >= 0.25 - 1e-4
    assert "violate" not in sentence(test)
    assert "Measured, over the box: 100 %" in sentence(test) or "99." in sentence(test)
