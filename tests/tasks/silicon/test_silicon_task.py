"""Strained silicon as a task: the meaning of its constraints, and the results that Ω stores."""

import numpy as np
import pytest
import torch

from ipage_core.problem import constraints
from ipage_core.tasks.crystal import dft
from ipage_core.tasks.silicon import operator
from ipage_core.tasks.silicon.constraints import largest_strain, misfit, volume_change
from ipage_core.tasks.silicon.task import TASK, omega


def decoded(*expressions, n=200):
    space = constraints.parse(TASK, expressions)
    low, high = space.bounds
    return space.decode(low + (high - low) * torch.rand(n, len(low), dtype=torch.float64)), space


def test_a_film_keeps_its_plane_and_leaves_the_rest():
    x, _ = decoded("biaxial=1%")
    assert (x[:, :2] == 0.01).all()
    assert (x[:, 5] == 0).all()
    assert (x[:, 2:5].std(0) > 0.005).all()


def test_the_misfit_of_an_alloy_is_its_lattice_constants():
    """Germanium 5.658 Å against 5.431 Å of silicon: 4.2 %."""
    assert misfit("Si0Ge1") == pytest.approx((5.658 - 5.431) / 5.431, abs=1e-4)
    x, _ = decoded("substrate=Si0.7Ge0.3")
    assert x[0, 0] == pytest.approx(0.0115, abs=1e-4)
    with pytest.raises(ValueError, match=r"strains the film by 4\.2%"):
        decoded("substrate=Si0Ge1")


@pytest.mark.parametrize("axis", ["001", "110", "111"])
def test_a_stress_along_an_axis_leaves_strains_that_keep_it(axis):
    """The axis stays a principal axis, and its symmetry determines the number of free strains."""
    x, space = decoded(f"uniaxial={axis}")
    n = torch.tensor([float(c) for c in axis], dtype=torch.float64)
    e = torch.tensor(operator.tensor(x.numpy()))
    along = e @ n
    assert torch.linalg.cross(along, n.expand_as(along)).abs().max() < 1e-12
    assert space.bounds.shape[1] == {"001": 2, "110": 3, "111": 2}[axis]


def test_caps_hold_what_they_say():
    x = torch.tensor([[0.02, 0, 0, 0, 0, 0], [0, 0, 0, 0.02, 0, 0], [0.01, 0.01, 0.01, 0, 0, 0]], dtype=torch.float64)
    assert largest_strain(x).tolist() == pytest.approx([0.02, 0.02, 0.01])
    assert volume_change(x).tolist() == pytest.approx([0.02, -0.0004, 1.01**3 - 1])
    for cap, kept in (("strain<=1.5%", [False, False, True]), ("volume<=1%", [False, True, False])):
        excess = constraints.parse(TASK, [cap]).excess(x)
        assert (excess[:, 0] == 0).tolist() == kept


@pytest.mark.parametrize(
    "wrong",
    ["uniaxial=112", "substrate=GaAs", "substrate=Si0.7Ge0.4", "biaxial=5%", "biaxial=x", "strain<=0", "shape=2"],
)
def test_a_constraint_that_is_none_is_refused_in_one_sentence(wrong):
    with pytest.raises(ValueError, match=r"\S") as said:
        constraints.parse(TASK, [wrong])
    assert "\n" not in str(said.value)


def test_omega_keeps_results_and_asks_again_for_failures(tmp_path, monkeypatch):
    calls = []

    def fake(strain, settings):
        calls.append(list(strain))
        if strain[0] < 0:
            return {"fail": "no"}
        rest = {"conduction_gamma": 2.0, "conduction_l": [1.0] * 4, "conduction_delta": [0.5] * 3, "force": 0.0}
        rest |= {"valence": [0.0] * 3, "delta_at": [0.8] * 3, "stress": [0.0] * 6, "shift": [0.0] * 3, "steps": 1}
        rest |= {"forces": [[0.0] * 3] * 2, "cpu_s": 1.0, "provenance": operator.provenance(settings)}
        energy = operator.REFERENCE_ENERGY + 0.02
        return {"gap": 0.3, "direct": 2.0, "energy": energy, "pressure": -1.0, "valley": "D1"} | rest

    monkeypatch.setenv(dft.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(dft, "require", lambda: None)
    monkeypatch.setattr(dft, "gpaw_version", lambda: "0")
    monkeypatch.setattr(operator, "bands", fake)
    monkeypatch.setattr(operator, "cores", lambda: 0)
    real = operator.executor.run
    monkeypatch.setattr(operator.executor, "run", lambda *a, **k: real(*a, **{**k, "workers": 0}))
    x = torch.tensor([[0.01, 0, 0, 0, 0, 0], [-0.01, 0, 0, 0, 0, 0]], dtype=torch.float64)
    y = omega(x)
    assert y[0].tolist() == pytest.approx([0.3, 2.0, 0.01, -1.0, 2.0])
    assert y[1].isnan().all()
    assert torch.equal(omega(x)[0], y[0])
    assert [call[0] for call in calls] == [0.01, -0.01, -0.01]
    with pytest.raises(ValueError, match=r"shape \(n, 6\)"):
        operator.many(np.zeros(6))
