"""The page Your problem: a test evaluation before anything else, failures with their reason, campaigns live."""

import json
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from ase.build import bulk
from ase.io import write
from streamlit.testing.v1 import AppTest

from app.components import problem
from app.components.campaign import wanted
from app.figures.campaign import figure
from app.figures.playback import WIDE, Size
from app.figures.theme import unpacked
from app.state import classroom
from app.tasks.problem import verification
from app.workers import campaigns, commands
from ipage_core import registry
from ipage_core.cli.main import main
from ipage_core.tasks import TASKS

ROOT = Path(__file__).resolve().parents[2]
SIMULATOR = (
    'awk -F, -v OFMT=%.12g \'NR==1{print "sample,area"; next} '
    '{if ($2 > 1.9) {print "too long" > "/dev/stderr"; exit 4}; print $1 "," $2*$3}\' "$1" > "$2"\n'
)
INPUTS = [
    {"name": "a", "unit": "m", "kind": "real", "scale": "linear", "low": 1.0, "high": 2.0, "words": None},
    {"name": "b", "unit": "", "kind": "integer", "scale": "log", "low": 1, "high": 4, "words": ""},
    {"name": "metal", "unit": "", "kind": "category", "scale": "linear", "low": None, "high": None, "words": "Cu|Ag"},
    {"name": None, "unit": None, "kind": None, "scale": None, "low": None, "high": None, "words": None},
]
PROPERTIES = [{"name": "area", "unit": "m²", "tolerance": 0.02}]


@pytest.fixture
def place(monkeypatch, tmp_path):
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    commands.run.cache_clear()
    (tmp_path / "sim.sh").write_text(SIMULATOR)
    yield tmp_path
    for asked in campaigns.stored():
        campaigns.stop(asked)
    commands.run("test").stop()
    commands.run.cache_clear()
    monkeypatch.undo()
    TASKS.extend(registry.NAMED, {})
    registry.refresh()


@pytest.fixture
def box(place):
    """A problem of the user's own, of two numbers."""
    words = ["--x", "a [m]=1:2", "--x", "b [m]=1:2", "--y", "area [m²] ± 0.02"]
    call = f"sh {place / 'sim.sh'} {{in}} {{out}}"
    assert main(["new", str(place / "tasks/box"), *words, "--command", call, "--test", "0"]) == 0
    registry.refresh()
    return TASKS["box"]


def start():
    test = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=120).run()
    return test.switch_page("screens/own_problem.py").run()


def said(test):
    kinds = ("markdown", "info", "warning", "error", "caption", "success", "subheader")
    return " ".join(e.value for kind in kinds for e in test.get(kind))


def until(test, words, seconds=120):
    end = time.monotonic() + seconds
    while words not in said(test):
        assert not test.exception
        assert time.monotonic() < end, said(test)
        time.sleep(0.3)
        test.run()
    return test


def test_rows_of_the_form_become_words_of_the_command_line():
    columns = problem.columns(INPUTS, PROPERTIES)
    assert columns.x == ["a [m]=1:2", "b=1:4 integer log", "metal=Cu|Ag"]
    assert columns.y == ["area [m²] ± 0.02"]
    assert columns.words[:2] == ["--x", "a [m]=1:2"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"low": None}, "lacks its low"),
        ({"low": 3.0}, "LOW < HIGH"),
        ({"name": "area"}, "given twice"),
        ({"kind": "category"}, "needs its words"),
        ({"scale": "log", "low": -1.0}, "above 0"),
    ],
)
def test_a_row_that_cannot_be_is_one_sentence(change, why):
    with pytest.raises(ValueError, match=why):
        problem.columns([INPUTS[0] | change], PROPERTIES)


