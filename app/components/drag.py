"""Lets visitors drag points of a figure: the page learns the point and its new place, in the units of the axes."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

KEY = "drag"
# The figure's meta holds its points as ``handles``. Only a mouse or a pen drags: a finger on a phone scrolls the page.
DRAG = """
const REACH = 30, EVERY = 120;  // pixels from a point; milliseconds between messages while it moves
let held = null;                // the point in hand: kept here, because each answer of the page calls the function anew
export default function({ data, setTriggerValue }) {
  const plot = () => document.querySelector(`.st-key-${data?.figure} .js-plotly-plot`);
  const at = (event, figure) => {
    const { xaxis, yaxis } = figure._fullLayout, box = figure.getBoundingClientRect();
    const across = event.clientX - box.left - xaxis._offset, up = event.clientY - box.top - yaxis._offset;
    return { across, up, xaxis, yaxis };
  };
  const nearest = (event, figure) => {
    const handles = figure?._fullLayout?.meta?.handles ?? [], { across, up, xaxis, yaxis } = at(event, figure);
    let best = null, least = REACH;
    handles.forEach(([x, y], k) => {
      const away = Math.hypot(xaxis.d2p(x) - across, yaxis.d2p(y) - up);
      if (away < least) { least = away; best = k; }
    });
    return best;
  };
  // Measured from where the drag began: while the page answers, the figure may be drawn anew or elsewhere.
  const tell = (event, done) => {
    const { across, up, xaxis, yaxis } = held.from;
    const to = [xaxis.p2d(across + event.clientX - held.x), yaxis.p2d(up + event.clientY - held.y)];
    held.told = performance.now();
    setTriggerValue('pulled', [held.handle, ...to, done]);
  };
  const down = event => {
    const figure = event.target.closest?.('.js-plotly-plot');
    if (event.pointerType === 'touch' || event.button !== 0 || !figure || figure !== plot()) return;
    const handle = nearest(event, figure);
    if (handle === null) return;
    held = { handle, told: 0, from: at(event, figure), x: event.clientX, y: event.clientY };
    event.preventDefault();
    event.stopPropagation();
  };
  const move = event => {
    if (held) {
      if (performance.now() - held.told > EVERY) tell(event, false);
      return;
    }
    const figure = event.target.closest?.('.js-plotly-plot');
    if (figure && figure === plot()) {
      const cursor = nearest(event, figure) === null ? '' : 'grab';
      for (const layer of figure.querySelectorAll('.nsewdrag')) layer.style.cursor = cursor;
    }
  };
  const up = event => {
    if (!held) return;
    tell(event, true);
    held = null;
  };
  document.addEventListener('pointerdown', down, true);
  document.addEventListener('pointermove', move, true);
  document.addEventListener('pointerup', up, true);
  return () => {
    document.removeEventListener('pointerdown', down, true);
    document.removeEventListener('pointermove', move, true);
    document.removeEventListener('pointerup', up, true);
  };
}
"""

_drag = st.components.v2.component("drag", js=DRAG)


def points(figure: str, pulled: Callable[[int, tuple[float, float], bool], None]) -> None:
    """Make the points of the figure with the key ``figure`` draggable.

    ``pulled`` is called with the point's number, its new place, and whether the visitor has let it go.
    """

    def moved() -> None:
        told = st.session_state[KEY].pulled
        if told is not None:
            handle, x, y, done = told
            pulled(int(handle), (float(x), float(y)), bool(done))

    with st.container(key="drag-points"):
        _drag(key=KEY, data={"figure": figure}, on_pulled_change=moved)
