"""A text that would exhaust memory is refused by counting bytes."""

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