@pytest.mark.parametrize("ends", ["The test failed", "is a task now"])
def test_a_design_is_evaluated_before_anything_else(place, ends):
    sim = 'awk -F, \'NR==1{print "sample,sag"; next} {print $1 ",1"}\' "$1" > "$2"\n'
    (place / "ok.sh").write_text(sim)
    (place / "bad.sh").write_text("echo no licence >&2; exit 3\n")
    failed = ends == "The test failed"
    script = "bad.sh" if failed else "ok.sh"
    test = start()
    assert "Fill in a name and a command" in said(test)
    test.text_input(key="problem-name").set_value("My Beam")
    test.text_input(key="problem-command").set_value(f"sh {script} {{in}} {{out}}")
    test.text_input(key="problem-folder").set_value(str(place)).run()
    assert "--x 'length [m]=0.5:2'" in test.code[0].value
    test.button(key="problem-test").click().run()
    until(test, ends)
    if failed:
        assert "exit code 3" in said(test)
        assert "no licence" in said(test)
        assert "Nothing was made." in said(test)
        assert not (place / "tasks/my-beam").exists()
    else:
        summary = json.loads(next(line for line in commands.run("test").said if line.startswith("{")))
        assert f"is a task now. One evaluation took {summary['seconds']:g} s." in said(test)
        registry.refresh()
        assert TASKS["my-beam"].omega is not None
        test.segmented_control(key="problem-view").set_value("Your problems").run()
        assert "1 evaluated design, 0 failed" in said(test)
        again = start()
        again.text_input(key="problem-name").set_value("My Beam")
        again.text_input(key="problem-command").set_value(f"sh {script} {{in}} {{out}}")
        again.text_input(key="problem-folder").set_value(str(place)).run()
        again.button(key="problem-test").click().run()
        assert "You have a problem 'my-beam' already: go on with it under Your problems or Campaign" in said(again)


def test_a_command_that_cannot_run_is_one_sentence(place):
    test = start()
    test.text_input(key="problem-command").set_value("no-such-program {in} {out}").run()
    assert not test.exception
    assert "is not there" in said(test)


def test_a_campaign_is_followed_stopped_and_goes_on(box, place):
    test = start()
    test.segmented_control(key="problem-view").set_value("Campaign").run()
    test.selectbox(key="campaign-task").set_value("box").run()
    test.text_input(key="campaign-target-box-0").set_value("2")
    test.number_input(key="campaign-hits").set_value(3)
    test.number_input(key="campaign-budget").set_value(15)
    test.button(key="campaign-start").click().run()
    assert not test.exception
    until(test, "distinct hits, all verified by Ω")
    asked = campaigns.stored()[0]
    assert asked.name == "box-1"
    campaign = asked.campaign()
    lines = campaign.follow()
    assert lines
    y = campaign.y[campaign.distinct_hits, 0]
    assert ((y - 2).abs() <= 0.02).all()
    assert lines[-1].hits == len(campaign.distinct_hits)
    end = time.monotonic() + 120
    while asked.state == "running":
        assert time.monotonic() < end
        time.sleep(0.2)
    test.run()
    assert asked.out.exists()
    assert "done" in said(test) or "budget used up" in said(test)
    test.button(key="remove-box-1").click().run()
    assert campaigns.stored() == []


def test_rows_are_counted_while_the_program_runs_and_after_a_stop(box, place):
    (place / "sim.sh").write_text("sleep 0.3\n" + SIMULATOR)
    test = start()
    test.segmented_control(key="problem-view").set_value("Your problems").run()
    test.number_input(key="problem-count").set_value(500)
    test.button(key="problem-evaluate").click().run()
    until(test, "Your program is evaluating designs: ")
    while re.search(r"designs: 0 are there", said(test)):
        time.sleep(0.3)
        test.run()
    assert re.search(r"designs: \d+ are there so far, \d+ of them failed", said(test))
    test.button(key="stop-rows").click().run()
    shown = re.search(r"(\d+) evaluated designs?, \d+ failed", said(test))
    assert int(shown[1]) >= 1
    assert commands.run("dataset box").state == "stopped"


def test_a_target_that_is_none_is_one_sentence(box):
    test = start()
    test.segmented_control(key="problem-view").set_value("Campaign").run()
    test.selectbox(key="campaign-task").set_value("box").run()
    test.text_input(key="campaign-target-box-0").set_value("minimize")
    test.button(key="campaign-start").click().run()
    assert not test.exception
    assert "not minimize or maximize" in said(test)
    assert test.selectbox(key="campaign-start-box").options == ["no row"]
    assert campaigns.stored() == []


def test_a_campaign_s_target_is_in_words_with_its_property(box):
    asked = campaigns.CampaignRequest("c", "box", "2", 4, 40)
    area = registry.find("box").targets[0]
    assert wanted(asked) == f"{area.name} = 2 {area.unit}".strip()
    for target, said in ((":4.5", "≤ 4.5"), ("0.1:", "≥ 0.1")):
        assert wanted(replace(asked, target=target)) == f"{area.name} {said} {area.unit}".strip()
    between = f"1 ≤ {area.name} ≤ 3 {area.unit}".strip()
    assert wanted(replace(asked, target="1:3")) == between


