"""Hostile text: in every command that reads a table, on terminals of any encoding, in caches, in names of columns."""

import io
import json
import os
import sys

import numpy as np
import pandas as pd

from tests.support.malformed import HOSTILE
from tests.tools.faults.base import Fault, one_command, ran, table

CELLS = (
    "nan", "inf", "-inf", "1e400", "9" * 400, "-" + "9" * 400, "1e308", "abc", "", " ", "0x10", "1_000", "１", "٣",
    "\x1b[31mred", "a\x07b", "\u202egpj", "=1+1", "<b>1</b>", "None", "1,5", "1;5", "x" * 5000, "TRUE", "2024-01-01",
)  # fmt: skip
"""Cells in the place of a number."""
FORMS = {
    "two equal names": "x1,x1,x2\n0.1,0.2,0.3\n", "semicolons": "x1;x2\n0,1;0,2\n", "tabs": "x1\tx2\n0.1\t0.2\n",
    "a stage": "stage,x1,x2\nunheard,0.1,0.2\n", "a short row": "x1,x2\n0.1\n", "a long row": "x1,x2\n0.1,0.2,0.3\n",
    "no header": "0.1,0.2\n", "another name": "u,v\n0.1,0.2\n", "no row": "x1,x2\n", "UTF-16": "x1,x2\n0.1,0.2\n",
    "a quote": 'x1,x2\n"0.1,0.2\n', "nothing": "", "a sample": "sample,x1,x2\n../../x,0.1,0.2\n",
}  # fmt: skip
"""Whole tables."""


def text(place, scratch):
    """Cells and tables in every command that reads a table."""
    fault = Fault("hostile cells and tables, every command that reads one")
    out, file = place / "o.csv", scratch / "t.csv"
    commands = {
        "verify": ["verify", "sinewave", file, "--out", out], "predict": ["predict", "sinewave", file, "--out", out],
        "coverage": ["coverage", "sinewave", file, "--target", "1", "--seconds", "1"],
        "--seed-design": ["design", "sinewave", "--target", "1", "--n", "2", "--seed-design", file, "--out", out],
        "--targets": ["design", "sinewave", "--targets", file, "--n", "2", "--out", out],
        "export": ["export", "crystal", file, "--format", "cif", "--out", place / "cif"],
        "rank": ["rank", file, "--out", out],
        "train": ["train", "--data", file, "--x", "x1", "--y", "x2", "--out", place / "m", "--epochs", "1"],
    }  # fmt: skip
    for name, line in commands.items():
        for cell in CELLS:
            file.write_text(_with_cell(name, cell), encoding="utf-8")
            one_command(fault, line, place, scratch)
        for form, content in FORMS.items():
            file.write_bytes(content.encode("utf-16" if form == "UTF-16" else "utf-8"))
            one_command(fault, line, place, scratch)
    for target in ("-1,0", "-1.5,0.2", "-.5,-0"):
        one_command(fault, ["design", "robotic_arm", "--target", target, "--n", "2", "--out", out], place, scratch)
    for far in ("1e200", "-1e200", "1e30", "1e308"):
        code = one_command(fault, ["design", "sinewave", "--target", far, "--n", "20", "--out", out], place, scratch)
        if code not in (0, 2):
            fault.lost.append(f"target {far}: exit code {code}")
    return [fault, _terminals(scratch), _cache(place), _names(place, scratch)]


def _with_cell(command, cell):
    quoted = '"' + cell.replace('"', '""') + '"'
    if command == "--targets":
        return f"y1\n{quoted}\n"
    if command in ("export", "rank"):
        return f"x1,x2,x3,x4,x5,x6\n3.9,3.9,3.9,90,90,{quoted}\n"
    rows = "0.1,0.2\n" * (60 if command == "train" else 1)
    return f"x1,x2\n{rows}{quoted},0.3\n"


