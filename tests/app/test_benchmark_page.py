"""The benchmark page and the report: the paper's numbers beside ours, Ω and surrogates clearly separate."""

import json
import re
import tempfile
import time
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from app.figures import benchmark as figures
from app.figures.benchmark.exploration import loop
from app.figures.theme import unpacked
from app.results import page as view
from app.results import paper_tables, report, result_tables
from app.results import shown as results
from app.workers import commands, process, rerun
from ipage_core import benchmark
from ipage_core.benchmark import (
    ablation,
    calibration,
    compute,
    coverage,
    exploration,
    quality,
    rows,
    scope,
    solutions,
    tables,
)
from ipage_core.benchmark.scope import Scope
from ipage_core.inference.costs import cost
from ipage_core.tasks import TASKS
from tests.benchmark.test_benchmark import made
from tests.support import stand_ins
from tests.support.browser import ROOT
from tests.support.pages import open_page

PAGE = str(ROOT / "app" / "screens" / "benchmark.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Stand-in results of the sine wave with all sections, a missing method, and cells of crystal."""
    out = tmp_path_factory.mktemp("benchmark")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scope, "load", lambda task, method, root=None: stand_ins.load(task, method))
        patch.setattr(compute, "load", lambda task, method, device, **_: stand_ins.load(task, method))
        patch.setattr(quality, "reference", lambda task, n, seed: TASKS[task].sample_prior(
            40, torch.Generator().manual_seed(seed)))  # fmt: skip
        patch.setattr(calibration, "AT_ONCE", 10)
        patch.setattr(coverage, "COUNTS", (5, 10))
        patch.setattr(ablation, "N", 8)
        patch.setattr(ablation, "SURROGATES", {"separate": "ipage"})

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
    return partial(open_page, PAGE)


def html_of(test):
    return next(one.proto.body for one in test.get("html") if "cells-table" in one.proto.body)


def test_the_page_shows_the_paper_beside_ours(page):
    test = page()
    assert not test.exception
    table = html_of(test)
    assert '<td class="paper" title="± 2.1e-06">0.004</td>' in table
    assert 1 <= table.count("<b>") <= 2  # one column that Ω judged: ipage and its control may be alike
    assert "95 % bootstrap interval of the mean over solutions" in table
    assert "n = 40" in table
    assert "surrogate, not Ω" in table
    assert "&lt;b&gt;cVAE&lt;/b&gt;" in table  # a sentence, not markup
    assert 'interval">' not in table
    assert html_of(test.toggle(key="intervals").set_value(True).run()).count('class="interval">') > 3
    assert test.expander[0].label == "Why 1 cell is not available"
    assert test.expander[0].caption[0].value.startswith("**Sine wave, cVAE.**")
    assert "- `python -m ipage_core benchmark`: tables, exploration" in test.expander[-1].caption[0].value
    assert test.selectbox(key="cell-protocol").options == ["Table 3", "Table 2"]


def test_a_reason_names_every_cell_it_holds_for():
    missing = {"crystal cinn": "No cINN.", "crystal ipage-cinn": "No cINN.", "sinewave na": "No NA."}
    cells = list(paper_tables.reasons(missing).values())
    assert cells[0].endswith("cINN alone; " + paper_tables.TITLES["crystal"] + ", iPage with cINN")
    assert len(cells) == 2


def test_filters_keep_what_is_asked_for(page):
    test = page(table=tables.PAPER_TABLES["many"])
    assert "0.002" in html_of(test)
    test.multiselect(key="methods").set_value(["inn"]).run()
    table = html_of(test)
    assert ">INN alone<" in table
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
        assert len(result_tables.in_words(one.numbers())), one.key
    test = page(figure=shown[4].title)
    assert not test.exception
    assert test.selectbox(key="figure").value == "Figure 5: iPage with maximin LHS"
    listed = next(d.value for d in test.dataframe if "found" in d.value)
    assert set(zip(listed["method"], listed["sampling"], strict=True)) == {("iPage", "maximin")}


