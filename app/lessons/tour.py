"""The guided tour in ten steps: each has a live figure, a question and a link to Explore with the same settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from app.components import glossary
from app.components.chart import chart, numbers
from app.figures.playback import Size
from app.lessons import experiments
from app.lessons.experiments import Shown

CONFIG = {"displayModeBar": False}
SHEET = Path(__file__).with_name("lesson_sheet.pdf")
"""Two pages for teachers; see :mod:`app.lessons.sheet`."""


@dataclass(frozen=True)
class Step:
    """A step of the tour."""

    title: str
    text: str
    equation: str
    source: str
    show: Callable[[bool, Size], Shown]
    """Widgets in, figure out."""
    question: str
    guesses: tuple[str, ...]
    """Answers to choose from before the answer is shown."""
    right: int
    """Index of the right one."""
    answer: str


PAPER = "Bi, Fung and Zhang, iPage, AAAI 2023"
STEPS = (
    Step(
        "One target, many designs",
        "A **forward operator** Ω gives the property $y$ of a design $x$, by a simulation or a measurement. Inverse "
        "design asks the opposite: which designs $x$ have the property $y^*$? Here Ω is small enough to see all of "
        "it: two coordinates and one property. Every design on the green curve has the target. Ω has no inverse, "
        "because an inverse would have to return all of these designs at once. Random designs rarely hit the curve.",
        r"y = \Omega(x) = \sin 3\pi x_1 + \cos 3\pi x_2",
        f"{PAPER}, section “Illustrative Example: 2D Sinewave Function”.",
        experiments.many,
        "How many designs have y = 1.2 exactly, and how many y = 2?",
        (
            "Nine, and one",
            "Infinitely many, and nine",
            "Infinitely many, for both",
        ),
        1,
        "For 1.2 infinitely many: nine closed curves, one around each maximum. For 2 only the nine maxima, for 2.1 "
        "none. A problem with many solutions, with none, or with solutions that jump with the target is *ill-posed*.",
    ),
    Step(
        "The latent variable",
        "Two designs can have the same $y$: if $y = x^2$, both $x = 2$ and $x = -2$ have $y = 4$. So $y$ alone does "
        "not lead back to $x$. An **invertible network** learns a second output $z$ that tells such designs apart. "
        "Training makes this latent variable standard normal and independent of $y$, so $y^*$ and $z$ together give "
        "one design ($\\phi$ below are the weights of the network). Move your z: near latent points become near "
        "designs, until the path jumps to another loop.",
        r"x = h(y^*, z;\, \phi), \qquad z \sim \mathcal{N}(0, I) \quad (1)",
        f"{PAPER}, Eq. 1; Ardizzone et al., arXiv:1808.04730. Splines: Durkan et al., arXiv:1906.04032.",
        experiments.latent,
        "x has two coordinates and y is one number. Would one latent coordinate do?",
        (
            "Yes, just as well",
            "In principle, but not well",
            "No",
        ),
        1,
        "In principle, because one number gives the position along a curve. But nine separate curves do not fit one "
        "line well. This network has two latent coordinates. It needs as many inputs as outputs, so x gets a third "
        "number, the padding, which is noise during training: three in, three out.",
    ),
    Step(
        "Why the posterior is not enough",
        "Draw many $z$ for the same $y^*$: the designs are samples of a **posterior**. Because the network is "
        "invertible, its density is known. It narrows the search from the whole square to thin rings. But the training "
        "is never perfect, so the rings have a width, and many samples miss the target by more than the tolerance.\n\n"
        "The default network is trained by its likelihood. The paper's MMD losses, which compare two sets of samples, "
        "bought little beside it, and alone they leave samples far from the rings: choose *iPage as in the paper*, "
        "shown here before localization. *INN of Ardizzone* has the architecture that iPage builds on.",
        r"\hat p(x \mid y^*) = p(z) \,/\, |J_x| \quad (3)",
        f"{PAPER}, Eqs. 3 and 7 and the paragraph below; Fig. 2.",
        experiments.posterior,
        "The density has a maximum, the MAP point. Is at least that one a solution?",
        (
            "Yes",
            "Not always",
            "Never",
        ),
        1,
        "Not always. The maximum is where the network is most certain, and the network's error shifts it too. It is "
        "also only one point, while the solutions are nine curves.",
    ),
    Step(
        "Why a sample cannot see its own error",
        "The samples of the last step miss the target a little. Can the network that made a sample also measure its "
        "error?\n\n"
        "First, the **padding**. An invertible network needs as many inputs as outputs. It has three outputs, $y$ and "
        "two $z$, but $x$ has two numbers. So a third input is added to $x$: the padding. Running the network "
        "backwards gives a design $x$ and a padding.\n\n"
        "Now run it forwards with this $x$ and this padding. The result is exactly $y^*$, because the forward run "
        "undoes the backward run. The network sees no error, so it cannot say in which direction to move.\n\n"
        "Then set the padding to **zero**. The forward run now uses $x$ alone: it is the network's own prediction of "
        "$y$, and it differs from $y^*$ about as much as Ω does. The error is visible. Try the switch.",
        r"\begin{gathered} f(x, \text{own padding}) = y^* \quad (2) \\ "
        r"f(x, 0) \approx \Omega(x) \quad (5) \end{gathered}",
        f"{PAPER}, Eqs. 2, 4 and 5. Zero padding is this program's way. The paper uses two sets of weights of one "
        "network: φ, the last, to run backwards, and φ*, those with the smallest error, to run forwards.",
        experiments.eyes,
        "In the right figure, or the lower one on a phone: what does it mean if the dots lie on the dotted diagonal? "
        "And on the horizontal line?",
        (
            "Diagonal: f sees the error; horizontal: it does not",
            "Diagonal: f does not see the error; horizontal: it does",
            "Both: f sees the error",
        ),
        0,
        "On the diagonal, f gives the true error of each sample, so its slope leads to the solutions. On the "
        "horizontal line, f takes every sample for exact, and localization would not move at all.",
    ),
    Step(
        "Space-filling latent points",
        "Each $z$ becomes one design, so the positions of the $z$ determine the designs. Random points (SRS) clump "
        "and leave gaps. A **Latin hypercube** (LHS) has one point in each slice of each coordinate. **Maximin** LHS "
        "also makes the smallest distance between two points as large as possible. The points are placed in the unit "
        "square. From there each coordinate is stretched to a normal distribution and becomes z: Φ(z), the share of "
        "that distribution below z, is the place in the square.\n\n"
        "Each coloured patch leads to one loop. A loop is usually missed if no point lies in its patch, and a large "
        "gap can hold a whole patch. So evenly placed points find all loops more often. Try 12 samples and some seeds.",
        r"Z_n = \arg\max_Z \, \min_{i \neq j} \, d(z_i, z_j) \quad (9)",
        f"{PAPER}, Eq. 9 and Fig. 3; lattices as by He, Gong and Li 2025 (arXiv:2506.04582), swaps as by Morris and "
        "Mitchell 1995 (doi:10.1016/0378-3758(94)00035-T).",
        experiments.spaces,
        "Does maximin always reach all loops?",
        (
            "Yes",
            "Only with an even number of samples",
            "No",
        ),
        2,
        "No. It only puts fewer samples on the same spot. With nine samples for nine loops it misses some too. With "
        "hundreds of samples all three reach every loop, and the choice matters little.",
    ),
    Step(
        "Localization",
        "Now the samples move to solutions. The forward network is fast and has a gradient. From each posterior "
        "sample, gradient steps reduce the misfit $\\|f(x) - y^*\\|^2$ inside the box. The distance is short, so few "
        "steps are enough. The paper uses gradient descent with Adam's steps; this program's default is "
        "Levenberg–Marquardt.",
        r"\begin{gathered} x^{k+1} = x^k - \gamma\, g^k, \\ g = \partial\, \|f_y(x;\, \phi^*) - y^*\|^2 / \partial x"
        r" \quad (8) \end{gathered}",
        f"{PAPER}, Eq. 8 and Algorithm 1, lines 11 to 15.",
        experiments.descent,
        "With Levenberg–Marquardt, the dashed curve ends far below the solid one. Why?",
        (
            "There were too few steps",
            "f is not Ω, and its own error remains",
            "Ω is noisy",
        ),
        1,
        "Localization minimizes the misfit by f, and f is not Ω. When that misfit is zero, the misfit by Ω is the "
        "error of f itself, which no further step on f can reduce.",
    ),
    Step(
        "What the posterior is good for",
        "Would random starts, localized on the same network, do as well? For one target, **yes**: both error curves "
        "end at the accuracy of the network. The advantage of the posterior is nearness: its samples move little, so "
        "they keep the spread of the posterior. Over many targets it is also safer: if a target is hard to reach, "
        "fewer random starts end at a solution. Choose ballistics and 200 targets.",
        r"x^0 \sim \hat p(x \mid y^*) \quad\text{or}\quad x^0 \sim p(x)",
        f"{PAPER}, Fig. 2 and “Localization from Posterior Samples”. This program adds the control; the "
        "page [Benchmark](./benchmark) has the measured tables.",
        experiments.starts,
        "A paper says: “our posterior makes solutions 100 times more accurate.” Which control would you ask for?",
        (
            "The same descent from random starts",
            "A larger network",
            "More designs",
        ),
        0,
        "The same surrogate and optimizer from random starts. Without this control, the gain from localization looks "
        "like a gain from the posterior.",
    ),
    Step(
        "Verification by Ω",
        "Localized designs are exact by $f$. Only Ω shows whether they are exact in truth. So every design is marked: "
        "*verified* means that Ω ran on it, *hit* that Ω(x) is within the tolerance of the target. Here Ω is fast; for "
        "a crystal it takes seconds, so some designs stay *not verified*.",
        r"\text{re-simulation error} = \|\Omega(x) - y^*\|^2",
        f"{PAPER}, “Quantitative Metric”.",
        experiments.believed,
        "Why not report f's error, when Ω is expensive?",
        (
            "It is slow to compute",
            "It has another unit",
            "The search has just minimized it",
        ),
        2,
        "Localization has just minimized this error, so it shows the quality of the minimization, not of the design. "
        "An honest error must come from something that the search did not use.",
    ),
    Step(
        "Correction by a few true evaluations",
        "A few evaluations of Ω can correct the designs. If $f$ is wrong by $f(x) - \\Omega(x)$, shift the target by "
        "this error and localize again. The gradient still comes from $f$, the value from Ω. One or two evaluations "
        "for each design are enough.",
        r"x \leftarrow \mathrm{localize}\,\big(f,\; y^* + f(x) - \Omega(x)\big)",
        "This program's extension of the paper; output space mapping, Bandler et al. 2004, "
        "doi:10.1109/TMTT.2003.820904.",
        experiments.corrected,
        "Each correction reduces the error by about the same factor or better. What determines this factor?",
        (
            "The number of designs",
            "The distance from the target",
            "How well f’s gradient agrees with Ω’s",
        ),
        2,
        "How well the gradient of f agrees with that of Ω. With the true gradient and a linear Ω, one correction would "
        "be exact.",
    ),
    Step(
        "Did we find them all?",
        "All designs are hits now. But do they cover the solution set? Measure the distance from every solution to "
        "its nearest design. Samples of the posterior crowd where the posterior is dense and leave gaps elsewhere. "
        "*Spread* moves the same number of designs along the solution set until each stands for an equal share of it.",
        r"\text{fill distance} = \max_{x:\, \Omega(x) = y^*}\; \min_i\; \|x - x_i\|",
        "This program's addition; the command `coverage` and the view Coverage of Explore do it for other tasks.",
        experiments.covered,
        "Here all solutions are known by a formula. What can be said if they are not?",
        (
            "Nothing",
            "A proof for some Ω, else an estimate",
            "The same, by another formula",
        ),
        1,
        "Two things. Interval arithmetic on Ω can prove that no solution is farther from a design than some distance. "
        "If Ω cannot be followed step by step, only an estimate is left: the share of fresh posterior samples that "
        "have a design nearby.",
    ),
)


def show(dark: bool, size: Size) -> None:
    """The step given in the address."""
    names = [str(k + 1) for k in range(len(STEPS))]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.segmented_control(
            "Step", names, default="1", required=True, key="step", bind="query-params", wrap=True
        )
        at = names.index(chosen)
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
        glossary.offer("content")
        place = st.container(width="content")
    step = STEPS[at]
    st.markdown(f"#### {at + 1} of {len(STEPS)}: {step.title}")
    left, right = st.columns([1, 1.9], gap="large")
    with left:
        st.markdown(step.text)
        st.latex(step.equation)
        st.caption(f"Source: {step.source}")
        _predict(step, at)
    place.download_button(
        "Lesson sheet, PDF",
        SHEET.read_bytes,
        "ipage-lesson.pdf",
        "application/pdf",
        icon=":material/print:",
        on_click="ignore",
        help="For teachers: two pages with times, questions and answers.",
    )
    with right:  # last, because it may take seconds: until then the step before would stay below
        shown = step.show(dark, size)
        chart(shown.figure, key=f"learn_figure_{at}", config=CONFIG)
        st.caption(shown.text)
        numbers(shown.numbers, f"step-{at + 1}")
        st.link_button("Open in Explore", shown.address, icon=":material/explore:")


def _predict(step: Step, at: int) -> None:
    """The question with its choices, and the answer, which comes with a choice."""
    guess = st.radio(f"**Predict.** {step.question}", step.guesses, None, key=f"learn_guess_{at}")
    if guess is None:
        st.caption("Choose one: the answer then comes here.")
        return
    right = guess == step.guesses[step.right]
    text = "Right." if right else f"Not quite. The answer: **{step.guesses[step.right]}**."
    (st.success if right else st.info)(text, icon=":material/check:" if right else ":material/lightbulb:")
    with st.expander("Answer", expanded=True):
        st.markdown(step.answer)


def _go(to: int) -> None:
    st.session_state.step = str(to + 1)
