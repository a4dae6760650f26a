"""One server for all page tests, one Chromium and one profile per file, and pages that must cause no errors."""

from pathlib import Path

import pytest

from tests.support.browser import CHROMIUM, Watched, kept_profile, serving

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items):
    missing = not Path(CHROMIUM).exists()
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if missing:
                item.add_marker(pytest.mark.skip(reason=f"no {CHROMIUM}: apt-get install chromium"))


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """The folder of the server's user: own data, models, queue."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def address(home, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")  # DFT of these tests is computed, not remembered
    with serving(IPAGE_HOME=str(home), IPAGE_CACHE=str(cache), OMP_NUM_THREADS="1") as (address, *_):
        yield address


@pytest.fixture(scope="module")  # longer, and its event loop would disturb other tests
def profile(tmp_path_factory):
    """Shared by the pages of a file: the scripts of Streamlit and Plotly are loaded and compiled once."""
    with kept_profile(tmp_path_factory.mktemp("profile")) as context:
        yield context


@pytest.fixture
def watch(profile):
    """New pages. At the end, none may have console errors or requests beyond the loopback."""
    opened = []

    def make(**settings):
        opened.append(Watched(profile, **settings))
        return opened[-1]

    yield make
    for watched in opened:
        watched.page.close()
    assert [error for watched in opened for error in watched.errors] == []
    assert [url for watched in opened for url in watched.abroad] == []
