"""Regions that stay solid or void, drawn or from an image; an image of a cell to start from."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import streamlit as st

from app.components.chart import chart
from app.components.form import parts
from app.components.look import is_dark
from app.components.words import plain
from app.state import classroom
from app.tasks.cells.pictures import canvas
from ipage_core.tasks.cells.constraints import mask, without_file, written
from ipage_core.tasks.cells.task import SIDE

USES = {"solid": "Stays solid", "void": "Stays void", "start": "Start from it"}


def ask_otherwise() -> None:
    """Regions that stay solid or void, drawn or from an image, and an image of a cell to start from.

    All of them become text in the fields above, which the address holds: no file is kept.
    """
    again = st.session_state.setdefault("regions_version", 0)  # a new key empties an uploader and clears a selection
    left, right = st.columns([1, 2.2], gap="medium")
    with right:
        use = st.segmented_control(
            "Use the drawn box or image as",
            [*USES.values()],
            default=USES["solid"],
            required=True,
            key="region_use",
            wrap=True,
        )
        drawn = use != USES["start"]
        st.file_uploader(
            "Image (PNG)",
            type=["png"],
            disabled=classroom.on(),
            max_upload_size=1,
            key=f"image-{again}",
            on_change=_on_image,
            help=f"Square, its side {SIDE} pixels or a multiple; dark is solid, or where the region is. Its lower edge "
            "is y = 0, and E_x is horizontal.",
        )
        classroom.note("Uploads are switched off in this classroom; boxes can be drawn.")
        if wrong := st.session_state.pop("image_wrong", ""):
            st.error(plain(wrong), icon=":material/error:")
        st.button("Clear regions", on_click=_say, args=(_others(),), disabled=not _regions(), key="clear-regions")
    with left:
        masks = {kind: painted(kind) for kind in ("solid", "void")}
        chart(
            canvas(masks["solid"], masks["void"], is_dark()),
            key=f"canvas-{again}",
            on_select=_on_box if drawn else "ignore",
            selection_mode="box",
            config={"displayModeBar": False},
        )
        counts = " and ".join(f"{int(mask.sum())} {kind}" for kind, mask in masks.items())
        st.caption(f"Drag a box over the cell. Of {SIDE**2} pixels, {counts} stay so.")


def painted(kind: str) -> np.ndarray:
    """(1024,) bool: the pixels that the constraints' text keeps solid, or void; errors are shown elsewhere."""
    result = np.zeros(SIDE**2, dtype=bool)
    for text in _regions():
        name, _, value = (part.strip() for part in text.partition("="))
        if name == kind:
            with suppress(ValueError):
                region = without_file(value)
                result |= False if region is None else region.numpy()
    return result


def _regions() -> list[str]:
    return [part for part in parts() if part.partition("=")[0].strip() in ("solid", "void")]


def _others() -> list[str]:
    return [part for part in parts() if part not in _regions()]


def _say(constraints: list[str]) -> None:
    """Callback: write the constraints."""
    st.session_state.constrain = "; ".join(constraints)
    st.session_state.regions_version += 1


def _add(region: str) -> None:
    kind = next(kind for kind, label in USES.items() if label == st.session_state.region_use)
    _say([*parts(), f"{kind}={region}"])


def _on_box() -> None:
    """Callback of the canvas: each point carries its pixel's number."""
    points = st.session_state[f"canvas-{st.session_state.regions_version}"].selection.points
    pixels = np.array([point["customdata"] for point in points], dtype=int).reshape(-1)
    if len(pixels):
        x, y = pixels % SIDE + 1, pixels // SIDE + 1
        _add(f"{x.min()}-{x.max()},{y.min()}-{y.max()}")


def _on_image() -> None:
    """Callback of the uploader: turn the image into text, or report what is wrong with it."""
    file = st.session_state[f"image-{st.session_state.regions_version}"]
    if file is None:
        return
    try:
        result = mask(file, formats=["PNG"], name=file.name)
    except ValueError as error:
        st.session_state.image_wrong = str(error)
        return
    if st.session_state.region_use == USES["start"]:
        st.session_state.start = written(result)
        st.session_state.regions_version += 1
    elif result.any():
        _add(written(result))
    else:
        st.session_state.image_wrong = f"{file.name} has no dark pixel: it keeps nothing {SIDE} × {SIDE}."


def objection(constraints: tuple[str, ...]) -> str:
    """Why a region is rejected: a file path in an address must not make the server read that file."""
    for text in constraints:
        name, _, value = (part.strip() for part in text.partition("="))
        try:
            if name in ("solid", "void") and without_file(value) is None:
                return f"'{text}' is no region: draw it, upload an image, or write pixels as in {name}=1-32,15-18."
        except ValueError as error:
            return str(error)
    return ""
