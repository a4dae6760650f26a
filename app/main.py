"""What every session runs: the page's frame and the choice of pages."""

import streamlit as st

from app import engine
from app.look import dress
from app.reach import within_reach

st.set_page_config(page_title="iPage Explorer", page_icon="🎯", layout="wide")
dress()
page = st.navigation(
    [
        st.Page("pages/explore.py", title="Explore", icon=":material/explore:", default=True),
        st.Page("pages/learn.py", title="Learn", icon=":material/school:"),
        st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
        st.Page("pages/train.py", title="Train", icon=":material/model_training:"),
        st.Page("pages/own_data.py", title="Your data", icon=":material/table:", url_path="data"),
        st.Page("pages/benchmark.py", title="Benchmark", icon=":material/leaderboard:"),
    ],
    position="top",
)
within_reach()
engine.wait()
engine.refresh()
page.run()
