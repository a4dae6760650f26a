"""The words of the pages, each in one sentence, one click away."""

from __future__ import annotations

from typing import Literal

import streamlit as st

WORDS = {
    "design, x": "the numbers that you may choose, such as a length and an angle",
    "Ω, forward operator": "the simulator or formula that gives the property of a design: y = Ω(x)",
    "target, y*": "the property that you want: every x with Ω(x) = y* is a solution",
    "prior": "which designs are likely before a target is given",
    "posterior": "which designs are likely once the target is given",
    "MAP point": "the most likely design of the posterior (maximum a posteriori)",
    "INN": "an invertible neural network: forward it predicts y, backward it turns y* and z into a design",
    "latent point, z": "random numbers that the network turns into a design; another z gives another design",
    "SRS": "simple random sampling: latent points drawn at random, with clumps and gaps",
    "LHS": "Latin hypercube sampling: one latent point in each slice of each axis",
    "maximin": "a Latin hypercube whose points are as far apart as possible",
    "surrogate, f": "a network that imitates Ω: fast, but not exact",
    "φ, φ*": "two sets of weights of the INN: φ, at the end of the training, proposes designs; φ*, those with the "
    "lowest error, are the surrogate",
    "localization": "a few steps on the surrogate that move a design to f(x) = y*",
    "verified, hit": "verified: Ω has run on the design; hit: verified, and within the tolerance of y*",
    "MSE": "mean squared error, here of Ω(x) − y*",
    "coverage": "the share of all solutions that lie near one of the designs",
}


def offer(width: Literal["stretch", "content"] = "stretch") -> None:
    """A button that opens the list."""
    with st.popover("Words", icon=":material/dictionary:", width=width):
        st.markdown("\n".join(f"- **{word}**: {meaning}" for word, meaning in WORDS.items()))
