"""The app in a real browser: start the server on a free port of the loopback, open pages in headless Chromium."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CHROMIUM = "/usr/bin/chromium"
TIMEOUT = 120_000
"""Milliseconds; generous, because the machine may be busy."""

DRAWN = """target => {
    const figure = document.querySelector('.js-plotly-plot');
    const meta = figure && figure._fullLayout && figure._fullLayout.meta;
    if (!meta || !figure.querySelector('.scatterlayer .trace')) return false;
    return target === null || Math.abs(meta.target[0] - target) < 1e-9;
}"""
AT_REST = '[data-testid="stApp"][data-test-script-state="notRunning"]'


@contextmanager
def server():
    """A server of the app; yields its address and its start time."""
    with serving() as (address, started, _):
        yield address, started


@contextmanager
def serving(*options, log=subprocess.DEVNULL, **environment):
    """The same with Streamlit options, a log file and extra environment variables; yields the process as well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port), *options]
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | environment)
    address = f"http://127.0.0.1:{port}"
    try:
        while not _healthy(address):
            if process.poll() is not None or time.perf_counter() - started > TIMEOUT / 1000:
                raise RuntimeError("the app's server did not start")
            time.sleep(0.05)
        yield address, started, process
    finally:
        process.terminate()
        process.wait(timeout=20)


def _healthy(address):
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


@contextmanager
def chromium():
    """Headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def settled(page):
    """Wait until the script rests after an interaction."""
    page.wait_for_timeout(400)
    page.wait_for_selector(AT_REST)


class Watched:
    """A page that records forbidden events: errors on its console, and requests beyond the loopback.

    Figures play automatically only with ``motion="no-preference"``.
    """

    def __init__(self, browser, width=1440, height=900, theme="light", motion="reduce"):
        self.errors, self.abroad = [], []
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion=motion
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(TIMEOUT)
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.on("request", self._request)

    def _request(self, request):
        if not request.url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")):
            self.abroad.append(request.url)

    def open(self, url, target=None):
        """Go there and wait until the figure is drawn and the script at rest."""
        self.page.goto(url)
        self.page.wait_for_function(DRAWN, arg=target)
        self.page.wait_for_selector(AT_REST)
        return self.page
