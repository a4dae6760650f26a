"""Binary tables: Parquet, NPZ and Excel. All sizes are checked before anything is unpacked."""

from __future__ import annotations

import io
import math
import re
import zipfile
from typing import Any

import numpy as np
import pandas as pd

from ipage_core.tasks.table.errors import Unreadable, WrongSetting

MOST_UNPACKED = 400_000_000
"""Maximum number of bytes after unpacking."""
MOST_CELLS, MOST_ROWS, MOST_WORDS = 40_000_000, 10_000_000, 4_000_000
"""Maximum of rows × columns, of rows, and of rows × columns of words."""
MOST_BLANK = 10_000
"""Maximum number of blank rows in succession within a sheet."""
MOST_FOOTER = 10_000_000
"""Maximum number of bytes that describe the columns of a Parquet file."""
MOST_SHEETS, MOST_PART = 1000, 10_000_000
"""Maximum number of sheets of an Excel file, and of bytes of its styles and of other parts that hold no rows."""
MOST_LINE = 2_000_000
"""Maximum number of bytes of a line of text."""
MOST_TEXT = 200_000_000
"""Maximum number of bytes of all words, each counted as often as it stands in a cell; a file of text has no more."""


_CIF = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*+(?:#[^\r\n]*+\s*+)*+data_\S*+[ \t]*+[\r\n]\s*+(?:#[^\r\n]*+\s*+)*+(?:_\w|loop_\s)",
    re.IGNORECASE,
)


def check_size(rows: int, columns: int, most_columns: int) -> None:
    """Reject a file whose declared size would exhaust memory."""
    if columns > most_columns:
        raise Unreadable(f"it has {columns:,} columns, more than {most_columns:,}")
    if rows * columns > MOST_CELLS or rows > MOST_ROWS:
        raise Unreadable(f"its {rows:,} rows of {columns:,} columns are too large")


def check_text(content: bytes) -> None:
    """Reject a text whose lines or cells would exhaust memory, by counting bytes only; and a crystal's structure."""
    if _CIF.match(content[:MOST_LINE]):  # its list of atoms could pass for a table without a header
        raise Unreadable("it is a CIF, a crystal's structure")
    lines = max(content.count(b"\n"), content.count(b"\r"))
    cells = lines + max(content.count(mark) for mark in (b",", b";", b"\t", b"|"))
    if lines > MOST_ROWS:
        raise Unreadable(f"it has about {lines:,} rows, more than {MOST_ROWS:,}")
    if cells > MOST_CELLS:
        raise Unreadable(f"it has about {cells:,} cells, more than {MOST_CELLS:,}")
    begin = 0
    while len(content) - begin > MOST_LINE:
        end = begin + MOST_LINE
        last = max(content.rfind(b"\n", begin, end), content.rfind(b"\r", begin, end))
        if last < 0:
            line = content.count(b"\n", 0, begin) + 1
            raise Unreadable(f"its line {line:,} is longer than {MOST_LINE:,} characters")
        begin = last + 1


