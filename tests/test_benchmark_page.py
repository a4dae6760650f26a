"""The benchmark page and the report: the paper's figure beside ours, Ω never confused with a surrogate."""

import json
import re
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from streamlit.testing.v1 import AppTest

from app import report, rerun, results
from app.figures import benchmark as figures
from app.views import benchmark as view
from ipage_core import benchmark
from ipage_core.benchmark import ablation, calibration, compute, quality, rows, scope, solutions, tables
from ipage_core.benchmark.scope import Scope
from ipage_core.tasks import TASKS
from tests import stand_ins
from tests.browser import ROOT
from tests.test_benchmark import made

PYTHON = sys.executable  # one test puts another in its place
PAGE = str(ROOT / "app" / "pages" / "benchmark.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of stand-ins on the sine wave, all sections, with a method that is missing and cells of crystal."""
    out = tmp_path_factory.mktemp("benchmark")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scope, "load", lambda task, method, root=None: stand_ins.load(task, method))
        patch.setattr(compute, "load", lambda task, method, device: stand_ins.load(task, method))
        patch.setattr(quality, "reference", lambda task, n, seed: TASKS[task].sample_prior(
            40, torch.Generator().manual_seed(seed)))  # fmt: skip
        patch.setattr(calibration, "AT_ONCE", 10)
        patch.setattr(ablation, "N", 8)
        patch.setattr(ablation, "SURROGATES", {"separate": "ipage-mlp"})

        def weights(task, method, root):
            if method == "cvae":
                raise scope.ModelUnavailable("There is no <b>cVAE</b>.")
            return "0" * 8, 0

        patch.setattr(scope, "weights", weights)
        patch.setattr(ablation, "weights", weights)
        chosen = Scope(("sinewave",), ("inn", "cvae", "ipage", "prior-lm"), repeats=2, n=20, quick=True)
        written = benchmark.run(chosen, out, workers=0, command="python -m ipage_core benchmark")
    frame, card = rows.read(written["tables"])
    frame = frame.astype({"task": str, "method": str, "sampling": str, "by": str, "protocol": str})
    lattices = made([[1e-8] * 30], task="crystal", by=solutions.SURROGATE)
    frame = pd.concat([frame, lattices], ignore_index=True)
    rows.write(frame, written["tables"], card)
    rows.write(tables.summary(frame), out / benchmark.CELLS, card)
    return out


@pytest.fixture
def page(folder, monkeypatch):
    monkeypatch.setattr(view, "SHIPPED", folder)
    job = rerun.Rerun()
    monkeypatch.setattr(view, "rerun", lambda: job)

    def run(**query):
        test = AppTest.from_file(PAGE, default_timeout=60)
        for key, value in query.items():
            test.query_params[key] = value
        return test.run()

    return run


def html_of(test):
    return next(one.proto.body for one in test.get("html") if "cells-table" in one.proto.body)


def test_the_page_shows_the_paper_beside_ours(page):
    test = page()
    assert not test.exception
    table = html_of(test)
    assert '<td class="paper" title="± 2.1e-06">0.004</td>' in table
    assert table.count("<b>") == 1  # one column that Ω judged
    assert "95 % bootstrap interval of the mean over solutions" in table
    assert "n = 40" in table
    assert "surrogate, not Ω" in table
    assert "&lt;b&gt;cVAE&lt;/b&gt;" in table  # a sentence, not markup
    assert 'interval">' not in table
    assert html_of(test.toggle(key="intervals").set_value(True).run()).count('class="interval">') > 3
    assert test.expander[0].label == "Why 1 cell is not available"
    assert test.expander[0].caption[0].value.startswith("**Sine wave, cVAE.**")
    assert test.selectbox(key="cell-protocol").options == ["Table 3", "Table 2"]


def test_what_looks_as_low_as_the_lowest_is_bold_too():
    cells = pd.DataFrame(
        {
            "task": ["sinewave"] * 4 + ["crystal"],
            "by": [solutions.OMEGA] * 3 + [solutions.SURROGATE] * 2,
            "n": [100, 100, 20, 100, 100],
            "runs": 1,
            "mean": [8.13e-7, 8.09e-7, 8.1e-7, 8.1e-7, 1e-9],
        }
    )
    assert results.lowest(cells).tolist() == [True, True, False, False, False]


def test_a_reason_names_every_cell_it_holds_for():
    missing = {"crystal cinn": "No cINN.", "crystal ipage-cinn": "No cINN.", "sinewave na": "No NA."}
    cells = list(results.reasons(missing).values())
    assert cells[0].endswith("cINN; " + results.TITLES["crystal"] + ", iPage, cINN + MLP")
    assert len(cells) == 2