def test_a_cell_says_how_many_targets_stand_behind_it_and_what_its_interval_is_over():
    errors = np.random.default_rng(0).exponential(1e-6, (2, 30))
    cells = tables.summary(pd.concat([made(errors, protocol=protocol) for protocol in ("many", "single")]))
    for protocol, n, over in (("many", "n = 60 (30 targets)", "targets"), ("single", "n = 60", "solutions")):
        told = paper_tables.table(cells, {}, protocol)
        assert f">{n}<" in re.sub("</?span>", "", told)
        assert f"interval of the mean over {over}: " in told
        drawn = figures.table(tables.displayed(cells, protocol), pd.DataFrame({"task": [], "method": []}), {
            "sinewave": "Sine wave"}, False)  # fmt: skip
        (hover,) = drawn["data"][0]["text"]
        assert f"over {over} [" in hover
        assert hover.endswith(f"<br>{n}, runs: 2")


def test_the_drawn_tables_say_the_same_and_list_every_cell_once(folder):
    found = results.load(folder)
    compute_, card = found["compute"]
    found["compute"] = pd.concat([compute_, compute_.assign(device="cuda")], ignore_index=True), card
    shown = {one.key: one for one in results.overview(found, folder)}
    for protocol, over in (("many", "targets"), ("single", "solutions")):
        assert f"bootstrap interval over {over}," in shown[f"dots-{protocol}"].caption
        listed = shown[f"dots-{protocol}"].numbers()
        assert not listed.duplicated(["task", "method"]).any()  # a surrogate timed on two devices has one error


def test_spread_over_seeds_is_drawn_of_counts_and_of_errors():
    rng = np.random.default_rng(0)
    count, seeds = 25, 4
    explored = pd.DataFrame(
        {
            "task": "sinewave",
            "method": "ipage",
            "sampling": "srs",
            "count": count,
            "seed": np.repeat(np.arange(seeds), count),
            "off1": rng.normal(0, 1e-3, seeds * count),
            "family": rng.integers(0, 9, seeds * count),
        }
    )
    found = exploration.recall(explored)
    drawn = figures.recall(found, False)
    by_panel = {trace["xaxis"]: trace for trace in drawn["data"] if trace["name"] == "iPage, SRS"}
    assert unpacked(by_panel["x3"]["y"]) == pytest.approx(found["count_sd"])
    assert unpacked(by_panel["x4"]["y"]) == pytest.approx(found["error_sd"])
    assert found["error_sd"].item() == pytest.approx((explored["off1"] ** 2).groupby(explored["seed"]).mean().std())
    assert drawn["layout"]["yaxis4"]["type"] == "log"
    (even,) = (trace for trace in drawn["data"] if trace["name"] == "each to a loop at random")
    assert even["xaxis"] == "x3"
    assert unpacked(even["y"]) == pytest.approx([np.sqrt(25 * 8) / 9])


def ablated():
    """Three seeds of some combinations on the sine wave, and one on crystal, where Ω does not run."""
    runs = []
    for start, sampling in (("prior", "srs"), ("INN posterior (φ)", "srs"), ("INN posterior (φ)", "maximin")):
        for optimizer, surrogate in (("none", "–"), ("lm", "separate"), ("lm", "INN's last (φ)")):
            for seed in range(3):
                one = {"task": "sinewave", "start": start, "optimizer": optimizer, "surrogate": surrogate, "n": 200}
                one |= {"sampling": sampling, "seed": seed, "seconds": 0.1, "mean": 1e-5 * (seed + 1), "modes": 9.0}
                one |= {"success": np.nan if optimizer == "none" else 0.5, "modes_25": 6.0 + seed}
                told = 1.0 if (start, surrogate, sampling) != ("INN posterior (φ)", "separate", "srs") else np.nan
                told = told if start != "prior" or surrogate == "separate" else np.nan
                runs.append(one | {"omega_calls": told if seed == 0 and optimizer == "lm" else np.nan})
    crystal = [one | {"task": "crystal", "mean": np.nan, "modes_25": np.nan, "omega_calls": np.nan}
               for one in runs if one["optimizer"] == "lm"]  # fmt: skip
    return pd.DataFrame(runs + crystal)


