import os
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from ipage_core.runtime.cores import cores

settings.register_profile("no clock", deadline=None)  # a busy machine must not fail a test
settings.load_profile("no clock")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes that tests start
os.environ["IPAGE_HOME"] = tempfile.mkdtemp(prefix="ipage-home-")  # tests neither see nor change the user's own data


def pytest_xdist_auto_num_workers(config):
    """The whole suite, or a folder, runs up to four files at a time, two a core; named tests run in this process.

    Two a core, because many tests wait for a browser, a figure that plays, or a process that they have started.
    """
    named = [argument for argument in config.args if not Path(argument.split("::")[0]).is_dir()]
    return 0 if named else min(2 * cores(), 4)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    if not torch.cuda.is_available():
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="no CUDA device here"))
    items[:] = [item for file in spread_out(items) for item in file]


def spread_out(items):
    """The files of tests, in the order in which they are handed out: long ones early, and apart from each other.

    Long are those of the browser, of DFT, and with slow tests. The others follow by their number of tests.
    """
    files = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    long, short = [], []
    for path, file in files.items():
        slow = "browser" in path.parts or any({"dft", "slow"} & {mark.name for mark in i.iter_markers()} for i in file)
        (long if slow else short).append(file)
    short.sort(key=len, reverse=True)
    step = max(1, 2 * len(short) // (3 * max(1, len(long))))
    while long:
        yield long.pop(0)
        for _ in range(step):
            if short:
                yield short.pop(0)
    yield from short


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _the_main_module_stays():
    """Streamlit's harness puts its page in place of ``__main__``; processes that later tests start would run it."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(autouse=True, scope="module")
def _named_tasks_are_forgotten():
    """Tasks that a file of tests loads by path, or names to the command line, are not known to the next file."""
    named = os.environ.get("IPAGE_TASKS")
    yield
    os.environ.pop("IPAGE_TASKS", None)
    if named is not None:
        os.environ["IPAGE_TASKS"] = named
    registry = sys.modules.get("ipage_core.registry")
    if registry is not None:
        sys.modules["ipage_core.tasks"].TASKS.extend(registry.NAMED, {})
