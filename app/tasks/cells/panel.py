"""Pixel cells closely: which to choose, what one of them is like, and files to make it from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.components import favourites
from app.components.chart import chart
from app.components.choice import CONFIG, KEY, chosen_sample
from app.components.form import Form, parts
from app.components.look import is_dark
from app.components.share import zipped
from app.components.tables import BADGES, badges
from app.components.words import Figure, asked_text, cards, number, plain
from app.figures.playback import WIDE, Size
from app.figures.run import Run
from app.figures.theme import Dict
from app.state import classroom
from app.state.runs import training
from app.tasks.cells import figure as drawn
from app.tasks.cells.figure import canvas, closely, modulus
from app.tasks.panel import TaskPanel
from ipage_core.benchmark.metrics import least_distance
from ipage_core.inference.latent_design import latent_design
from ipage_core.problem.request import SAMPLINGS, DesignRequest
from ipage_core.tasks.cells.constraints import mask, without_file, written
from ipage_core.tasks.cells.export import FORMATS, Layout, files
from ipage_core.tasks.cells.finishing import ENOUGH
from ipage_core.tasks.cells.homogenization import directional_modulus, homogenize
from ipage_core.tasks.cells.task import SIDE, TASK
from ipage_core.tasks.cells.wallpaper import GROUPS, ONE_AXIS, operations

ANGLES = np.linspace(0, 2 * np.pi, 181)
CLUTTER = 0.02
"""Share of the solid that may be thinner than the thinnest member: tips and corners are no members."""
USES = {"solid": "Stays solid", "void": "Stays void", "start": "Start from it"}


def ask_otherwise() -> None:
    """Regions that stay solid or void, drawn or from an image, and an image of a cell to start from.

    All of it ends up as text in the fields above, which the address holds: no file is kept.
    """
    again = st.session_state.setdefault("regions_version", 0)  # a fresh key empties an uploader, or drops a selection
    left, right = st.columns([1, 2.2], gap="medium")
    with right:
        use = st.segmented_control(
            "What a box drawn on the cell, or an image, means",
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
        classroom.told("Uploads are switched off in this classroom; boxes can be drawn.")
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
    """(1024,) bool: the pixels that the text of the constraints keeps solid, or void; its errors are told elsewhere."""
    found = np.zeros(SIDE**2, dtype=bool)
    for text in _regions():
        name, _, value = (part.strip() for part in text.partition("="))
        if name == kind:
            with suppress(ValueError):
                region = without_file(value)
                found |= False if region is None else region.numpy()
    return found


def _regions() -> list[str]:
    return [part for part in parts() if part.partition("=")[0].strip() in ("solid", "void")]


def _others() -> list[str]:
    return [part for part in parts() if part not in _regions()]


def _say(constraints: list[str]) -> None:
    """Callback: write the constraints."""
    st.session_state.constrain = "; ".join(constraints)
    st.session_state.regions_version += 1


def _add(region: str) -> None:
    kind = next(kind for kind, told in USES.items() if told == st.session_state.region_use)
    _say([*parts(), f"{kind}={region}"])


def _on_box() -> None:
    """Callback of the canvas: its points carry their pixel's number."""
    points = st.session_state[f"canvas-{st.session_state.regions_version}"].selection.points
    pixels = np.array([point["customdata"] for point in points], dtype=int).reshape(-1)
    if len(pixels):
        x, y = pixels % SIDE + 1, pixels // SIDE + 1
        _add(f"{x.min()}-{x.max()},{y.min()}-{y.max()}")


def _on_image() -> None:
    """Callback of the uploader: what the image says becomes text, or what is wrong with it a sentence."""
    file = st.session_state[f"image-{st.session_state.regions_version}"]
    if file is None:
        return
    try:
        found = mask(file, formats=["PNG"], name=file.name)
    except ValueError as error:
        st.session_state.image_wrong = str(error)
        return
    if st.session_state.region_use == USES["start"]:
        st.session_state.start = written(found)
        st.session_state.regions_version += 1
    elif found.any():
        _add(written(found))
    else:
        st.session_state.image_wrong = f"{file.name} has no dark pixel: it keeps nothing {SIDE} × {SIDE}."


def objection(constraints: tuple[str, ...]) -> str:
    """Why not: the path of a file in an address must not make the server read it."""
    for text in constraints:
        name, _, value = (part.strip() for part in text.partition("="))
        try:
            if name in ("solid", "void") and without_file(value) is None:
                return f"'{text}' is no region: draw it, upload an image, or write pixels as in {name}=1-32,15-18."
        except ValueError as error:
            return str(error)
    return ""


