"""The robotic arm as Kruse et al. 2021 wrote it: each joint angle is measured from the segment before it."""

from dataclasses import replace

from ipage_core.tasks import robotic_arm

TASK = replace(
    robotic_arm.TASK,
    name="robotic_arm_kruse",
    title="Robotic arm (Kruse et al. 2021)",
    omega=robotic_arm.omega_kruse,
    source="Kruse et al. 2021, arXiv:2101.10763",
)
