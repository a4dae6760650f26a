"""Files that unpack to far more than they weigh: refused from their headers, by the reader and by the server."""

import asyncio
import io
import os
import time
import zipfile
from contextlib import suppress

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.browser import serving
from tests.support.visitor import Visitor
from tests.tools.faults.base import Fault

MB = 2**20
MOST_EXTRA, MOST_SECONDS = 200, 1.0
"""Bars for a refusal: megabytes above the file itself, seconds of CPU."""
MOST_SERVER, MOST_AFTER = 1024, 100
"""Bars for the server's resident memory above idle: at most, and afterwards, in megabytes."""


def _npz(shape, kind="<f8", body=b"\0" * 64):
    inner, buffer = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(inner, {"descr": kind, "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as file:
        file.write(inner.getvalue())
        for part in body if isinstance(body, list) else [body]:
            file.write(part)
    return buffer.getvalue()


def _parquet(column, count=1):
    buffer = io.BytesIO()
    names = [f"c{k}" for k in range(count)]
    pq.write_table(pa.table([column] * count, names=names), buffer, compression="zstd")
    return buffer.getvalue()


def _xlsx(rows, columns):
    line = "<row>" + "<c><v>1</v></c>" * columns + "</row>"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    types = (
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/>'
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">{types}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="a" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{line * rows}</sheetData></worksheet>',
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def bombs():
    """(name, content) of each file that must be refused, made one after the other."""
    for shape in (
        (0, 10**11),
        (10**11, 0),
        (10**18,),
        (3 * 10**9,),
        (2**62, 2),
        (1, 10**7),
        (10**5, 10**5),
        (10**9, 1),
    ):
        for kind in ("<f8", "<f4", "|u1", "<U1"):
            yield f"npz {shape} {kind}", "a.npz", _npz(shape, kind)
    yield "npz of long words", "a.npz", _npz((10**6,), "<U400")
    yield "npz of 1.2 GB of zeros", "a.npz", _npz((150 * MB,), body=[b"\0" * MB] * 1200)
    yield "parquet of 60 million rows", "a.parquet", _parquet(pa.array(np.zeros(60_000_000)))
    yield (
        "parquet of 60 million words",
        "a.parquet",
        _parquet(pa.DictionaryArray.from_arrays(np.zeros(60_000_000, dtype=np.int32), ["word"])),
    )
    yield "parquet of 60 million nulls", "a.parquet", _parquet(pa.nulls(60_000_000))
    yield "parquet of 2000 columns", "a.parquet", _parquet(pa.array(np.zeros(60)), 2000)
    yield "parquet of 900 columns", "a.parquet", _parquet(pa.array(np.zeros(60_000)), 900)
    yield "xlsx of 2000 columns", "a.xlsx", _xlsx(200, 2000)
    yield "xlsx of 6 million cells", "a.xlsx", _xlsx(6_000_000, 1)
    yield "text of 95 million lines", "a.csv", b"a\n" + b"1\n" * 95_000_000
    yield "text of one line", "a.csv", b"a,b\n" + b"1" * 190_000_000
    yield "text of commas", "a.csv", b"," * 190_000_000
    yield "a quote never closed", "a.csv", b'a,b\n"' + b"1,\n" * 60_000_000


def memory(place, scratch):
    """Read each in a process of its own, and upload each to the server, whose tabs are closed at once."""
    reading, page = Fault("files that unpack to gigabytes, read"), Fault("the same, uploaded; the tab closed")
    made, most = [], [0.0, 0.0]
    for what, name, content in bombs():
        made.append((what, name, content))
        seconds, extra, said = _measured(name, content)
        most = [max(most[0], seconds), max(most[1], extra)]
        reading.said(what, said)
        if extra > MOST_EXTRA or seconds > MOST_SECONDS:
            reading.lost.append(f"{what}: {extra:.0f} MB more than the file, {seconds:.2f} s")
    reading.note = f"at most {most[0]:.2f} s of CPU and {most[1]:.0f} MB each"
    with serving(IPAGE_HOME=str(place / "home")) as (address, _, process):
        asyncio.run(_upload(page, address, process.pid, made))
    return [reading, page]


def _measured(name, content):
    """(seconds of CPU, megabytes above the start, sentence) of reading a file, in a fork."""
    from ipage_core.tasks.table import reader

    ours, theirs = os.pipe()
    process = os.fork()
    if not process:
        _read(reader, "a.xlsx", _xlsx(60, 2))  # imports its modules, as a server does once
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak begins here
        before, begun = psutil.Process().memory_info().rss, time.process_time()
        try:
            said = f"Traceback: accepted with the shape {reader.read_table((name, content)).frame.shape}"
        except ValueError as error:
            said = str(error)
        except BaseException as error:
            said = f"Traceback: {type(error).__name__} {error}"
        with open("/proc/self/status") as file:
            peak = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
        seconds = time.process_time() - begun
        os.write(theirs, f"{seconds}\n{(peak - before) / MB}\n{said}".encode())
        os._exit(0)
    os.close(theirs)
    with open(ours, encoding="utf-8") as file:
        lines = file.read().split("\n", 2)
    os.waitpid(process, 0)
    return float(lines[0]), max(0.0, float(lines[1])), lines[2]


def _read(reader, name, content):
    with suppress(ValueError):
        reader.read_table((name, content))


async def _upload(fault, address, server, made):
    first = Visitor(address, page="data")
    await first.fetch_page()
    await first.open()
    process, peak = psutil.Process(server), 0.0
    idle, ended = process.memory_info().rss, False

    async def watch():
        nonlocal peak
        while not ended:
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    for what, name, content in made:
        visitor = Visitor(address, page="data")
        await visitor.fetch_page()
        await visitor.open()
        label = next(
            e.file_uploader.label for e in visitor.elements.values() if e.WhichOneof("type") == "file_uploader"
        )
        status = await visitor.upload(label, name, content)
        found = await visitor.run()
        kinds = [element.WhichOneof("type") for element in visitor.elements.values()]
        fault.said(what, "Traceback: on the page" if "exception" in kinds else " ".join(found.errors) or str(status))
        await visitor.close()
    await asyncio.sleep(10)
    ended = True
    await watching
    after = process.memory_info().rss
    await first.close()
    fault.note = f"server {(peak - idle) / MB:.0f} MB above idle at most, {(after - idle) / MB:.0f} MB afterwards"
    if peak - idle > MOST_SERVER * MB or after - idle > MOST_AFTER * MB:
        fault.lost.append(fault.note)
