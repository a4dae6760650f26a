"""Figures reach the page unvalidated, but equal to what Plotly's validation would return."""

import json

import plotly.graph_objects as go
import plotly.io
import pytest
from streamlit.testing.v1 import AppTest

from app.components.chart import dressed
from app.figures.playback import WIDE
from app.state import runs
from app.tasks import panel_of
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks import TASKS


@pytest.mark.parametrize("task", ["sinewave", "robotic_arm", "crystal", "architecture"])
def test_nothing_changes_on_the_way(task):
    request = DesignRequest.of(TASKS[task], TASKS[task].default_target, n=4)
    run = runs.run.__wrapped__(request)
    checked = go.Figure(**panel_of(task).figure(run, False, WIDE))
    sent = json.loads(plotly.io.to_json(dressed(panel_of(task).figure(run, False, WIDE)), validate=False))
    assert json.loads(go.Figure(**sent).to_json()) == json.loads(checked.to_json())


def test_the_page_shows_it():
    def page():
        from app.components.chart import chart

        chart({"data": [{"type": "scatter", "y": [1, 2]}], "layout": {"height": 300}, "frames": []}, key="drawn")

    test = AppTest.from_function(page).run()
    assert not test.exception
    spec = json.loads(test.get("plotly_chart")[0].proto.spec)
    assert spec["data"] == [{"type": "scatter", "y": [1, 2]}]
    assert spec["layout"]["template"]["layout"]
    assert "frames" not in spec
