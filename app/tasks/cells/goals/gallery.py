"""The gallery: every design as a picture that morphs from its start to the finished cell.

Pictures are permanent canvases. A new result starts from the current pixels, so that no canvas is ever blank. Each
picture is a button: a click, tap or key chooses its design.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable

import numpy as np
import streamlit as st

from ipage_core.tasks.cells.solver import SolvedCells

FRAMES = 9
"""Number of pictures of each design, from start to end; the browser blends between them."""
MOST_BYTES = 1_500_000
"""Maximum size of all frames together; larger galleries have fewer frames."""
KEY = "goal-gallery"

CSS = """
.goal-gallery { color: var(--st-text-color); font-family: var(--st-font); }
.goal-gallery .cells { display: grid; gap: 10px;
  grid-template-columns: repeat(auto-fill, minmax(max(76px, 11%), 1fr)); }
.goal-gallery .cells.few { grid-template-columns: repeat(auto-fill, minmax(150px, 190px)); }
.goal-gallery .cells button { padding: 4px; border: 2px solid transparent; border-radius: 6px; background: none;
  color: inherit; font: inherit; font-size: 0.8rem; cursor: pointer; text-align: center; }
.goal-gallery .cells button:hover { border-color: rgba(128, 128, 128, 0.5); }
.goal-gallery .cells button[aria-pressed="true"] { border-color: #0072b2; }
.goal-gallery button:focus-visible, .goal-gallery input:focus-visible { outline: 2px solid #0072b2;
  outline-offset: 1px; }
.goal-gallery canvas { width: 100%; display: block; image-rendering: pixelated; border-radius: 2px; }
.goal-gallery .controls { display: flex; flex-wrap: wrap; align-items: center; gap: 10px; margin-bottom: 10px;
  font-size: 0.85rem; }
.goal-gallery .controls button { border: 1px solid rgba(128, 128, 128, 0.55); border-radius: 6px; padding: 4px 12px;
  background: rgba(128, 128, 128, 0.15); color: inherit; font: inherit; cursor: pointer; min-width: 5.2rem; }
.goal-gallery .controls input { flex: 1 1 140px; max-width: 420px; accent-color: #0072b2; }
.goal-gallery .controls span { min-width: 11rem; }
"""

JS = """
export default function({ data, parentElement, setTriggerValue }) {
  if (!data) return;
  const { shape: [T, n, side], labels, names, said, chosen, run, colors, play } = data;
  const area = side * side, last = T - 1;
  let g = parentElement.goalGallery;
  if (!g || !g.root.isConnected || g.n !== n || g.side !== side) {
    const root = document.createElement('div');
    root.className = 'goal-gallery';
    root.innerHTML = '<div class="controls"><button type="button"></button>' +
      '<input type="range" min="0" step="0.01" aria-label="from start to finished cell"><span></span></div>' +
      '<div class="cells"></div>';
    g = { root, n, side, shown: null, at: 0, run: null, motion: 0, cells: [] };
    const grid = root.querySelector('.cells');
    grid.classList.toggle('few', n <= 8);
    for (let i = 0; i < n; i++) {
      const button = document.createElement('button'), canvas = document.createElement('canvas');
      const text = document.createElement('span');
      button.type = 'button';
      canvas.width = canvas.height = side;
      button.append(canvas, text);
      grid.append(button);
      const context = canvas.getContext('2d');
      g.cells.push({ button, text, context, image: context.createImageData(side, side) });
    }
    parentElement.querySelector('.goal-gallery')?.remove();
    parentElement.append(root);
    parentElement.goalGallery = g;
  }
  const [button, slider, label] = g.root.querySelectorAll('.controls > *');
  const bytes = Uint8Array.from(atob(data.frames), c => c.charCodeAt(0));
  const old = g.run === run ? g.from : g.shown;
  g.from = old;

  const paint = (p) => {
    const low = Math.floor(p), share = p - low, shown = new Float32Array(n * area);
    for (let i = 0; i < n; i++) {
      const { context, image } = g.cells[i];
      const a = low < 0 ? null : bytes.subarray((low * n + i) * area, (low * n + i + 1) * area);
      const b = bytes.subarray((Math.min(low + 1, last) * n + i) * area, (Math.min(low + 1, last) * n + i + 1) * area);
      for (let k = 0; k < area; k++) {
        const from = a ? a[k] : g.from[i * area + k], v = from + (b[k] - from) * share;
        shown[i * area + k] = v;
        const pixel = 4 * ((side - 1 - Math.floor(k / side)) * side + k % side), m = v / 255;
        for (let c = 0; c < 3; c++) image.data[pixel + c] = colors[0][c] + (colors[1][c] - colors[0][c]) * m;
        image.data[pixel + 3] = 255;
      }
      context.putImageData(image, 0, 0);
    }
    g.shown = shown;
    g.at = p;
    slider.value = Math.max(0, p);
    label.textContent = labels[Math.max(0, Math.min(last, Math.round(p)))];
  };
  const stop = () => {
    cancelAnimationFrame(g.motion);
    g.motion = 0;
    button.textContent = '\\u25B6 Play';
  };
  const go = (start) => {
    stop();
    button.textContent = 'Pause';
    let before = null, p = start;
    const step = (now) => {
      p = Math.min(last, p + (before === null ? 0 : (now - before) / 420));
      before = now;
      paint(p);
      if (p >= last) return stop();
      g.motion = requestAnimationFrame(step);
    };
    g.motion = requestAnimationFrame(step);
  };

  slider.max = last;
  slider.oninput = () => { stop(); paint(Number(slider.value)); };
  button.onclick = () => g.motion ? stop() : go(g.at >= last ? 0 : g.at);
  g.cells.forEach((cell, i) => {
    cell.text.textContent = said[i];
    cell.button.setAttribute('aria-label', names[i]);
    cell.button.title = names[i];
    cell.button.setAttribute('aria-pressed', String(i === chosen));
    cell.button.onclick = () => setTriggerValue('chosen', i);
  });
  if (g.run !== run) {
    g.run = run;
    const still = !play || window.matchMedia('(prefers-reduced-motion: reduce)').matches || last === 0;
    stop();
    if (still) paint(last);
    else { paint(g.from ? -1 : 0); go(g.from ? -1 : 0); }
  } else if (!g.motion) {
    paint(g.at);
  } else {
    go(g.at);
  }
}
"""

_gallery = st.components.v2.component("goal_gallery", css=CSS, js=JS, isolate_styles=False)


def show_gallery(
    result: SolvedCells, chosen: int | None, dark: bool, play: bool, choose: Callable[[int], None]
) -> None:
    """All designs; a click calls ``choose`` with the design's number."""
    n, side = len(result.cells), result.cells.shape[-1]
    count = max(2, min(FRAMES, MOST_BYTES // result.cells.size))
    frames = np.stack([_evenly(way, count) for way in result.ways], axis=1)
    packed = np.round(255 * frames).astype(np.uint8).tobytes()
    steps = [f"on the way, {t} of {count - 1}" for t in range(1, count - 1)]
    met = result.met.tolist()

    def clicked() -> None:
        picked = st.session_state[KEY].chosen
        if picked is not None:
            choose(int(picked))

    _gallery(
        key=KEY,
        data={
            "frames": base64.b64encode(packed).decode(),
            "shape": [count, n, side],
            "labels": ["where it starts", *steps, "finished, black and white"],
            "names": [
                f"Design {i}: {'meets every goal' if met[i] else f'misses a goal by {result.misfit[i]:.2g} tolerances'}"
                for i in range(n)
            ],
            "said": [f"{i} {'✓' if met[i] else f'✗ {result.misfit[i]:.2g} tol.'}" for i in range(n)],
            "chosen": -1 if chosen is None else chosen,
            "run": zlib.crc32(packed),
            "colors": [[38, 43, 54], [242, 244, 248]] if dark else [[226, 228, 233], [31, 36, 48]],
            "play": play,
        },
        on_chosen_change=clicked,
    )


def _evenly(way: tuple[np.ndarray, ...], count: int) -> np.ndarray:
    """``count`` evenly spaced densities of a path, with the first and the last. → (count, side, side)."""
    return np.stack([way[k] for k in np.round(np.linspace(0, len(way) - 1, count)).astype(int)])
