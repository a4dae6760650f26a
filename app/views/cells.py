"""Pixel cells closely: which to choose, what one of them is like, and files to make it from."""

from __future__ import annotations

import hashlib
import io
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.figures.architecture import closely, modulus
from app.figures.playback import Size
from app.runs import Run, training
from app.settings import SAMPLINGS, Settings
from app.tables import BADGES, badges
from app.views import favourites
from app.views.choice import CONFIG, KEY, chosen_sample
from app.words import Figure, asked_text, cards, number
from ipage_core.export.pixels import FORMATS, Layout, files
from ipage_core.latent import latent_design
from ipage_core.metrics import least_distance
from ipage_core.physics.homogenization import directional_modulus, homogenize
from ipage_core.physics.wallpaper import GROUPS, ONE_AXIS, operations
from ipage_core.pixel_constraints import mask
from ipage_core.tasks.architecture import SIDE, TASK

ANGLES = np.linspace(0, 2 * np.pi, 181)
CLUTTER = 0.02
"""Share of the solid that may be thinner than the thinnest member: tips and corners are no members."""
MASKS = Path(tempfile.gettempdir()) / "ipage-masks"
"""Where uploaded images go, named by their content, so that a link finds them again."""
EXAMPLE = "group=p4m; volume<=0.85"
ACCEPTED = (
    "Separated by semicolons; all hold together, during the descent. **volume<=0.6** (also = or >=): share of solid "
    "pixels. **E_y=0.4** (also <= or >=): modulus along y, in units of E_s. **isotropic**: E_x = E_y. **group=p4m**: a "
    f"symmetry imposed, one of {', '.join(GROUPS)}. Pixels kept solid or void: upload an image below."
)


def replaces(view: str, run: Run) -> bool:
    """Show the sentence that stands in the place of a view that says nothing here; False where the view is shown."""
    if view != "Latent design":
        return False
    k = run.z.shape[1]
    if run.labels[0] == "prior":
        st.info("This method has no latent space: it starts from draws of the prior.", icon=":material/info:")
        return True
    n = max(2, run.n)
    distances = {SAMPLINGS[name]: least_distance(latent_design(n, k, name, run.seed)) for name in SAMPLINGS}
    told = ", ".join(f"{name} {distance:.1f}" for name, distance in distances.items())
    st.info(
        f"**In {k} dimensions maximin brings nothing.** Random points are all about equally far from each other there, "
        "so there is no clump to avoid and no hole to fill: the least distance between two of these "
        f"{n} latent points is {told}. Choose any; pairs of coordinates and densities would show nothing either.",
        icon=":material/info:",
    )
    return True


def ask_more(constraints: tuple[str, ...], beside: DeltaGenerator) -> tuple[str, ...]:
    """Images of what must stay solid or void, as constraints more; what is accepted is told ``beside``."""
    beside.caption(ACCEPTED)
    _check(constraints)
    said = []
    for place, kind in zip(st.columns(2), ("solid", "void"), strict=True):
        file = place.file_uploader(
            f"Keep {kind}: an image",
            type=["png"],
            key=f"mask-{kind}",
            help=f"Square, its side {SIDE} pixels or a multiple; dark where the cell must stay {kind}. Any drawing "
            "program makes one. Its lower edge is y = 0, and E_x is horizontal.",
        )
        if file is None:
            continue
        content = file.getvalue()
        path = MASKS / f"{hashlib.sha256(content).hexdigest()[:16]}.png"
        MASKS.mkdir(exist_ok=True)
        path.write_bytes(content)
        try:
            painted = mask(path)
        except ValueError as error:
            st.error(str(error).replace(str(path), file.name), icon=":material/error:")
            st.stop()
        place.caption(f"{int(painted.sum())} of {SIDE * SIDE} pixels stay {kind}.")
        said.append(f"{kind}={path}")
    return tuple(said)


def _check(constraints: tuple[str, ...]) -> None:
    """Images come by upload: a path in an address must not make the server read its own files."""
    for text in constraints:
        name, _, value = (part.strip() for part in text.partition("="))
        if name.lower() in ("solid", "void"):
            if Path(value).parent != MASKS:
                st.error(f"'{text}': upload the image instead, below the constraints.", icon=":material/error:")
                st.stop()
            if not Path(value).exists():
                st.error("The image of this link is not on this machine: upload it again.", icon=":material/error:")
                st.stop()


def show_sample(settings: Settings, run: Run, dark: bool, size: Size) -> None:
    """Ways to choose one; all that is known of the chosen; files."""
    _ask_choice(run)
    sample = chosen_sample(run)
    if sample is not None:
        _show_chosen(settings, run, sample, dark, size)
    _show_files(run, sample)


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


def _show_chosen(settings: Settings, run: Run, sample: int, dark: bool, size: Size) -> None:
    st.subheader(f"Sample {sample}", divider="gray")
    left, right = st.columns([2.2, 1], vertical_alignment="bottom")
    worn = badges(run)[sample]
    left.markdown(
        " ".join(f":{color}-badge[{name}]" for name, color in BADGES.items() if name in worn) or "not verified"
    )
    with right:
        favourites.ask_to_keep(settings, run, sample)
    x = run.x[-1, sample].astype(float)
    binary = bool(np.isin(x, (0, 1)).all())
    stiffness = directional_modulus(homogenize(x.reshape(SIDE, SIDE)), ANGLES)
    neighbour, differs, neighbour_y = nearest(run, sample)
    st.html(cards(_figures(run, sample, binary, stiffness, differs, neighbour_y)))
    figure = closely(run, sample, neighbour, (ANGLES, stiffness), dark, size)
    st.plotly_chart(figure, key="closely", config=CONFIG)
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
    figures = [
        Figure("E_x", f"{e_x:.4f} E_s" if verified else "not verified", f"asked was {float(modulus(aim)):.4f} E_s"),
        Figure("y, z-score of E_x", f"{y:.3f}" if verified else "–", f"asked was {asked_text(run)}"),
        Figure("E_y", f"{e_y:.4f} E_s" if verified else "–", f"ν_xy = {poisson:.3f}"),
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
    thick = places[3].number_input("Thickness [mm]", 0.01, 1000.0, 5.0, key="thick_mm", help="Height of the STL.")
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
    st.caption("The number in a file's name is the sample of the table and of the CSV. The STL is in millimetres.")


def rows(run: Run, samples: list[int]) -> pd.DataFrame:
    """The result's ``samples`` as the exports read them."""
    cells = pd.DataFrame(run.x[-1, samples].round(), columns=[f"x{j + 1}" for j in range(TASK.d)])
    return pd.concat((pd.DataFrame({"sample": samples}), cells), axis=1)


def _one_file(run: Run, sample: int, form: str, layout: Layout) -> bytes:
    return next(iter(files(rows(run, [sample]), form, layout).values()))


def _archive(run: Run, form: str, layout: Layout) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files(rows(run, list(range(run.n))), form, layout).items():
            file.writestr(name, content)
    return buffer.getvalue()
