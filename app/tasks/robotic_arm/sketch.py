"""A sketch of the arm: its rail, three segments, and the angles that the design sets."""

from __future__ import annotations

import math

from app.components.formula import drawing, label
from ipage_core.tasks.robotic_arm import LENGTHS

SCALE, ORIGIN = 170, (60, 190)
"""Pixels per metre, and the place of (0, 0)."""
RAIL, ANGLES = 0.35, (0.75, 0.1, -0.45)
"""Position on the rail [m] and directions of the segments [rad] of the arm in the sketch."""


def arm(dark: bool) -> str:
    """As SVG."""
    x, y = ORIGIN[0], ORIGIN[1] - SCALE * RAIL
    points = [(float(x), float(y))]
    for length, angle in zip(LENGTHS, ANGLES, strict=True):
        before = points[-1]
        points.append((before[0] + SCALE * length * math.cos(angle), before[1] - SCALE * length * math.sin(angle)))
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    hand = points[-1]
    parts = [
        f"<line x1='{x}' y1='20' x2='{x}' y2='250' stroke='{{prior}}' stroke-width='5'/>",
        f"<line x1='{x - 18}' y1='{ORIGIN[1]}' x2='{x + 18}' y2='{ORIGIN[1]}' stroke='{{prior}}'/>",
        label(8, ORIGIN[1] + 5, "0"),
        f"<line x1='{x - 24}' y1='{ORIGIN[1]}' x2='{x - 24}' y2='{y:.1f}' stroke='{{text}}'/>",
        label(x - 46, (ORIGIN[1] + y) / 2 + 5, "x₁"),
        f"<polyline points='{path}' stroke='{{localized}}' stroke-width='6'/>",
    ]
    for k, ((a, b), angle) in enumerate(zip(points[:-1], ANGLES, strict=True)):
        parts.append(f"<line x1='{a:.1f}' y1='{b:.1f}' x2='{a + 46:.1f}' y2='{b:.1f}' stroke='{{text}}' "
                     "stroke-dasharray='3 4'/>")  # fmt: skip
        end = a + 34 * math.cos(angle), b - 34 * math.sin(angle)
        sweep = 0 if angle > 0 else 1
        parts.append(
            f"<path d='M {a + 34:.1f} {b:.1f} A 34 34 0 0 {sweep} {end[0]:.1f} {end[1]:.1f}' stroke='{{text}}'/>"
        )
        parts.append(label(a + 40, b - 17 * angle / abs(angle) + (5 if angle > 0 else 8), f"θ{'₁₂₃'[k]}"))
        parts.append(f"<circle cx='{a:.1f}' cy='{b:.1f}' r='6' fill='{{localized}}'/>")
    across, up = hand
    parts.append(f"<path d='M {across - 10:.1f} {up:.1f} h 20 M {across:.1f} {up - 10:.1f} v 20' stroke='{{target}}' "
                 "stroke-width='4'/>")  # fmt: skip
    parts.append(label(across - 62, up + 30, "hand: Ω(x)", "{target}"))
    return drawing(440, 260, dark, parts)
