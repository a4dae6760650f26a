"""Hostile links: each parameter of each page with values that no widget offers."""

import asyncio
import re
import shutil

from ipage_core.tasks.table import own_data
from tests.support.browser import serving
from tests.support.visitor import Visitor
from tests.tools.faults.base import Fault, table

VALUES = (
    "", "inf", "-inf", "nan", "1e999", "1e308", "-1", "0x10", "٣", "é🎯", "9" * 10_000, "x" * 10_000, "\x00", "\u202e",
    "<b>1</b>", "=1+1", "../../etc/passwd",
)  # fmt: skip
PAGES = {
    "": ("task", "method", "n", "seed", "sampling", "omega", "tolerance", "y1", "y2", "ask1", "upto1", "tol1",
         "weight1", "constrain", "start", "finish", "spread", "fill", "view", "within", "sample", "across", "what"),
    "cells": ("goals", "n", "seed", "side", "feature", "cell", "mesh", "c"),
    "compare": ("task", "runs", "n"),
    "learn": ("step", "task"),
    "train": ("task",),
    "data": ("task",),
    "benchmark": ("table", "figure", "intervals"),
}  # fmt: skip
"""Page → its parameters."""
USUAL = {"": {"n": "25"}, "cells": {"n": "1"}}
"""Page → what its links hold besides, so that a run is short."""
OPTIONAL = ("constrain", "start")
"""Parameters whose empty text means none."""
AFTER = {"across": {"view": "Posterior"}, "within": {"view": "Coverage"}, "upto1": {"ask1": "between"}}
"""Parameter → what makes its widget appear."""


def links(place, scratch):
    """Every parameter of every page."""
    fault = Fault("hostile links, every parameter of every page")
    (place / "log").touch()
    with open(place / "log", "r+b") as log, serving(log=log, IPAGE_HOME=str(place / "home")) as (address, _, _):
        asyncio.run(_visit(fault, address))
        asyncio.run(_vanish(fault, address, place / "home"))
        log.seek(0)
        fault.tracebacks += re.findall(r"^\w+Error: .*", log.read().decode(errors="replace"), re.MULTILINE)
    return [fault]


async def _vanish(fault, address, home):
    """A task of own data that is removed while a visitor looks at it."""
    own_data.create(home / "tasks/mine", table(60), ["a", "b"], ["gap"], source="t.csv", title="Mine")
    visitor = Visitor(address)
    await visitor.open(task="mine")
    shutil.rmtree(home / "tasks/mine")
    found = await visitor.run()
    said = " ".join(found.errors)
    fault.said("a task that vanishes", f"Traceback: {said}" if found.charts or "no task" not in said else said)
    await visitor.close()


async def _visit(fault, address):
    for page, names in PAGES.items():
        for name in names:
            for value in VALUES:
                visitor = Visitor(address, page=page)
                query = USUAL.get(page, {}) | AFTER.get(name, {}) | {name: value}
                what = f"/{page}?{name}={value[:20]!a}"
                try:
                    await visitor.open(**query)
                    _judge(fault, what, visitor, name)
                except Exception as error:
                    fault.said(what, f"Traceback: {type(error).__name__} {error}")
                await visitor.close()


def _judge(fault, what, visitor, name):
    """A page, and a sentence if the parameter was dropped."""
    kinds = [element.WhichOneof("type") for element in visitor.elements.values()]
    alerts = [e.alert.body for e in visitor.elements.values() if e.WhichOneof("type") == "alert"]
    if "exception" in kinds:
        fault.said(what, "Traceback: on the page")
    elif not {"plotly_chart", "arrow_data_frame", "markdown", "heading", "selectbox"} & set(kinds):
        fault.lost.append(f"{what}: no page, only {sorted(set(filter(None, kinds)))}")
        fault.said(what, "", result=True)
    elif name not in visitor.query and not alerts and not (name in OPTIONAL and "=''" in what):
        fault.said(what, "")
    else:
        fault.said(what, " ".join(alerts), result=all(len(text) < 700 for text in alerts))
