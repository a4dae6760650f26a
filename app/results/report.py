"""The benchmark's results as one HTML file that needs no network: ``python -m ipage_core benchmark --report FILE``.

That command starts ``python -m app.results.report FOLDER FILE`` in the folder that holds ``app``.
"""

from __future__ import annotations

import html
import json
import sys
from pathlib import Path

import pandas as pd

from app.results import shown as results
from ipage_core.benchmark import tables
from ipage_core.runtime.files import replacing

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #31333F; margin: 0 auto; max-width: 1240px;
  padding: 1rem 1.2rem 4rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 0.3rem; }
p { margin: 0.3rem 0; } .told { opacity: 0.75; font-size: 0.88rem; }
code { font-size: 0.82rem; overflow-wrap: anywhere; }
.plain { overflow-x: auto; }
.plain table { border-collapse: collapse; font-size: 0.82rem; }
.plain td, .plain th { padding: 0.15rem 0.6rem; text-align: right; white-space: nowrap; }
.plain td:nth-child(-n + 4), .plain th:nth-child(-n + 4) { text-align: left; }
"""
CONFIG = {"displaylogo": False, "responsive": True, "toImageButtonOptions": {"format": "svg"}}


def write(folder: Path, out: Path) -> None:
    """Read the Parquet files of a folder, write the report.

    Raises:
        ValueError: the folder holds no results.
    """
    from plotly.offline import get_plotlyjs

    found = results.load(folder)
    cells, card = found["cells"]
    parts = ["<h1>iPage Explorer: the paper's tables and figures</h1>", _about(found)]
    for protocol, title in tables.PAPER_TABLES.items():
        if (cells["protocol"] == protocol).any():
            parts += [f"<h2>{title}</h2>", results.table(cells, card["missing"], protocol, intervals=True)]
    for why, those in results.reasons(card["missing"]).items():
        parts.append(f'<p class="told">{html.escape(those)}. {html.escape(why)}</p>')
    drawn = []
    for one in results.overview(found, folder):
        parts += [f"<h2>{html.escape(one.title)}</h2>", f'<p class="told">{html.escape(one.caption)}</p>']
        parts.append(f'<div class="figure" tabindex="0"><div id="{one.key}"></div></div>')
        drawn.append(f"Plotly.newPlot({json.dumps(one.key)}, {_json(one.draw(False))}, {json.dumps(CONFIG)});")
    costs = results.costs(found)
    if len(costs):
        parts += ["<h2>What a method costs</h2>", f'<p class="told">{html.escape(results.COSTS)}</p>', _plain(costs)]
    quality = results.quality_table(found)
    if len(quality):
        parts += ["<h2>Are the solutions spread as the posterior is?</h2>", _plain(quality)]
    page = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>iPage Explorer: benchmark</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}{results.CSS}{results.SIDEWAYS.format(place='.figure')}</style><script>{get_plotlyjs()}</script></head>"
        f"<body>{''.join(parts)}<script>{''.join(drawn)}</script></body></html>"
    )
    with replacing(out) as beside:
        beside.write_text(page, encoding="utf-8")


def _about(found: results.Tables) -> str:
    """How every number came about."""
    lines = [f"<li><code>{html.escape(one)}</code>: {made}</li>" for one, made in results.commands(found).items()]
    machine = html.escape(found["cells"][1]["machine"])
    return (
        "<p>Errors are ‖Ω(x) − y*‖² by the true forward operator Ω, unless a cell says otherwise. "
        "Below each: its 95 % bootstrap interval, over targets in Table 2, over solutions in Table 3. "
        "Hover over a cell for quantiles.</p>"
        f'<details class="told"><summary>Measured on: {machine}; by these commands</summary><ul>{"".join(lines)}</ul>'
        "</details>"
    )


def _plain(table: pd.DataFrame) -> str:
    numbers = {"parameters": "{:,}".format, "peak memory [MB]": "{:.0f}".format}
    numbers |= {f"{part} [s]": "{:.3g}".format for part in ("inference", "localization")}
    inside = table.to_html(index=False, border=0, na_rep="–", formatters=numbers)
    return f'<div class="plain" tabindex="0">{inside}</div>'


def _json(spec: dict) -> str:
    """A figure as a script may hold it."""
    return json.dumps(spec, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")


def main() -> None:
    """Write the report, or say in one line why not."""
    folder, out = map(Path, sys.argv[1:])
    try:
        write(folder, out)
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
