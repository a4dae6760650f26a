"""Typical tables: the same content, written in many ways. Each writer takes a random generator."""

import io

import numpy as np
import pandas as pd

GERMAN = {",": ".", ".": ","}


def content(rng, rows=80):
    """Two lengths, a temperature from 300 to 2400 and a gap, with a typical number of digits."""
    a, b = rng.uniform(3.6, 4.2, (2, rows)).round(int(rng.integers(2, 5)))
    t = rng.uniform(300, 2400, rows).round(1)
    gap = (1.5 + a - 3.6 + t / 4000).round(4)
    return pd.DataFrame({"a": a, "b": b, "T": t, "gap": gap})


def number(value, decimal=".", thousands="", digits=None):
    """A number as text: '2.322,3' with decimal ',' and thousands '.'."""
    text = f"{value:,}" if digits is None else f"{value:,.{digits}f}"
    return text.replace(",", "\0").replace(".", decimal).replace("\0", thousands)


def quoted(cell, separator):
    """A cell in quotes where necessary."""
    return f'"{cell}"' if separator.strip() and separator in cell else cell


def text(frame, separator=",", decimal=".", thousands="", names=None, digits=None):
    """The frame as lines, the header first."""
    lines = [separator.join(quoted(name, separator) for name in (names or frame.columns))]
    for row in frame.itertuples(index=False):
        cells = [v if isinstance(v, str) else number(v, decimal, thousands, digits) for v in row]
        lines.append(separator.join(quoted(cell, separator) for cell in cells))
    return lines


def upload(lines, rng=None, encoding="utf-8", name="t.csv"):
    """(name, bytes), with one of the possible line ends."""
    end = "\n" if rng is None else str(rng.choice(["\n", "\r\n", "\r"]))
    return name, (end.join(lines) + end).encode(encoding)


def sheet(frame, names=None, above=()):
    """The frame as an Excel file, with rows above its header."""
    import openpyxl

    book = openpyxl.Workbook()
    for row in above:
        book.active.append(list(row))
    book.active.append(list(names or frame.columns))
    for row in frame.itertuples(index=False):
        book.active.append([v.item() if isinstance(v, np.generic) else v for v in row])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()