def from_parquet(content: bytes, most_columns: int) -> pd.DataFrame:
    """Flat columns of numbers and text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    footer = int.from_bytes(content[-8:-4], "little")  # parsed, it takes several times its size
    if MOST_FOOTER < footer < len(content):
        raise Unreadable(
            f"the description of its columns takes {footer / 1e6:.0f} MB, more than {MOST_FOOTER / 1e6:.0f} MB"
        )
    file = pq.ParquetFile(io.BytesIO(content))
    schema, meta = file.schema_arrow, file.metadata
    for column in schema:
        if pa.types.is_nested(column.type):
            raise Unreadable(f"the column '{column.name}' holds lists or records")
    check_size(meta.num_rows, len(schema), most_columns)
    if sum(meta.row_group(k).total_byte_size for k in range(meta.num_row_groups)) > MOST_UNPACKED:
        raise Unreadable("unpacked it is too large")
    words = [c.name for c in schema if not _is_number(c.type)]
    if meta.num_rows * len(words) > MOST_WORDS:
        raise Unreadable(f"its {meta.num_rows:,} rows have {len(words):,} columns of words, which is too large")
    kinds = [c.type.value_type if pa.types.is_dictionary(c.type) else c.type for c in schema]
    check_words(sum(meta.num_rows * kind.byte_width for kind in kinds if pa.types.is_fixed_size_binary(kind)))
    result = pq.ParquetFile(io.BytesIO(content), read_dictionary=words).read()  # store equal words once
    check_words(sum(_bytes_of_words(column) for column in result.columns))
    for k, column in enumerate(schema):
        if pa.types.is_decimal(column.type):  # as Python objects they would take ten times the memory
            result = result.set_column(k, column.name, result.column(k).cast(pa.float64()))
    return result.to_pandas(ignore_metadata=True)  # else a column that pandas had as its index would be lost


def check_words(size: int) -> None:
    """Reject words that are stored once, but would take all memory where they stand in every row."""
    if size > MOST_TEXT:
        raise Unreadable(f"its words would take {size / 1e6:,.0f} MB, more than {MOST_TEXT / 1e6:,.0f} MB")


def _bytes_of_words(column: Any) -> int:
    """Bytes of a column of words with every cell written out, from the lengths of its distinct words alone."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_of_any_length = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    size = 0
    for chunk in column.chunks:
        if pa.types.is_dictionary(chunk.type):
            words, rows = chunk.dictionary, chunk.indices
            if any(check(words.type) for check in is_of_any_length):
                size += pc.sum(pc.binary_length(words).take(rows).cast(pa.int64())).as_py() or 0
    return size


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    is_one = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_null)
    return any(check(kind) for check in is_one)


