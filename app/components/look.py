"""The look of pages: the CSS that Streamlit's options do not cover, and the width of the browser."""

from __future__ import annotations

import streamlit as st

CSS = """
<style>
.stMainBlockContainer { padding: 2.9rem 2.2rem 3rem; max-width: 1720px; }
.stMainBlockContainer > [data-testid="stVerticalBlock"], .st-key-ask, .st-key-head { gap: 0.55rem; }
.st-key-head [data-testid="stAlertContainer"] { padding-block: 0.3rem; }
@media (max-width: 640px) { .stMainBlockContainer { padding: 3.6rem 1rem 2rem; } }
/* Contrast of 4.5 and more (WCAG AA): Streamlit's own captions, chosen buttons and, on a dark page, main buttons have
less. */
[data-testid="stCaptionContainer"] { opacity: 0.8; }
[data-testid="stButtonGroup"] button[aria-checked="true"] { color: light-dark(#005f94, #56b4e9) !important; }
button[data-testid="stBaseButton-primary"] { color: light-dark(#ffffff, #0e1117); }
/* Components that show nothing. */
.st-key-viewport, .st-key-reach, .st-key-motion, .st-key-flicker, .st-key-back, .st-key-drag-points {
  position: absolute; height: 0; overflow: hidden;
}
/* The tour's ten steps in one row, on a phone too. */
@media (max-width: 640px) { .st-key-step [data-testid="stButtonGroup"] button { min-width: 0; padding: 0 0.56rem; } }
/* The number beside the slider says the value, and the histogram stands right on the track. */
[class*="st-key-target-"] [data-testid="stSliderThumbValue"] { display: none; }
[class*="st-key-target-"] label p { white-space: nowrap; overflow: visible; }
[class*="st-key-target-"] label * { overflow: visible; }
img.histogram { display: block; width: calc(100% - 12px); height: 32px; margin: 0 6px -2.1rem 6px; }
/* Plotly paints a button under the mouse almost white, on dark pages too. */
.updatemenu-button:hover rect { fill: rgb(128, 128, 128) !important; fill-opacity: 0.4 !important; }
/* Focus is seen wherever the keyboard goes: Streamlit's own mark is a faint tint. */
a:focus-visible, button:focus-visible, summary:focus-visible, [role="slider"]:focus-visible,
[role="radio"]:focus-visible, div:has(> input:is([role="combobox"], [type="text"], [type="number"]):focus-visible) {
  outline: 2px solid #0072b2 !important; outline-offset: 1px;
}
.updatemenu-button:focus, .slider-grip-rect:focus { outline: none; }
.updatemenu-button:focus-visible rect, .slider-grip-rect:focus-visible {
  stroke: #0072b2 !important; stroke-width: 3px !important;
}
/* The button that opens the sidebar is a mere » on Streamlit's part. */
[data-testid="stExpandSidebarButton"] { width: auto; padding-inline: 0.4rem; white-space: nowrap; }
[data-testid="stExpandSidebarButton"]::after { content: "Settings"; margin-left: 0.3rem; font-size: 0.95rem; }
@media (max-width: 768px) { [data-testid="stExpandSidebarButton"]::after { content: "Settings and pages"; } }
/* Small buttons above the figure, which takes the height. */
[class*="st-key-top-"] button { min-height: 2.1rem; padding-block: 0.1rem; }
.st-key-top-phone button { padding-inline: 0.45rem; }
.frame { container-type: inline-size; }
.cards { display: grid; grid-template-columns: repeat(2, 1fr); gap: 0.6rem; }
@container (min-width: 520px) { .cards { grid-template-columns: repeat(4, 1fr); } }
@container (min-width: 960px) { .cards { grid-template-columns: repeat(auto-fit, minmax(8.4rem, 1fr)); } }
.card { border: 1px solid rgba(128, 128, 128, 0.3); border-radius: 0.5rem; padding: 0.55rem 0.75rem; }
.card .name { font-size: 0.85rem; opacity: 0.85; }
.card .value { font-size: 1.45rem; line-height: 1.5; }
.card .value.long { font-size: 1.1rem; line-height: 1.3; }
.card .meaning { font-size: 0.78rem; line-height: 1.3; opacity: 0.7; }
</style>
"""

# Plotly cannot rearrange panels, so the page asks the browser which layout fits. It reports only changes of the layout:
# a desktop window, the default of the first run, needs no second run.
WIDTH = """
export default function({ data, setStateValue, parentElement }) {
  const column = document.querySelector('.stMainBlockContainer') ?? document.body;
  let said = 'wide', tall = 900;
  const running = () => document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === 'running';
  let later = 0;
  const look = () => {
    const width = column.clientWidth;
    if (width === 0) return;
    const height = 20 * Math.floor(window.innerHeight / 20);
    if (data?.tall && height !== tall) { tall = height; setStateValue('height', height); }
    const name = width < 620 ? 'narrow' : width < 900 ? 'medium' : width < 1400 ? 'wide' : 'large';
    clearTimeout(later);
    // A page under construction is wider than it will be beside its sidebar.
    if (name === 'large' && running() && !document.querySelector('[data-testid="stSidebar"]'))
      later = setTimeout(look, 100);
    else if (name !== said) { said = name; setStateValue('size', name); }
  };
  const observer = new ResizeObserver(look);
  observer.observe(column);
  look();
  // Plotly rejects the promise of an animation that is paused, with nothing as the reason: that is not an error.
  const hush = (event) => { if (event.reason === undefined) event.preventDefault(); };
  window.addEventListener('unhandledrejection', hush);
  return () => {
    observer.disconnect(); clearTimeout(later); window.removeEventListener('unhandledrejection', hush);
  };
}
"""


def dress() -> None:
    """Tighter margins, so that a projector shows the figure without scrolling."""
    st.html(CSS)


_viewport = st.components.v2.component("viewport", js=WIDTH)


def size_name() -> str:
    """'narrow', 'medium', 'wide' or 'large': the page's width in this browser, as last reported."""
    return _seen(False).get("size") or "wide"


def size_and_height() -> tuple[str, int]:
    """The same, and the height of the browser's window in pixels."""
    seen = _seen(True)
    return seen.get("size") or "wide", int(seen.get("height") or 900)


def _seen(tall: bool) -> dict:
    with st.container(key="viewport"):
        return _viewport(
            key="viewport-size", data={"tall": tall}, on_size_change=lambda: None, on_height_change=lambda: None
        )


def is_dark() -> bool:
    """Whether the browser uses the dark theme."""
    return st.context.theme.type == "dark"
