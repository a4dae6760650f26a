"""Architected materials: 32×32 periodic black-and-white cells with a given effective Young's modulus.

The paper's high-dimensional case (1024 inputs, 10⁵ samples) with this project's own cells and operator, both
described in ``data/architecture/README.md``. A design is (1024,) densities, pixel 32·iy + ix, 1 = solid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipage_core.problem.recipe import Recipe
from ipage_core.problem.task import DesignText, Property, Task, Variable
from ipage_core.runtime.lazy import LazyModule, late, torch
from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD, z_score

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from ipage_core.tasks.cells.space import Filtered

CONSTRAINTS = "ipage_core.tasks.cells.constraints"
dataset: Any = LazyModule("ipage_core.tasks.cells.dataset")
homogenization: Any = LazyModule("ipage_core.tasks.cells.homogenization")
pixel_constraints: Any = LazyModule(CONSTRAINTS)

SIDE = 32
"""Pixels along a side."""
D = SIDE * SIDE


def omega(x: Tensor) -> Tensor:
    """Periodic homogenization, one finite element per pixel. (n, 1024) densities in [0, 1] → (n, 5).

    Columns as in ``TASK.property_labels``: y, E_x, E_y, ν_xy, volume fraction.
    """
    cells = x.detach().cpu().double().reshape(-1, SIDE, SIDE)
    return of_stiffness(cells, homogenization.homogenize(cells.numpy()))


def of_stiffness(cells: Tensor, stiffness: Any) -> Tensor:
    """The task's properties of cells (n, 32, 32) with stiffness matrices (n, 3, 3). → (n, 5)."""
    result = homogenization.moduli(stiffness)
    e_x = torch.from_numpy(result.e_x)
    rest = (torch.from_numpy(result.e_y), torch.from_numpy(result.nu_xy), cells.mean(dim=(1, 2)))
    return torch.stack((z_score(e_x), e_x, *rest), dim=1)


@lru_cache(maxsize=1)
def shipped() -> tuple[Tensor, Tensor, Tensor]:
    """The data set: cells (N, 1024) uint8 of 0 and 1, and their y along x and along y (N,) float64 each."""
    data = dataset.read()
    result = homogenization.moduli(data.stiffness)
    pixels = torch.from_numpy(data.pixels.reshape(-1, D).astype("uint8"))
    return pixels, z_score(torch.from_numpy(result.e_x)), z_score(torch.from_numpy(result.e_y))


def sample_prior(n: int, generator: Generator) -> Tensor:
    """n of the shipped cells, without repetition while there are enough. → (n, 1024) float64."""
    return shipped()[0][_rows(n, generator)].double()


def stored() -> tuple[Tensor, Tensor]:
    """All shipped cells and their y: (N, 1024) uint8, (N, 1) float64."""
    pixels, y, _ = shipped()
    return pixels, y[:, None]


def cells_with_moduli() -> tuple[Tensor, Tensor]:
    """All shipped cells with their y along x and along y: (N, 1024) uint8, (N, 2)."""
    pixels, along_x, along_y = shipped()
    return pixels, torch.stack((along_x, along_y), dim=1)


