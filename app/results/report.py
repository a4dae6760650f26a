"""The benchmark's results as one HTML file that works offline: ``python -m ipage_core benchmark --report FILE``.

That command starts ``python -m app.results.report FOLDER FILE`` in the folder that holds ``app``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from app.results import result_tables
from app.results import shown as results
from app.results.paper_tables import CSS, reasons, table
from app.results.templates import render
from ipage_core.benchmark import tables
from ipage_core.runtime.files import replacing

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #31333F; margin: 0 auto; max-width: 1240px;
  padding: 1rem 1.2rem 4rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 0.3rem; }
p { margin: 0.3rem 0; } .note { opacity: 0.75; font-size: 0.88rem; }
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

    loaded = results.load(folder)
    cells, card = loaded["cells"]
    figures = list(results.overview(loaded, folder))
    drawn = [
        f"Plotly.newPlot({json.dumps(one.key)}, {_json(one.draw(False))}, {json.dumps(CONFIG)});" for one in figures
    ]
    costs, quality = result_tables.costs(loaded), result_tables.quality_table(loaded)
    page = render(
        "report",
        style=Markup(STYLE + CSS + results.SIDEWAYS.format(place=".figure")),
        plotly=Markup(get_plotlyjs()),
        machine=card["machine"],
        commands=results.commands(loaded),
        tables={
            title: table(cells, card["missing"], protocol, intervals=True)
            for protocol, title in tables.PAPER_TABLES.items()
            if (cells["protocol"] == protocol).any()
        },
        reasons=reasons(card["missing"]),
        figures=figures,
        costs=_plain(costs) if len(costs) else None,
        measured=result_tables.COSTS,
        quality=_plain(quality) if len(quality) else None,
        script=Markup("".join(drawn)),
    )
    with replacing(out) as beside:
        beside.write_text(page, encoding="utf-8")


def _plain(table: pd.DataFrame) -> Markup:
    numbers = {"parameters": "{:,}".format, "peak memory [MB]": "{:.0f}".format}
    numbers |= {f"{part} [s]": "{:.3g}".format for part in ("inference", "localization")}
    return Markup(table.to_html(index=False, border=0, na_rep="–", formatters=numbers))


def _json(spec: dict) -> str:
    """A figure as JSON that is safe inside a script element."""
    return json.dumps(spec, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")


def main() -> None:
    """Write the report, or print one line with the error."""
    folder, out = map(Path, sys.argv[1:])
    try:
        write(folder, out)
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
