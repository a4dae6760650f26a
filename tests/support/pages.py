"""Pages without a browser, in Streamlit's own test harness."""

import time

from streamlit.testing.v1 import AppTest

from ipage_core.runtime.paths import ROOT


def open_page(page="main.py", **query):
    """Open a script of ``app/`` with a query, and run it once."""
    test = AppTest.from_file(str(ROOT / "app" / page), default_timeout=300)
    for name, value in query.items():
        test.query_params[name] = value
    return test.run()


def until(condition, seconds=120):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.02)
