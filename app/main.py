"""Script of every session: the page frame and the choice of pages."""

from typing import Any

import streamlit as st

from app.components import back
from app.components.former import former_names
from app.components.look import dress
from app.components.reach import within_reach
from app.server import engine
from app.state import classroom
from ipage_core.runtime.lazy import LazyModule

links: Any = LazyModule("app.components.links")
"""Loads torch, so it must wait for the engine."""

st.set_page_config(page_title="iPage Explorer", page_icon="🎯", layout="wide")
dress()
page = st.navigation(
    [
        st.Page("screens/explore.py", title="Explore", icon=":material/explore:", default=True),
        st.Page("screens/cells.py", title="Cells", icon=":material/grid_view:"),
        st.Page("screens/learn.py", title="Learn", icon=":material/school:"),
        st.Page("screens/compare.py", title="Side by side", icon=":material/compare_arrows:"),
        st.Page("screens/train.py", title="Train", icon=":material/model_training:"),
        st.Page("screens/own_data.py", title="Your data", icon=":material/table:", url_path="data"),
        st.Page("screens/own_problem.py", title="Your problem", icon=":material/terminal:", url_path="problem"),
        st.Page("screens/benchmark.py", title="Benchmark", icon=":material/leaderboard:"),
        *([st.Page("screens/class_overview.py", title="Class", icon=":material/groups:")] if classroom.on() else []),
    ],
    position="top",
)
within_reach()
back.remembers()
engine.wait()
engine.refresh()
former_names()
with links.checked():
    page.run()