def test_filters_keep_what_is_asked_for(page):
    test = page(table=results.PROTOCOLS["many"])
    assert "0.002" in html_of(test)
    test.multiselect(key="methods").set_value(["inn"]).run()
    table = html_of(test)
    assert ">INN<" in table
    assert "iPage" not in table
    test.multiselect(key="tasks").set_value([]).run()
    assert not test.exception


def test_every_figure_is_drawn_on_light_and_dark_pages(page, folder):
    shown = list(results.overview(results.load(folder), folder))
    assert [one.key for one in shown][:5] == ["figure1", "figure2", "figure3", "figure4", "figure5"]
    assert {"figure6-left", "figure7", "recall", "calibration", "ablation"} <= {one.key for one in shown}
    for one in shown:
        light, dark = one.draw(False), one.draw(True)
        assert light["data"], one.key
        assert json.dumps(light) != json.dumps(dark)
        assert "NaN" not in json.dumps(light), one.key
        assert len(results.in_words(one.numbers())), one.key
    test = page(figure=shown[4].title)
    assert not test.exception
    assert test.selectbox(key="figure").value == "Figure 5: iPage with maximin LHS"
    listed = next(d.value for d in test.dataframe if "found" in d.value)
    assert set(zip(listed["method"], listed["sampling"], strict=True)) == {("iPage", "maximin")}


def test_loops_are_drawn_where_omega_has_them():
    for i in range(9):
        curve = figures._loop(i)
        curve = torch.from_numpy(curve[np.isfinite(curve).all(1)])
        assert len(curve) > 60
        assert (TASKS["sinewave"].omega(curve) - 1.2).abs().max() < 1e-9


def test_without_results_the_page_says_where_they_come_from(page, tmp_path, monkeypatch):
    monkeypatch.setattr(view, "SHIPPED", tmp_path)
    test = page()
    assert not test.exception
    assert "python -m ipage_core benchmark" in test.info[0].value


def test_a_damaged_file_is_one_sentence(page, tmp_path, monkeypatch):
    (tmp_path / benchmark.CELLS).write_bytes(b"no table")
    monkeypatch.setattr(view, "SHIPPED", tmp_path)
    test = page()
    assert not test.exception
    assert "is no table of this benchmark" in test.error[0].value


def test_the_report_needs_no_network_and_holds_every_figure(folder, tmp_path):
    report.write(folder, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert text.count("Plotly.newPlot(") == len(list(results.overview(results.load(folder), folder)))
    shell = text.replace(re.search(r"<script>.*?</script>", text, re.DOTALL).group(), "")  # plotly.js speaks of many
    assert not re.search(r'(src|href)\s*=\s*["\']?(https?:)?//', shell)
    assert "Table 3: 1000 solutions for one y*" in shell
    assert 'name="viewport"' in shell  # or a phone draws it as wide as a desk
    assert shell.count('class="figure"') == shell.count("Plotly.newPlot(")
    assert 'class="interval"' in shell
    assert "<b>cVAE</b>" not in shell


def follow(job, seconds=60):
    begun = time.monotonic()
    while job.state == "running" and time.monotonic() - begun < seconds:
        job.poll()
        time.sleep(0.02)


@pytest.fixture
def faked(monkeypatch, tmp_path):
    """A program in the place of the benchmark."""

    def fake(code):
        script = tmp_path / "fake.py"
        script.write_text(code)
        monkeypatch.setattr(rerun.sys, "executable", str(tmp_path / "python"))
        (tmp_path / "python").write_text(f"#!/bin/sh\nexec {PYTHON} {script}\n")
        (tmp_path / "python").chmod(0o755)
        return rerun.Rerun()

    return fake


def test_a_run_is_followed_by_its_lines(faked):
    job = faked("import json\nprint(json.dumps({'done': 2, 'total': 2, 'eta': 0.0}))")
    job.start("--tasks", "sinewave")
    follow(job)
    assert (job.state, job.done, job.total) == ("done", 2, 2)


def test_a_failed_run_tells_why(faked):
    job = faked("import sys\nsys.exit('ipage_core benchmark: no such thing')")
    job.start()
    follow(job)
    assert (job.state, job.message) == ("failed", "ipage_core benchmark: no such thing")


def test_a_run_is_cancelled_and_another_may_begin(faked):
    job = faked("import time\ntime.sleep(60)")
    job.start()
    first = job._process
    job.start()  # left alone
    assert job._process is first
    job.cancel()
    assert job.state == "cancelled"
    assert first.poll() is not None
    job.start()
    assert job.state == "running"
    job.cancel()
