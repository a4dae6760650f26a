"""Silicon without DFT: ranks by a surrogate whose numbers are known, goals as constraints, keys of the cache."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ipage_core.tasks.silicon import operator
from ipage_core.tasks.silicon.goals import design_goals
from ipage_core.tasks.silicon.ranking import table


class Known:
    """Gap, direct gap, energy and pressure of three strains; their valleys are on axes 1, 3 and 2."""

    def properties(self, x):
        return torch.tensor([[0.5, 2.0, 0.003, -2.0], [0.4, 2.0, 0.001, 0.5], [0.3, 2.0, 0.002, 1.0]])

    def spread(self, x):
        return torch.zeros(3, 4)

    def valley(self, x):
        return torch.tensor([0, 2, 1])


STRAINS = torch.tensor([[0.01, 0, 0, 0, 0, 0], [-0.02, 0, 0.02, 0, 0, 0], [0, 0, 0, 0.015, 0, 0.01]]).double()


@pytest.mark.parametrize(("by", "ranks"), [("energy", [3, 1, 2]), ("pressure", [3, 1, 2]), ("strain", [1, 3, 2])])
def test_ranks_are_by_least_energy_size_of_pressure_and_largest_strain(by, ranks):
    found = table(STRAINS, Known(), by)
    assert found["rank"].tolist() == ranks
    assert found["valley"].tolist() == [1, 3, 2]  # axes count from 1
    assert found["largest_strain"].tolist() == pytest.approx([0.01, 0.02, np.hypot(0.015, 0.01)])


def test_a_goal_with_a_tolerance_is_bounded_on_both_sides(monkeypatch):
    class Asked(Exception):
        pass

    def request(task, target, method, **how):
        raise Asked(how["constraints"])

    monkeypatch.setattr("ipage_core.problem.request.DesignRequest", request)
    options = SimpleNamespace(
        goal=["gap=0.3", "energy=0.004±0.001", "pressure<=1"], constrain=[], method=None, n=1, sampling="srs", seed=0,
        omega_evals=0, verify="none", spread="off", model=None,
    )  # fmt: skip
    with pytest.raises(Asked) as asked:
        design_goals(options)
    (said,) = asked.value.args
    assert said == ("energy>=0.003eV", "energy<=0.005eV", "pressure<=1.0GPa")


def test_every_setting_has_results_of_its_own_in_the_cache():
    strain, by = np.zeros(6), {"gpaw": "0"}
    changed = [operator.STANDARD._replace(**{name: 2 * value}) for name, value in operator.STANDARD._asdict().items()]
    files = {operator.cache_file(strain, settings, by) for settings in (operator.STANDARD, *changed)}
    assert len(files) == 1 + len(operator.STANDARD)
    assert operator.cache_file(strain, operator.STANDARD, {"gpaw": "1"}) not in files