def test_the_ablation_has_panels_of_what_there_is():
    rows_, titles = ablated(), {"sinewave": "Sine wave", "crystal": "SrTiO₃"}
    drawn = figures.ablation(rows_, titles, False)
    panels = {name for name in drawn["layout"] if name.startswith("xaxis")}
    assert panels == {"xaxis", "xaxis2", "xaxis3", "xaxis4", "xaxis5"}  # four of the sine wave; crystal has no errors
    assert {f"xaxis{trace['xaxis'][1:]}" for trace in drawn["data"]} == panels  # none is empty
    said = [note["text"] for note in drawn["layout"]["annotations"]]
    assert "<b>SrTiO₃: Ω has not run</b>" in said
    assert said.count("mean squared error") == said.count("loops found with 25 designs") == 1
    loops = [trace for trace in drawn["data"] if trace["xaxis"] == "x4"]
    assert {place for trace in loops for place in trace["y"]} == {"prior, SRS", "INN, SRS", "INN, maximin"}
    assert all(unpacked(trace["x"]) == pytest.approx(7.0) for trace in loops)  # the mean over seeds

    without = figures.ablation(rows_.drop(columns="modes_25"), titles, False)
    assert len([name for name in without["layout"] if name.startswith("xaxis")]) == 4
    assert "(right)" not in results.ablation_caption(rows_.drop(columns="modes_25"))
    assert "(right)" in results.ablation_caption(rows_)
    assert "modes_25" not in result_tables.ablation_table(rows_.drop(columns="modes_25"))


def test_true_evaluations_are_told_by_start_and_surrogate():
    drawn = figures.ablation(ablated(), {"sinewave": "Sine wave"}, False)
    (table,) = (trace for trace in drawn["data"] if trace["type"] == "heatmap")
    assert (table["y"], table["x"]) == (["prior", "INN"], ["φ", "separate"])
    assert table["text"] == [["not<br>reached", "1"], ["1", "1<br>1 of 2 not"]]


def test_a_gpu_has_a_bar_of_its_own_where_it_has_run(folder):
    timed, card = results.load(folder)["compute"]
    timed = timed[timed["kind"] == "time"].astype({"method": str, "device": str})
    gpu = timed[timed["method"] == "ipage"].assign(device="cuda", inference_seconds=0.01, localization_seconds=0.02)
    both = pd.concat([timed, gpu], ignore_index=True)
    for rows_, there in ((timed, False), (both, True)):
        inference = figures.times(rows_, paper_tables.TITLES, False)["data"][0]
        assert ("iPage, GPU" in inference["y"]) == there
        assert "INN alone, GPU" not in inference["y"]
        assert {"iPage", "INN alone"} <= set(inference["y"])  # always on the CPU
        costs = result_tables.costs({"compute": (rows_, card)})
        assert len(costs) == len(rows_)
        assert (costs["device"] == "GPU").sum() == there
    labelled = {
        trace["y"][0]: trace["text"][0] for trace in figures.times(both, paper_tables.TITLES, False)["data"][2:]
    }
    assert labelled["iPage, GPU"] == " 0.03 s"
    elsewhere = pd.concat([timed, gpu.assign(task="ballistics")], ignore_index=True)
    blank = [
        trace for trace in figures.times(elsewhere, paper_tables.TITLES, False)["data"] if trace.get("text") == [""]
    ]
    assert [trace["y"] for trace in blank] == [["iPage, GPU"]]
    bars = dict(zip(inference["y"], inference["x"], strict=True))
    assert bars["iPage, GPU"] == 0.01
    assert bars["iPage"] == timed.set_index("method")["inference_seconds"]["ipage"]
    assert results.machines(both, card).endswith("(blank: not run there)")
    assert "GPU" not in results.machines(timed, card)


