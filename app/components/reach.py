"""Accessible figures: keyboard control and names for screen readers, which Plotly's buttons and slider lack.

Each figure is named by its titles; Play, Pause, Step and the slider get a place in the Tab order and a role. The button
that opens the sidebar is named as it is shown.
Enter or the space bar presses a button, the arrow keys move the slider.
"""

from __future__ import annotations

import streamlit as st

REACH = """
export default function() {
  const words = (node, what) => [...node.querySelectorAll(what)].map(n => n.textContent.trim()).filter(Boolean);
  const steps = plot => plot._fullLayout?.sliders?.[0];

  const name = () => {
    const opens = document.querySelector('[data-testid="stExpandSidebarButton"]');
    if (opens) {
      const said = getComputedStyle(opens, '::after').content.replaceAll('"', '');  // as the style sheet shows it
      if (opens.getAttribute('aria-label') !== said) opens.setAttribute('aria-label', said);
    }
    for (const plot of document.querySelectorAll('.js-plotly-plot')) {
      const titles = [...words(plot, '.gtitle, .annotation-text'), ...words(plot, '.xtitle, .ytitle')];
      const label = 'Figure: ' + ([...new Set(titles)].slice(0, 12).join('; ') || 'see the table beside it');
      if (plot.getAttribute('aria-label') !== label) {
        plot.setAttribute('role', 'figure');
        plot.setAttribute('aria-label', label);
      }
      for (const button of plot.querySelectorAll('.updatemenu-button:not([tabindex])')) {
        button.setAttribute('tabindex', '0');
        button.setAttribute('role', 'button');
        button.setAttribute('aria-label', button.textContent.trim());
      }
      const grip = plot.querySelector('.slider-grip-rect'), slider = steps(plot);
      if (grip && slider) {
        const now = slider.steps[slider.active]?.label ?? slider.active;
        const labels = { tabindex: '0', role: 'slider', 'aria-label': 'step', 'aria-valuemin': '0',
          'aria-valuemax': `${slider.steps.length - 1}`, 'aria-valuenow': `${slider.active}`,
          'aria-valuetext': `${now}` };
        for (const [key, value] of Object.entries(labels))
          if (grip.getAttribute(key) !== value) grip.setAttribute(key, value);
      }
    }
  };

  // Plotly draws buttons and grip anew whenever they are used: focus goes back to where it was.
  const again = (plot, find) => setTimeout(() => { name(); find(plot)?.focus(); }, 80);

  const move = (plot, by) => {
    const slider = steps(plot), rail = plot.querySelector('.slider-rail-touch-rect');
    if (!slider || !rail) return;
    const last = slider.steps.length - 1, box = rail.getBoundingClientRect(), inset = 10;
    const to = Math.min(last, Math.max(0, by === -Infinity ? 0 : by === Infinity ? last : slider.active + by));
    const at = { clientX: box.left + inset + (box.width - 2 * inset) * to / last,
      clientY: box.top + box.height / 2, bubbles: true, cancelable: true, view: window };
    rail.dispatchEvent(new MouseEvent('mousedown', at));
    plot.dispatchEvent(new MouseEvent('mouseup', at));
    again(plot, p => p.querySelector('.slider-grip-rect'));
  };

  const pressed = event => {
    const plot = event.target.closest?.('.js-plotly-plot');
    if (!plot) return;
    const button = event.target.closest('.updatemenu-button');
    if (button && (event.key === 'Enter' || event.key === ' ')) {
      event.preventDefault();
      const label = button.textContent.trim();
      button.dispatchEvent(new MouseEvent('click', { bubbles: true, view: window }));
      again(plot, p => [...p.querySelectorAll('.updatemenu-button')].find(b => b.textContent.trim() === label));
    }
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -Infinity, End: Infinity }[event.key];
    if (by !== undefined && event.target.closest('.slider-grip-rect')) { event.preventDefault(); move(plot, by); }
  };

  let waiting = 0;
  const watcher = new MutationObserver(() => {
    if (!waiting) waiting = setTimeout(() => { waiting = 0; name(); }, 400);
  });
  watcher.observe(document.body, { childList: true, subtree: true });
  document.addEventListener('keydown', pressed);
  name();
  return () => { watcher.disconnect(); clearTimeout(waiting); document.removeEventListener('keydown', pressed); };
}
"""

_reach = st.components.v2.component("reach", js=REACH)


def within_reach() -> None:
    """Install the script; call it once on every page."""
    with st.container(key="reach"):
        _reach(key="reach-all")
