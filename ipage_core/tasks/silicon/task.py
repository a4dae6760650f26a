"""Silicon: which strains of the crystal, ions relaxed, have a given band gap? Ω is DFT, about 6 s of CPU per strain.

PBE without spin–orbit coupling underestimates gaps: 0.6 eV for the unstrained crystal, 1.17 eV in experiment. See
``operator.py``. This is the question of deep elastic strain engineering: Z. Shi et al., PNAS 116, 4117 (2019),
doi:10.1073/pnas.1818555116.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ipage_core.problem.recipe import Recipe
from ipage_core.problem.task import Property, Task, Variable
from ipage_core.problem.watch import watched
from ipage_core.runtime.lazy import LazyModule, late, torch
from ipage_core.tasks import labelled
from ipage_core.tasks.silicon import constraints
from ipage_core.tasks.silicon.box import BOUNDS, NAMES, PBE

if TYPE_CHECKING:
    from torch import Generator, Tensor

dataset: Any = LazyModule("ipage_core.tasks.silicon.dataset")
operator: Any = LazyModule("ipage_core.tasks.silicon.operator")


def omega(x: Tensor) -> Tensor:
    """Signed PBE gap, direct gap [eV], elastic energy [eV per atom], pressure [GPa], valley. (n, 6) → (n, 5).

    NaN where the calculation failed. The valley is the axis, 1 to 3, of the lowest valley; 0 for Γ or L. Runs on all
    cores and caches results on disk. See :func:`ipage_core.problem.watch.watching` for progress and cancellation.

    Raises:
        DFTUnavailable: GPAW is not installed.
    """
    watch = watched()
    where = {"workers": watch.workers, "scheduler": watch.scheduler}
    results = operator.many(x.detach().cpu().double().numpy(), progress=watch.progress, cancel=watch.cancel, **where)
    return torch.tensor([properties(result) for result in results], dtype=torch.float64).view(len(x), 5)


def properties(result: dict[str, Any] | None) -> list[float]:
    """The task's five properties from a result of :mod:`ipage_core.tasks.silicon.operator`; NaN if it failed."""
    if result is None or "fail" in result:
        return [math.nan] * 5
    energy = (result["energy"] - operator.REFERENCE_ENERGY) / 2
    return [result["gap"], result["direct"], energy, result["pressure"], axis(result["valley"])]


def axis(valley: str) -> float:
    """Axis of a valley: "D0" → 3, "D2" → 1; 0 for Γ and L."""
    return 3.0 - int(valley[1]) if valley[0] == "D" else 0.0


def sample_prior(n: int, generator: Generator) -> Tensor:
    """Uniform in the box, which is invariant under the cube's 24 rotations."""
    low, high = torch.from_numpy(BOUNDS)
    return low + (high - low) * torch.rand(n, 6, dtype=torch.float64, generator=generator)


def stored() -> tuple[Tensor, Tensor]:
    """The strains of ``data/silicon`` (n, 6) with the task's properties (n, 5)."""
    x, y = edges()
    return x, torch.column_stack((y[:, :4], y[:, 8:].argmin(1) + 1.0))


def edges() -> tuple[Tensor, Tensor]:
    """The same strains with the band edges as training pairs of the surrogate: y (n, 11), see ``valleys.py``."""
    from ipage_core.tasks.silicon.valleys import pairs

    return pairs(dataset.read())


def test_pairs() -> tuple[Tensor, Tensor]:
    """Random strains outside the training data and their DFT gaps: (n, 6), (n, 1)."""
    data = dataset.read(dataset.DATA.with_name("test_random.parquet"))
    return torch.from_numpy(data.strain), torch.from_numpy(data.gap)[:, None]


def networks() -> dict[str, type]:
    """The surrogate of the valleys."""
    from ipage_core.tasks.silicon.valleys import ValleySurrogate

    return {"valleys": ValleySurrogate}


DRAWS = 20_000
"""Number of strains that the surrogate labels to train the posteriors."""


def training_pairs(model: str, surrogate: Callable[[], Any]) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """DFT results for the surrogate; draws that it labels for the posteriors: see ``tasks/labelled.py``."""
    return labelled.training_pairs(model, edges(), "data/silicon", surrogate, sample_prior, DRAWS)


def taught(y: Tensor) -> Tensor:
    """Results (n, 5) as training pairs of the surrogate: gaps, energy, pressure. The band edges are not among them."""
    from ipage_core.tasks.silicon.valleys import COLUMNS, PROPERTIES

    pairs = torch.full((len(y), COLUMNS), math.nan, dtype=torch.float64)
    pairs[:, :PROPERTIES] = y[:, :PROPERTIES]
    return pairs


STRAIN_UNIT = np.array([1.0, 1.0, 1.0, *[math.sqrt(0.5)] * 3])
"""Unit of each component: distances of strains over it are Frobenius norms, in which each shear counts twice."""

TASK = Task(
    name="silicon",
    title="Strained silicon by band gap",
    variables=tuple(Variable(name, "", *ends) for name, ends in zip(NAMES, BOUNDS.T.tolist(), strict=True)),
    properties=(
        Property("PBE gap", "eV", tolerance=0.01),
        Property("direct PBE gap", "eV"),
        Property("elastic energy", "eV per atom"),
        Property("pressure", "GPa"),
        Property("lowest valley", "axis"),
    ),
    sample_prior=sample_prior,
    omega=omega,
    omega_seconds=6.0,
    in_processes=True,
    default_target=(0.3,),
    support=tuple((low, high) for low, high in BOUNDS.T.tolist()),
    stored=stored,
    check_data=late("ipage_core.tasks.silicon.dataset:check"),
    merge_data=late("ipage_core.tasks.silicon.dataset:fold"),
    networks=networks,
    words=constraints.words,
    words_help=constraints.HELP,
    recipes={
        "mlp": Recipe(
            {"box": BOUNDS.tolist(), "members": 5},
            {"learning_rate": 5e-3, "epochs": 600, "batch": 256, "weight_decay": 1e-3},
            network="valleys",
        ),
        "inn": Recipe(settings={"learning_rate": 2e-3, "epochs": 30}),
        "cinn": Recipe({"couplings": 8, "bins": 5, "hidden": 112}, {"learning_rate": 2e-3, "epochs": 30}),
        "mdn": Recipe({"components": 96}, {"epochs": 20}),
        "cvae": Recipe(
            {"latent": 7, "decoder_sd": 0.09, "layers": 6, "normalized": True, "support": []}, {"epochs": 40}
        ),
        "na": Recipe(
            {"layers": 4},
            {"epochs": 630, "learning_rate": 3.75e-4},
            descents={"per_design": 64, "steps": 3},
        ),
        "na-published": Recipe(settings={"epochs": 60}),
    },
    sizes=("usual",),
    training_pairs=training_pairs,
    taught=taught,
    test_pairs=test_pairs,
    generate=late("ipage_core.tasks.silicon.dataset:generate"),
    export_formats=("cif", "poscar", "extxyz"),
    export=late("ipage_core.tasks.silicon.export:files"),
    design_goals=late("ipage_core.tasks.silicon.goals:design_goals"),
    images=late("ipage_core.tasks.silicon.symmetry:images"),
    distance_unit=STRAIN_UNIT,
    distance_name="of strain",
    source="Shi et al. 2019, doi:10.1073/pnas.1818555116; Ω: GPAW, PBE, ions relaxed, no spin–orbit coupling",
    remark=PBE,
)