def from_npz(content: bytes, most_columns: int) -> pd.DataFrame:
    """Arrays with one or two dimensions, columns side by side; reads all headers before any array."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MOST_UNPACKED:
            raise Unreadable("unpacked it is too large")
        lengths: dict[str, int] = {}
        width = words = 0
        for entry in archive.infolist():
            if not entry.filename.endswith(".npy"):
                continue
            name = entry.filename.removesuffix(".npy")
            with archive.open(entry) as file:
                shape, dtype = _array_header(file, name)
            if dtype.hasobject:
                raise Unreadable(f"the array '{name}' holds Python objects")
            if dtype.kind not in "biufUS":
                raise Unreadable(f"the array '{name}' holds {dtype.name}")
            if len(shape) not in (1, 2):
                raise Unreadable(f"the array '{name}' has {len(shape)} dimensions")
            lengths[name] = shape[0]
            width += math.prod(shape[1:])
            check_size(shape[0], width, most_columns)
            words += math.prod(shape) if dtype.kind in "US" else 0
            if math.prod(shape) * dtype.itemsize > MOST_UNPACKED or words > MOST_WORDS:
                raise Unreadable("unpacked it is too large")
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name} {count:,}" for name, count in list(lengths.items())[:5])
        raise Unreadable(f"its arrays have different numbers of rows ({text})")
    columns: list[tuple[str, np.ndarray]] = []
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        for name in arrays.files:
            try:
                array = arrays[name]
            except ValueError:
                raise Unreadable(f"the array '{name}' is damaged") from None
            if not isinstance(array, np.ndarray):
                raise Unreadable(f"'{name}' is not an array")
            several = array.ndim > 1 and array.shape[1] != 1
            parts = np.atleast_2d(array.T)
            columns += [(f"{name}{k + 1}" if several else name, part) for k, part in enumerate(parts)]
    names = [name for name, _ in columns]
    if twice := next((name for k, name in enumerate(names) if name in names[:k]), None):
        raise Unreadable(f"the column '{twice}' is there twice")
    return pd.DataFrame(dict(columns))


def _array_header(file: Any, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    except Exception:  # a damaged header makes numpy raise any exception
        raise Unreadable(f"the array '{name}' is damaged") from None
    return shape, dtype


def from_excel(content: bytes, most_columns: int, sheet: str | None = None) -> tuple[list[list[Any]], list[str]]:
    """The stored cells of a sheet, row by row, and remarks; formulas by their stored values."""
    import openpyxl

    without_value = False
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            packed = entry.file_size > 20_000_000 and entry.file_size > 150 * max(1, entry.compress_size)
            if packed or entry.file_size > MOST_UNPACKED:
                raise Unreadable("unpacked it is too large")
            _check_part(archive, entry)
            if entry.filename.startswith("xl/worksheets/") and entry.filename.endswith(".xml"):
                with archive.open(entry) as file:  # openpyxl reads a whole sheet before it gives the first row
                    begin = file.read(MOST_LINE)
                check_size(1, len(re.findall(rb"<c(?:\s[^>]*)?><[vif]", begin.partition(b"</row>")[0])), most_columns)
                without_value = without_value or bool(re.search(rb"</f>(?:<v\s*/>|<v></v>)?</c>", begin))
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    names = [page.title for page in book.worksheets]
    if sheet is not None and sheet not in names:
        raise WrongSetting(f"There is no sheet '{sheet}'; accepted: {', '.join(names)}")
    notes, title, cells = list[str](), "", list[list[Any]]()
    for page in book.worksheets:
        if sheet not in (None, page.title):
            continue
        found = _cells_of(page, most_columns)
        is_table = _holds_rows(found)
        if is_table or (not title and any(any(cell is not None for cell in row) for row in found)):
            title, cells = page.title, found
        if is_table:
            break
    if not title:
        raise Unreadable("it is empty")
    if len(names) > 1:
        others = ", ".join(name for name in names if name != title)
        notes.append(f"The sheet '{title}' is read; there are also: {others} (--sheet).")
    if without_value:
        notes.append("Formulas without a stored value count as missing: a spreadsheet program stores values on saving.")
    return cells, notes


def _check_part(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Reject a part of an Excel file that openpyxl would read whole before any row, at many times its size."""
    name = entry.filename
    counted = {
        "xl/workbook.xml": ("sheets", rb"<(?:\w+:)?sheet\s", MOST_SHEETS),
        "xl/sharedStrings.xml": ("words", rb"<(?:\w+:)?si[\s>/]", MOST_WORDS),
    }
    if name in counted:
        what, tag, most = counted[name]
        count, rest = 0, b""
        with archive.open(entry) as file:
            while count <= most and (piece := file.read(MOST_LINE)):
                piece = rest + piece
                last = piece.rfind(b"<")  # this tag may be cut
                count += len(re.findall(tag, piece[:last]))
                rest = piece[last:]
        if count > most:
            raise Unreadable(f"it has more than {most:,} {what}")
    read_whole = r"xl/(?:workbook|styles)\.xml|xl/theme/.*|docProps/.*|\[Content_Types\]\.xml|.*\.rels"
    if re.fullmatch(read_whole, name) and entry.file_size > MOST_PART:
        raise Unreadable("unpacked it is too large")


def _holds_rows(cells: list[list[Any]]) -> bool:
    """Whether two rows or more, and at least half of those with two cells or more, hold a number: no sheet of notes."""
    wide = [row for row in cells if sum(cell is not None for cell in row) > 1]
    numeric = sum(any(re.match(r"[+-]?[\d.,]*\d", str(cell)) for cell in row if cell is not None) for row in wide)
    return numeric > 1 and 2 * numeric >= len(wide)


def _cells_of(page: Any, most_columns: int) -> list[list[Any]]:
    page.reset_dimensions()  # the declared size may be wrong
    result, cells, blank, words = list[list[Any]](), 0, 0, 0
    for row in page.iter_rows(values_only=True):
        last = max((k for k, cell in enumerate(row) if cell is not None), default=-1) + 1
        blank = 0 if last else blank + 1
        if blank > MOST_BLANK:
            raise Unreadable(f"there are more than {MOST_BLANK:,} blank rows within it")
        cells += last
        check_size(1, last, most_columns)
        check_size(cells, 1, most_columns)
        words += sum(len(cell) for cell in row[:last] if isinstance(cell, str))
        check_words(words)
        result.append(list(row[:last]))
    return result
