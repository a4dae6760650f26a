"""The page's script without a browser (Streamlit's AppTest), with stand-ins that need no trained model."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from app.components.words import method_name
from app.state import runs
from ipage_core.inference.methods import METHODS
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks import TASKS

ROOT = Path(__file__).resolve().parent.parent.parent


def figure(test):
    return json.loads(test.get("plotly_chart")[0].proto.spec)


def about(test):
    """Task and target in the figure."""
    return {name: figure(test)["layout"]["meta"][name] for name in ("task", "target")}


def headline(test):
    return next(m.value for m in test.markdown if m.value.startswith("#### ") and " design" in m.value)


def test_the_default_view_is_there_before_any_click(app):
    test = app()
    assert not test.exception
    assert not test.error
    assert "200 designs achieve y* = 1.2" in headline(test).replace("200 of", "")
    assert about(test) == {"task": "sinewave", "target": [1.2]}
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
    assert about(test) == {"task": task, "target": target}
    assert test.query_params["task"] == task


def test_the_address_holds_every_setting(app):
    test = app(task="ballistics", y1="4.5", sampling="SRS", n="50", seed="3", method="prior-lm", omega="2")
    assert about(test) == {"task": "ballistics", "target": [4.5]}
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
    assert any("cannot be reached" in w.value for w in test.warning)
    assert headline(test).startswith("#### 0 of 25")


@pytest.mark.parametrize(
    ("query", "told", "holds"),
    [
        ({"ask1": "between", "y1": "0.4", "upto1": "0.6"}, "0.4 ≤ y ≤ 0.6", lambda f: f["y"].between(0.4, 0.6)),
        ({"ask1": "at least", "y1": "1.5"}, "y ≥ 1.5", lambda f: f["y"] >= 1.5),
        ({"ask1": "at most", "y1": "-1.5"}, "y ≤ -1.5", lambda f: f["y"] <= -1.5),
        ({"constrain": "x1 = 0.2"}, "y* = 1.2", lambda f: (f["x₁"] - 0.2).abs() < 1e-6),
        ({"constrain": "x1 = x2; x1 <= 0.5", "y1": "0.5"}, "y* = 0.5", lambda f: f["x₁"] == f["x₂"]),
    ],
)
def test_other_ways_of_asking_are_obeyed(app, query, told, holds):
    test = app(n="25", **query)
    assert not test.exception
    assert not test.error
    assert told in headline(test)
    frame = test.dataframe[0].value.rename(columns=lambda c: c.removesuffix(" localized"))
    assert holds(frame).mean() >= 0.9  # the stand-in's surrogate errs by 0.003; constraints are exact, below
    if "constrain" in query:
        assert holds(frame).all()


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"constrain": "bananas"}, "is not understood"),
        ({"constrain": "x1 = 7"}, "leave no values for"),
        ({"ask1": "between", "y1": "1", "upto1": "0"}, "must be larger"),
        ({"start": "0.2"}, "2 finite numbers"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(app, query, told):
    test = app(n="25", **query)
    assert not test.exception
    assert len(test.error) == 1
    assert told in test.error[0].value
    assert not test.get("plotly_chart")


def test_a_design_of_one_s_own_is_the_first_sample(app):
    test = app(n="25", start="0.3, -0.6")
    first = test.dataframe[0].value.iloc[0]
    assert [first["x₁ posterior"], first["x₂ posterior"]] == pytest.approx([0.3, -0.6])


def test_a_target_beyond_the_data_is_said_and_the_nearest_offered(app):
    test = app(y1="3", n="25")
    assert "outside the values of the 10,000 training pairs" in test.info[0].value
    test.button(key="nearest").click().run()
    assert test.number_input(key="y1").value == pytest.approx(2.0, abs=0.01)
    assert not test.info


@pytest.mark.parametrize("view", ["Localization", "Posterior", "Latent design", "Compare"])
@pytest.mark.parametrize("task", ["sinewave", "ballistics"])
def test_every_view_is_drawn(app, view, task):
    test = app(n="25", view=view, task=task, sample="3")
    assert not test.exception
    assert not test.error
    assert figure(test)["layout"]["meta"]["task"] == task
    assert any(s.value == "Sample 3" for s in test.subheader)


def test_favourites_are_kept(app):
    test = app(n="25", sample="3")
    test.button(key="keep").click().run()
    test.number_input(key="sample").set_value(5).run()
    test.button(key="keep").click().run()
    assert [one["name"] for one in test.session_state.favourites] == ["design 1", "design 2"]
    assert [one["sample"] for one in test.session_state.favourites] == [3, 5]


def test_the_tolerance_judges(app):
    test = app(n="25")
    test.select_slider(key="tolerance").set_value(0.1).run()
    assert "within ±0.002" in headline(test)


def test_a_link_made_with_other_weights_is_said(app):
    test = app(n="25", model="deadbeef")
    assert "differ from those installed" in test.warning[0].value


def test_a_sweep_fills_its_table(app, monkeypatch):
    from app.components import compare

    monkeypatch.setattr(compare, "SIZES", [10, 25])
    test = app(n="25", view="Compare", seeds="3")
    test.button(key="sweep").click().run(timeout=300)
    assert not test.exception
    (known,) = test.session_state.sweeps.values()
    assert len(known) == 3 * 2 * 3
    assert test.session_state.sweeping is None


def test_the_archive_holds_what_reproduces_it(app):
    from app.components import share
    from app.tasks import panel_of

    asked = {"method": "prior-lm", "n": 10, "sampling": "lhs", "seed": 3, "start": (0.1, 0.2)}
    settings = DesignRequest.of(TASKS["sinewave"], "1.5:", **asked)
    run, figures = runs.of(settings), panel_of("sinewave").figures
    with zipfile.ZipFile(io.BytesIO(share.archive(settings, run, figures))) as file:
        assert not any(name.endswith((".js", ".html")) for name in file.namelist())
        for name in figures(run):
            assert file.read(f"figures/{name}.png").startswith(b"\x89PNG")
            assert b"<svg" in file.read(f"figures/{name}.svg")
        assert sum(item.compress_size for item in file.infolist()) < 1.5e6
    with zipfile.ZipFile(io.BytesIO(share.archive(settings, run, figures, moving=True))) as file:
        names = set(file.namelist())
        told = file.read("README.txt").decode()
        stored = json.loads(file.read("settings.json"))
        html = file.read("figures/localization.html").decode()
    expected = {"solutions.csv", "settings.json", "seed_design.csv", "models/mlp.json", "figures/plotly.min.js"}
    assert expected <= names
    assert "--target=1.5: --n 10" in told
    columns = [line.split()[0] for line in told.splitlines() if line.startswith("    ") and "python" not in line]
    assert columns[:6] == ["x1", "x2", "target1", "surrogate1", "y1", "resim_error"]
    arm = share.columns_text(TASKS["robotic_arm"])
    assert "x3          x₃ joint 2 [rad]\n" in arm
    assert "y2          hand, vertical [m] by Ω" in arm
    assert stored["seed"] == 3
    assert "https://" not in html.split("<body>")[0]


def test_methods_without_a_surrogate_need_no_corrections(app):
    test = app(method="inn", n="25", omega="3")
    assert not test.exception
    assert not test.error
    assert test.slider(key="omega").disabled
    assert not figure(test).get("frames")


def test_every_method_has_its_title_on_the_page(app):
    test = app(n="25")
    shown = [option for option in test.selectbox(key="method").options if "trained here" not in option]
    assert shown == [method_name(name) for name in METHODS if "@" not in name]
    method = TASKS["sinewave"].default_method
    assert f"{METHODS[method].title}. In commands: `{method}`." in [c.value for c in test.caption]


def test_the_csv_is_the_contract_s(app):
    """One row per sample and stage, with the columns of ``solutions.csv``."""
    run = runs.run(DesignRequest.of(TASKS["robotic_arm"], "1.5,0", method="ipage"))
    frame = pd.read_csv(io.StringIO(run.frame.to_csv(index=False)))
    assert list(frame.columns[:2]) == ["sample", "stage"]
    assert set(frame["stage"]) == {"posterior", "localized"}
    assert len(frame) == 50
    columns = {
        "target1",
        "target2",
        "x1",
        "x4",
        "surrogate1",
        "y1",
        "y2",
        "resim_error",
        "hit",
        "in_bounds",
        "replaced",
    }
    assert columns <= set(frame.columns)


def test_the_page_s_csv_is_the_command_line_s_with_the_hits_of_the_page(app):
    from app.components import share

    request = DesignRequest.of(TASKS["robotic_arm"], "1.5,0", method="ipage", n=10)
    here = pd.read_csv(io.StringIO(share.table_csv(runs.of(request))))
    there = pd.read_csv(io.StringIO(request.run(runs.load("robotic_arm", "ipage")).frame().to_csv(index=False)))
    pd.testing.assert_frame_equal(here, there)
    assert there["y1"].notna().all()  # of the starts too
    strict = runs.of(request.replace(tolerance=0.01))
    hits = pd.read_csv(io.StringIO(share.table_csv(strict)))["hit"]
    assert hits[10:].tolist() == strict.hit.tolist()
    assert hits.sum() < there["hit"].sum()


def test_importing_the_entry_point_loads_no_torch():
    """The first page appears while torch is still being imported."""
    code = "import sys, streamlit_app, app.components.look, app.figures; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("view", ["Localization", "Posterior", "Latent design", "Compare"])
def test_a_single_sample_is_enough(app, view):
    test = app(n="1", view=view)
    assert not test.exception
    assert not test.error
    assert "of 1 design achieves" in headline(test)


def test_the_address_knows_the_samplings_by_the_command_line_s_names(app):
    for name in ("srs", "lhs", "LHS", "maximin"):
        test = app(n="25", sampling=name)
        assert test.segmented_control(key="sampling").value == name.lower()
