"""Malformed tables, read and uploaded."""

import asyncio
import functools
import re
import traceback
import warnings
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

from tests.support import malformed
from tests.support.browser import serving
from tests.support.visitor import Visitor
from tests.tools.faults.base import Fault, broken

UPLOADS = 300


@functools.cache
def made(count=UPLOADS):
    """This many malformed uploads, the same each time."""
    found = []

    @settings(max_examples=count, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(malformed.uploads)
    def take(upload):
        found.append(upload)

    take()
    return found


def uploads(place, scratch):
    """Malformed tables: read and made into tasks, and uploaded to the page Your data."""
    from ipage_core.tasks.table import own_data
    from ipage_core.tasks.table import reader as tables

    reading, page = Fault("malformed tables, read"), Fault("the same on the page Your data")
    for k, (name, content) in enumerate(made()):
        folder = place / "tasks" / str(k)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                frame = tables.read([(name, content)])
                x, y = tables.guess(tables.look(frame))
                if x and y:
                    tables.warnings(frame, x, y)
                own_data.create(folder, frame, x, y, source=name, title=name)
            reading.said(name, "", result=True)
        except ValueError as error:
            reading.said(name, " ".join(str(error).split("\n")))
            if folder.exists():
                reading.lost.append(f"{name}: left {folder}")
        except Exception:
            reading.said(name, traceback.format_exc())
    reading.lost += broken(place / "tasks")
    (place / "log").touch()
    with open(place / "log", "r+b") as log, serving(log=log, IPAGE_HOME=str(place / "home")) as (address, _, _):
        asyncio.run(_to_page(page, address))
        log.seek(0)
        page.tracebacks += re.findall(r"^\w+Error: .*", log.read().decode(errors="replace"), re.MULTILINE)
    page.lost += [str(p) for p in (place / "home").rglob("*") if p.is_file()]
    page.note = "names that the browser's dialog offers"
    return [reading, page]


async def _to_page(fault, address):
    from ipage_core.tasks.table import reader as tables

    visitor = Visitor(address, page="data")
    await visitor.fetch_page()
    await visitor.open()
    label = next(e.file_uploader.label for e in visitor.elements.values() if e.WhichOneof("type") == "file_uploader")
    for name, content in made():
        if Path(name).suffix.lower() not in tables.ACCEPTED:
            continue
        status = await visitor.upload(label, name, content)
        if status != 204:
            fault.said(name, f"the server answers {status}")
            continue
        found = await visitor.run()
        kinds = [element.WhichOneof("type") for element in visitor.elements.values()]
        if "exception" in kinds:
            fault.said(name, f"Traceback: {found.errors}")
        else:
            fault.said(name, " ".join(found.errors).replace("\n", " "), result="dataframe" in kinds)
    await visitor.close()
