"""Faults of real files: what is no design or no number is left out and said, and all else is read right."""

import numpy as np
import pandas as pd
import pytest

from ipage_core import api
from ipage_core.tasks.table.reader import Settings, numbers, read_table
from tests.tasks.table.variants import content, number, sheet, text, upload

TWENTY = pytest.mark.parametrize("seed", range(20))
STATISTICS = (
    "Mean", "mean:", "AVERAGE", "Avg.", "Median", "Min", "max", "Std Dev", "St. Dev.", "SD (n=3)", "Summe", "Total",
    "Mittelwert", "Mittelwert ± s", "Stabw.", "Moyenne", "Écart-type", "Media", "Promedio", "RSD [%]",
)  # fmt: skip
NO_NUMBERS = (
    "<0.1", "≤2", "≥ 3.1", ">>5", "2.4h", "2.4a", "2.4*", "2.4²", "2.4⁻¹", "2.4-", "±2.4", "2·4", "2. 4", "2_400",
    "2.4 +0.02/-0.01", "[2.3, 2.5]", "2.3-2.5", "2.3 to 2.5", "1/3", "=1/3", "3 1/2", "2.4 2.5", "2.4k", "2.4M", "0x1F",
    "1:30", "2+3j", "2.4e", "2.4E+1.5", "12,34,567.8", "2.O4", "l.5", "2.4?", "**2.4**", "<b>2.4</b>", "2.4&nbsp;",
    r"\num{2.4}", "2.4^2", "2024-04-03", "3. Apr", "Mrz 04", "failed", "see note 3", "2.4 e3", "2.4x103", "1e999",
)  # fmt: skip
"""Cells that no one should read as a number without asking."""


def right(table, frame):
    """Whether the table holds the rows of the frame, and no others."""
    assert len(table.frame) == len(frame)
    for name in frame:
        np.testing.assert_allclose(numbers(table.frame, name), frame[name], rtol=1e-12, err_msg=name)
    return True


def said(table):
    return "\n".join(table.warnings(table.x, table.y))