def _ask_choice(run: Run) -> None:
    cells = _packed(run)
    ways: dict[str, Callable[[], np.ndarray]] = {
        "Lightest": lambda: -run.x[-1].mean(1),
        "Most isotropic": lambda: -anisotropy(cells, run.n),
        "Thickest smallest member": lambda: thickness(cells, run.n) - run.x[-1].mean(1) / 10,
    }

    def choose(score: Callable[[], np.ndarray]) -> None:
        among = run.hit if run.hit.any() else np.ones(run.n, dtype=bool)
        st.session_state[KEY] = int(np.where(among, score(), -np.inf).argmax())

    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("Choose by:" if run.hit.any() else "Choose by (none hits, so of all):", width="content")
        for name, score in ways.items():
            st.button(name, key=f"choose-{name}", on_click=choose, args=(score,))


def _packed(run: Run) -> bytes:
    """The result's cells as a key for caches: 128 bytes each."""
    return np.packbits(run.x[-1] > 0.5, axis=1).tobytes()


def _unpacked(cells: bytes, n: int) -> np.ndarray:
    return np.unpackbits(np.frombuffer(cells, np.uint8).reshape(n, -1), axis=1).reshape(n, SIDE, SIDE)


@st.cache_data(max_entries=16, show_spinner="Homogenizing …")
def anisotropy(cells: bytes, n: int) -> np.ndarray:
    """Largest over smallest Young's modulus of all directions, of n packed cells → (n,)."""
    along = directional_modulus(homogenize(_unpacked(cells, n).astype(float)), ANGLES)
    return along.max(1) / along.min(1)


@st.cache_data(max_entries=16, show_spinner=False)
def thickness(cells: bytes, n: int) -> np.ndarray:
    """Thinnest member of n packed cells → (n,) pixels."""
    return np.array([thinnest(cell) for cell in _unpacked(cells, n)])


def thinnest(cell: np.ndarray) -> int:
    """Side in pixels of the largest square that, moved about inside the solid, covers all but ``CLUTTER`` of it.

    (32, 32) of 0 and 1, periodic; 32 for a solid cell.
    """
    solid = cell.astype(bool)
    for k in range(2, SIDE + 1):
        fits = _along(solid, k, np.logical_and, -1)
        if _along(fits, k, np.logical_or, 1).sum() < (1 - CLUTTER) * solid.sum():
            return k - 1
    return SIDE


def _along(values: np.ndarray, k: int, join: np.ufunc, way: int) -> np.ndarray:
    """Join each pixel with the next k − 1 in both directions, round the torus."""
    for axis in (0, 1):
        values = join.reduce([np.roll(values, way * i, axis=axis) for i in range(k)])
    return values


def symmetry(cell: np.ndarray) -> str:
    """The largest wallpaper group that leaves a cell unchanged, wherever its origin lies; 'p1' for none."""
    rows = np.arange(SIDE)
    moved = np.stack([np.roll(cell, (a, b), (0, 1)).ravel() for a in rows for b in rows])
    for group in sorted(GROUPS, key=lambda name: len(operations(name, SIDE)), reverse=True):
        for swap in (False, True) if group in ONE_AXIS else (False,):
            left = moved
            for permutation in operations(group, SIDE, swap=swap)[1:]:
                left = left[(left[:, permutation] == left).all(1)]
            if len(left):
                return group + (", axes exchanged" if swap else "")
    return "p1"


def nearest(run: Run, sample: int) -> tuple[np.ndarray, float, float]:
    """The training cell that differs in the fewest pixels: (1024,), the share that differs, its y."""
    data = _bits(run.task)
    one = np.packbits(run.x[-1, sample] > 0.5).view(np.uint64)
    differing = np.bitwise_count(data ^ one).sum(1)
    row = int(differing.argmin())
    x, y = training(run.task)
    return x[row], differing[row] / SIDE**2, float(y[row, 0])


@st.cache_resource(max_entries=1, show_spinner=False)
def _bits(task: str) -> np.ndarray:
    """(N, 16) uint64: all training cells."""
    return np.packbits(training(task)[0], axis=1).view(np.uint64)