def _rows(n: int, generator: Generator) -> Tensor:
    size = len(shipped()[0])
    shuffled = [torch.randperm(size, generator=generator) for _ in range(-(-n // size))]
    return torch.cat(shuffled)[:n]


def space(expressions: Sequence[str]) -> Filtered:
    """Density filter and projection, under constraints."""
    from ipage_core.tasks.cells import finishing
    from ipage_core.tasks.cells.space import Filtered

    unconstrained = Filtered(TASK.bounds.clone(), correct=finishing.correct, finish=finishing.finish)
    return pixel_constraints.parse(unconstrained, lambda modulus: (modulus - E_X_MEAN) / E_X_SD, expressions)


def networks() -> dict[str, type]:
    """Networks of pixels, by their names in cards."""
    from ipage_core.tasks.cells.networks import NETWORKS

    return NETWORKS


def training_pairs(model: str, surrogate: Callable[[], Any]) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """All shipped cells with y along x and along y; the published network alone learns no transposed cells."""
    x, y = cells_with_moduli()
    return x, y[:, :1] if model == "na-published" else y, {"from": "data/architecture"}


def taught(y: Tensor) -> Tensor:
    """Results (n, 5) as training pairs of the surrogate: y along x and along y. (n, 2)."""
    return torch.stack((y[:, 0], z_score(y[:, 2])), dim=1)


def generate(n: int, seed: int | None, out: Path, **where: Any) -> dict[str, Any]:
    """:func:`ipage_core.tasks.cells.generation.generate`."""
    from ipage_core.tasks.cells import generation

    return generation.generate(n, seed, out, **where)


def new_pairs(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """n random cells of a seed, which are not among the shipped ones, with their y: (n, 1024), (n, 1)."""
    from ipage_core.tasks.cells.dataset import cell

    pixels = torch.stack([torch.from_numpy(cell(seed, i).pixels.reshape(-1)) for i in range(n)]).double()
    return pixels, omega(pixels)[:, :1]


MODULUS = {"mean": E_X_MEAN, "sd": E_X_SD}
SURROGATES = {"batch": 32, "epoch_size": 8192, "validation_fraction": 0.02, "learning_rate": 2e-3, "lambda_y": 1.0}
FLOWS = SURROGATES | {"batch": 64, "epochs": 10}
BASELINES = {"batch": 64, "epoch_size": 8192, "validation_fraction": 0.02, "learning_rate": 1e-3, "epochs": 10}
"""Training settings of the baselines."""

RECIPES = {
    # A network of displacements; the INN uses it as its t(x) and learns the field.
    "mlp": Recipe(MODULUS, SURROGATES | {"epochs": 14}, "cells"),
    "inn": Recipe(MODULUS, FLOWS | {"lambda_x": 0.0, "lambda_z": 0.1}, "pixel-inn"),
    # Eqs. 6 and 7 alone; their weights grow in the second half only, and its 50 epochs take as long as the INN's ten.
    # L_y (Eq. 5) has trained the surrogate before.
    "inn-paper": Recipe(
        MODULUS,
        FLOWS | {"batch": 128, "epochs": 100, "lambda_nll": 0.0, "lambda_x": 1000.0, "lambda_z": 1000.0},
        "pixel-inn",
    ),
    "cinn": Recipe({}, FLOWS, "pixel-cinn", True, tried=[{"couplings": k} for k in (2, 4, 6)]),
    "mdn": Recipe(
        {"components": 6},
        BASELINES | {"epochs": 20, "batch": 128},
        "pixel-mdn",
        True,
        tried=[{"components": k} for k in (2, 6, 12)],
    ),
    "cvae": Recipe({"channels": 16}, BASELINES, "pixel-cvae", True, tried=[{"channels": k} for k in (8, 16, 32)]),
    "na": Recipe(
        {},
        BASELINES | {"learning_rate": 4e-3, "epochs": 24},
        "pixel-cnn",
        True,
        descents={"per_design": 2, "steps": 25},
    ),
    # Three layers: four would make its weights alone larger than any other model.
    "na-published": Recipe({"layers": 3}, BASELINES | {"epochs": 40, "batch": 256}, "batch-norm-mlp"),
}


TASK = Task(
    name="architecture",
    title="Architected materials",
    variables=tuple(Variable(f"density at ({ix + 1}, {iy + 1})") for iy in range(SIDE) for ix in range(SIDE)),
    properties=(
        Property(
            "y = z-score of E_x",
            tolerance=0.01 / E_X_SD,
            limits=(-E_X_MEAN / E_X_SD, (1 - E_X_MEAN) / E_X_SD),
            limited_by="E_x from 0 to 1 E_s: no cell is stiffer than the solid",
        ),
        Property("E_x", "E_s"),
        Property("E_y", "E_s"),
        Property("ν_xy"),
        Property("volume fraction"),
    ),
    sample_prior=sample_prior,
    omega=omega,
    omega_seconds=0.004,
    default_target=(1.0,),
    arrived=0.02,
    space=space,
    design_text=DesignText(late(f"{CONSTRAINTS}:write_cell"), late(f"{CONSTRAINTS}:parse_cell")),
    read_design=lambda path: (pixel_constraints.mask(path).double(), ""),
    verify_file=late("ipage_core.tasks.cells.voxel_files:verify_file"),
    verify_table=late("ipage_core.tasks.cells.goal_verification:verify_table"),
    finer=(48 * 48, 64 * 64),
    surface_file=late("ipage_core.tasks.cells.voxel_files:surface_file"),
    design_goals=late("ipage_core.tasks.cells.goal_options:design_goals"),
    goal_settings=("localize_on", "mesh", "side", "feature", "cell_mm", "starts"),
    predict_table=late("ipage_core.tasks.cells.goal_prediction:predict_table"),
    stored=stored,
    check_data=late("ipage_core.tasks.cells.generation:check"),
    networks=networks,
    data_size=100_000,
    recipes=RECIPES,
    sizes=("usual",),
    training_pairs=training_pairs,
    taught=taught,
    new_pairs=new_pairs,
    generate=generate,
    data_kinds=("random", "printable", "auxetic"),
    remark="verified on a mesh of one finite element a pixel; E_x is about 0.02 E_s lower on a fine mesh",
    export_formats=("png", "svg", "dxf", "stl", "3mf"),
    export=late("ipage_core.tasks.cells.export:files"),
    export_settings=late("ipage_core.tasks.cells.export:settings"),
    source="Bi, Fung and Zhang 2023 (iPage, AAAI), 'Architectured Materials'; cells and operator: data/architecture",
)
