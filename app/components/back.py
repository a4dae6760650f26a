"""The browser's Back and Forward step through views and settings, not only through pages.

Streamlit writes each setting into the address and reads it again on Back, but it replaces the last entry of the history
instead of adding one.
"""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

ENTRIES = """
export default function() {
  const replace = history.replaceState;
  let walking = false;
  const running = () => document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === 'running';
  const arrive = () => setTimeout(() => { running() ? arrive() : (walking = false); }, 300);
  const walk = () => { walking = true; arrive(); };
  history.replaceState = function(state, title, url) {
    const to = new URL(url ?? location.href, location.href);
    const changes = to.pathname === location.pathname && to.search !== location.search;
    return changes && !walking ? history.pushState(state, title, url) : replace.call(history, state, title, url);
  };
  window.addEventListener('popstate', walk, true);
  return () => { history.replaceState = replace; window.removeEventListener('popstate', walk, true); };
}
"""

_back = st.components.v2.component("back", js=ENTRIES)


def remembers() -> None:
    """Install the script; call it once on every page."""
    with st.container(key="back"):
        _back(key="back-all")


def walking() -> bool:
    """Whether this run of the page follows Back or Forward: then the address overrides the session."""
    return bool(getattr(get_script_run_ctx(), "is_history_navigation", False))
