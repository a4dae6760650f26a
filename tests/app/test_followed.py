"""Work that a page waits for says how far it is, and a visitor can stop it and start it again."""

import time
from threading import Event

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.components import followed
from ipage_core.problem.watch import tell, watched


def page():
    import streamlit as st

    from app.components.followed import followed
    from tests.app.test_followed import work

    st.text(f"result {followed(work, 'Working …', 'here', 'that')}")


def work():
    """Ends at once."""
    return 7


def shown(test):
    return [one.value for one in test.text]


def test_a_quick_result_shows_no_bar_and_a_stopped_one_can_be_started_again():
    test = AppTest.from_function(page).run()
    assert shown(test) == ["result 7"]
    assert not test.button
    test.session_state["stops"] = {"here": "that"}
    test.run()
    assert shown(test) == ["result None"]
    assert "Stopped" in test.info[0].value
    test.button(key="again-here").click().run()
    assert shown(test) == ["result 7"]
    assert not test.info


@pytest.fixture
def session(monkeypatch):
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(followed, "QUICK", 0.01)
    monkeypatch.setattr(followed, "POLL", 0.01)


def test_errors_of_the_work_reach_the_page(session):
    def wrong():
        raise ValueError("no such target")

    with pytest.raises(ValueError, match="no such target"):
        followed.followed(wrong, "Working …", "here", 1)


def test_a_page_that_goes_on_ends_the_work(session, monkeypatch):
    ended, watch = Event(), []

    def long():
        watch.append(watched())
        try:
            for done in range(10**6):
                tell("steps", done, 10**6)
                time.sleep(0.001)
        except followed.Stopped:
            ended.set()

    class Leaves:
        """Streamlit interrupts a script where it draws."""

        def progress(self, share, text):
            assert 0 <= share <= 1
            assert text.startswith("Working …")
            raise InterruptedError

    monkeypatch.setattr(st, "columns", lambda *a, **k: [type("Column", (), {"empty": Leaves})(), st])
    with pytest.raises(InterruptedError):
        followed.followed(long, "Working …", "here", 1)
    assert ended.wait(10)
    with pytest.raises(followed.Stopped):  # a slow Ω would else return what it has, to be kept as the result
        watch[0].cancel()
