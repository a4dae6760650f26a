"""The link that restores a result, and the same as a QR code for a class."""

from __future__ import annotations

from typing import Literal

import segno
import streamlit as st

from app.components.choice import chosen_sample
from app.figures.run import Run
from app.state.runs import weights_hash
from ipage_core.problem.request import DesignRequest


def link_of(request: DesignRequest, run: Run) -> str:
    """It holds every setting, the view, the chosen sample, and the hash of the weights."""
    base = (st.context.url or "").split("?")[0]
    sample = chosen_sample(run)
    link = f"{base}?{request.to_query()}&view={st.session_state.get('view', '')}".replace(" ", "+")
    if (few := st.session_state.get("compare_n")) and "view=Compare" in link:
        link += f"&compare_n={few}"
    return link + (f"&sample={sample}" if sample is not None else "") + f"&model={weights_hash(run.task, run.method)}"


@st.cache_data(max_entries=256, show_spinner=False)
def qr_code(link: str) -> str:
    """The link as an image: a data URI of an SVG with dark modules on white, so that phones read it on dark pages."""
    uri: str = segno.make(link, error="l", micro=False).svg_data_uri(scale=4, border=3, light="#fff")
    return uri.replace("'", "%27")


def offer(request: DesignRequest, run: Run, width: Literal["stretch", "content"] = "stretch") -> None:
    """A button that opens both."""
    link = link_of(request, run)
    with st.popover("Link", icon=":material/qr_code_2:", width=width):
        st.caption("This link opens the same designs with the same settings. Copy it, or let the class scan it.")
        st.html(f"<img alt='QR code of the link' style='width: min(20rem, 100%)' src='{qr_code(link)}'>")
        st.code(link, language=None, wrap_lines=True)
