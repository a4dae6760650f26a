"""The page's script without a browser (Streamlit's AppTest), on stand-ins that need no trained model."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app import runs
from ipage_core.methods import METHODS
from tests import stand_ins

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def app(monkeypatch):
    def load(task, method):
        return stand_ins.load(task, method, missing=("cinn",))

    monkeypatch.setattr(runs, "load", load)
    monkeypatch.chdir(ROOT)
    runs.run.clear()

    def start(**query):
        test = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=120)
        for name, value in query.items():
            test.query_params[name] = value
        return test.run()

    yield start
    runs.run.clear()


def figure(test):
    return json.loads(test.get("plotly_chart")[0].proto.spec)


def headline(test):
    return next(m.value for m in test.markdown if m.value.startswith("#### ") and "designs" in m.value)


def test_the_default_view_is_there_before_any_click(app):
    test = app()
    assert not test.exception
    assert not test.error
    assert "200 designs achieve y* = 1.2" in headline(test).replace("200 of", "")
    assert figure(test)["layout"]["meta"] == {"task": "sinewave", "target": [1.2]}
    assert figure(test)["frames"]
    assert len(test.dataframe[0].value) == 200
    assert {"verified", "hit", "in prior"} <= set(test.dataframe[0].value["badges"][0])


def test_a_new_target_gives_a_new_figure(app):
    test = app(n="25")
    test.number_input(key="y1").set_value(0.9).run()
    assert figure(test)["layout"]["meta"]["target"] == [0.9]
    assert test.slider(key="slide_sinewave_1").value == pytest.approx(0.9)
    test.slider(key="slide_sinewave_1").set_value(1.5).run()
    assert test.number_input(key="y1").value == pytest.approx(1.5)
    assert figure(test)["layout"]["meta"]["target"] == [1.5]


@pytest.mark.parametrize(
    ("task", "target"),
    [("robotic_arm", [1.5, 0.0]), ("robotic_arm_kruse", [1.5, 0.0]), ("ballistics", [5.0])],
)
def test_choosing_a_task_brings_its_own_target(app, task, target):
    test = app(n="25", y1="0.4")
    test.selectbox(key="task_choice").set_value(task).run()
    assert not test.exception
    assert figure(test)["layout"]["meta"] == {"task": task, "target": target}
    assert test.query_params["task"] == task


def test_the_address_holds_every_setting(app):
    test = app(task="ballistics", y1="4.5", sampling="SRS", n="50", seed="3", method="prior-lm", omega="2")
    assert figure(test)["layout"]["meta"] == {"task": "ballistics", "target": [4.5]}
    assert test.select_slider(key="n").value == 50
    assert test.number_input(key="seed").value == 3
    assert test.selectbox(key="method").value == "prior-lm"
    assert test.slider(key="omega").value == 2
    assert test.segmented_control(key="sampling").value == "srs"
    assert any(f["name"] == "correction 2" for f in figure(test)["frames"])


def test_the_same_address_gives_the_same_designs(app):
    query = {"n": "25", "seed": "7", "sampling": "LHS"}
    first = app(**query)
    runs.run.clear()
    second = app(**query)
    assert first.dataframe[0].value.equals(second.dataframe[0].value)
    third = app(**query | {"seed": "8"})
    assert not first.dataframe[0].value.equals(third.dataframe[0].value)


def test_a_missing_model_is_one_sentence(app):
    test = app(method="cinn")
    assert not test.exception
    assert [e.value for e in test.error] == ["There is no trained model 'cinn' for sinewave"]
    assert not test.get("plotly_chart")


def test_an_unforeseen_failure_is_one_sentence_too(app, monkeypatch):
    def broken(task, method):
        raise RuntimeError("a detail nobody should read here")

    monkeypatch.setattr(runs, "load", broken)
    test = app(seed="99")
    assert not test.exception
    assert len(test.error) == 1
    assert "detail" not in test.error[0].value


def test_an_unreachable_target_is_said(app):
    test = app(y1="3", n="25")
    assert "cannot be reached" in test.warning[0].value
    assert headline(test).startswith("#### 0 of 25")


def test_methods_without_a_surrogate_need_no_corrections(app):
    test = app(method="inn", n="25", omega="3")
    assert not test.exception
    assert not test.error
    assert test.slider(key="omega").disabled
    assert not figure(test).get("frames")


def test_every_method_has_its_title_on_the_page(app):
    test = app(n="25")
    assert test.selectbox(key="method").options == list(METHODS)
    assert METHODS["ipage"].title in [c.value for c in test.caption]


def test_the_csv_is_the_contract_s(app):
    """One row per sample and stage, with the columns of ``solutions.csv``."""
    run = runs.run("robotic_arm", "ipage", (1.5, 0.0), 25, "maximin", 0, 0)
    frame = pd.read_csv(io.StringIO(run.frame.to_csv(index=False)))
    assert list(frame.columns[:2]) == ["sample", "stage"]
    assert set(frame["stage"]) == {"posterior", "localized"}
    assert len(frame) == 50
    assert {"target1", "target2", "x1", "x4", "surrogate1", "y1", "y2", "resim_error", "in_bounds", "replaced"} <= set(
        frame.columns
    )


def test_importing_the_entry_point_loads_no_torch():
    """The first page appears while torch is still being imported."""
    code = "import sys, streamlit_app, app.look, app.figures; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


def test_the_core_knows_neither_streamlit_nor_plotly():
    for path in (ROOT / "ipage_core").rglob("*.py"):
        text = path.read_text()
        assert "import streamlit" not in text, path
        assert "import plotly" not in text, path