def test_what_a_method_costs_is_on_the_page_and_in_the_report(page, folder, tmp_path):
    test = page()
    costs = next(one.value for one in test.dataframe if "training [min]" in one.value)
    timed = results.load(folder)["compute"][0].query("kind == 'time' and method == 'ipage'").iloc[0]
    ours = costs[costs["method"] == "iPage"].iloc[0]
    assert ours["parameters"] == timed["parameters"]
    assert ours["training [min]"] == pytest.approx(timed["training_seconds"] / 60, abs=0.05)
    assert ours["parameters"] == cost("sinewave", "ipage").parameters
    assert ours["localization [s]"] == pytest.approx(timed["localization_seconds"], rel=0.01)
    assert "peak memory [MB]" in costs
    assert result_tables.COSTS in [caption.value for caption in test.caption]
    report.write(folder, tmp_path / "report.html")
    assert f"{timed['parameters']:,}" in (tmp_path / "report.html").read_text()


def test_a_cell_is_run_with_the_sampling_of_the_form(page, monkeypatch):
    class Asked(rerun.Rerun):
        def start(self, *arguments):
            self.arguments = arguments

    job = Asked()
    monkeypatch.setattr(view, "rerun", lambda: job)
    test = page()
    monkeypatch.setattr(view, "missing", lambda scope: {})
    assert test.selectbox(key="cell-method").value == "ipage"

    def asked(method, sampling=None):
        test.selectbox(key="cell-method").set_value(method).run()
        if sampling:
            test.selectbox(key=f"cell-sampling-{method}").set_value(sampling).run()
        test.button(key="cell-run").click().run()
        assert not test.exception
        return dict(zip(job.arguments[::2], job.arguments[1::2], strict=True)), view.described(job)

    assert asked("ipage") == (
        {
            "--tasks": "sinewave",
            "--methods": "ipage",
            "--sampling": "maximin",
            "--protocol": "single",
            "--repeats": "3",
        },
        "Sine wave, iPage, maximin, Table 3, 3 latent seeds",
    )
    assert asked("inn")[0]["--sampling"] == "srs"
    assert asked("ipage", "lhs")[1] == "Sine wave, iPage, LHS, Table 3, 3 latent seeds"
    said, told = asked("prior-lm")  # this method has no latent space
    assert "--sampling" not in said
    assert told == "Sine wave, Random start (control), Table 3, 3 latent seeds"


def test_the_outcome_tells_the_command_that_gives_it_again(page, folder, monkeypatch):
    job = rerun.Rerun(state="done")
    monkeypatch.setattr(view, "rerun", lambda: job)
    monkeypatch.setattr(view, "OUT", folder)
    test = page()
    assert not test.exception
    assert f"`python -m ipage_core benchmark --out {folder}`" in [caption.value for caption in test.caption]
    assert any("iPage, maximin, Table 2: mean" in one.value and "over targets]" in one.value for one in test.success)


def test_a_loop_of_the_gallery_is_found_by_a_design_within_the_tolerance():
    """Of three designs one is within 0.02 of y* and on a loop: another is 0.05 off, and one is on none."""
    found = pd.DataFrame({"off1": [-0.01, 0.05, 0.0], "family": [3, 4, -1], "x1": 0.0, "x2": 0.0})
    found = found.assign(method="ipage", sampling="srs", count=3)
    spec = figures.gallery(found, [("ipage", "srs")], dark=False)
    assert [one["text"].partition("</b>, ")[2] for one in spec["layout"]["annotations"]] == ["N = 3: 1 of 9"]
    loops = {one["line"]["dash"]: unpacked(one["x"]) for one in spec["data"] if one["mode"] == "lines"}
    np.testing.assert_allclose(loops["solid"], loop(3)[:, 0])
    assert len(loops["dot"]) == sum(len(loop(i)) for i in range(9) if i != 3)


def test_loops_are_drawn_where_omega_has_them():
    for i in range(9):
        curve = loop(i)
        curve = torch.from_numpy(curve[np.isfinite(curve).all(1)])
        assert len(curve) > 60
        assert (TASKS["sinewave"].omega(curve) - 1.2).abs().max() < 1e-9


