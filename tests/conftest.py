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
    """The whole suite, or a folder, runs on up to four cores, file by file; named tests in this process."""
    named = [argument for argument in config.args if not Path(argument.split("::")[0]).is_dir()]
    return 0 if named else min(cores(), 4)


def pytest_collection_modifyitems(items):
    if not torch.cuda.is_available():
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="no CUDA device here"))


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="module")
def _named_tasks_are_forgotten():
    """Tasks that a file of tests loads by path are not known to the next file."""
    yield
    registry = sys.modules.get("ipage_core.registry")
    if registry is not None:
        sys.modules["ipage_core.tasks"].TASKS.extend(registry.NAMED, {})
