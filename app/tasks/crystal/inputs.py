"""Preset constraints and an uploaded CIF to start from: both become text in the form's fields."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from app.components import widgets
from app.components.form import parts
from app.components.words import plain
from app.state import classroom
from app.tasks.crystal.reference import MEASURED_LENGTH
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks.crystal.strain import CUBIC_LENGTH, SUBSTRATES
from ipage_core.tasks.crystal.task import TASK, read_design

PAPER = TASK.default_target
"""The paper's target: strained far beyond any film, at a saddle of the ions' energy."""
CREDIBLE, CREDIBLE_STRAIN = (1.6,), "strain<=4%"
"""The page's default target: perovskite films are grown with such strains."""
PRESETS = {"a = b": "a=b", "right angles": "angles=90", "strain ≤ 5 %": "strain<=5%", "volume ± 3 %": "volume<=3%"}
"""Preset constraints, in the syntax of the field."""
MOST_BYTES = 100_000


def ask_for_the_papers(request: DesignRequest) -> None:
    """A button for the paper's target, with its caveat, and a button to return."""
    papers = not request.constraints and all(goal.low == goal.high == PAPER[0] for goal in request.target.goals)
    text_column, button = st.columns([3.2, 1], vertical_alignment="center")
    if papers:
        text_column.warning(
            f"**The paper's question**, {PAPER[0]} eV: such cells are strained by about 18 %, far beyond any film, and "
            "their ions lie at a saddle of the energy: once nudged, they relax to gaps of 1.5 to 2.6 eV.",
            icon=":material/warning:",
        )
        label, target, constraints = f"Ask for {CREDIBLE[0]} eV, strain ≤ 4 %", CREDIBLE, CREDIBLE_STRAIN
    else:
        here = f"Constraints here: {plain('; '.join(request.constraints))}. " if request.constraints else ""
        text_column.caption(f"{here}The paper asks for {PAPER[0]} eV, at any strain.")
        label, target, constraints = f"The paper's question: {PAPER[0]} eV", PAPER, ""
    button.button(label, key="paper", on_click=_ask_for, args=(target, constraints), width="stretch")


def _ask_for(target: tuple[float, ...], constraints: str) -> None:
    widgets.aim(target)
    st.session_state.update(constrain=constraints, ask1="exactly")


def ask_otherwise() -> None:
    """Widgets below the fields for constraints and a design to start from; they fill in these fields."""
    written = _written()
    st.session_state.presets = [name for name, text in PRESETS.items() if text in written]
    st.session_state.substrate = next((name for name in SUBSTRATES if f"substrate={name}".lower() in written), None)
    left, right = st.columns(2)
    left.pills("Add constraints", list(PRESETS), selection_mode="multi", key="presets", on_change=_on_preset)
    left.selectbox(
        "Grown on a substrate",
        list(SUBSTRATES),
        index=None,
        placeholder="none",
        key="substrate",
        on_change=_on_preset,
        format_func=lambda name: f"{name}: a = b = {SUBSTRATES[name]:.3f} Å, γ = 90°",
        help="In-plane lattice constants at room temperature, pseudocubic: Schlom et al., Annu. Rev. Mater. Res. 37, "
        "589 (2007), doi:10.1146/annurev.matsci.37.061206.113016.",
    )
    if st.session_state.substrate is not None:
        left.caption(strained_by(st.session_state.substrate))
    right.file_uploader(
        "Start from a CIF of your own",
        type="cif",
        key="cif",
        disabled=classroom.on(),
        on_change=_on_cif,
        max_upload_size=1,
        help="One perovskite cell of SrTiO₃, five atoms, within the box. Its lattice is used; its ions are not.",
    )
    classroom.note("Uploads are switched off in this classroom.")
    if wrong := st.session_state.get("cif_wrong"):
        right.error(plain(wrong), icon=":material/error:")
    elif remark := st.session_state.get("cif_remark"):
        right.info(plain(remark), icon=":material/info:")


def strained_by(substrate: str) -> str:
    """The strain of a film on this substrate, here and in experiment, and constraints that have the latter."""
    plane = SUBSTRATES[substrate]
    here, real = plane / CUBIC_LENGTH - 1, plane / MEASURED_LENGTH - 1
    return (
        f"A real film of SrTiO₃ on {substrate} is strained by {100 * real:+.1f} %, here by {100 * here:+.1f} %: the "
        f"cubic cell has {MEASURED_LENGTH:.3f} Å in experiment and {CUBIC_LENGTH:.3f} Å by PBE. For the real strain, "
        f"write a={CUBIC_LENGTH * (1 + real):.3f}; a=b; gamma=90 in place of the substrate."
    )


def _written() -> list[str]:
    """The constraints without blanks and in lower case."""
    return ["".join(part.split()).lower() for part in parts()]


def _on_preset() -> None:
    """Add the chosen preset to the constraints and remove the other presets."""
    others = [part for part in _written() if part not in PRESETS.values() and not part.startswith("substrate=")]
    chosen = [PRESETS[name] for name in st.session_state.presets]
    chosen += [f"substrate={name}" for name in [st.session_state.substrate] if name]
    st.session_state.constrain = "; ".join(others + chosen)


def _on_cif() -> None:
    """Put the file's lattice into the field of the design to start from, or report what is wrong with it."""
    file, st.session_state.cif_wrong, st.session_state.cif_remark = st.session_state.cif, "", ""
    try:
        lattice, st.session_state.cif_remark = read_cif(file.getvalue()) if file else ([], "")
        st.session_state.start = ", ".join(f"{v:.10g}" for v in lattice)
    except ValueError as error:
        st.session_state.cif_wrong = str(error)


def read_cif(content: bytes) -> tuple[list[float], str]:
    """a, b, c [Å], α, β, γ [°] of one cell of SrTiO₃, and a note on what was chosen or reduced.

    Raises:
        ValueError: too large, not a CIF, another crystal, or outside the box.
    """
    if len(content) > MOST_BYTES:
        raise ValueError(f"This file has {len(content) / 1000:.0f} kB; a cell of five atoms needs a few, at most 100.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cell.cif"
        path.write_bytes(content)
        try:
            x, remark = read_design(path)
            return x.tolist(), remark.replace("cell.cif", "This file")
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), "This file")) from None
