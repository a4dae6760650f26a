"""A file that would exhaust memory is refused by counting bytes."""

import io
import zipfile

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ipage_core.tasks.table import formats
from ipage_core.tasks.table.reader import read_table


@pytest.mark.parametrize(("limit", "value", "content", "said"), [
    ("MOST_ROWS", 10, b"a,b\n" + b"1,2\n" * 11, "about 12 rows, more than 10"),
    ("MOST_ROWS", 10, b"a,b\r" + b"1,2\r" * 11, "about 12 rows, more than 10"),
    ("MOST_CELLS", 30, b"a;b;c\n" + b"1;2;3\n" * 11, "about 36 cells, more than 30"),
    ("MOST_LINE", 50, b"a,b\n1,2\n" + b"1" * 60 + b",2\n3,4\n", "its line 3 is longer than 50"),
    ("MOST_LINE", 50, b"a,b\n" * 20 + b'"' + b"1," * 60, "is longer than 50"),
])  # fmt: skip
def test_a_text_that_is_too_large(monkeypatch, limit, value, content, said):
    monkeypatch.setattr(formats, limit, value)
    with pytest.raises(ValueError, match=rf"t\.csv is not a readable CSV table: .*{said}"):
        read_table(("t.csv", content))


def test_lines_as_long_as_allowed_are_read(monkeypatch):
    monkeypatch.setattr(formats, "MOST_LINE", 8)
    content = b"a,b\n" + b"1.25,2.5\n" * 60
    assert len(read_table(("t.csv", content[:-1].replace(b"1.25,2.5", b"1.25,2."))).frame) == 60


def workbook(sheets=1, words=0, styles=b""):
    """An Excel file whose parts are as large as wanted; its sheet holds 60 rows."""
    book = openpyxl.Workbook()
    for k in range(60):
        book.active.append(["a", k])
    for k in range(1, sheets):
        book.create_sheet(f"s{k}")
    buffer, result = io.BytesIO(), io.BytesIO()
    book.save(buffer)
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(result, "w") as new:
        if words:
            new.writestr("xl/sharedStrings.xml", "<sst>" + "<si><t>w</t></si>" * words + "</sst>")
        for name in old.namelist():
            new.writestr(name, old.read(name) + (styles if name == "xl/styles.xml" else b""))
    return result.getvalue()


@pytest.mark.parametrize(("limit", "value", "content", "said"), [
    ("MOST_SHEETS", 3, {"sheets": 4}, "it has more than 3 sheets"),
    ("MOST_WORDS", 30, {"words": 31}, "it has more than 30 words"),
    ("MOST_PART", 20_000, {"styles": b"<!-- a font -->" * 2000}, "unpacked it is too large"),
])  # fmt: skip
def test_a_workbook_of_which_too_much_would_be_read_before_its_first_row(monkeypatch, limit, value, content, said):
    assert len(read_table(("t.xlsx", workbook())).frame) == 60
    monkeypatch.setattr(formats, limit, value)
    with pytest.raises(ValueError, match=rf"t\.xlsx is not a readable XLSX table: {said}; accepted: a sheet"):
        read_table(("t.xlsx", workbook(**content)))


def test_words_are_counted_across_the_pieces_in_which_they_are_read(monkeypatch):
    monkeypatch.setattr(formats, "MOST_WORDS", 59)
    monkeypatch.setattr(formats, "MOST_LINE", 16)
    with pytest.raises(ValueError, match="it has more than 59 words"):
        read_table(("t.xlsx", workbook(words=60)))


def test_a_parquet_file_with_a_long_description_of_its_columns(monkeypatch):
    buffer = io.BytesIO()
    table = pa.table({"a": [1.0] * 60}).replace_schema_metadata({"remark": "x" * 3_000_000})
    pq.write_table(table, buffer)
    assert len(read_table(("t.parquet", buffer.getvalue())).frame) == 60
    monkeypatch.setattr(formats, "MOST_FOOTER", 1_000_000)
    with pytest.raises(ValueError, match="the description of its columns takes 7 MB, more than 1 MB"):
        read_table(("t.parquet", buffer.getvalue()))
