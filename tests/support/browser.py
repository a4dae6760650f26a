"""The app in a real browser: start the server on a free port of the loopback, open pages in headless Chromium."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from functools import partial
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
STEADY = """() => {
    const figures = [...document.querySelectorAll('.js-plotly-plot')].map(figure => {
        const box = figure.getBoundingClientRect();
        return [box.top, box.width, figure._fullLayout?.width, figure._fullLayout?.height];
    });
    const look = document.querySelector('AT_REST') && figures.length ? JSON.stringify(figures) : null;
    if (look === null || look !== window.lastLook) { window.lastLook = look; window.since = performance.now(); }
    return look !== null && performance.now() - window.since > 600;
}""".replace("AT_REST", AT_REST)
"""True once the figures have kept size and place for 0.6 s."""


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


@contextmanager
def kept_profile(folder):
    """A profile in a folder, of a Chromium of its own: compiled scripts are kept from page to page only on a disk."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(folder, executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield context
        finally:
            context.close()


def settled(page):
    """Wait until the script rests after an interaction."""
    page.wait_for_timeout(400)
    page.wait_for_selector(AT_REST)


def steady(page):
    """Wait until the script rests and figures keep size and place; a new page is redrawn once it knows its width."""
    page.wait_for_function(STEADY)


def press(page, label):
    """Click a button of the figure."""
    page.locator(".updatemenu-button", has_text=label).first.click()


class Watched:
    """A page that records forbidden events: errors on its console, and requests beyond the loopback.

    Figures play automatically only with ``motion="no-preference"``. ``profile``: a browser, or a context of one.
    ``missing``: whether files may be missing (404).
    """

    def __init__(self, profile, width=1440, height=900, theme="light", motion="reduce", missing=False):
        self.errors, self.abroad = [], []
        self.page = profile.new_page()
        self.context = self.page.context
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.emulate_media(color_scheme=theme, reduced_motion=motion)
        self.page.set_default_timeout(TIMEOUT)
        # By default Playwright looks at each frame, so the browser draws all the time that a test waits.
        self.page.wait_for_function = partial(self.page.wait_for_function, polling=50)
        self.page.on("console", lambda m: self._console(m, missing))
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.on("request", self._request)

    def _console(self, message, missing):
        if message.type == "error" and not (missing and "404" in message.text):
            self.errors.append(message.text)

    def _request(self, request):
        if not request.url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")):
            self.abroad.append(request.url)

    def open(self, url, target=None):
        """Go there and wait until the figure is drawn and the script at rest."""
        self.page.goto(url)
        self.page.wait_for_function(DRAWN, arg=target)
        self.page.wait_for_selector(AT_REST)
        return self.page
