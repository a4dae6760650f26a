"""A sketch of the throw: where it begins, its angle and speed, and where it lands."""

from __future__ import annotations

import math

import torch

from app.components.formula import drawing, label
from ipage_core.tasks.ballistics import landing_time, position

THROW = (0.0, 1.5, 0.8, 14.0)
"""Place [m], height [m], angle [rad] and speed [m/s] of the throw in the sketch."""


def throw(dark: bool) -> str:
    """As SVG."""
    x = torch.tensor([THROW], dtype=torch.float64)
    with torch.no_grad():
        t = landing_time(x)[:, None] * torch.linspace(0, 1, 40, dtype=torch.float64)
        across, up = (values[0] for values in position(x, t))
    scale = 320 / float(across.max() - across.min())
    left, ground = 62.0, 200.0
    points = [(left + scale * float(a), ground - scale * float(b)) for a, b in zip(across, up, strict=True)]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    (a, b), (end, _) = points[0], points[-1]
    tip = a + 74 * math.cos(THROW[2]), b - 74 * math.sin(THROW[2])
    arc = a + 40 * math.cos(THROW[2]), b - 40 * math.sin(THROW[2])
    return drawing(
        440,
        240,
        dark,
        [
            f"<line x1='10' y1='{ground}' x2='430' y2='{ground}' stroke='{{prior}}' stroke-width='3'/>",
            f"<polyline points='{path}' stroke='{{localized}}' stroke-width='4'/>",
            f"<line x1='{a:.1f}' y1='{b:.1f}' x2='{a + 52:.1f}' y2='{b:.1f}' stroke='{{text}}' "
            "stroke-dasharray='3 4'/>",
            f"<path d='M {a + 40:.1f} {b:.1f} A 40 40 0 0 0 {arc[0]:.1f} {arc[1]:.1f}' stroke='{{text}}'/>",
            label(a + 44, b - 14, "angle α"),
            f"<line x1='{a:.1f}' y1='{b:.1f}' x2='{tip[0]:.1f}' y2='{tip[1]:.1f}' stroke='{{posterior}}' "
            "stroke-width='4'/>",
            label(tip[0] - 66, tip[1] - 6, "speed v₀", "{posterior}"),
            f"<line x1='{a:.1f}' y1='{b:.1f}' x2='{a:.1f}' y2='{ground}' stroke='{{text}}' stroke-dasharray='3 4'/>",
            label(6, (b + ground) / 2 + 5, "height y₀"),
            f"<circle cx='{a:.1f}' cy='{b:.1f}' r='7' fill='{{localized}}'/>",
            label(a - 20, ground + 22, "x₀"),
            f"<path d='M {end - 10:.1f} {ground} h 20 M {end:.1f} {ground - 10} v 20' stroke='{{target}}' "
            "stroke-width='4'/>",
            label(end - 90, ground + 24, "lands at Ω(x)", "{target}"),
        ],
    )