def test_a_stopped_process_leaves_steps_that_are_read(box, place):
    asked = campaigns.CampaignRequest("c", "box", "2", 4, 40)
    (place / "sim.sh").write_text("sleep 0.2\n" + SIMULATOR)
    campaigns.start(asked)
    end = time.monotonic() + 120
    while not asked.campaign().follow():
        assert time.monotonic() < end, commands.run("campaign c").message
        time.sleep(0.1)
    assert asked.state == "running"
    campaigns.stop(asked)
    assert asked.state == "stopped"
    assert asked.campaign().follow()


@pytest.mark.parametrize("what", ["classroom", "elsewhere"])
def test_no_program_runs_for_a_class_or_for_visitors_from_elsewhere(place, monkeypatch, what):
    if what == "classroom":
        monkeypatch.setenv("IPAGE_CLASSROOM", "1")
        classroom.on.cache_clear()
    else:
        monkeypatch.setattr(classroom, "at_this_machine", lambda: False)
    test = start()
    monkeypatch.undo()
    classroom.on.cache_clear()
    assert not test.exception
    assert "switched off in this classroom" in said(test) or "sit at the machine" in said(test)
    assert not test.text_input
    assert not test.button


def test_other_pages_say_that_rows_or_a_model_are_missing(box, place):
    for rows, missing in ((0, "has too few evaluated designs"), (12, "has no trained model yet")):
        if rows:
            assert main(["dataset", str(place / "tasks/box"), "--n", f"{rows}"]) == 0
            registry.refresh()
        test = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=120)
        test.query_params["task"] = "box"
        test.run()
        assert not test.exception
        assert missing in said(test)
        assert not test.switch_page("screens/train.py").run().exception
    test = start()
    test.segmented_control(key="problem-view").set_value("Campaign").run()
    test.selectbox(key="campaign-task").set_value("box").run()
    assert test.selectbox(key="campaign-start-box").options == ["no row", "the 12 rows that are there"]


MOTOR = """
import numpy as np
from ipage_core import Task
from ipage_core.problem.variable import Variable

def motor(x):
    length, turns, metal = np.asarray(x).T
    sigma, price = np.array([1.0, 0.6])[metal.astype(int)], np.array([9.0, 2.5])[metal.astype(int)]
    return np.stack([1e-3 * length * turns * sigma, 1e4 + 1e2 * price * length * turns], axis=1)

TASK = Task.from_function(motor, name="motor", title="Motor", x=[
    Variable("length", "m", 0.1, 1.0), Variable("turns", "", 5, 60, kind="integer"),
    Variable("metal", "", 0, 1, kind="category", levels=("Cu", "Al"))],
    y={"torque [N m]": 1e-3, "price [EUR]": 500.0})
"""


def test_the_file_to_begin_with_is_a_task(place):
    test = start()
    test.segmented_control(key="kind").set_value("a Python file").run()
    (place / "begin.py").write_text(test.code[0].value)
    task = registry.load_file(place / "begin.py")
    sag, mass = task.omega(torch.tensor([[2.0, 0.05, 1.0]], dtype=torch.float64))[0].tolist()
    assert sag == pytest.approx(24.38, rel=1e-3)  # 1 kN on 2 m of steel, 50 mm × 50 mm: F L³ / (3 E I)
    assert mass == pytest.approx(39.25)


def test_a_python_file_with_two_outputs_a_whole_number_and_a_category(place):
    (place / "electric_motor.py").write_text(MOTOR)
    test = start()
    test.segmented_control(key="kind").set_value("a Python file").run()
    test.text_input(key="problem-file").set_value(str(place / "nowhere.py")).run()
    test.button(key="problem-test").click().run()
    until(test, "The test failed")
    assert not (place / "tasks/nowhere.py").exists()
    test.text_input(key="problem-file").set_value(str(place / "electric_motor.py")).run()
    test.button(key="problem-test").click().run()
    until(test, "is a task now")
    assert test.success[0].value.startswith("**Motor** is a task now; electric_motor.py was copied")
    assert (place / "tasks/electric_motor.py").read_text() == MOTOR
    registry.refresh()
    test.segmented_control(key="problem-view").set_value("Campaign").run()
    test.selectbox(key="campaign-task").set_value("motor").run()
    test.text_input(key="campaign-target-motor-0").set_value("0.01")
    test.text_input(key="campaign-target-motor-1").set_value("19000")
    test.number_input(key="campaign-hits").set_value(2)
    test.number_input(key="campaign-budget").set_value(40)
    test.button(key="campaign-start").click().run()
    assert not test.exception
    until(test, "distinct hits, all verified by Ω")
    campaign = campaigns.stored()[0].campaign()
    assert campaign.follow()
    rows = campaign.distinct_hits
    assert set(campaign.x[rows, 2].tolist()) == {0.0}, "aluminium has another price"
    assert (campaign.x[rows, 1] == campaign.x[rows, 1].round()).all()


