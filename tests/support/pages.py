"""Pages without a browser, in Streamlit's own test harness."""

import time

from streamlit.testing.v1 import AppTest, local_script_runner

from ipage_core.runtime.paths import ROOT


def _wait(runner, timeout=3):
    """Until the page's script has ended.

    Streamlit's own harness goes through all messages of the page every millisecond, which slows the page down.
    """
    end = time.monotonic() + timeout
    while not runner.script_stopped():
        if time.monotonic() > end:
            runner.request_stop()
            runner.join()
            raise RuntimeError(f"the page was not ready after {timeout} s")
        time.sleep(0.01)


local_script_runner.require_widgets_deltas = _wait


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
