"""Rows of a problem that are written down here: which count, which come first, and what stands beside designs."""

import json
import pathlib
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from ipage_core.inference.basis import MEASURED, VERIFIED
from ipage_core.problem.variable import Variable
from ipage_core.tasks.command import basis, call, rows
from ipage_core.tasks.command.columns import cell
from ipage_core.tasks.command.evaluate import settled
from ipage_core.tasks.command.task import placed

CARD = SimpleNamespace(
    variables=(Variable("a", low=1.0, high=2.0), Variable("k", low=1.0, high=4.0, kind="integer")), y_names=["y"]
)


def frame(*each):
    columns = ["a", "k", "y", "error", "program"]
    return pd.DataFrame(each, columns=columns).assign(source="by hand", seconds=1.0, made="2026-01-01T00:00:00Z")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Results of the program 'old', then of 'new', then of 'old' once more."""
    every = frame(
        (1.0, 1.0, 10.0, "", "old"), (1.5, 2.0, np.nan, "broke", "new"), (1.0, 1.0, 20.0, "", "new"),
        (1.2, 3.0, 30.0, "", "old"), (1.2, 3.0, 35.0, "", "older"), (1.2, 3.0, 40.0, "", "oldest"),
    )  # fmt: skip
    rows.write(tmp_path, every[rows.read(tmp_path, CARD, "new").frame.columns])
    monkeypatch.setattr(rows.program, "now", lambda folder, card: "new")
    monkeypatch.setattr(rows.program, "note", lambda folder, card: "new")
    return tmp_path


def test_only_results_of_the_program_of_now_count(folder):
    now = rows.read(folder, CARD)
    assert (now.y.ravel().tolist()[1:], now.fine.tolist(), now.earlier) == ([20.0], [False, True], 4)
    assert now.find(np.array([[1.0, 1.0], [1.2, 3.0], [1.5, 2.0]])).tolist() == [1, -1, 0]
    assert rows.read(folder, CARD, "old").y.ravel().tolist() == [10, 30]


def test_earlier_results_that_are_used_are_the_newest_and_none_of_a_design_of_now(folder):
    assert rows.settle_earlier(folder, CARD, use=True) == 4
    now = rows.read(folder, CARD)
    assert now.earlier == 0
    assert now.y[now.find(np.array([[1.0, 1.0], [1.2, 3.0]]))].ravel().tolist() == [20, 40]  # the last row is newest


def test_earlier_results_that_are_dropped_leave_those_of_now(folder):
    assert rows.settle_earlier(folder, CARD, use=False) == 4
    now = rows.read(folder, CARD)
    assert (now.earlier, now.frame["y"].tolist()[1:]) == (0, [20.0])


def test_of_two_results_of_a_design_the_first_counts(folder):
    result = {
        "x": [[1.0, 1.0], [1.9, 4.0]], "y": [[99.0], [50.0]], "error": ["", ""], "seconds": [1.0, 2.0],
        "source": "Ω", "program": "new", "made": "2026-01-02T00:00:00Z",
    }  # fmt: skip
    (folder / rows.JOURNAL).write_text(json.dumps({"key": "0", "result": result}) + "\n" + '{"key": "1", "res')
    now = rows.read(folder, CARD)
    assert now.y[now.find(np.array([[1.0, 1.0], [1.9, 4.0]]))].ravel().tolist() == [20, 50]


def test_integers_are_rounded_and_kept_in_their_range():
    asked = np.array([[1.234, 1.6], [0.5, 3.5], [1.0, 9.0], [1.0, -2.0]])
    assert settled(CARD, asked).tolist() == [[1.234, 2], [0.5, 4], [1.0, 4], [1.0, 1]]


def test_points_of_the_cube_are_as_likely_for_each_integer_and_for_each_decade():
    card = SimpleNamespace(variables=(CARD.variables[1], Variable("b", low=0.1, high=10.0, scale="log")))
    u = (np.arange(400) + 0.5) / 400
    x = placed(card, np.stack((u, u), axis=1))
    assert np.unique(x[:, 0], return_counts=True)[1].tolist() == [100] * 4
    assert x[:, 1] == pytest.approx(10 ** (2 * u - 1))


def test_designs_stand_beside_the_nearest_result_by_its_row_from_1_unless_they_are_verified(folder, monkeypatch):
    monkeypatch.setattr(basis.cards, "read", lambda folder: CARD)
    monkeypatch.setattr(basis.measured, "read", lambda folder, card: (np.array([[1.9, 4.0]]), np.array([[7.0]])))
    task = SimpleNamespace(
        models_folder=folder, d=2, n_targets=1, categories=torch.zeros(2, dtype=torch.bool),
        bounds=torch.tensor([[1.0, 1.0], [2.0, 4.0]], dtype=torch.float64),
    )  # fmt: skip
    there = basis.known(task)
    assert (there.x.tolist(), there.y.tolist()) == ([[1.0, 1.0], [1.9, 4.0]], [[20.0], [7.0]])
    assert there.name == ["evaluated 3", MEASURED]  # the third row of the file; the second broke
    monkeypatch.setattr(basis, "expected", lambda *of: None)
    designs = pd.DataFrame({"x1": [1.1, 1.9, 1.8], "x2": [1.0, 4.0, 4.0], "target1": 1.0})
    shown = basis.beside(task, None, None, designs.assign(basis=["", VERIFIED, ""]))
    assert shown["nearest_row"].tolist() == ["evaluated 3", "", MEASURED]
    assert shown["nearest_distance"].tolist() == pytest.approx([0.1, np.nan, 0.1], nan_ok=True)
    assert shown["nearest_y1"].tolist() == pytest.approx([20, np.nan, 7], nan_ok=True)


def test_the_interval_sentence_names_the_samples_that_are_not_verified(monkeypatch):
    asked = []
    monkeypatch.setattr(basis, "expected", lambda task, method, solutions, x, y: asked.append(x.tolist()) or "trust")
    monkeypatch.setattr(basis.trust, "intervals", lambda task, result, samples: samples)
    final = torch.tensor([[1.0], [2.0], [3.0]])
    solutions = SimpleNamespace(final=final, y_star=final)
    table = pd.DataFrame({"sample": [0, 1, 2] * 2, "stage": ["posterior"] * 3 + ["localized"] * 3})
    table["basis"] = [""] * 3 + [VERIFIED, "", ""]
    assert basis.summary(None, None, solutions, table) == {"intervals": [1, 2]}
    assert asked == [[[2.0], [3.0]]]


def test_results_are_read_by_the_names_of_their_columns(tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("more;b [m];sample;a\n9;2.5;1;1.5\n8;4.5;0;3.5\n")
    y, error = call.read_results(out, ["a", "b"], 3, True)
    assert y == [[3.5, 4.5], [1.5, 2.5], None]
    assert error == ["", "", "its file has no row for it"]


@pytest.mark.parametrize(("value", "text"), [(1.23456789012345, "1.23456789012345"), (1e-7, "1e-07")])
def test_numbers_reach_the_command_with_all_their_digits(value, text):
    assert cell(CARD.variables[0], value) == text
    assert cell(Variable("n", low=0.0, high=1e9, kind="integer"), 12345678.0) == "12345678"


def test_a_call_s_seconds_are_shared_and_a_program_that_fails_has_no_results(monkeypatch):
    def ran(code):
        def run(words, folder, timeout, environment):
            pathlib.Path(words[1]).write_text("sample,y\n0,1.0\n1,2.0\n")
            return SimpleNamespace(seconds=6.0, code=code, late=False, error="")

        monkeypatch.setattr(call.supervised, "run", run)
        argument = {
            "command": ["program", "{out}"], "x_names": ["a"], "y_names": ["y"], "timeout": 10.0, "folder": None,
            "environment": {}, "source": "by hand", "program": "new", "x": [[1.0], [1.5]], "cells": [["1.0"], ["1.5"]],
        }  # fmt: skip
        return call.work(argument)

    assert (ran(0)["y"], ran(0)["seconds"], ran(0)["error"]) == ([[1.0], [2.0]], [3.0, 3.0], ["", ""])
    assert ran(2)["y"] == [None, None]
    assert ran(2)["error"] == ["exit code 2"] * 2
