"""Projector mode shows only headline and figure, and restores the rest afterwards."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from app.state import runs
from tests.support import stand_ins

ROOT = Path(__file__).resolve().parent.parent.parent


def test_one_button_leaves_the_figure_alone_and_brings_the_rest_back(monkeypatch):
    monkeypatch.setattr(runs, "load", stand_ins.load)
    monkeypatch.chdir(ROOT)
    runs.run.clear()
    test = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=120)
    test.query_params["n"] = "10"
    test.run()
    headline = next(m.value for m in test.markdown if " design" in m.value)
    assert test.dataframe
    test.button(key="project").click().run()
    assert not test.exception
    assert len(test.get("plotly_chart")) == 1
    assert any(m.value == headline for m in test.markdown)
    assert not test.dataframe
    assert not test.get("download_button")
    test.button(key="project").click().run()
    assert test.dataframe
    runs.run.clear()
