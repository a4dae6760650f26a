"""iPage Explorer. Start it with: streamlit run streamlit_app.py"""

import streamlit as st

from app.look import dress

st.set_page_config(page_title="iPage Explorer", page_icon="🎯", layout="wide")
dress()
st.navigation(
    [st.Page("app/pages/explore.py", title="Explore", icon=":material/explore:", default=True)], position="top"
).run()