def test_a_link_brings_no_command(place):
    test = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=120)
    for name in ("problem-command", "command", "problem-name", "kind", "crystal-calculator", "crystal-factory"):
        test.query_params[name] = f"{sys.executable} -c 'x' {{in}} {{out}}"
    test.run().switch_page("screens/own_problem.py").run()
    assert test.text_input(key="problem-command").value == ""
    test.segmented_control(key="kind").set_value("a crystal").run()
    assert test.selectbox(key="crystal-calculator").value == "emt"
    test.selectbox(key="crystal-calculator").set_value("my own").run()
    assert test.text_input(key="crystal-factory").value == ""


@pytest.mark.parametrize("size", [WIDE, Size("narrow")])
def test_the_figure_shows_each_evaluation_once(size):
    y = np.array([1.0, np.nan, 2.0, 2.01, 3.0])
    hit = np.array([False, False, True, True, False])
    drawn = figure(np.array([0, 0, 1, 1, 1]), 3, 9, y, hit, (1.98, 2.02), "area [m²]", False, size)
    by_name = {trace["name"]: trace for trace in drawn["data"]}
    assert unpacked(by_name["hit"]["x"]).tolist() == [3, 4]
    assert unpacked(by_name["off"]["x"]).tolist() == [1, 5]
    assert unpacked(by_name["failed"]["x"]).tolist() == [2]
    assert unpacked(by_name["distinct hits"]["y"]).tolist() == [0, 0, 0, 1, 1, 1]
    assert drawn["layout"]["shapes"][0]["y0"] == 1.98


CIF = (ROOT / "ipage_core/tasks/own_crystal/examples/rutile.cif").read_bytes()


def crystal_form(name, content, file):
    test = start()
    test.segmented_control(key="kind").set_value("a crystal").run()
    assert "Fill in a name, and upload a CIF" in said(test)
    assert test.button(key="problem-test").disabled
    test.text_input(key="problem-name").set_value(name)
    test.file_uploader(key="crystal-file").set_value((file, content, "chemical/x-cif")).run()
    assert not test.exception
    return test


def test_a_crystal_becomes_a_task_after_one_strain(place, tmp_path):
    pytest.importorskip("spglib")
    write(tmp_path / "cu.cif", bulk("Cu", "fcc", a=3.6))
    test = crystal_form("Copper", (tmp_path / "cu.cif").read_bytes(), "../Cu (1).cif")
    assert "**Cu**, 1 atom, space group Fm-3m (225): 24 images of each strain are the same crystal" in said(test)
    test.number_input(key="crystal-strain").set_value(2.0).run()
    assert "--crystal cu-1.cif --calculator emt --strain 2% --y energy,pressure" in test.code[0].value
    test.button(key="problem-test").click().run()
    until(test, "is a task now")
    test.button(key="problem-test").click().run()
    assert "You have a problem 'copper' already: go on with it" in said(test)
    registry.refresh()
    task = TASKS["copper"]
    assert task.bounds[1].tolist() == pytest.approx([0.02] * 3 + [0.02 * 2 / 3] * 3)
    assert task.images(np.zeros((1, 6))).shape == (1, 24, 6)
    test.segmented_control(key="problem-view").set_value("Your problems").run()
    test.selectbox(key="problem-choice").set_value("copper").run()
    assert "1 evaluated design, 0 failed" in said(test)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"#!/bin/sh\nrm -rf .\n", "This file is not a structure file|This file holds no crystal"),
        (b"x" * 1_000_001, "at most 1 MB"),
        (CIF.replace(b"O", b"Qq"), "This file is not a structure file|This file holds no crystal"),
    ],
)
def test_a_file_that_is_no_crystal_is_one_sentence(place, content, why):
    pytest.importorskip("spglib")
    test = crystal_form("Bad", content, "bad.cif")
    assert re.search(why, said(test))
    assert not test.button
    assert not (place / "tasks").exists()


def test_a_calculator_that_does_not_say_a_property_makes_nothing(place):
    pytest.importorskip("spglib")
    test = crystal_form("Rutile", CIF, "rutile.cif")
    assert "P4_2/mnm (136): 8 images of each strain" in said(test)
    test.button(key="problem-test").click().run()  # emt knows neither Ti nor O
    until(test, "The test failed")
    assert not (place / "tasks/rutile").exists()
    test.selectbox(key="crystal-calculator").set_value("my own").run()
    assert "Name your calculator" in said(test)
    assert not [one for one in test.button if one.key == "problem-test"]


