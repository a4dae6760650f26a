"""The robotic arm as Kruse et al. 2021 wrote it: each joint angle is measured from the segment before it."""

from dataclasses import replace

from ipage_core.problem.recipe import Recipe
from ipage_core.tasks import robotic_arm

TASK = replace(
    robotic_arm.TASK,
    name="robotic_arm_kruse",
    title="Robotic arm (Kruse et al. 2021)",
    omega=robotic_arm.omega_kruse,
    recipes={
        # Without a decay the surrogates follow these pairs to 1e-6 and miss others by 1e-3.
        "mlp": Recipe(settings={"weight_decay": 0.1}),
        "inn": Recipe(settings={"epochs": 80, "weight_decay": 0.1}),
        "cinn": Recipe({"hidden": 120}, {"epochs": 80, "weight_decay": 0.1}),
    },
    source="Kruse et al. 2021, arXiv:2101.10763",
)
