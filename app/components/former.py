"""Links of earlier programs: methods by the names that they had."""

import re

import streamlit as st


def former_names() -> None:
    """Put today's name of a method into the address, and say so once."""
    from ipage_core.inference.methods import FORMER

    for key in ("method", "runs"):
        text = st.query_params.get(key, "")
        for former, name in FORMER.items():
            if (renamed := re.sub(rf"(?<![\w-]){former}(?![\w-])", name, text)) != text:
                st.query_params[key] = text = renamed
                if key == "method":
                    st.session_state[key] = renamed  # the widget that is bound to the address
                st.toast(f"The method **{former}** is **{name}** now, because its INN contains this surrogate.")