STAND_IN = """
from ase.calculators.lj import LennardJones
def CHGNetCalculator(use_device, verbose):
    return LennardJones(sigma=1.8, epsilon=0.5, rc=4.0)
def make(reference):
    return LennardJones(sigma=1.8, epsilon=0.5, rc=4.0)
"""
"""A tiny potential for any element, without eigenvalues, as CHGNet is one."""


@pytest.mark.parametrize("calculator", ["chgnet", "stand_in:make"])
def test_a_crystal_by_a_potential_becomes_a_task(place, monkeypatch, calculator):
    pytest.importorskip("spglib")
    (place / "chgnet/model").mkdir(parents=True)
    (place / "chgnet/model/dynamics.py").write_text(STAND_IN)
    (place / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(place))
    test = crystal_form("Rutile", CIF, "rutile.cif")
    if calculator == "chgnet":
        test.selectbox(key="crystal-calculator").set_value("chgnet").run()
    else:
        test.selectbox(key="crystal-calculator").set_value("my own").run()
        test.text_input(key="crystal-factory").set_value(calculator).run()
    assert f"--calculator {calculator} --strain 3% --y energy,pressure" in test.code[0].value
    test.button(key="problem-test").click().run()
    until(test, "is a task now")
    assert not test.exception
    registry.refresh()
    task = TASKS["rutile"]
    assert [one.name for one in task.properties] == ["energy", "pressure"]
    assert calculator in task.source
    x, y = task.evaluated()
    assert len(x) == 1
    assert y.isfinite().all()


def test_without_the_optional_package_one_sentence_says_how_to_install_it(place, monkeypatch):
    pytest.importorskip("spglib")
    (place / "chgnet").mkdir()
    (place / "chgnet/__init__.py").write_text("raise ImportError('no chgnet here')")
    monkeypatch.setenv("PYTHONPATH", str(place))
    test = crystal_form("Rutile", CIF, "rutile.cif")
    test.selectbox(key="crystal-calculator").set_value("chgnet").run()
    test.button(key="problem-test").click().run()
    until(test, "The test failed")
    shown = said(test).replace("\\", "")
    assert "calculator 'chgnet' is not installed (no chgnet here): pip install -r" in shown
    assert "Nothing was made" in shown
    assert not (place / "tasks/rutile").exists()


def test_explore_verifies_the_best_designs_with_the_command(box, place, monkeypatch):
    (place / "sim.sh").write_text(SIMULATOR.replace("> 1.9", "> 1.6"))
    assert main(["dataset", str(place / "tasks/box"), "--n", "30"]) == 0
    assert main(["train", str(place / "tasks/box"), "--epochs", "2"]) == 0
    registry.refresh()
    test = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=120)
    for name, value in (("task", "box"), ("y1", "2"), ("n", "10")):
        test.query_params[name] = value
    test.run()
    assert not test.exception

    def shown():
        return next(frame.value for frame in test.dataframe if "rests on" in frame.value)

    beside = "predicted, nearest evaluation failed"  # some designs of area 2 are too long
    assert "predicted, 90 % interval" in set(shown()["rests on"]) <= {"predicted, 90 % interval", beside}
    assert test.button(key="problem-verify").label == "Verify the best 5 with your program"
    test.button(key="problem-verify").click().run()
    end = time.monotonic() + 120
    while commands.run("verify box").state == "running":
        assert time.monotonic() < end
        commands.run("verify box").poll()
        time.sleep(0.1)
    test.run()
    assert not test.exception
    verified = shown()["rests on"] == "verified by Ω"
    failed = sum("your program failed. exit code 4" in w.value for w in test.warning)
    assert verified.sum() + failed == 5
    assert shown()["y by Ω"].notna().equals(verified)
    assert "Verify the best 5 with your program" in test.button(key="problem-verify").label
    monkeypatch.setattr(classroom, "at_this_machine", lambda: False)
    test.slider(key="omega").set_value(1).run()
    assert "This task's program runs only for those who sit at the machine" in said(test)
    assert not [one for one in (*test.toggle, *test.button) if str(one.key).startswith(("agreed", "problem-verify"))]


def test_designs_beside_a_failure_are_verified_last():
    basis = ["predicted, nearest evaluation failed", "predicted", "predicted, 90 % interval", "predicted"]
    final = pd.DataFrame({"basis": basis, "expected_misfit": [0.1, 3.0, 2.0, np.nan]})
    assert verification.best(SimpleNamespace(final=final), [0, 1, 2, 3]) == [2, 1, 3, 0]
    assert verification.best(SimpleNamespace(final=final[["basis"]]), [0, 1, 3]) == [1, 3, 0]
