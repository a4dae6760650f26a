import os
import tempfile

import pytest
import torch
from hypothesis import settings

settings.register_profile("no clock", deadline=None)  # a busy machine must not fail a test
settings.load_profile("no clock")
os.environ["IPAGE_HOME"] = tempfile.mkdtemp(prefix="ipage-home-")  # tests neither see nor change the user's own data


def pytest_collection_modifyitems(items):
    if not torch.cuda.is_available():
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="no CUDA device here"))


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)
