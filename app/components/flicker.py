"""Prevents flicker of animated heatmaps: the previous picture stays until the browser has loaded the next.

Plotly makes a new image for the heatmap of each frame, and a browser shows nothing while it loads that image.
"""

from __future__ import annotations

import streamlit as st

HOLD = """
export default function() {
  const held = new Map();  // subplot → the picture before, which stands in for the one that is not there yet
  const read = new WeakSet();
  const pictures = nodes => [...nodes].flatMap(
    node => node.tagName === 'image' ? [node] : [...(node.querySelectorAll?.('.hm image') ?? [])]);
  const hold = (subplot, image) => {
    held.get(subplot)?.remove();
    held.set(subplot, image);
    image.setAttribute('class', 'held');
    subplot.prepend(image);
  };
  const seen = (changes) => {
    for (const { target, addedNodes, removedNodes } of changes) {
      const subplot = target.closest?.('.heatmaplayer')?.parentNode ?? target;
      if (!(subplot instanceof SVGGElement)) continue;
      for (const image of pictures(removedNodes))
        if (read.has(image) && image !== held.get(subplot) && !held.get(subplot)?.isConnected) hold(subplot, image);
      for (const image of pictures(addedNodes)) {
        if (image === held.get(subplot) || read.has(image)) continue;
        image.addEventListener('load', () => {
          read.add(image);
          if (!image.isConnected) hold(subplot, image);
          else if (image !== held.get(subplot)) held.get(subplot)?.remove();
        }, { once: true });
      }
    }
  };
  const watcher = new MutationObserver(seen);
  watcher.observe(document.body, { childList: true, subtree: true });
  for (const image of document.querySelectorAll('.heatmaplayer image')) read.add(image);
  return () => watcher.disconnect();
}
"""

_flicker = st.components.v2.component("flicker", js=HOLD)


def prevent() -> None:
    """Install the script; call it once on every page with an animated heatmap."""
    with st.container(key="flicker"):
        _flicker(key="flicker-none")