def _show_chosen(request: DesignRequest, run: Run, sample: int, dark: bool, size: Size) -> None:
    st.subheader(f"Sample {sample}", divider="gray")
    left, right = st.columns([2.2, 1], vertical_alignment="bottom")
    worn = badges(run)[sample]
    left.markdown(
        " ".join(f":{color}-badge[{name}]" for name, color in BADGES.items() if name in worn) or "not verified"
    )
    with right:
        favourites.ask_to_keep(request, run, sample)
    x = run.x[-1, sample].astype(float)
    binary = bool(np.isin(x, (0, 1)).all())
    stiffness = directional_modulus(homogenize(x.reshape(SIDE, SIDE)), ANGLES)
    neighbour, differs, neighbour_y = nearest(run, sample)
    st.html(cards(_figures(run, sample, binary, stiffness, differs, neighbour_y)))
    close = closely(run, training(run.task), sample, neighbour, (ANGLES, stiffness), dark, size)
    chart(close, key="closely", config=CONFIG)
    st.caption(
        "**3 × 3 cells:** the frame is one. **Nearest training cell:** fewest pixels that differ, neither shifted nor "
        "turned. **E(θ):** Young's modulus pulled along θ, 0° along x; the diamonds are the target. A circle is "
        "isotropic."
    )


def _figures(
    run: Run, sample: int, binary: bool, stiffness: np.ndarray, differs: float, neighbour_y: float
) -> list[Figure]:
    """One cell in numbers."""
    y, e_x, e_y, poisson, _ = run.achieved[sample]
    aim, verified = float(run.aims[sample, 0]), bool(run.verified[sample])
    by = "by finite elements" if verified else "not verified"
    figures = [
        Figure("E_x / E_s", f"{e_x:.4f}" if verified else "–", f"{by}; asked was {float(modulus(aim)):.4f}"),
        Figure("y, its z-score", f"{y:.3f}" if verified else "–", f"asked was {asked_text(run)}"),
        Figure("E_y / E_s", f"{e_y:.4f}" if verified else "–", f"ν_xy = {poisson:.3f}" if verified else "not verified"),
    ]
    if run.f_error is not None:
        believed = f"{np.sqrt(run.f_error[-1, sample]):.2g}"
        figures.append(Figure("|f(x) − y*|", believed, "what the surrogate believes of the black-and-white cell"))
    figures.append(Figure("Volume fraction", f"{run.x[-1, sample].mean():.3f}", "share of solid pixels"))
    ratio = stiffness.max() / stiffness.min()
    figures.append(Figure("Anisotropy", number(ratio), "largest over smallest E(θ); 1 is isotropic"))
    if binary:
        cell = run.x[-1, sample].reshape(SIDE, SIDE)
        thin = thinnest(cell)
        group = symmetry(cell)
        told = "wallpaper group of the cell" if group != "p1" else "no symmetry but the cell's repetition"
        figures.append(
            Figure("Thinnest member", f"{thin} px", f"{10 * thin / SIDE:.2g} mm in a cell of 10 mm; tips do not count")
        )
        figures.append(Figure("Symmetry", group, told))
    figures.append(
        Figure("Nearest training cell", f"{100 * differs:.1f} %", f"of its pixels differ; its y is {neighbour_y:.2f}")
    )
    return figures


def _show_files(run: Run, sample: int | None) -> None:
    """PNG, SVG, DXF and STL of the chosen design, or of all in one archive."""
    st.subheader("Files to print, cut or show", divider="gray")
    if not np.isin(run.x[-1], (0, 1)).all():
        st.info(
            "These cells are grey as the posterior draws them. Choose a method that localizes: its cells are black and "
            "white.",
            icon=":material/info:",
        )
        return
    places = st.columns(5, vertical_alignment="bottom")
    across = places[0].number_input("Cells across", 1, 20, 3, key="tiles_x")
    up = places[1].number_input("Cells up", 1, 20, 3, key="tiles_y")
    cell_mm = places[2].number_input("Cell [mm]", 0.01, 1000.0, 10.0, key="cell_mm")
    thick = places[3].number_input(
        "Thickness [mm]", 0.01, 1000.0, 5.0, key="thick_mm", help="Height of the STL and the 3MF."
    )
    contacts = places[4].selectbox(
        "Corner contacts",
        ["join", "separate"],
        key="contacts",
        help="What becomes of two solid pixels that meet at a corner only. Localized cells have none.",
    )
    layout = Layout((int(across), int(up)), float(cell_mm), float(thick), contacts)
    form = st.segmented_control(
        "Format", list(FORMATS), default="stl", required=True, format_func=str.upper, key="form", width="content"
    )
    left, right = st.columns(2)
    one = None if sample is None else sample
    left.download_button(
        f"Download sample {one} as {form.upper()}" if one is not None else "Choose a sample to download it alone",
        partial(_one_file, run, one, form, layout) if one is not None else b"",
        file_name=f"cell-{one}.{form}",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
        disabled=one is None,
        key="file-one",
    )
    right.download_button(
        f"Download all {run.n} as {form.upper()} in a ZIP",
        partial(_archive, run, form, layout),
        file_name=f"architecture_{form}.zip",
        mime="application/zip",
        icon=":material/folder_zip:",
        on_click="ignore",
        width="stretch",
        key="file-all",
    )
    st.caption(
        "The number in a file's name is the sample of the table and of the CSV. STL and 3MF are in millimetres; the "
        "3MF also holds that unit, the material and the cell's properties."
    )


