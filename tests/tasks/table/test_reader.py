"""Typical tables: twenty variants of each kind are read correctly, or with a warning about what may be wrong."""

import numpy as np
import pandas as pd
import pytest

import ipage_core as ipage
from ipage_core.tasks.table.reader import Settings, guess, numbers, read_table
from tests.tasks.table import variants
from tests.tasks.table.variants import content, number, sheet, text, upload

TWENTY = pytest.mark.parametrize("seed", range(20))


def same(table, frame, names=None):
    """Whether a table holds the numbers of a frame, with these names."""
    assert len(table.frame) == len(frame)
    for name, column in zip(names or frame.columns, frame, strict=True):
        np.testing.assert_allclose(numbers(table.frame, name), frame[column], rtol=1e-12, err_msg=name)
    return True


def said(table):
    return "\n".join(table.guesses)


@TWENTY
def test_semicolons_and_decimal_commas_whatever_the_header_or_a_date_holds(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    names = rng.permutation(["Nr. a", "b (Å)", "Gitter, c.", "gap, [eV]", "T, Ofen", "d.1"])[:4].tolist()
    first = {
        0: [f"{k % 28 + 1:02}.{k % 12 + 1:02}.2024" for k in range(len(frame))],
        1: [f"2024-01-{k % 28 + 1:02} 12:30" for k in range(len(frame))],
        2: [str(k) for k in range(len(frame))],
        3: [f"Probe {k}.a" for k in range(len(frame))],
    }[seed % 4]
    frame = frame.assign(T=[int(v) if rng.random() < 0.3 else v for v in frame["T"]])
    wide = pd.concat([pd.Series(first, name="Datum"), frame.astype(object)], axis=1)
    separator = str(rng.choice([";", "\t", "|"]))
    table = read_table(upload(text(wide, separator, ",", names=["Datum, Zeit", *names]), rng))
    assert table.guessed.decimal == ","
    assert same(table, frame.astype(float), names)
    assert not table.odd


@TWENTY
def test_thousands_are_never_thousandths(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    decimal = ".,"[seed % 2]
    thousands = str(rng.choice([variants.GERMAN[decimal], " ", "'", "\u202f", "\u00a0"]))
    separator = str(rng.choice([";", ",", "\t"]))
    table = read_table(upload(text(frame, separator, decimal, thousands), rng))
    assert same(table, frame)


@TWENTY
def test_whole_numbers_with_thousands_are_read_so_and_said(seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.integers(30, 2500, (60, 3)), columns=["T", "time", "n"])
    frame["strength"] = (frame["T"] // 9 + frame["n"] // 30).clip(upper=999)
    mark = ".,"[seed % 2]
    upload_ = upload(text(frame, str(rng.choice([";", "\t"])), variants.GERMAN[mark], mark), rng)
    table = read_table(upload_)
    assert same(table, frame)
    assert "separates thousands" in said(table)
    assert all(name in said(table) for name in ("T", "time"))
    as_decimals = read_table(upload_, Settings(decimal=mark))
    assert numbers(as_decimals.frame, "T").max() < 1000


@TWENTY
def test_three_decimals_everywhere_are_decimals_and_said(seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.uniform(1.5, 9, (50, 3)).round(3), columns=["a", "b", "gap"])
    upload_ = upload(text(frame, ";", ".", digits=3), rng)
    table = read_table(upload_)
    assert same(table, frame)
    assert "three digits follow it in every cell" in said(table)
    assert numbers(read_table(upload_, Settings(decimal=",")).frame, "a").min() > 1000


@TWENTY
def test_encodings_are_found_and_said(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    code = ("cp1252", "latin-1", "utf-16", "utf-16-le", "utf-16-be", "mac_roman", "utf-8-sig", "utf-32", "cp850")[
        seed % 9
    ]
    names = [["a [Å]", "b [Å]", "T [°C]", "gap [eV]"], ["Länge [µm]", "Höhe", "T (°C)", "Größe ±"]][seed % 2]
    upload_ = upload(text(frame, ";", ",", names=names), rng, code)
    table = read_table(upload_)
    assert same(table, frame, names)
    plain = code.startswith("utf-8")
    assert plain or "It is read as text in" in said(table)
    assert (
        plain or not read_table(upload(text(frame, ";", ",", names=names), rng, code), Settings(encoding=code)).guesses
    )


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("cp1251", "Температура"),
        ("shift_jis", "温度と強度"),
        ("gb18030", "温度和强度"),
        ("cp1250", "wytrzymałość próbki"),
    ],
)
def test_other_alphabets(code, name):
    frame = content(np.random.default_rng(0))
    lines = text(frame, ";", names=[name, "b", "T", "gap"])
    assert same(read_table(upload(lines, encoding=code), Settings(encoding=code)), frame, [name, "b", "T", "gap"])
    guessed = read_table(upload(lines, encoding=code))
    assert "It is read as text in" in said(guessed)
    np.testing.assert_allclose(guessed.frame.iloc[:, 0], frame["a"])


@TWENTY
def test_comments_preambles_and_blanks(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    separator = (",", ";", " ", "\t", "  ")[seed % 5]
    lines = text(frame, separator)
    mark = ("#", "%", "//", "!")[seed % 4]
    if seed % 3 == 0:  # as numpy.savetxt writes the header
        lines[0] = f"{mark} {lines[0]}"
    else:
        lines.insert(1 + int(rng.integers(0, 40)), f"{mark} oven was cold, see page 3; sorry")
    lines.insert(int(rng.integers(2, 40)), "")
    lines = [f"{mark} PBE, 2 x 2 x 2", f"{mark} cut-off: 500 eV", *lines, "", f"{mark} end"]
    table = read_table(upload(lines, rng))
    assert same(table, frame)
    assert list(table.frame) == list(frame)
    assert f"{mark}" in said(table)
    assert not table.odd


@TWENTY
def test_a_preamble_without_a_mark_is_left_out_and_said(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    separator = ",;\t"[seed % 3]
    above = [f"Messung {seed}", "Instrument: XYZ 2000", "", f"{separator * 3}"][: 1 + seed % 4]
    table = read_table(upload([*above, *text(frame, separator)], rng))
    assert same(table, frame)
    assert "above the table" in said(table)


@TWENTY
def test_columns_that_count_rows_are_no_inputs(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    name = ("", "Unnamed: 0", "Nr.", "index", "id", "#", "Lfd. Nr.", "foo", "sample", "No")[seed % 10]
    counts = np.arange(len(frame)) + seed % 2
    if name in ("id", "sample"):
        counts = rng.permutation(1000)[: len(frame)]
    frame.insert(0, name or "column 1", counts)
    table = read_table(upload(text(frame, names=[name, *frame.columns[1:]]), rng))
    x, y = guess(list(table.columns.values()))
    assert (x, y) == (["a", "b", "T"], ["gap"])
    assert "only numbers the rows" in "\n".join(table.warnings(x, y))
    assert same(table, frame)


def test_a_header_without_a_name_for_the_rows_as_r_writes_it():
    frame = content(np.random.default_rng(0))
    lines = text(frame, " ")
    table = read_table(upload([lines[0], *(f'"{k + 1}" {line}' for k, line in enumerate(lines[1:]))]))
    assert same(table, frame)
    assert list(table.frame) == ["column 1", *frame]
    assert guess(list(table.columns.values())) == (["a", "b", "T"], ["gap"])


@TWENTY
def test_markers_of_missing_values_are_named_and_no_floor(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    marker = (-999.0, -9999.0, 9999.0, 99999.0, -99.0, -1.0, 1e30, 999.9, -999.99, 32767.0)[seed % 10]
    gone = rng.random(len(frame)) < rng.uniform(0.05, 0.3)
    gone[:2] = True
    frame.loc[gone, "gap"] = marker
    upload_ = upload(text(frame), rng)
    table = read_table(upload_)
    told = "\n".join(table.warnings(["a", "b", "T"], ["gap"]))
    assert f"gap is {marker:.12g} in some rows, unlike in all others: probably a marker of missing values" in told
    assert "floor" not in told
    without = read_table(upload_, Settings(missing=(f"{marker:g}",)))
    assert np.isnan(without.frame["gap"]).tolist() == gone.tolist()
    assert "probably a marker" not in "\n".join(without.warnings(["a"], ["gap"]))


@TWENTY
def test_words_for_missing_values(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng).astype(object)
    word = ("", "NA", "n/a", "-", "—", "?", "NaN", "#N/A", "#DIV/0!", "null", "k.A.", "n.d.", "None", ".", "--")[
        seed % 15
    ]
    gone = rng.random(len(frame)) < 0.2
    frame.loc[gone, "gap"] = word
    table = read_table(upload(text(frame, ",;"[seed % 2]), rng))
    assert np.isnan(numbers(table.frame, "gap")).tolist() == gone.tolist()
    assert not table.odd


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("word", ["#N/A", "#n/a", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!"])
def test_a_row_that_begins_with_an_error_of_a_spreadsheet_is_a_row(separator, word):
    frame = content(np.random.default_rng(0)).astype(object)
    frame.loc[[0, 30, 79], "a"] = word
    table = read_table(upload(text(frame, separator)))
    assert np.flatnonzero(np.isnan(numbers(table.frame, "a"))).tolist() == [0, 30, 79]
    np.testing.assert_allclose(numbers(table.frame, "gap"), frame["gap"].astype(float))


def test_a_comment_far_below_is_left_out_and_said():
    lines = text(content(np.random.default_rng(0), rows=600))
    lines[500] = f"# {lines[500]}"
    table = read_table(upload(lines))
    assert len(table.frame) == 599
    assert [note for note in table.guesses if "are comments and left out" in note]


@pytest.mark.parametrize("line", ["1,{}", '1,"{}"', "1,2\n{},2"])
def test_a_cell_of_hundreds_of_thousands_of_letters_is_named(line):
    content_ = ("a,b\n" + "1,2\n" * 60 + line.format("x" * 200_000) + "\n").encode()
    with pytest.raises(ValueError, match="a cell is longer than 131,072 characters, or a quote"):
        read_table(("t.csv", content_ + b'"1",2\n'))


@TWENTY
def test_uncertainties_minus_signs_powers_and_units_in_cells(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    frame["shift"] = rng.normal(0, 1, len(frame)).round(4)
    decimal = ".,"[seed % 2]
    behind = ("(2)", " ± 0{}05", "±0{}1", "+-0{}02", " +/- 0{}3", " (12)", " Å", "Å", " ± 0{}1 Å", "(3) nm")[seed % 10]
    minus = "−–-"[seed % 3]
    cells = frame.map(lambda v: number(v, decimal))
    cells["a"] += behind.format(decimal)
    cells["shift"] = cells["shift"].str.replace("-", minus)
    if seed % 4 == 0:
        cells["T"] = [
            number(round(v / 1000, 6), decimal) + ("×10^3", " x 10^3", "·10³", "e3")[seed // 4 % 4] for v in frame["T"]
        ]
    table = read_table(upload(text(cells, ";"), rng))
    assert same(table, frame)
    assert not table.odd
    assert ("uncertainties" in said(table)) == any(c in behind for c in "±()+")
    assert table.columns["a"].unit == ("nm" if "nm" in behind else "Å" if "Å" in behind else "")


@TWENTY
def test_cells_that_are_no_numbers_are_quoted_with_their_line(seed):
    rng = np.random.default_rng(seed)
    cells = content(rng).map(number)
    odd = ("<0.05", "> 3", "3.9?", "3-4", "ca. 5", "1.2.3", "12:30", "broken", "5 apples", "1e999")[seed % 10]
    at = int(rng.integers(0, len(cells)))
    cells.loc[at, "gap"] = odd
    table = read_table(upload(text(cells), rng))
    assert [(one.line, one.column, one.cell) for one in table.odd] == [(at + 2, "gap", odd)]
    assert np.flatnonzero(np.isnan(table.frame["gap"])).tolist() == [at]
    told = "\n".join(table.warnings(["a"], ["gap"]))
    assert f"1 row holds what is no number, and is left out: '{odd}' in gap, line {at + 2}." in told


@TWENTY
def test_a_second_header_row_holds_units(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    units = [
        ["Å", "Å", "°C", "eV"],
        ["[nm]", "[nm]", "[K]", "[eV]"],
        ["(pm)", "", "(K)", "(meV)"],
        ["-", "mm", "K", "%"],
    ]
    row = units[seed % 4]
    separator = ",;\t"[seed % 3]
    lines = text(frame, separator)
    lines.insert(1, separator.join(row))
    table = read_table(upload(lines, rng) if seed % 5 else ("t.xlsx", sheet(frame, above=[])))
    if seed % 5:
        assert "Line 2 is taken for units" in said(table)
        assert [c.unit for c in table.columns.values()] == [u.strip("[]()-") for u in row]
    assert same(table, frame)


@TWENTY
def test_files_without_a_header(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    separator, decimal = ((",", "."), (";", ","), ("\t", ","), (" ", "."), ("   ", ","))[seed % 5]
    table = read_table(upload(text(frame, separator, decimal)[1:], rng, name="run7.txt"))
    names = [f"run7_{k}" for k in (1, 2, 3, 4)]
    assert list(table.frame) == names
    assert same(table, frame, names)
    assert "There is no header" in said(table)


def test_wavelengths_are_names():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((30, 6)).round(4), columns=[str(w) for w in range(400, 460, 10)])
    table = read_table(upload(text(frame)))
    assert list(table.frame) == list(frame)
    assert "taken for names" in said(table)


@TWENTY
def test_excel(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    frame["annealed"] = rng.random(len(frame)) < 0.5
    frame["kind"] = rng.choice(["film", "bulk"], len(frame))
    above = [[], ["Messung 7"], ["", "Inputs", None, "Outputs"]][: seed % 4]
    table = read_table(("t.xlsx", sheet(frame, above=above)))
    for name in ("a", "b", "T", "gap"):
        np.testing.assert_array_equal(table.frame[name], frame[name])
    assert table.columns["annealed"].kind == "boolean"
    assert table.columns["kind"].levels == ("bulk", "film")
    assert table.lines[0] == len(above) + 2


def test_excel_text_cells_follow_the_same_rules():
    frame = content(np.random.default_rng(0))
    mixed = frame.astype(object)
    mixed["T"] = [number(v, ",", ".") for v in frame["T"]]
    mixed.loc[3, "gap"] = "#DIV/0!"
    table = read_table(("t.xlsx", sheet(mixed)))
    np.testing.assert_allclose(table.frame["T"], frame["T"])
    assert np.isnan(table.frame["gap"][3])


@TWENTY
def test_rows_of_another_width(seed):
    rng = np.random.default_rng(seed)
    frame = content(rng)
    lines = text(frame)
    at = int(rng.integers(1, len(lines)))
    lines[at] += ",7"
    table = read_table(upload(lines, rng))
    assert same(table, frame.drop(at - 1))
    assert f"A row is left out: line {at + 1} has 5 values instead of 4." in said(table)
    lines = text(frame)
    lines[at] = lines[at].rsplit(",", 1)[0]
    table = read_table(upload(lines, rng))
    assert np.isnan(table.frame["gap"][at - 1])
    assert f"1 rows have fewer than 4 values, line {at + 1} first" in said(table)


def test_separators_at_the_end_of_rows_make_no_column():
    frame = content(np.random.default_rng(0))
    lines = [line + ";;" for line in text(frame, ";", ",")]
    table = read_table(upload([*lines, ";;;;;"]))
    assert list(table.frame) == list(frame)
    assert same(table, frame)
    assert same(read_table(upload(["sep=;", *text(frame, ";", ",")])), frame)


@pytest.mark.parametrize(
    ("settings", "said_"),
    [({"decimal": "x"}, "The decimal mark 'x'"), ({"separator": "ab"}, "The separator 'ab'")],
)
def test_settings_that_make_no_sense(settings, said_):
    with pytest.raises(ValueError, match=said_):
        Settings(**settings)


def test_settings_that_do_not_fit_the_file():
    frame = content(np.random.default_rng(0))
    with pytest.raises(ValueError, match="The encoding 'klingon' is not known; accepted: utf-8"):
        read_table(upload(text(frame)), Settings(encoding="klingon"))
    with pytest.raises(ValueError, match="There is no sheet 'two'; accepted: Sheet"):
        read_table(("t.xlsx", sheet(frame)), Settings(sheet="two"))
    with pytest.raises(ValueError, match="not text in ascii"):
        read_table(upload(text(frame, names=["Å", "b", "T", "gap"])), Settings(encoding="ascii"))


@TWENTY
def test_one_column_of_decimal_commas(seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"gap": rng.normal(0, 2, 60).round(4)})
    lines = text(frame, ";", ",")
    assert same(read_table(upload(lines, rng)), frame)
    headless = read_table(upload(lines[1:], rng, name="gap.csv"))
    assert "If it is one, say --decimal ','." in said(headless)
    assert same(read_table(upload(lines[1:], rng, name="gap.csv"), Settings(decimal=",")), frame)


def test_names_and_remarks_above_a_table():
    frame = content(np.random.default_rng(0))
    lines = text(frame, ";")
    for above in ("Sample A;Bob;2024;7", "* a;b;c;d", "Inputs;Inputs;Inputs;Outputs", "Run 3;;;"):
        table = read_table(upload([above, *lines]))
        assert list(table.frame) == list(frame)
        assert same(table, frame)
        assert "above the table" in said(table)
    remarks = [f"{line} # {word}" for line, word in zip(lines, ["names", *["ok"] * 80], strict=True)]
    assert same(read_table(upload(remarks)), frame)
    assert same(read_table(upload(["a (nm)   b of all   T   gap", *text(frame, "   ")[1:]])), frame,
                ["a (nm)", "b of all", "T", "gap"])  # fmt: skip


@pytest.mark.parametrize("names", [["Na", "Nd", "T", "gap"], ["NA", "gap", "T", "b"], ["10 K", "20 K", "300 K", "gap"]])
def test_names_that_look_like_cells(names):
    frame = content(np.random.default_rng(0))
    table = read_table(upload(text(frame, names=names)))
    assert same(table, frame, names)


def test_a_header_over_several_lines():
    frame = content(np.random.default_rng(0))
    head = '"a\n(Å)";"b\n(Å)";"T\n(°C)";gap'
    table = read_table(upload([*head.split("\n"), *text(frame, ";", ",")[1:]]))
    assert same(table, frame, ["a (Å)", "b (Å)", "T (°C)", "gap"])
    assert table.lines[0] == 5


@TWENTY
def test_sheets_with_numbers_as_text_beside_numbers(seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"T": rng.integers(100, 3000, 60), "gap": rng.random(60)})
    mixed = frame.astype(object)
    mixed["T"] = [number(int(v), ",", ".") if v > 999 else v for v in frame["T"]]
    table = read_table(("t.xlsx", sheet(mixed)))
    assert same(table, frame)
    assert "separates thousands" in said(table)


@pytest.mark.parametrize("cell", ["{} €", "€{}", "$ {}", "'{}", "={}", '"=""{}"""', "£{}", "{} ¥"])
def test_currencies_and_numbers_kept_as_text_are_numbers(cell):
    frame = content(np.random.default_rng(0))
    lines = text(frame.astype(str).assign(a=[cell.format(v) for v in frame["a"]]), ";")
    assert same(read_table(upload(lines)), frame)


@pytest.mark.parametrize("cell", ["~{}", "{}*", "{}x", "({})"])
def test_a_column_of_what_is_nearly_a_number_is_not_left_out_in_silence(cell):
    frame = content(np.random.default_rng(0))
    table = read_table(upload(text(frame.astype(str).assign(a=[cell.format(v) for v in frame["a"]]))))
    assert "a" not in table.x
    assert f"a: '{cell.format(frame['a'][0])}' is not understood as a number" in said(table)


@pytest.mark.parametrize(
    ("words", "levels"),
    [(("316L", "304"), ("304", "316L")), (("Na", "NA", "K"), ("K", "Na")), (("+", "-"), ("+", "-"))],
)
def test_words_that_look_like_numbers_or_gaps_beside_others_are_levels(words, levels):
    frame = content(np.random.default_rng(0), 90)
    table = read_table(upload(text(frame.assign(kind=[words[k % len(words)] for k in range(90)]))))
    assert table.columns["kind"].kind == "category"
    assert table.columns["kind"].levels == levels
    assert "kind" in [*table.x]


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("shift_jis", "温度 圧力 強度"),
        ("cp932", "温度[℃] 圧力 強度①"),
        ("gbk", "温度 压力 强度"),
        ("big5", "溫度 壓力 強度"),
        ("euc_kr", "온도 압력 강도"),
        ("cp1251", "Температура Давление Прочность"),
    ],
)
def test_short_names_of_other_alphabets_are_read_in_the_code_page_of_their_frequent_characters(code, names):
    frame = content(np.random.default_rng(0))[["a", "b", "gap"]]
    assert same(read_table(upload(text(frame, names=names.split()), encoding=code)), frame, names.split())


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (["nm,nm,K,eV", "a,b,T,gap"], "Line 1 is taken for units: nm, nm, K, eV."),
        (["a,b,T,gap", "nm,nm,K,eV", "left,right,oven,DFT"], "Line 3 is above the table and left out: 'left,right"),
        (["a,b,T,gap", "left,right,oven,DFT"], "Line 2 is above the table and left out: 'left,right"),
    ],
)
def test_units_and_remarks_stand_above_and_below_names(head, told):
    frame = content(np.random.default_rng(0))
    table = read_table(upload([*head, *text(frame)[1:]]))
    assert same(table, frame)
    assert told in said(table)


def test_marks_of_order_and_of_the_end_of_a_file_are_no_cells():
    frame = content(np.random.default_rng(0))
    name, plain = upload(text(frame))
    assert same(read_table((name, b"\xef\xbb\xbf" * 2 + plain + b"\x1a")), frame)
    with pytest.raises(ValueError, match="it is empty"):
        read_table((name, b"\xef\xbb\xbf"))


def test_a_table_prints_as_one_line(tmp_path):
    pd.DataFrame({"a": range(60), "b": np.linspace(0, 1, 60), "y": np.linspace(1, 2, 60)}).to_csv(tmp_path / "t.csv")
    table = ipage.read_table(tmp_path / "t.csv", x=["b"], y=["y"])
    assert repr(table) == "Table of 60 rows from t.csv: b → y"
