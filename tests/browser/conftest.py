"""One server for all tests of pages, a Chromium for each file, and pages that must leave no error behind."""

import pytest

from tests.support.browser import Watched, chromium, server


@pytest.fixture(scope="session")
def address():
    with server() as (address, _):
        yield address


@pytest.fixture(scope="module")  # longer, and its event loop would stand in the way of other tests
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def watch(browser):
    """New pages. In the end none has an error on its console, or has asked beyond the loopback."""
    opened = []

    def make(**settings):
        opened.append(Watched(browser, **settings))
        return opened[-1]

    yield make
    for watched in opened:
        errors, abroad = list(watched.errors), list(watched.abroad)
        watched.context.close()
        assert errors == []
        assert abroad == []
