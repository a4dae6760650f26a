"""One style for all figures: the meaning of colours, the encoding of numbers, the fonts."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

Dict = dict[str, Any]


@dataclass(frozen=True)
class Palette:
    """Okabe and Ito's colours, distinguishable under all common colour-vision deficiencies; each has one meaning."""

    prior: str
    posterior: str
    localized: str
    target: str
    surrogate: str
    """Error by the surrogate f. Never used for values by Ω."""
    omega: str
    """Error by the true function Ω."""
    highlight: str
    text: str
    faint: str
    background: str
    landscape: tuple[str, str]
    """From low to high y; muted, because the samples lie on top."""


LIGHT = Palette(
    prior="#8a8f98",
    posterior="#D55E00",
    localized="#0072B2",
    target="#009E73",
    surrogate="#B8578F",
    omega="#1f2430",
    highlight="#F0E442",
    text="#31333F",
    faint="rgba(49,51,63,0.16)",
    background="#ffffff",
    landscape=("#ffffff", "#dde3ea"),
)
DARK = Palette(
    prior="#8a8f98",
    posterior="#F08A3C",
    localized="#56B4E9",
    target="#1fc794",
    surrogate="#D992BF",
    omega="#f2f4f8",
    highlight="#F0E442",
    text="#fafafa",
    faint="rgba(250,250,250,0.20)",
    background="#0e1117",
    landscape=("#0e1117", "#2b323d"),
)


def palette(dark: bool) -> Palette:
    """The colours for a dark or a light page: the same hues, lighter on a dark background."""
    return DARK if dark else LIGHT


def faded(color: str, alpha: float) -> str:
    """A hexadecimal colour made partly transparent."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def packed(values: Any, kind: str = "f4") -> Dict:
    """An array in Plotly's base64 form: float32 halves the download, NaN is a gap."""
    array = np.ascontiguousarray(values, dtype=kind)
    spec: Dict = {"dtype": kind, "bdata": base64.b64encode(array.tobytes()).decode()}
    if array.ndim == 2:
        spec["shape"] = f"{array.shape[0]}, {array.shape[1]}"
    return spec


def unpacked(spec: Dict) -> np.ndarray:
    """The array that :func:`packed` packed."""
    array = np.frombuffer(base64.b64decode(spec["bdata"]), dtype=spec["dtype"])
    return array.reshape([int(n) for n in spec["shape"].split(",")]) if "shape" in spec else array


def joined(lines: np.ndarray) -> np.ndarray:
    """Lines (n, k, 2) as one line with a gap after each, (n·(k + 1), 2)."""
    return np.concatenate((lines, np.full_like(lines[:, :1], np.nan)), axis=1).reshape(-1, 2)


def squared(unit: str) -> str:
    """The square of a unit: 'eV²', '(S/cm)²'."""
    return f"{unit}²" if unit.isalpha() else f"({unit})²"


def ticks_about(centre: float, half: float) -> list[float]:
    """Three ticks within ± half: the centre, to two digits of the distance, and a round distance on either side."""
    power = 10.0 ** np.floor(np.log10(half))
    step = max(c * power for c in (0.5, 1, 2, 5) if c * power <= 0.85 * half)
    digits = 1 - int(np.floor(np.log10(step)))
    return [round(round(centre, digits) + k * step, digits) for k in (-1, 0, 1)]


def sized(axes: Dict, font: int) -> None:
    """Set the font of all axes; a size already set for an axis's numbers stays.

    Plotly draws powers of ten a quarter larger than the set size.
    """
    for axis in axes.values():
        powers = axis.get("type") == "log" and axis.get("exponentformat") == "power"
        axis["tickfont"].setdefault("size", round(0.8 * font, 1) if powers else font)
        axis["title"]["font"]["size"] = font


def axis(palette: Palette, title: str, domain: tuple[float, float], anchor: str, **more: Any) -> Dict:
    """An axis with a quiet grid and its title close by."""
    return {
        "domain": list(domain),
        "anchor": anchor,
        "title": {"text": title, "standoff": 4, "font": {"color": palette.text}},
        "tickfont": {"color": palette.text},
        "ticks": "",
        "gridcolor": palette.faint,
        "linecolor": palette.faint,
        "zeroline": False,
        "showline": True,
        "mirror": True,
        "automargin": False,
        **more,
    }
