"""The example of CONTRIBUTING.md: one file is enough for a new task."""

import json

import pandas as pd
import pytest
import torch
from streamlit.testing.v1 import AppTest

from ipage_core.cli.main import main
from ipage_core.runtime.paths import ROOT
from ipage_core.tasks import TASKS
from tests.support.example_task import TASK, omega


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Quickly trained models of the example, made by the command line like those of any task."""
    folder = tmp_path_factory.mktemp("home")
    TASKS.extend("test", {"cantilever": TASK})  # like a file in $IPAGE_HOME/tasks
    for method in ("ipage", "prior-lm"):
        arguments = ["train", "cantilever", "--method", method, "--epochs", "2", "--size", "small", "--device", "cpu"]
        assert main([*arguments, "--out", str(folder / "models" / "quick")]) == 0
    yield folder
    TASKS.extend("test", {})


def test_the_command_line_knows_it(models, tmp_path, capsys):
    out = tmp_path / "solutions.csv"
    arguments = ["design", "cantilever", "--model", str(models / "models/quick"), "--method", "ipage"]
    assert main([*arguments, "--target", "10", "--n", "20", "--omega-evals", "3", "--out", str(out)]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["verified"] == 20
    frame = pd.read_csv(out)
    frame = frame[frame["stage"] == "localized"]
    x = frame[["x1", "x2", "x3"]].to_numpy()
    assert abs(omega(torch.from_numpy(x.copy()))[:, 0].numpy() - frame["y1"]).max() < 1e-9
    assert said["hits"] >= 10


def test_the_app_knows_it(models, monkeypatch):
    monkeypatch.setenv("IPAGE_HOME", str(models))
    test = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=120)
    test.query_params.update({"task": "cantilever", "method": "ipage-mlp@quick", "n": "25", "omega": "2"})
    test.run()
    assert not test.exception
    assert not test.error
    assert any("y* = 10 mm" in m.value for m in test.markdown)
    assert TASK.title in test.selectbox(key="task_choice").options


def test_contributing_shows_the_file_that_is_tested():
    shown = (ROOT / "CONTRIBUTING.md").read_text()
    assert (ROOT / "tests/support/example_task.py").read_text().strip() in shown
