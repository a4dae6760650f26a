"""iPage Explorer. Start it with: streamlit run streamlit_app.py"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware
from streamlit import net_util
from streamlit.runtime.pages_manager import PagesManager

from app import engine, transfers

# Else Streamlit takes app/pages for pages of its old kind, until the first visitor has run app/main.py: a link straight
# to a page would open it without the app around it.
PagesManager.uses_pages_directory = False
# Else a page of another origin, which is refused anyway, has the server ask the internet for its own address first, and
# everybody waits for the answer.
net_util.get_external_ip = lambda: None
transfers.keep_files()
engine.share_memory()


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Warm the engine up while the server starts and the browser loads the page."""
    engine.start()
    yield


app = st.App(
    "app/main.py",
    lifespan=lifespan,
    middleware=[Middleware(transfers.ClosedUploads), Middleware(transfers.StraightLinks)],
)