def test_a_run_that_ends_early_says_so(page, monkeypatch):
    for state, message, words in (
        ("failed", "no such thing", "The run stopped: no such thing"),
        ("stopped", "", "Cancelled; finished runs are kept."),
    ):
        job = rerun.Rerun(state=state, message=message)
        monkeypatch.setattr(view, "rerun", lambda job=job: job)
        test = page()
        assert not test.exception
        assert words in [e.value for e in (*test.error, *test.info)]


def test_without_results_the_page_says_where_they_come_from(page, tmp_path, monkeypatch):
    monkeypatch.setattr(view, "SHIPPED", tmp_path)
    test = page()
    assert not test.exception
    assert "There are no results here yet. They come from: `" in test.info[0].value
    assert "python -m ipage_core benchmark" in test.info[0].value


def test_a_damaged_file_is_one_sentence(page, tmp_path, monkeypatch):
    (tmp_path / benchmark.CELLS).write_bytes(b"no table")
    monkeypatch.setattr(view, "SHIPPED", tmp_path)
    test = page()
    assert not test.exception
    assert "is not a table of this benchmark" in test.error[0].value


def test_the_report_needs_no_network_and_holds_every_figure(folder, tmp_path):
    report.write(folder, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert text.count("Plotly.newPlot(") == len(list(results.overview(results.load(folder), folder)))
    shell = text.replace(re.search(r"<script>.*?</script>", text, re.DOTALL).group(), "")  # plotly.js speaks of many
    assert not re.search(r'(src|href)\s*=\s*["\']?(https?:)?//', shell)
    assert "Table 3: many solutions for one y*" in shell
    assert 'name="viewport"' in shell  # without it a phone would draw the page at desktop width
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
    """A stand-in for the benchmark program."""

    def fake(code):
        monkeypatch.setattr(commands, "COMMAND", ["-c", code])
        return rerun.Rerun()

    return fake


def test_a_run_is_followed_by_its_lines(faked):
    job = faked("import json\nprint(json.dumps({'done': 2, 'total': 2, 'eta': 0.0}))")
    job.start("--tasks", "sinewave")
    follow(job)
    assert (job.state, job.done, job.total) == ("done", 2, 2)


def test_lines_that_tell_no_progress_are_passed_over(faked):
    job = faked("import json\nprint(json.dumps({'done': 1, 'total': 2, 'eta': None}))\n"
                "print('{\"warning\": 1}')\nprint('7')\nprint('{\"done\": 2, \"tot')")  # fmt: skip
    job.start("--tasks", "sinewave")
    follow(job)
    assert (job.state, job.done, job.total) == ("done", 1, 2)


def test_no_file_is_left_of_a_run_however_it_ends(faked, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for code, state in (("print('{}')", "done"), ("import sys\nsys.exit(1)", "failed"), ("input", "stopped")):
        job = faked("import time\ntime.sleep(60)" if state == "stopped" else code)
        job.start()
        if state == "stopped":
            job.stop()
        follow(job)
        assert job.state == state
    monkeypatch.setattr(process.sys, "executable", str(tmp_path / "nothing"))
    job = rerun.Rerun()
    job.start()
    assert job.state == "failed"
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_failed_run_tells_why(faked):
    job = faked("import sys\nsys.exit('ipage_core benchmark: no such thing')")
    job.start()
    follow(job)
    assert (job.state, job.message) == ("failed", "ipage_core benchmark: no such thing")


def test_a_run_is_cancelled_and_another_may_begin(faked):
    job = faked("import time\ntime.sleep(60)")
    job.start()
    first = job.process
    job.start()  # left alone
    assert job.process is first
    job.stop()
    assert job.state == "stopped"
    assert first.code is not None
    job.start()
    assert job.state == "running"
    job.stop()


def test_every_figure_of_what_ships_can_be_drawn():
    found = results.load(benchmark.SHIPPED)
    for one in results.overview(found, benchmark.SHIPPED):
        assert one.draw(False)["data"]
        assert len(one.numbers())
    assert len(result_tables.costs(found))
