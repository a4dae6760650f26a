"""Old links: map former names of methods to the current ones."""

import re

import streamlit as st


def former_names() -> None:
    """Replace a method's former name in the address by the current one, with one message."""
    from ipage_core.inference.methods import FORMER

    for key in ("method", "runs"):
        text = st.query_params.get(key, "")
        for former, name in FORMER.items():
            if (renamed := re.sub(rf"(?<![\w-]){former}(?![\w-])", name, text)) != text:
                st.query_params[key] = text = renamed
                if key == "method":
                    st.session_state[key] = renamed  # the widget is bound to the address
                st.toast(f"The method **{former}** is **{name}** now, because its INN contains this surrogate.")
