"""Adam without torch's compiler steps as torch's own Adam does."""

import subprocess
import sys
from copy import deepcopy

import pytest
import torch

from ipage_core.runtime import adam


def trained(optimizer, steps, state=None):
    """Weights and state after some steps towards the least of a function."""
    weights = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    one = optimizer([weights], lr=0.1)
    if state is not None:
        one.load_state_dict(deepcopy(state))
    for _ in range(steps):
        one.zero_grad()
        (weights**4 + weights).sum().backward()
        one.step()
    return weights.detach(), one.state_dict()


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_the_steps_are_those_of_torch(name):
    here, torch_s = getattr(adam, name), getattr(torch.optim, name)
    weights, state = trained(torch_s, 5)
    assert torch.equal(trained(here, 5)[0], weights)
    assert torch.equal(trained(here, 5, state)[0], trained(torch_s, 5, state)[0])
    assert not torch.equal(trained(here, 5, state)[0], weights)


def test_no_step_loads_the_compiler():
    code = (
        "import sys, torch; from ipage_core.runtime.adam import AdamW;"
        "p = torch.ones(2, requires_grad=True); one = AdamW([p]); one.zero_grad(); p.sum().backward(); one.step();"
        "one.load_state_dict(one.state_dict()); sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
