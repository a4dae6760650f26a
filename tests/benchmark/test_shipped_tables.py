"""Tables of README and RESULTS.md say, digit by digit, what the shipped Parquet files hold."""

import re
from pathlib import Path

import pytest

from ipage_core.benchmark import coverage, rows, tables, tables_of_others

ROOT = Path(__file__).parents[2]
DATA = ROOT / "data/benchmark"
RESULTS = (DATA / "RESULTS.md").read_text()
NAMES = {
    "sinewave": "sinewave", "robotic arm": "robotic_arm", "ballistics": "ballistics", "architecture": "architecture",
    "crystal (DFT, n = 50)": "crystal", "crystal": "crystal", "sine wave": "sinewave",
    "silicon (DFT, n = 10)": "silicon", "silicon": "silicon", "SrTiO₃, gap by DFT (n = 50)": "crystal",
    "32×32 cell, by finite elements": "architecture",
}  # fmt: skip
"""Row of a table → task."""


def table(text, head):
    """Rows of the table that follows its head, as lists of cells."""
    lines = text[text.index(head) :].split("\n\n")[0].splitlines()
    assert len(lines) > 2
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines[2:]]


def digits(value):
    """Two significant digits."""
    return float(f"{value:.2g}")


@pytest.fixture(scope="module")
def cells():
    """The cells of both protocols, with a column that says which are bold."""
    frame = rows.read(DATA / "cells.parquet")[0]
    return {
        protocol: shown.assign(bold=tables.best(shown))
        for protocol in ("many", "single")
        for shown in [tables.displayed(frame, protocol)]
    }


def check(cells, text, task, method):
    """'many / single', with what is bold; README: 'many, single; seconds'."""
    if ";" in text:
        text, told = text.split("; ")
        assert float(told) == digits(seconds(task, method)), (task, method, told)
    parts = re.split(" / |, ", text)
    for part, protocol in zip(parts, ("many", "single"), strict=True):
        shown = cells[protocol]
        (one,) = shown[(shown["task"] == task) & (shown["method"] == method)].itertuples()
        assert float(part.strip("*")) == digits(one.mean), (task, method, protocol, one.mean)
    return parts


@pytest.mark.parametrize(("text", "head", "methods"), [
    ("README.md", "| task | the paper's iPage |",
     ["ipage", "prior-lm", "lookup", "na", "na-surrogate", "na-published"]),
    ("data/benchmark/RESULTS.md", "| | paper's iPage (Table 2 / 3)",
     ["ipage", "ipage-paper", "ipage-cinn", "na", "na-surrogate", "na-published", "prior-lm", "lookup"]),
    ("data/benchmark/RESULTS.md", "| | MDN | INN alone | cINN alone | cVAE |",
     ["mdn", "inn", "cinn", "cvae", "inn-ardizzone"]),
])  # fmt: skip
def test_errors_of_every_method(cells, text, head, methods):
    with_paper = "MDN" not in head
    for name, *told in table((ROOT / text).read_text(), head):
        task = NAMES[name]
        if with_paper:
            paper = re.split(" / |, ", told.pop(0))
            if paper == ["–"]:
                paper = ["nan", "nan"]
            for part, protocol in zip(paper, ("many", "single"), strict=True):
                of_ipage = cells[protocol][(cells[protocol]["task"] == task) & (cells[protocol]["method"] == "ipage")]
                assert float(part) == pytest.approx(of_ipage["paper"].iloc[0], abs=0, nan_ok=True)
        for said, method in zip(told, methods, strict=False):
            if said not in ("not trained", "not run"):
                check(cells, said, task, method)


def test_bold_is_the_lowest_and_what_lies_in_its_interval(cells):
    methods = ["ipage", "ipage-paper", "ipage-cinn", "na", "na-surrogate", "na-published", "prior-lm", "lookup"]
    for name, _, *told in table(RESULTS, "| | paper's iPage (Table 2 / 3)"):
        for said, method in zip(told, methods, strict=True):
            if said in ("not trained", "not run"):
                continue
            whole = said.startswith("**") and said.endswith("**") and said.count("**") == 2
            parts = [whole or part.startswith("**") for part in said.split(" / ")]
            for bold, protocol in zip(parts, ("many", "single"), strict=True):
                shown = cells[protocol]
                (one,) = shown[(shown["task"] == NAMES[name]) & (shown["method"] == method)].itertuples()
                assert bold == one.bold, (name, method, protocol)


def seconds(task, method, kind="time", setting=""):
    """Seconds for 1000 solutions, proposal and localization, on a CPU."""
    compute = rows.read(DATA / "compute.parquet")[0]
    of = compute[(compute["device"] == "cpu") & (compute["n"] == 1000) & (compute["task"] == task)]
    of = of[(of["method"] == method) & (of["kind"] == kind) & of["setting"].str.startswith(setting)]
    (one,) = (of[of["setting"].str.contains("per_design 4")] if setting else of).itertuples()
    return one.inference_seconds + one.localization_seconds


def test_seconds_of_every_method():
    methods = ("ipage", "prior-lm", "lookup", "na", None, "na-surrogate", "na-published")
    for name, *told in table(RESULTS, "| | iPage (must be ≤ 1/100 of NA as published)"):
        task = NAMES[name]
        for said, method in zip(told, methods, strict=True):
            if said != "not timed":
                measured = seconds(task, method) if method else seconds(task, "na", "budget", "optimizer adam")
                assert float(said.split()[0]) == digits(measured), (name, method, measured)
        share = float(told[0].split("1/")[1].rstrip(")"))
        assert share == pytest.approx(seconds(task, "na-published") / seconds(task, "ipage"), rel=0.02), name


def test_coverage_of_every_method():
    printed = coverage.markdown(coverage.medians(rows.read(DATA / "coverage.parquet")[0]))
    assert len(printed.splitlines()) > 10
    for line in printed.splitlines():
        assert line in RESULTS


def test_tables_of_published_problems():
    frame = tables_of_others.summary(rows.read(DATA / "tables_of_others.parquet")[0])
    printed = table(tables_of_others.markdown(frame), "| problem |")
    told = {row[0].lower(): row for row in table(RESULTS, "| problem (rows, inputs → outputs) |")}
    assert len(printed) == len(told)
    for name, *values in printed:
        said = told[name.lower()][2:]  # after the bar
        for k in range(4):
            assert said[k] == values[k] == "–" or float(said[k].strip("*")) == float(values[k].strip("*")), name
            assert said[k].startswith("**") == values[k].startswith("**")
        assert (said[4], said[5], said[6]) == (values[4], values[5], values[7])


def test_every_table_of_these_pages_is_tied_or_printed_by_a_command():
    """A new table names its source: this list, or a command above it."""
    parts = re.split(r"\n(?=#+ )", RESULTS)
    for part in (one for one in parts if "\n|" in one):
        assert "python -m" in part or "parquet" in part, part.splitlines()[0]
