"""The robotic arm of Kruse et al. 2021: each joint angle is measured from the previous segment."""

from dataclasses import replace

from ipage_core.problem.recipe import Recipe
from ipage_core.tasks import robotic_arm

TASK = replace(
    robotic_arm.TASK,
    name="robotic_arm_kruse",
    title="Robotic arm (Kruse et al. 2021)",
    omega=robotic_arm.omega_kruse,
    recipes={
        # Without weight decay the surrogates fit these pairs to 1e-6 but err by 1e-3 on others.
        "mlp": Recipe(settings={"weight_decay": 0.1}),
        "inn": Recipe(settings={"epochs": 80, "weight_decay": 0.1}),
        "cinn": Recipe({"hidden": 120}, {"epochs": 80, "weight_decay": 0.1}),
    },
    source="Kruse et al. 2021, arXiv:2101.10763",
)
