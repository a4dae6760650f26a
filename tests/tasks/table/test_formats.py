"""Declared sizes are checked before unpacking; a bomb gives an error message and uses no memory."""

import io
import re
import tracemalloc
import zipfile
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ipage_core.tasks.table.reader import read_table


def npz(shape, dtype="<f8", data=b""):
    """An archive whose only array has this header."""
    buffer, inner = io.BytesIO(), io.BytesIO()
    head = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(inner, head)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", inner.getvalue() + data)
    return buffer.getvalue()


def parquet(rows, columns, row_group=1_000_000):
    """Equal numbers, of which millions take kilobytes."""
    buffer = io.BytesIO()
    table = pa.table({f"c{k}": pa.array(np.zeros(min(rows, row_group))) for k in range(columns)})
    with pq.ParquetWriter(buffer, table.schema) as writer:
        for _ in range(max(1, rows // row_group)):
            writer.write_table(table)
    return buffer.getvalue()


def parquet_of_words(kind, letters, rows):
    """A long word in every row, of which the file holds one."""
    buffer = io.BytesIO()
    words = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array(["a" * letters], kind))
    pq.write_table(pa.table({"x": words, "y": np.arange(1.0 * rows)}), buffer)
    return buffer.getvalue()


def xlsx_of_words(letters, rows):
    """A long word in every row of a sheet, of which the file holds one."""
    import openpyxl

    book, buffer, result = openpyxl.Workbook(), io.BytesIO(), io.BytesIO()
    book.active.append(["SHEET"])
    book.save(buffer)
    row = b'<row><c t="s"><v>0</v></c></row>'
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    part = b'<Override PartName="/xl/sharedStrings.xml" ContentType="' + kind + b'"/></Types>'
    with zipfile.ZipFile(buffer) as given, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in set(given.namelist()) - {"xl/sharedStrings.xml"}:
            content = given.read(name)
            if name == "[Content_Types].xml" and kind not in content:
                content = content.replace(b"</Types>", part)
            archive.writestr(name, re.sub(b"<row.*</row>", row * rows, content) if "sheet1" in name else content)
        space = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
        archive.writestr("xl/sharedStrings.xml", b"<sst %s><si><t>%s</t></si></sst>" % (space, b"a" * letters))
    return result.getvalue()


def xlsx(part):
    """An Excel file whose sheet unpacks to this content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/worksheets/sheet1.xml", part)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.npz", npz((0, 10**11)), "100,000,000,000 columns"),
        ("t.npz", npz((10**12,)), "too large"),
        ("t.npz", npz((10**6, 900)), "too large"),
        ("t.npz", npz((10, 5000)), "5,000 columns"),
        ("t.npz", npz((3,), "<U100000000"), "too large"),
        ("t.npz", npz((4, 2), data=b"\0" * 8), "'x' is damaged"),
        ("t.npz", npz((4, 2, 2)), "3 dimensions"),
        ("t.npz", npz((4,), "|O"), "Python objects"),
        ("t.parquet", partial(parquet, 50_000_000, 1), "50,000,000 rows of 1 columns are too large"),
        ("t.parquet", partial(parquet, 1, 1500), "1,500 columns"),
        ("t.parquet", partial(parquet_of_words, pa.string(), 100_000, 20_000), "words would take 2,000 MB"),
        ("t.parquet", partial(parquet_of_words, pa.large_string(), 100_000, 20_000), "words would take 2,000 MB"),
        ("t.parquet", partial(parquet_of_words, pa.binary(100_000), 100_000, 2010), "words would take 201 MB"),
        ("t.xlsx", partial(xlsx_of_words, 1_000_000, 3000), "words would take 201 MB, more than 200 MB"),
        ("t.xlsx", partial(xlsx, b"<c/>" * 10_000_000), "unpacked it is too large"),
        ("t.xlsx", xlsx(b"<row>" + b'<c r="A1"><v>1</v></c>' * 1001 + b"</row>"), "1,001 columns"),
        ("t.csv", b"a," * 100_000 + b"\n" + b"1," * 100_000, "100,001 columns"),
        ("t.csv", b"1 " * 5000 + b"\n", "5,000 columns"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_would_take_all_memory_is_refused_from_its_header(name, content, words):
    content = content() if callable(content) else content  # large ones are made here, not by each process that collects
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"is not a readable .* table: .*{words}"):
            read_table((name, content))
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_blank_cells_with_a_style_are_no_columns():
    import openpyxl
    from openpyxl.styles import Font

    book = openpyxl.Workbook()
    for row in [("a", "b"), *((k, k * k) for k in range(60))]:
        book.active.append(row)
    for k in range(3, 1500):
        book.active.cell(1, k).font = Font(bold=True)
    buffer = io.BytesIO()
    book.save(buffer)
    assert read_table(("t.xlsx", buffer.getvalue())).frame.shape == (60, 2)


def test_a_sheet_that_claims_a_million_columns_is_read_by_its_cells():
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    book.active["XFD1048576"] = 1  # two corners: dense, it would be 17 billion cells
    buffer = io.BytesIO()
    book.save(buffer)
    with pytest.raises(ValueError, match=r"t\.xlsx is not a readable XLSX table"):
        read_table(("t.xlsx", buffer.getvalue()))


def test_of_several_sheets_it_is_said_which_one_is_read():
    import openpyxl

    book = openpyxl.Workbook()
    book.create_sheet("data")
    for row in (["a", "gap"], *([k, k / 7] for k in range(60))):
        book["data"].append(row)
    book.create_sheet("notes").append(["by me"])
    buffer = io.BytesIO()
    book.save(buffer)
    table = read_table(("t.xlsx", buffer.getvalue()))
    assert list(table.frame) == ["a", "gap"]
    assert table.guesses == ("The sheet 'data' is read; there are also: Sheet, notes (--sheet).",)


def test_a_parquet_file_keeps_its_numbers():
    buffer = io.BytesIO()
    pq.write_table(pa.table({"n": [1, 2, None], "w": ["a", "b", "a"], "t": [True, False, True]}), buffer)
    table = read_table(("t.parquet", buffer.getvalue()))
    assert [c.kind for c in table.columns.values()] == ["integer", "category", "boolean"]
    assert np.isnan(table.frame["n"][2])


def test_of_several_sheets_that_with_rows_is_read():
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["Report"], ["date", "2020-01-05"], ["by", "me"], ["version", "two"]):
        book.active.append(row)
    data = book.create_sheet("data")
    for row in (["a", "gap"], *([k, k / 7] for k in range(60))):
        data.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    table = read_table(("t.xlsx", buffer.getvalue()))
    assert list(table.frame) == ["a", "gap"]
    assert table.guesses == ("The sheet 'data' is read; there are also: Sheet (--sheet).",)


def test_formulas_without_a_value_are_said():
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["a", "b", "gap"], *([k, k / 7, f"=A{k}*2"] for k in range(60))):
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    table = read_table(("t.xlsx", buffer.getvalue()))
    assert table.frame["gap"].isna().all()
    assert "Formulas without a stored value count as missing" in "\n".join(table.guesses)


def test_a_column_that_pandas_had_as_its_index_stays():
    buffer = io.BytesIO()
    pd.DataFrame({"T": [300.0, 400.0], "gap": [1.0, 2.0]}).set_index("T").to_parquet(buffer)
    assert set(read_table(("t.parquet", buffer.getvalue())).frame) == {"T", "gap"}


def test_text_in_a_parquet_file_is_read_as_in_a_text_file():
    cells = ["2,5", "1.322,25", "3,98(2)", "<0,1", None, *(f"{k},5" for k in range(7))]
    buffer = io.BytesIO()
    pq.write_table(pa.table({"a": cells * 5, "w": ["Cu", "Ag", "Au"] * 20, "gap": np.arange(60.0)}), buffer)
    table = read_table(("t.parquet", buffer.getvalue()))
    np.testing.assert_array_equal(table.frame["a"][:5].to_numpy(), [2.5, 1322.25, 3.98, np.nan, np.nan])
    assert str(table.odd[0]) == "'<0,1' in a, line 4"
    assert table.columns["w"].levels == ("Ag", "Au", "Cu")


def test_arrays_that_would_become_one_column_are_refused():
    buffer = io.BytesIO()
    np.savez(buffer, x=np.ones((60, 2)), x1=np.zeros(60))
    with pytest.raises(ValueError, match="the column 'x1' is there twice"):
        read_table(("t.npz", buffer.getvalue()))


@pytest.mark.parametrize("begin", ["", "\ufeff", "# made by a program\n\n#\n", "\r\n"])
def test_a_crystals_structure_is_no_table_though_its_atoms_would_pass_for_one(begin):
    atoms = "".join(f"Al1 {k / 80} 0.5 0.25\n" for k in range(80))
    cif = f"{begin}data_x\n_cell_length_a 4.05\nloop_\n_atom_site_label\n_atom_site_fract_x\n{atoms}"
    with pytest.raises(ValueError, match="it is a CIF, a crystal's structure; accepted: text with a header"):
        read_table(("t.csv", cif.encode()))


def test_a_table_whose_first_column_is_called_as_a_cif_begins_is_read():
    rows = "".join(f"{k} {k / 80}\n" for k in range(80))
    for name in ("gap", "_gap", "loop_ "):
        found = read_table(("t.csv", f"data_x {name}\n{rows}".encode()))
        assert list(found.frame) == ["data_x", name.strip()]