def _terminals(scratch):
    """Commands on terminals that lack most characters."""
    fault = Fault("terminals in ASCII, Latin-1, code page 1252")
    lines = (
        ["tasks"], ["tasks", "--json"], ["design", "nope", "--target", "1", "--out", scratch / "o.csv"],
        ["design", "ballistics", "--target", "5", "--n", "2", "--out", scratch / "o.csv"],
        ["design", "crystal", "--target", "0.5", "--n", "2", "--constrain", "é=1", "--out", scratch / "o.csv"],
        ["coverage", "sinewave", scratch / "none.csv", "--target", "1"],
    )  # fmt: skip
    for encoding in ("ascii", "latin-1", "cp1252"):
        for line in lines:
            streams = sys.stdout, sys.stderr
            process = os.fork()
            if not process:
                sys.stdout = io.TextIOWrapper(open(scratch / "out", "wb"), encoding=encoding)  # noqa: SIM115
                sys.stderr = io.TextIOWrapper(open(scratch / "err", "wb"), encoding=encoding)  # noqa: SIM115
                _run_and_leave(line)
            sys.stdout, sys.stderr = streams
            code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            said = (scratch / "err").read_text(encoding=encoding).strip()
            what = f"{encoding}: {' '.join(map(str, line))}"
            fault.said(what, "Traceback" if code not in (0, 2) else said, result=code == 0)
    return fault


def _run_and_leave(line):
    from ipage_core.cli.main import main

    try:
        code = main([str(word) for word in line])
    except SystemExit as stop:
        code = stop.code
    except BaseException:
        code = 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _cache(place):
    """Damaged entries of the DFT cache: none is taken for a result."""
    from ipage_core.tasks.crystal import dft

    fault, file = Fault("damaged entries of the DFT cache, recomputed"), place / "r.json"
    sound = {
        "gap": 1.8, "direct": 2.1, "vbm": [0.5, 0.5, 0.5], "cbm": [0, 0, 0], "energy": -40.0, "iterations": 11,
        "occupations": "fixed-uniform", "edges": [[1.0], [2.8]], "cpu_s": 3.1,
    }  # fmt: skip
    whole = json.dumps(sound).encode()
    odd = (None, True, "1", [], {}, float("nan"), float("inf"), [[]], [1, "a"])
    damages = [whole[:k] for k in range(0, len(whole), 9)] + [b"null", b"[]", b"3", b'"x"', b"\xff\xfe", b"[" * 10_000]
    damages += [json.dumps({k: v for k, v in sound.items() if k != name}).encode() for name in sound]
    damages += [json.dumps(sound | {name: value}).encode() for name in sound for value in odd]
    damages += [b"\0" * 100, b"{}", whole + b"}", whole * 2]
    for k, content in enumerate(damages):
        file.write_bytes(content)
        try:
            taken = dft.kept(file)
        except Exception as error:
            fault.said(f"damage {k}", f"Traceback: {error}")
            continue
        fault.said(f"damage {k}", "", result=True)
        if taken is not None:
            fault.lost.append(f"taken for a result: {content[:60]!r}")
    file.write_bytes(whole)
    if dft.kept(file) != sound:
        fault.lost.append("a sound entry is not read")
    file.unlink()
    return fault


def _names(place, scratch):
    """Names of columns that a spreadsheet would run: read, trained and exported."""
    fault = Fault("names of columns that a spreadsheet would run, exported")
    for k, name in enumerate(HOSTILE):
        frame = table(60)
        frame.columns = ["a", "b", name]
        frame.to_csv(scratch / "t.csv", index=False)
        own = place / f"own{k}"
        quoted = '"' + name.replace('"', '""') + '"'
        line = ["train", "--data", scratch / "t.csv", "--x", "a,b", "--y", quoted, "--out", own, "--epochs", "1"]
        code, _, err = ran([*line, "--size", "small", "--method", "prior-lm"], scratch)
        said = err.strip().splitlines()[-1].rsplit("\r", 1)[-1] if err.strip() else ""
        fault.said(name[:30], said, result=code == 0)
        if code:
            continue
        line = ["design", "--model", own, "--target", "0.1", "--n", "2", "--method", "prior-lm", "--out"]
        code, _, err = ran([*line, scratch / "o.csv"], scratch)
        if code:
            fault.unclear.append(f"{name[:30]}: {err[-200:]}")
            continue
        header = pd.read_csv(scratch / "o.csv", header=None, dtype=str).fillna("").to_numpy()
        if any(str(cell).startswith(("=", "+", "@", "\t")) for cell in np.ravel(header)):
            fault.lost.append(f"{name[:30]}: a cell would run")
    return fault
