"""One design, set by hand, in its task's picture."""

from __future__ import annotations

from collections.abc import Callable

from app.figures.playback import Box, Scene, Size, static
from app.figures.run import Run
from app.figures.theme import Dict, Palette, palette

HEIGHTS = {"narrow": 420, "medium": 460, "wide": 480, "large": 560}


def figure(run: Run, picture: Callable[[Scene, Run, Box, Palette, Size], None], dark: bool, size: Size) -> Dict:
    """``run`` holds the one design; ``picture`` is the task's."""
    scene = Scene(moving=[[]])
    picture(scene, run, ((0, 1), (0, 1)), palette(dark), size)
    data = [trace for trace in (*scene.still, *scene.moving[0], *scene.top) if trace.get("visible") != "legendonly"]
    spec = static(run, data, scene.axes, [], dark, size, size.tall or HEIGHTS[size.name])
    return spec | {"layout": spec["layout"] | {"shapes": scene.shapes}}
