"""The heads of pages: the app's base path for direct links, and Streamlit's scripts that a page will need."""

import asyncio
import re
from pathlib import Path

from streamlit import file_util

from app.server import heads

PAGE = "<html><head>…</head><body>"


def ask(path):
    async def app(scope, receive, send):
        encoded = scope["headers"] == []
        assert encoded == (path in ("/", "/learn", "/metrics")), "a head can be changed only if it is not compressed"
        kind = b"text/plain" if path == "/metrics" else b"text/html; charset=utf-8"
        headers = [(b"content-type", kind), (b"content-length", str(len(PAGE.encode())).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": PAGE.encode()})

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [(b"accept-encoding", b"gzip")]}
    asyncio.run(heads.PageHeads(app)(scope, None, send))
    assert int(dict(sent[0]["headers"])[b"content-length"]) == len(sent[1]["body"])
    return sent[1]["body"].decode()


def test_a_link_straight_to_a_page_says_where_the_app_lies():
    assert ask("/learn").startswith("<html><head><script>window.__streamlit")
    assert "__streamlit" not in ask("/")


def test_pages_load_the_scripts_of_figures_early_and_nothing_else_changes():
    for path in ("/", "/learn"):
        files = re.findall(r"static/js/([^\"]+)", ask(path).partition("for (")[2])
        assert [name.partition(".")[0] for name in files] == list(heads.CHUNKS)
        folder = Path(file_util.get_static_dir()) / "static/js"
        assert all((folder / name).is_file() for name in files)
    for path in ("/metrics", "/media/table.csv"):
        assert ask(path) == PAGE