@TWENTY
def test_statistics_at_the_end_are_no_designs(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    count = 1 + seed % 3
    words = [*np.roll(STATISTICS, -seed)[:count]]
    if seed % 2:
        frame.insert(0, "sample", [f"S{k + 1}" for k in range(len(frame))])
        below = [[word, *frame.iloc[:, 1:].mean().round(3).map(number)] for word in words]
    else:
        below = [[word, *frame.iloc[:, 1:].mean().round(3).map(number)] for word in words]
    lines = text(frame, ";") + [""] * (seed % 4 == 0) + [";".join(row) for row in below]
    table = read_table(upload(lines, rng))
    assert right(table, frame[["a", "b", "T", "gap"]])
    assert "Statistics are no designs: line" in said(table)
    assert "rows hold what is no number" not in said(table)


@TWENTY
def test_a_level_that_is_a_statistic_by_name_stays(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    word = ("max", "Total", "mean", "min")[seed % 4]
    frame["load"] = [("low", "high")[k % 2] for k in range(74)] + [word] * 6
    table = read_table(upload(text(frame), rng))
    assert right(table, frame[["a", "b", "T", "gap"]])
    assert word in table.columns["load"].levels


@TWENTY
def test_a_header_that_stands_again_is_no_row(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    words = frame.assign(route=rng.choice(["sol", "gel"], 80)) if seed % 2 else frame
    separator = ",;\t|"[seed % 4]
    lines = text(words, separator)
    for at in sorted(rng.choice(np.arange(2, 80), 1 + seed % 3, replace=False), reverse=True):
        lines.insert(int(at), lines[0])
    table = read_table(upload(lines, rng))
    assert right(table, frame)
    assert "The header stands again in line" in said(table)
    assert seed % 2 == 0 or table.columns["route"].levels == ("gel", "sol")


@TWENTY
def test_numbers_of_the_columns_below_the_header_are_no_names(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    if seed % 4 == 3:
        counts = pd.DataFrame([[1, 2, 3, 4]], columns=list(frame)).astype(object)
        table = read_table(("t.xlsx", sheet(pd.concat([counts, frame.astype(object)]))))
    else:
        separator = ",;\t"[seed % 4]
        lines = text(frame, separator)
        lines.insert(1, separator.join("1234"))
        table = read_table(upload([*["Run 7"][: seed % 2], *lines], rng))
    assert right(table, frame)
    assert "stands above numbers of the columns, which are left out" in said(table)


@TWENTY
def test_another_table_below_is_left_out_and_said(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    other = pd.DataFrame(rng.random((int(rng.integers(5, 70)), 4)).round(3), columns=["p", "q [nm]", "r", "A"])
    if seed % 5 == 4:
        cells = pd.concat([frame.set_axis(range(4), axis=1).astype(object), pd.DataFrame([list(other)]),
                           other.set_axis(range(4), axis=1).astype(object)])  # fmt: skip
        table = read_table(("t.xlsx", sheet(cells.set_axis(list(frame), axis=1))))
    else:
        separator = ",;\t|"[seed % 4]
        table = read_table(upload([*text(frame, separator), *[""] * (seed % 3), *text(other, separator)], rng))
    assert right(table, frame)
    assert f"begins another table ('p, q [nm], r, A'): it and the {len(other)} rows below it are left out" in said(
        table
    )


@TWENTY
def test_blank_lines_within_a_table_are_said(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    lines = text(frame, ";")
    at = int(rng.integers(1, 80))
    lines[at + 1 : at + 1] = ["", ";;;", " ; ; ; "][: 1 + seed % 3]
    table = read_table(upload(lines, rng))
    assert right(table, frame)
    assert f"Line {at + 2} within the table is blank" in said(table)


@TWENTY
def test_a_cell_that_lacks_between_blanks_shifts_no_others(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    gone = set(rng.choice(80, 1 + seed % 7, replace=False).tolist())
    column = seed % 4
    rows = [list(frame), *frame.map(number).to_numpy().tolist()]
    for k in gone:
        rows[k + 1][column] = ""
    lines = ["".join(f"{cell:<10}" for cell in row).rstrip() for row in rows]
    table = read_table(upload(lines, rng, name="t.txt"))
    assert right(table, frame.drop(sorted(gone)))
    assert f"A row is left out: line {min(gone) + 2} has 3 values instead of 4." in said(table)
    assert len(gone) <= 3 or f"{len(gone) - 3} more rows of another number of values are left out." in said(table)


@TWENTY
def test_one_column_with_both_decimal_marks_is_not_guessed(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    mark, other = (".,", ",.")[seed % 2]
    frame["a"] = frame["b"] = rng.uniform(1.2, 9.8, 80).round(3) + 0.0001 * (seed % 2)
    frame.loc[:5, "a"] = [1.234, 3.954, 7.111, 9.876, 2.345, 8.001]
    cells = frame.map(lambda v: number(v, mark))
    cells.loc[:5, "a"] = [number(v, other) for v in frame["a"][:6]]
    separator = ";\t|"[seed % 3]
    file = upload(text(cells, separator), rng)
    table = read_table(file)
    read = numbers(table.frame, "a")
    assert np.isnan(read[:6]).all()
    np.testing.assert_allclose(read[6:], frame["a"][6:])
    assert f"a: '{number(1.234, other)}' may be 1234 or a decimal number: --decimal decides." in said(table)
    assert numbers(read_table(file, Settings(decimal=mark)).frame, "a")[0] == 1234


def test_a_sheet_with_text_of_two_readings_beside_numbers_is_not_guessed():
    frame = content(np.random.default_rng(0))
    frame.loc[6, "a"] = 4.0  # a whole number, below a thousand
    mixed = frame.astype(object)
    mixed.loc[:5, "a"] = "3,954"
    table = read_table(("t.xlsx", sheet(mixed)))
    assert right(table, frame.assign(a=frame["a"].mask(frame.index <= 5)))
    assert "a: '3,954' may be 3954 or a decimal number" in said(table)
    assert "is read as" not in said(table)


@TWENTY
def test_thousands_beside_smaller_numbers_are_thousands(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    mark, other = (".,", ",.")[seed % 2]
    frame["T"] = np.where(frame["T"] < 1000, frame["T"].round(1), frame["T"].round())
    cells = frame.map(lambda v: number(v, mark))
    cells["T"] = [number(v if v < 1000 else int(v), mark, other) for v in frame["T"]]
    assert right(read_table(upload(text(cells, ";"), rng)), frame)


@pytest.mark.parametrize("cell", NO_NUMBERS)
def test_what_is_no_number_is_never_one(cell):
    rng = np.random.default_rng(0)
    frame = content(rng)
    cells = frame.map(number)
    gone = sorted(rng.choice(80, 8, replace=False))
    cells.loc[gone, "gap"] = cell
    table = read_table(upload(text(cells, ";"), rng))
    assert right(table, frame.assign(gap=frame["gap"].mask(frame.index.isin(gone))))
    assert f"8 rows hold what is no number, and are left out: '{cell[:40]}' in gap, line {gone[0] + 2}" in said(table)


def test_python_says_what_it_read_and_what_it_does_not_use(tmp_path, capsys):
    frame = content(np.random.default_rng(0))
    lines = text(frame.astype(str).assign(b=[f"{v:.3f} to {v:.3f}" for v in frame["b"]], T=frame["T"] * 0 - 999))
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines))
    api.task_of_table(read_table(path), tmp_path / "model", None)
    told = capsys.readouterr().err
    assert told.startswith("Inputs: a. Properties: gap. Not used: b, T.\n")


@pytest.mark.parametrize("rule", ["|:---|---:|:-:|---|", "+---+---+---+---+", "==="])
def test_rules_between_rows_are_no_rows(rule):
    frame = content(np.random.default_rng(0))
    lines = [f"| {line.replace(',', ' | ')} |" for line in text(frame)]
    table = read_table(upload([rule, lines[0], rule, *lines[1:], rule]))
    assert right(table, frame)
    assert said(table).count("left out") == 0


def test_a_separator_that_ends_rows_but_not_the_header_makes_no_column():
    frame = content(np.random.default_rng(0))
    lines = text(frame)
    assert right(read_table(upload([lines[0], *(f"{line}," for line in lines[1:])])), frame)


@pytest.mark.parametrize("sign", ["#", "%", "!"])
def test_rows_that_all_begin_like_comments_are_rows(sign):
    frame = content(np.random.default_rng(0))
    lines = text(frame)
    table = read_table(upload([f"code,{lines[0]}", *(f"{sign}{k % 3},{line}" for k, line in enumerate(lines[1:]))]))
    assert right(table, frame)
    assert table.columns["code"].levels == tuple(f"{sign}{k}" for k in range(3))


def test_a_quote_that_is_never_closed_is_refused_wherever_it_stands():
    lines = text(content(np.random.default_rng(0)))
    lines[30] = f'"{lines[30]}'
    with pytest.raises(ValueError, match="the quote that is opened in line 31 is never closed"):
        read_table(upload(lines))


@pytest.mark.parametrize("line", ["{}:{}", "<td>{}</td><td>{}</td>"])
def test_lines_that_nothing_splits_are_no_table(line):
    with pytest.raises(ValueError, match="has no column of numbers or categories, only words that hardly repeat, as '"):
        read_table(upload([line.format("a", "gap"), *(line.format(k / 7, k / 3) for k in range(60))]))


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("{}+2j", "words that hardly repeat, as '0+2j'"),
        ("{}/64", "words that hardly repeat, as '0/64'"),
        ("USD {}", "words that hardly repeat, as 'USD 0'"),
        ("2020-01-01 10:{:02d}:00", "dates or times, as '2020-01-01 10:00:00'"),
        ("", "nothing"),
    ],
)
def test_a_column_that_is_neither_input_nor_property_is_not_left_out_in_silence(cell, what):
    frame = content(np.random.default_rng(0), 60)
    table = read_table(upload(text(frame.assign(a=[cell.format(k) for k in range(60)]))))
    assert table.x == ("b", "T")
    assert f"a holds {what}: it is left out of the inputs." in said(table)
