"""iPage Explorer. Start it with: streamlit run streamlit_app.py"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware
from streamlit import net_util

from app.server import engine, heads, hosts, transfers

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
    middleware=[
        Middleware(hosts.OwnNames),
        Middleware(transfers.ClosedUploads),
        Middleware(heads.PageHeads),
    ],
)
