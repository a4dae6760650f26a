"""What the heads of pages tell the browser: where the app lies, and which of Streamlit's scripts it will need."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING

from streamlit import file_util

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ABOVE = b"<script>window.__streamlit = { BACKEND_BASE_URL: new URL('.', location.href).href }</script>"
CHUNKS = (
    "PlotlyChart",
    "BidiComponent",
    "Html",
    "Selectbox",
    "NumberInput",
    "Slider",
    "ButtonGroup",
    "Checkbox",
    "PageLink",
    "TextInput",
    "Button",
    "DataFrame",
)
"""Streamlit's scripts that a page with a figure needs. The browser would ask for them only when the page is there."""
# Plotly takes half a second to start: this happens while the server works on the page, after the connection is made.
EARLY = """<link rel="modulepreload" fetchpriority="low" href="FIRST">
<script type="module">
const wait = setInterval(() => {
  if (!document.querySelector('[data-testid="stApp"]:not([data-test-script-state="initial"])')) return;
  clearInterval(wait);
  for (const chunk of ALL) import(chunk).catch(() => {});
}, 20);
</script>
"""


class PageHeads:
    """Adds to the heads of pages.

    Pages opened by a direct link, such as '/learn', learn the app's base path: one level up. By default Streamlit first
    requests it below the page, which leaves two errors on the browser's console. All pages load Streamlit's scripts
    early.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Insert scripts into the head of '/' and of pages such as '/learn'; pass on all other requests."""
        name = scope["path"].removeprefix("/") if scope["type"] == "http" and scope["method"] == "GET" else "."
        if name and not name.isidentifier():
            await self.app(scope, receive, send)
            return
        held: Message = {}

        async def report(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                held = message  # held back until the body's length is known
                return
            if held:
                start, held = held, {}
                headers = dict(start["headers"])
                body = message.get("body", b"")
                if not message.get("more_body") and headers.get(b"content-type", b"").startswith(b"text/html"):
                    body = body.replace(b"<head>", b"<head>" + ABOVE, 1) if name else body
                    message = {**message, "body": body.replace(b"</head>", early() + b"</head>", 1)}
                    length = str(len(message["body"])).encode()
                    start = {**start, "headers": list((headers | {b"content-length": length}).items())}
                await send(start)
            await send(message)

        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self.app({**scope, "headers": plain}, receive, report)


@functools.cache
def early() -> bytes:
    """The script that loads ``CHUNKS``; empty if this Streamlit does not have Plotly's."""
    folder = Path(file_util.get_static_dir()) / "static" / "js"
    files = [f"./static/js/{path.name}" for chunk in CHUNKS for path in sorted(folder.glob(f"{chunk}.*.js"))]
    if not files or not files[0].startswith(f"./static/js/{CHUNKS[0]}"):
        return b""
    return EARLY.replace("FIRST", files[0]).replace("ALL", json.dumps(files)).encode()
