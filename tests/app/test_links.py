"""Links: whatever the address holds, there is a page, and one sentence says what was dropped."""

from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from streamlit.testing.v1 import AppTest

from app.components.links import same
from app.state import runs
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks import TASKS
from tests.support import stand_ins

ROOT = Path(__file__).resolve().parents[2]
LONG = "9" * 10_000


@pytest.fixture
def app(monkeypatch):
    monkeypatch.setattr(runs, "load", stand_ins.load)
    monkeypatch.chdir(ROOT)
    runs.run.clear()

    def start(page="main.py", **query):
        test = AppTest.from_file(str(ROOT / "app" / page), default_timeout=120)
        for name, value in query.items():
            test.query_params[name] = value
        return test.run()

    yield start
    runs.run.clear()


def said(test):
    (warning,) = [w.value for w in test.warning if w.value.startswith("Parts of this link were left out: ")]
    return warning


@pytest.mark.parametrize(("query", "dropped"), [
    ({"n": LONG, "seed": "inf", "y1": "1e999"}, ["n=9999", "seed=inf is no finite number", "y1=1e999 is no finite"]),
    ({"n": "", "seed": "-1", "sampling": "x"}, ["n= is empty", "seed=-1 is not", "sampling=x is not accepted"]),
    ({"omega": "nan", "tolerance": "٣", "view": "../x"}, ["omega=nan is no finite", "tolerance=٣ is", "view=../x is"]),
    ({"method": "gpt", "spread": LONG, "fill": "2"}, ["method=gpt is not", "is too long", "fill=2 is not accepted"]),
    ({"y9": "5", "tol1": "inf"}, ["y9=5 has no use here", "tol1=inf is no finite number"]),
    ({"sample": "1e999", "within": "5", "view": "Coverage"}, ["sample=1e999 is no finite", "within=5 is not accepted"]),
    ({"seed": "9" * 400 + ".5", "n": "25\x00"}, ["seed=999", "n=25� is not accepted here"]),
])  # fmt: skip
def test_what_a_link_cannot_set_is_said_once(app, query, dropped):
    test = app(**({"n": "25"} | query))
    assert not test.exception
    assert not test.error
    assert any(m.value.startswith("#### ") and "designs" in m.value for m in test.markdown)
    assert all(part in said(test).replace("\\", "") for part in dropped), said(test)
    test.query_params["more"] = "1"  # the address changes, as with every widget
    test.run()
    assert not [w for w in test.warning if "this link" in w.value]


@pytest.mark.parametrize(("page", "query", "sentence", "kept"), [
    ("explore", {"task": ["robotic_arm", "sinewave"], "n": "3"},
     "This link names task more than once; the last, sinewave, is used.", ("task", "sinewave")),
    ("explore", {"y1": ["1", "0.5"], "n": "3"},
     "This link names y1 more than once; the last, 0.5, is used.", ("y1", "0.5")),
    ("compare", {"runs": ["ipage~srs~0", "ipage~lhs~1"]},
     "This link names runs more than once; the last, ipage~lhs~1, is used.", ("runs", "ipage~lhs~1")),
])  # fmt: skip
def test_a_parameter_that_is_there_twice_is_said(monkeypatch, page, query, sentence, kept):
    monkeypatch.setattr(runs, "load", stand_ins.load)
    test = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=120).switch_page(f"screens/{page}.py")
    for name, texts in query.items():
        test.query_params[name] = texts
    test.run()
    assert not test.exception
    assert sentence in [w.value.replace("\\", "") for w in test.warning]
    assert test.query_params[kept[0]] in (kept[1], [kept[1]])


@pytest.mark.parametrize("query", [{"dft_says": ["hit", "off"]}, {"y1": ["0.5", "0.5"]}])
def test_values_that_do_not_contradict_each_other_need_no_word(app, query):
    test = app(n="3", **query)
    assert not test.exception
    assert "more than once" not in " ".join(w.value for w in test.warning)


@pytest.mark.parametrize("more", [{}, {"upto1": "inf"}])
def test_an_interval_without_an_upper_end_says_what_stands_there(app, more):
    test = app(n="3", ask1="between", y1="2", **more)
    assert not test.exception
    (warning,) = [w.value for w in test.warning if "upper end" in w.value]
    stands = test.number_input(key="upto1").value
    assert warning.endswith(f"This link gives no upper end for y: {stands:.4g} stands there.")
    test.query_params["more"] = "1"  # the address changes, as with every widget
    assert not [w for w in test.run().warning if "upper end" in w.value]
    for whole in (app(n="3", ask1="between", y1="2", upto1="2.8"), app(n="3", y1="2")):
        assert not [w for w in whole.warning if "upper end" in w.value]


