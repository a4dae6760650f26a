"""The guided tour: nine steps with a live figure, a question and a link to Explore in the same state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from app.components.chart import chart, numbers
from app.figures.playback import Size
from app.lessons import experiments
from app.lessons.experiments import Shown

CONFIG = {"displayModeBar": False}


@dataclass(frozen=True)
class Step:
    """One step of the tour."""

    title: str
    text: str
    equation: str
    source: str
    show: Callable[[bool, Size], Shown]
    """Widgets in, figure out."""
    question: str
    answer: str


PAPER = "Bi, Fung and Zhang, iPage, AAAI 2023"
STEPS = (
    Step(
        "One target, many designs",
        "A **forward operator** Ω says which property $y$ a design $x$ has: a simulation, a measurement. Inverse "
        "design asks the other way round: which $x$ have the property $y^*$? Here Ω is small enough to see all of it: "
        "two coordinates, one property, and on the green curve every design that has the target. An inverse of Ω does "
        "not exist: it would have to return all of these at once. Drawing at random finds few of them.",
        r"y = \Omega(x) = \sin 3\pi x_1 + \cos 3\pi x_2",
        f"{PAPER}, section “Illustrative Example: 2D Sinewave Function”.",
        experiments.many,
        "How many designs have y = 1.2 exactly, and how many y = 2?",
        "For 1.2 infinitely many: nine closed curves, one about each maximum. For 2 just the nine maxima, for 2.1 "
        "none. A problem whose solutions are many, or none, or jump with the target is called *ill-posed*.",
    ),
    Step(
        "The latent variable",
        "Two designs can have the same $y$: if $y = x^2$, both $x = 2$ and $x = -2$ have $y = 4$. So $y$ alone does "
        "not lead back to $x$. An **invertible network** learns a second output $z$ that tells such designs apart. "
        "Training makes this latent variable standard normal and independent of $y$, so $y^*$ and $z$ together give "
        "one design. Move your z: near latent points become near designs, until the path jumps to another loop.",
        r"x = h(y^*, z;\, \phi), \qquad z \sim \mathcal{N}(0, I) \quad (1)",
        f"{PAPER}, Eq. 1; Ardizzone et al., arXiv:1808.04730. Splines: Durkan et al., arXiv:1906.04032.",
        experiments.latent,
        "x has two coordinates and y is one number. Would one latent coordinate do?",
        "In principle: along a curve one number says where. But nine separate curves make an awkward line. This "
        "network has two latent coordinates; to keep as many numbers on both sides it pads x by one that is noise in "
        "training: three in, three out.",
    ),
    Step(
        "Why the posterior is not enough",
        "Draw many $z$, keep $y^*$: the designs are samples of a **posterior**, and because the network is invertible "
        "its density is known. It narrows the search from the whole square to thin rings. But training ends before its "
        "losses vanish, so the rings have a width. Few samples are solutions to the accuracy one would like.",
        r"\hat p(x \mid y^*) = p(z) \,/\, |J_x| \quad (3)",
        f"{PAPER}, Eqs. 3 and 7 and the paragraph below; Fig. 2.",
        experiments.posterior,
        "The density has a maximum, the MAP point. Is at least that one a solution?",
        "It need not be. The maximum says where the network is surest, and the network's error moves it like all "
        "else. It is also one point where the solutions are nine curves.",
    ),
    Step(
        "Why forward weights must differ",
        "Why not let the same network say how far its sample is off, and descend? Because it cannot see it. The sample "
        "was made by running the network backwards from $y^*$; forwards it returns $y^*$ to rounding, wherever the "
        "sample lies. No misfit, no gradient. iPage keeps two sets of weights: the last, φ, for the inverse, and those "
        "of the lowest ℓ2 error, φ*, for the forward. In this program's network the part that predicts $y$ hardly "
        "changes between the two. What gives sight back here is the padding, set to zero: switch and see.",
        r"\begin{gathered} f_y(h(y^*, z;\, \phi);\, \phi) = y^* \;\text{for every } z \quad (2) \\ "
        r"f_y(x;\, \phi^*) \approx \Omega(x) \quad (5) \end{gathered}",
        f"{PAPER}, Eqs. 2, 4 and 5. The ordered network and its padding are this program's own.",
        experiments.eyes,
        "Dots on the dotted diagonal: what would that mean? And dots on the horizontal line?",
        "On the diagonal f sees each sample's true misfit, so its gradient leads to the solutions. On the horizontal "
        "f believes that every sample is exact, and localization would end before it began.",
    ),
    Step(
        "Space-filling latent points",
        "Each $z$ becomes one design, so where the $z$ lie decides which designs are found. Random points (SRS) clump "
        "and leave holes. A **Latin hypercube** (LHS) has one point in each slice of each coordinate. **Maximin** LHS "
        "moves them apart as well: it makes the least distance between two points as large as it can.",
        r"Z_n = \arg\max_Z \, \min_{i \neq j} \, d(z_i, z_j) \quad (9)",
        f"{PAPER}, Eq. 9 and Fig. 3; lattices as by He, Gong and Li 2025 (arXiv:2506.04582), swaps as by Morris and "
        "Mitchell 1995 (doi:10.1016/0378-3758(94)00035-T).",
        experiments.spaces,
        "Is maximin sure to find all loops?",
        "No. It only wastes fewer samples on the same spot. With nine samples for nine loops even it misses some; with "
        "hundreds all three find everything, and the choice matters little.",
    ),
    Step(
        "Localization",
        "Now the samples walk to solutions. The forward network is fast and has a gradient; the misfit "
        "$\\|f(x) - y^*\\|^2$ is descended from each posterior sample, inside the box. The way is short, so few steps "
        "do. The paper uses gradient descent with Adam's steps; this program's default is Levenberg–Marquardt.",
        r"\begin{gathered} x^{k+1} = x^k - \gamma\, g^k, \\ g = \partial\, \|f_y(x;\, \phi^*) - y^*\|^2 / \partial x"
        r" \quad (8) \end{gathered}",
        f"{PAPER}, Eq. 8 and Algorithm 1, lines 11 to 15.",
        experiments.descent,
        "The dashed curve falls on while the solid one stays. Why?",
        "Descent minimizes f's misfit, and f is not Ω. Once f is met, what is left by Ω is f's own error, and no "
        "further step on f can lower that.",
    ),
    Step(
        "What the posterior buys",
        "A fair question: would random starts, localized on the same network, do as well? At one target, **yes**: "
        "the two error curves lie together, for both end at the accuracy of the network they descend. What the "
        "posterior buys is nearness: its samples stay where they were proposed, so that they keep its spread. Over "
        "many targets it also buys safety: random starts end in fewer good places where a target is hard to reach. "
        "Choose ballistics and 200 targets.",
        r"x^0 \sim \hat p(x \mid y^*) \quad\text{or}\quad x^0 \sim p(x)",
        f"{PAPER}, Fig. 2 and “Localization from Posterior Samples”. The control is this program's own; README holds "
        "its measured tables.",
        experiments.starts,
        "An advertisement says: “our posterior makes solutions 100 times more accurate.” Which control would you ask "
        "for?",
        "The same surrogate and optimizer from random starts. Without it, the gain of localization is taken for one "
        "of the posterior.",
    ),
    Step(
        "Verification: the last word is Ω's",
        "Localized designs look perfect to $f$. Whether they are, only Ω can tell. So every design says which of the "
        "two spoke: *verified* means that Ω ran on it, *hit* that it is then within the tolerance. Here Ω costs "
        "nothing; for a crystal it takes seconds, and what it has not seen is called not verified.",
        r"\text{re-simulation error} = \|\Omega(x) - y^*\|^2",
        f"{PAPER}, “Quantitative Metric”.",
        experiments.believed,
        "Why not report f's error, when Ω is expensive?",
        "Localization has just made f's error small: it says how well the descent went, nothing of the design. An "
        "error must come from something that the search did not use.",
    ),
    Step(
        "Correction by a few true evaluations",
        "If Ω may be asked, each answer can be used twice. Where $f$ is off by $f(x) - \\Omega(x)$, let it aim beside "
        "the target by just that, and localize again. The gradient is still $f$'s, the value is Ω's. One or two "
        "evaluations a design suffice.",
        r"x \leftarrow \mathrm{localize}\,\big(f,\; y^* + f(x) - \Omega(x)\big)",
        "This program's extension of the paper; output space mapping, Bandler et al. 2004, "
        "doi:10.1109/TMTT.2003.820904.",
        experiments.corrected,
        "Each correction shrinks the error by about the same factor or better. What sets the factor?",
        "How well f's gradient agrees with Ω's. With the true gradient and a straight Ω one correction would be exact.",
    ),
)


def show(dark: bool, size: Size) -> None:
    """The step that the address asks for."""
    names = [str(k + 1) for k in range(len(STEPS))]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        asked = st.segmented_control(
            "Step", names, default="1", required=True, key="step", bind="query-params", wrap=True
        )
        at = names.index(asked)
        for label, to, icon, shortcut in (
            ("Previous", at - 1, "arrow_back", "P"),
            ("Next", at + 1, "arrow_forward", "N"),
        ):
            st.button(
                label,
                key=f"learn_{label.lower()}",
                icon=f":material/{icon}:",
                disabled=not 0 <= to < len(STEPS),
                on_click=_go,
                args=(to,),
                shortcut=shortcut,
                type="primary" if label == "Next" else "secondary",
            )
    step = STEPS[at]
    st.markdown(f"#### {at + 1} of {len(STEPS)}: {step.title}")
    left, right = st.columns([1, 1.9], gap="large")
    with left:
        st.markdown(step.text)
        st.latex(step.equation)
        st.caption(f"Source: {step.source}")
    with right:
        shown = step.show(dark, size)
        chart(shown.figure, key=f"learn_figure_{at}", config=CONFIG)
        st.caption(shown.told)
        numbers(shown.numbers, f"step-{at + 1}")
        st.link_button("Open this state in Explore", shown.address, icon=":material/explore:")
    with left:
        st.markdown(f"**Question.** {step.question}")
        with st.expander("Answer"):
            st.markdown(step.answer)


def _go(to: int) -> None:
    st.session_state.step = str(to + 1)