def rows(run: Run, samples: list[int]) -> pd.DataFrame:
    """The result's ``samples`` as the exports read them."""
    cells = pd.DataFrame(run.x[-1, samples].round(), columns=[f"x{j + 1}" for j in range(TASK.d)])
    return pd.concat((pd.DataFrame({"sample": samples}), cells), axis=1)


def _one_file(run: Run, sample: int, form: str, layout: Layout) -> bytes:
    return next(iter(files(rows(run, [sample]), form, layout).values()))


def _archive(run: Run, form: str, layout: Layout) -> bytes:
    return zipped(files(rows(run, list(range(run.n))), form, layout))


class CellsPanel(TaskPanel):
    """Cells in a gallery, one of them closely, and files to make it from."""

    any_plane = False
    picture = staticmethod(drawn.picture)
    caption = staticmethod(drawn.caption)
    kept = staticmethod(drawn.kept)
    form = Form(
        counts=(1, 4, 16, 64, 200),
        most_in_class=16,  # finite elements check each
        corrections_in_class=2,
        hidden=("Posterior", "Compare"),  # they would show nothing in 1024 coordinates
        example="group=p4m; volume<=0.85",
        accepted="Separated by semicolons; all hold together, during the descent. **volume<=0.6** (also = or >=): "
        "share of solid pixels. **E_y=0.4** (also <= or >=): modulus along y, in units of E_s. **isotropic**: "
        f"E_x = E_y. **group=p4m**: a symmetry imposed, one of {', '.join(GROUPS)}. **solid=1-32,15-18**: pixels 1 to "
        "32 along x, 15 to 18 along y, stay solid; **void=** likewise.",
        start="upload its image below",
        starts="Samples start a quarter of the way from it to posterior samples, the first one at the cell itself.",
        sampling=f"In {SIDE**2} dimensions maximin brings nothing over SRS: random points lie equally far apart there.",
        finishing="After the clean-up, pixels at the edges are flipped, each trial judged by finite elements, until "
        f"E_x is the target to {ENOUGH:g} E_s. Takes some tens of true evaluations a design.",
        below=ask_otherwise,
        objection=objection,
    )

    def figure(self, run: Run, dark: bool = False, size: Size = WIDE, chosen: int | None = None, **_: Any) -> Dict:
        return drawn.figure(run, training(run.task), dark, size, chosen)

    def advice(self, request: DesignRequest, run: Run) -> str:
        """What to do about cells that are not quite there."""
        if request.finish or classroom.on() or not run.exact.any() or (run.hit | ~run.verified).all():
            return ""
        return ":material/tips_and_updates: **Finish on the exact target** (a setting) flips pixels until they all are."

    def replaces(self, view: str, run: Run) -> bool:
        """Why the latent design shows nothing."""
        if view != "Latent design":
            return False
        k = run.z.shape[1]
        if run.labels[0] == "prior":
            st.info("This method has no latent space: it starts from draws of the prior.", icon=":material/info:")
            return True
        n = max(2, run.n)
        distances = {SAMPLINGS[name]: least_distance(latent_design(n, k, name, run.seed).numpy()) for name in SAMPLINGS}
        told = ", ".join(f"{name} {distance:.1f}" for name, distance in distances.items())
        st.info(
            f"**In {k} dimensions maximin brings nothing.** Random points are all about equally far from each other "
            "there, so there is no clump to avoid and no hole to fill: the least distance between two of these "
            f"{n} latent points is {told}. Choose any; pairs of coordinates and densities would show nothing either.",
            icon=":material/info:",
        )
        return True

    def show_sample(self, request: DesignRequest, run: Run, dark: bool, size: Size) -> None:
        """Ways to choose one; all that is known of the chosen; files."""
        _ask_choice(run)
        sample = chosen_sample(run)
        if sample is not None:
            _show_chosen(request, run, sample, dark, size)
        _show_files(run, sample)


PANEL = CellsPanel()
