"""iPage Explorer. Start it with: streamlit run streamlit_app.py"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st

from app import engine


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Warm the engine up while the server starts and the browser loads the page."""
    engine.start()
    yield


app = st.App("app/main.py", lifespan=lifespan)
