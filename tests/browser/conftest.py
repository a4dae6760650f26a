"""One server for all page tests, one Chromium per file, and pages that must cause no errors."""

import pytest

from tests.support.browser import Watched, chromium, server


@pytest.fixture(scope="session")
def address():
    with server() as (address, _):
        yield address


@pytest.fixture(scope="module")  # longer, and its event loop would disturb other tests
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def watch(browser):
    """New pages. At the end, none may have console errors or requests beyond the loopback."""
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
