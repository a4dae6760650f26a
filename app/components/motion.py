"""The animation plays automatically once per run: when the page opens, and after each change of a setting."""

from __future__ import annotations

import streamlit as st

# Nothing plays if the visitor's system asks for reduced motion. The figure's meta names its run, so none plays twice.
PLAY = """
let last = null;
export default function({ data }) {
  if (!data?.play) { last = null; return; }
  if (window.matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  let calm = 0;
  const later = (wait) => {
    clearTimeout(calm);
    calm = setTimeout(() => requestIdleCallback(look, { timeout: 1000 }), wait);
  };
  const look = () => {
    // While the page is still being built, frames would be skipped.
    if (document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === 'running') return later(150);
    for (const plot of document.querySelectorAll('.st-key-animation .js-plotly-plot')) {
      const meta = plot._fullLayout?.meta, button = plot.querySelector('.updatemenu-button');
      if (!button || meta?.run === undefined || plot._transitioning) continue;
      const run = `${meta.task} ${meta.target} ${meta.run}`;
      if (run === last) return;
      last = run;
      button.dispatchEvent(new MouseEvent('click', { bubbles: true, view: window }));
      return;
    }
  };
  const watcher = new MutationObserver(() => later(250));
  watcher.observe(document.body, { childList: true, subtree: true });
  later(0);
  return () => { watcher.disconnect(); clearTimeout(calm); };
}
"""

_motion = st.components.v2.component("motion", js=PLAY)


def ask() -> None:
    """The switch, kept in the address, and the script that presses Play."""
    play = st.toggle(
        "Play new results automatically",
        True,
        key="play",
        bind="query-params",
        help="Each result plays once. Nothing plays automatically if your system asks for reduced motion.",
    )
    with st.container(key="motion"):
        _motion(key="motion-play", data={"play": play})