@pytest.mark.parametrize(("text", "said"), [
    ("x1=" + "9" * 5000, "constraint 'x1=99999"), ("x1=\x1b[31mred", "constraint 'x1=\\x1b[31mred' is not understood"),
])  # fmt: skip
def test_the_error_of_a_constraint_is_cut_and_safe_to_show(app, text, said):
    (error,) = app(n="3", constrain=text).error
    assert error.value.replace("\\\\", "\\").startswith(said)
    assert error.value.isprintable()
    assert len(error.value) < 300


def test_a_method_s_former_name_becomes_the_current_one(app):
    test = app(task="sinewave", method="ipage-mlp", n="25")
    assert not test.exception
    assert test.session_state.method == "ipage"
    (toast,) = test.toast
    assert toast.value == "The method **ipage-mlp** is **ipage** now, because its INN contains this surrogate."


def test_a_whole_link_is_taken_without_a_word(app):
    query = {"n": "25", "seed": "7", "sampling": "srs", "spread": "posterior", "y1": "1.50", "omega": "0",
             "sample": "3", "tolerance": "1", "view": "Posterior", "constrain": "x1 <= 0.5"}  # fmt: skip
    test = app(**query)
    assert not test.exception
    assert not [w for w in test.warning if "this link" in w.value]
    assert (test.session_state["seed"], test.session_state["sampling"], test.session_state["sample"]) == (7, "srs", 3)


@pytest.mark.parametrize("task", ["gone", "", "sinewave2", LONG, "é\x00<b>", "inf"])
@pytest.mark.parametrize(("page", "key"), [("main.py", "task_choice"), ("screens/compare.py", "compare_task")])
def test_an_unknown_task_never_becomes_another(app, page, key, task):
    test = app(page, task=task)
    assert not test.exception
    (error,) = test.error
    assert error.value.startswith("There is no task “")
    assert len(error.value) < 200
    assert not test.get("plotly_chart")
    assert test.selectbox(key=key).value is None
    test.selectbox(key=key).set_value("ballistics").run()
    assert not test.exception
    assert not test.error
    assert test.query_params["task"] in ("ballistics", ["ballistics"])
    assert test.get("plotly_chart")


@pytest.mark.parametrize("runs_", ["ipage~srs~" + LONG, "ipage~srs~²", "ipage~srs~-1", "gpt~srs~0", "~~", "\x00"])
def test_compare_drops_what_is_no_run(app, runs_):
    test = app("screens/compare.py", runs=f"ipage~lhs~3,{runs_}")
    assert not test.exception
    assert test.session_state["compare-runs-sinewave"] == [{"method": "ipage", "sampling": "lhs", "seed": 3}]


def test_compare_names_every_run_that_it_drops(monkeypatch):
    monkeypatch.setattr(runs, "load", stand_ins.load)
    test = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=120).switch_page("screens/compare.py")
    test.query_params["runs"] = f"~~~~,ipage~lhs~1e999,ipage~srs~0,{LONG}"
    test.run()
    assert not test.exception
    assert said(test).replace("\\", "").count("is not accepted: METHOD~SAMPLING~SEED") == 3
    assert all(part in said(test).replace("\\", "") for part in ("runs=~~~~ is", "runs=ipage~lhs~1e999 is", "99… is"))


@pytest.mark.parametrize(("text", "value", "equal"), [
    ("1.50", 1.5, True), ("TRUE", True, True), ("", None, True), ("0", None, False), ("x", 1.0, False),
    ("9" * 5000, 7, False), ("LHS", "lhs", True), ("1", True, True), ("nan", 1.0, False),
])  # fmt: skip
def test_a_text_is_a_setting_s_value(text, value, equal):
    assert same(text, value) is equal


@pytest.mark.parametrize("request_", [
    DesignRequest.of(TASKS["sinewave"], 1.3, n=50, seed=3, sampling="lhs", omega_evals=2, spread="box"),
    DesignRequest.of(TASKS["ballistics"], (4.0, 6.0), n=25, method="prior-lm", constraints="angle <= 0.8"),
    DesignRequest.of(TASKS["robotic_arm"], (1.5, 0.1), n=10, sampling="srs"),
])  # fmt: skip
def test_the_program_s_own_links_are_taken_whole(app, request_):
    test = app(**dict(parse_qsl(request_.to_query())), view="Localization")
    assert not test.exception
    assert not [w.value for w in test.warning if "this link" in w.value]
    assert test.session_state["seed"] == request_.seed
