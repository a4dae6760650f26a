"""Panel of strained silicon: ranked strains, DFT on request, the crystal in space, and structure files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st
import torch

from app.components.choice import chosen_sample
from app.components.form import Form, parts
from app.figures.playback import WIDE, Box, Scene, Size
from app.figures.run import Run
from app.figures.theme import Dict, Palette
from app.state.runs import stamp
from app.tasks import learning, structures, verification
from app.tasks.candidates import FEW, completed, designs, structure_rows, surrogate
from app.tasks.panel import TaskPanel
from app.tasks.silicon import figure as drawn
from app.tasks.silicon.candidates import RANKED_BY, RANKINGS, ask_rows, predicted, ranked_strains
from app.tasks.silicon.sample import DFT, show_crystal, show_reference
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks.silicon.box import SCISSOR
from ipage_core.tasks.silicon.least import path
from ipage_core.tasks.silicon.symmetry import images
from ipage_core.tasks.silicon.task import TASK, properties

PRESETS = {
    "film on Si₀.₇Ge₀.₃": "substrate=Si0.7Ge0.3",
    "symmetry of a pull along 001": "uniaxial=001",
    "110": "uniaxial=110",
    "111": "uniaxial=111",
    "strain ≤ 2 %": "strain<=2%",
    "volume ± 1 %": "volume<=1%",
    "≤ 4 meV per atom": "energy<=4meV",
    "lowest valley on axis 3": "valley=3",
}
"""Preset constraints, in the syntax of the field."""
GAPS = np.linspace(0.1, 0.56, 24)
"""Gaps at which the path of least elastic energy is computed [eV]."""


@st.cache_resource(max_entries=2, show_spinner=False)
def _computed(stamp: int) -> list[np.ndarray]:
    """The path of a model once it is computed; a cached function could not show its progress."""
    return []


def least_energy(stamp: int, progress: Callable[[float, str], object] | None = None) -> np.ndarray:
    """(k, 8): gap [eV], least elastic energy [eV per atom] by the surrogate, and the strain with this energy.

    Computed once per model and server; ``progress`` is called with the share that is done, and a text.
    """
    kept = _computed(stamp)
    if not kept:
        kept.append(_least_energy(progress or (lambda share, text: None)))
    return kept[0]


def _least_energy(progress: Callable[[float, str], object]) -> np.ndarray:
    prior = TASK.sample_prior(20_000, torch.Generator().manual_seed(0))
    gaps = predicted(prior.numpy())[:, 0]

    def starts(gap: float) -> torch.Tensor:
        near = np.abs(gaps - gap).argsort()[:50]
        return prior[near]

    def done(count: int) -> None:
        progress(count / len(GAPS), f"Least elastic energy: {count} of {len(GAPS)} gaps are done")

    done(0)
    points = path(surrogate(TASK.name), GAPS.tolist(), starts, progress=done)
    return np.array([[*one.properties[[0, 2]], *one.strain] for one in points if one is not None])


def ask_otherwise() -> None:
    """A widget below the field for constraints; it fills in presets."""
    written = ["".join(part.split()).lower() for part in parts()]
    st.session_state.si_presets = [name for name, text in PRESETS.items() if text.lower() in written]
    st.pills("Add constraints", list(PRESETS), selection_mode="multi", key="si_presets", on_change=_on_preset)


def _on_preset() -> None:
    """Add the chosen preset to the constraints and remove the other presets."""
    presets = {text.lower() for text in PRESETS.values()}
    others = [part for part in parts() if "".join(part.split()).lower() not in presets]
    st.session_state.constrain = "; ".join(others + [PRESETS[name] for name in st.session_state.si_presets])


class SiliconPanel(TaskPanel):
    """A table of candidates for DFT replaces the table of all designs."""

    any_plane = False
    formula = "Ω computes the gap and the elastic energy of strained silicon by DFT (PBE). It runs only on request."
    caption = staticmethod(drawn.caption)
    about = (
        "Every gap here is a **PBE gap without spin–orbit coupling, ions relaxed**: 0.60 eV for the unstrained "
        f"crystal, 1.17 eV in experiment (a scissor of {SCISSOR} eV is customary). In all data the gap is indirect, "
        "from Γ to a valley on Δ. DFT runs only on request; until then designs are **not verified**."
    )
    form = Form(
        example="substrate=Si0.7Ge0.3; energy<=4meV; valley=3",
        accepted="Separated by semicolons; they hold during the descent. **e11=e22** ties, **e12=0** fixes. "
        "**biaxial=1%**, **substrate=Si0.7Ge0.3**: the plane of a film on (001); the stress out of it is free. "
        "**uniaxial=001**, **110**, **111**: the symmetry of a stress along this axis; stress across it remains "
        "possible. **strain<=2%**: largest principal strain; **volume<=1%**: either way. By the surrogate: "
        "**energy<=4meV** per atom, **pressure<=1** GPa (also >= and =), **direct>=2.4** eV, **valley=3**: the axis "
        "of the lowest valley. Names: e11, e22, e33, e23, e13, e12, tensor components.",
        below=ask_otherwise,
    )

    def figure(self, run: Run, dark: bool = False, size: Size = WIDE, chosen: int | None = None, **_: Any) -> Dict:
        return drawn.figure(run, predicted, self._path(), dark, size, chosen)

    def picture(self, scene: Scene, run: Run, box: Box, colors: Palette, size: Size) -> None:
        drawn.picture(scene, run, predicted, box, colors, size)

    def _path(self) -> np.ndarray | None:
        """Computed once per server, when the switch is on."""
        if not st.session_state.get("least"):
            return None
        return least_energy(stamp(TASK.name, "prior-lm"))

    def before(self, request: DesignRequest) -> None:
        """The least elastic energy for each gap."""
        st.toggle(
            "Draw the path of least elastic energy",
            key="least",
            help="For each gap the strain that costs least, by the surrogate: Shi et al., PNAS 116, 4117 (2019). "
            "The first time may take minutes.",
        )
        if st.session_state.get("least"):
            bar = st.empty()
            least = least_energy(stamp(TASK.name, "prior-lm"), bar.progress)
            bar.empty()
            at = request.target.goals[0].low
            if len(least) and GAPS[0] <= at <= GAPS[-1]:
                row = least[np.abs(least[:, 0] - at).argmin()]
                strain = ", ".join(f"{e:.2f}" for e in (100 * row[2:]).round(2) + 0.0)
                alike = len(np.unique(images(row[2:]).round(4), axis=0))
                free = " Your constraints are not applied to it." if request.constraints else ""
                st.caption(
                    f"Least elastic energy at {row[0]:.2f} eV: **{1e3 * row[1]:.2f} meV per atom**, by the surrogate, "
                    f"at e11 … e12 = {strain} %, one of {alike} strains that are equal by symmetry.{free}"
                )

    def show_designs(self, request: DesignRequest, run: Run, dark: bool, size: Size) -> None:
        """The candidates, in place of the table of all designs."""
        self.show_sample(request, run, dark, size)

    def completed(self, run: Run) -> Run:
        """The same designs with all of their DFT results, for figures, table and exports."""
        return completed(run, DFT.results(designs(run)), properties)

    def show_sample(self, request: DesignRequest, run: Run, dark: bool, size: Size) -> None:
        """Candidates with verification and files, then details of one of them."""
        st.subheader("Candidates", divider="gray")
        left, middle, right = st.columns([2.2, 1, 1], vertical_alignment="bottom")
        by = left.segmented_control(
            "Rank by",
            list(RANKINGS),
            default="energy",
            required=True,
            format_func=RANKINGS.get,
            key="rank_si",
            help=RANKED_BY,
        )
        scissor = right.toggle(
            f"Add the scissor, {SCISSOR} eV", key="scissor", help="Adds a column with the corrected gap."
        )
        ranked = ranked_strains(run.x[-1].astype(float), by)
        alone = False
        if (ranked["members"] > 1).any():  # unless every strain is its own family
            alone = middle.toggle("One strain for each family", key="families_si")
        shown, ticked = ask_rows(run, ranked, by, alone, scissor)
        show_reference()
        x = designs(run)
        verification.ask(verification.verdicts(run, x, DFT), x, ticked or shown[:FEW], bool(ticked), DFT)
        learning.offer(TASK, *learning.computed(TASK, DFT.work, properties), "DFT")
        which = f"{len(ticked)} ticked" if ticked else f"all {run.n}"
        structures.ask(TASK, structure_rows(run, ranked, ticked), which, "silicon")
        chosen = chosen_sample(run)
        show_crystal(request, run, ranked, shown[0] if chosen is None else chosen, dark, size)


PANEL = SiliconPanel()
