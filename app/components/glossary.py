"""The words of the pages, each in one sentence, one click away."""

from __future__ import annotations

from typing import Literal

import streamlit as st

WORDS = {
    "design, x": "the numbers that you may choose, such as a length and a width",
    "Ω (omega), forward operator": "the simulator or formula that says which property y a design has: y = Ω(x)",
    "y*, target": "the property that you want. Inverse design means: find every x with Ω(x) = y*",
    "tolerance": "how far the property of a design may be from the target, at most",
    "box, box width": "the bounds of a design: a lowest and a highest value for each number. Their distance is the box "
    "width, and distances between designs are given in box widths",
    "verified, hit": "verified: Ω itself has run on the design. Hit: verified, and within the tolerance of y*",
    "loop": "a closed curve of solutions: the sine wave has nine of them for y* = 1.2. A loop counts if a hit lies on "
    "it",
    "prior, p(x)": "which designs are likely before a target is given; often uniform within the bounds",
    "posterior": "which designs are likely once the target is given: the designs that fit y*, weighted by the prior",
    "likelihood": "how probable a network thinks its training data are; training makes it as large as possible",
    "MAP point": "the most likely design of the posterior (maximum a posteriori)",
    "latent point, z": "a random number, or several, that the network turns into a design: another z gives another "
    "design for the same y*",
    "Φ(z)": "the share of a normal distribution below z, from 0 to 1: the place of a latent point in the unit square "
    "or cube",
    "INN": "an invertible neural network: forward it predicts the property of a design, backward it turns y* and z "
    "into a design",
    "cINN": "a conditional invertible network: y* steers it, and it turns z into a design; it has no prediction of y",
    "surrogate, f": "a network that imitates Ω: less exact, but fast, and its slope says how to change a design. "
    "iPage's is t(x), a network that is trained first and then becomes a part of the INN",
    "φ, φ*": "weights of a network: φ after the last step of the training, φ* with the smallest error. The paper's INN "
    "proposes designs with φ and predicts with φ*",
    "localization": "a few gradient steps on the surrogate that move a design to f(x) = y*",
    "replaced": "a sample that did not arrive at y* by the surrogate gives way to a fresh sample of the posterior",
    "SRS": "simple random sampling: latent points drawn at random, with clumps and gaps",
    "LHS": "Latin hypercube sampling: one latent point in each slice of each axis",
    "maximin": "a Latin hypercube whose points are as far apart as possible",
    "coverage": "the share of all solutions that lie near one of your designs",
    "amortization": "one training serves every target, so no search starts from zero",
    "control": "a simple method for comparison. Random start (prior-lm) has the same localization from random designs; "
    "it shows what the posterior adds",
    "NA": "neural adjoint: a search that descends on a network from many random designs and keeps the best",
    "MSE": "mean squared error, here of Ω(x) − y*",
    "MMD": "maximum mean discrepancy: how different two sets of samples are; 0 on average if they come from one "
    "distribution",
}
"""The same words with the same meanings as in ipage_core/README.md; a test compares them."""


def offer(width: Literal["stretch", "content"] = "stretch") -> None:
    """A button that opens the list."""
    with st.popover("Words", icon=":material/dictionary:", width=width):
        st.markdown(
            "\n".join(f"- **{word}**: {meaning}" for word, meaning in WORDS.items())
            .replace("y*", "y\\*")
            .replace("φ*", "φ\\*")
        )
