"""One call of the command: it reads a CSV of designs and writes a CSV of properties, in a temporary folder.

Workers run this module, here or on another machine, so it has no heavy imports.
"""

from __future__ import annotations

import csv
import math
import os
import re
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ipage_core.runtime import supervised

PACKAGE = Path(__file__).resolve().parents[3]
"""Folder of this package: a clone, or site-packages."""
CALL = "call-"
"""A call's folder begins with this word and the number of its process."""
MOST_BYTES = 100_000_000
"""Largest size of a file written by the command."""


def work(argument: dict[str, Any]) -> dict[str, Any]:
    """Ω of a few designs. ``argument`` comes from :func:`ipage_core.tasks.command.evaluate.items`.

    → ``x`` as given, ``y`` (a list per design, or None), ``error`` (a sentence per design, or ''), ``seconds`` per
    design, ``source``, ``program``, ``made``, and ``begins``, the first lines of {in} and {out} of the last call. If a
    call of several designs fails, each design without a result is tried once more, alone.
    """
    cells, brought, begins = argument["cells"], dict[str, str](), dict[str, list[str]]()
    y, error, seconds, ended_well = _call(argument, cells, brought, begins)
    again = [i for i, results in enumerate(y) if results is None] if len(cells) > 1 and not ended_well else []
    for i in again:
        (y[i],), (error[i],), (seconds[i],), _ = _call(argument, [cells[i]], brought, begins)
    by_name = {"x": argument["x"], "y": y, "error": error, "seconds": seconds, "source": argument["source"]}
    by_name |= {"program": argument["program"], "begins": begins} | ({"files": brought} if brought else {})
    return by_name | {"made": datetime.now(UTC).isoformat(timespec="seconds")}


def _call(
    argument: dict[str, Any], cells: Sequence[Sequence[str]], brought: dict[str, str], begins: dict[str, list[str]]
) -> tuple[list[list[float] | None], list[str], list[float], bool]:
    """Run the command once on rows of cells. → per row y or None, error, seconds; whether the exit code was 0.

    If the argument carries ``files``, the command reads them in the call's folder, ``{here}``, and runs by the Python
    of this process, ``{python}``; the files that it leaves in the folder ``brings`` are added to ``brought``. The first
    lines of {in} and {out} are put into ``begins``.
    """
    near = argument["folder"]
    folder = Path(tempfile.mkdtemp(prefix=f"{CALL}{os.getpid()}-", dir=near if near and Path(near).is_dir() else None))
    try:
        given, written = folder / "in.csv", folder / "out.csv"
        with given.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, lineterminator="\n")  # awk and shells keep a carriage return
            lines.writerow(["sample", *argument["x_names"]])
            lines.writerows([i, *row] for i, row in enumerate(cells))
        words = [word.replace("{in}", str(given)).replace("{out}", str(written)) for word in argument["command"]]
        environment = argument["environment"]
        if carried := argument.get("files"):
            for name, text in carried.items():
                (folder / name).write_text(text, encoding="utf-8")
            words = [word.replace("{here}", str(folder)).replace("{python}", sys.executable) for word in words]
            paths = (str(PACKAGE), os.environ.get("PYTHONPATH", ""))
            environment = environment | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
        ended = supervised.run(words, folder, argument["timeout"], environment)
        for path in sorted((folder / argument["brings"]).glob("*")) if carried else ():
            brought[path.name] = path.read_text(encoding="utf-8")
        y, error = read_results(written, argument["y_names"], len(cells), ended.code == 0)
        if ended.code:  # a program that says it failed has no results, whatever it wrote
            y, error = [None] * len(cells), ["no result counts"] * len(cells)
        begins |= {"in": _first_lines(given), "out": _first_lines(written)}
        why, said = _how(ended, argument["timeout"]), _last_lines(folder / "stderr.txt")
        for i, one in enumerate(error):
            parts = (why, "" if ended.code else one, _about(said, i, len(cells), bool(why)))
            error[i] = ": ".join(part for part in parts if part) if one else ""
        return y, error, [ended.seconds / len(cells)] * len(cells), ended.code == 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _how(ended: supervised.Ended, timeout: float) -> str:
    """Reason why a command failed; '' if it succeeded."""
    if ended.late:
        return f"stopped after {timeout:g} s"
    if ended.error:
        return f"could not run ({ended.error})"
    if ended.code is not None and ended.code < 0:
        try:
            return f"killed by {signal.Signals(-ended.code).name}"
        except ValueError:
            return f"killed by signal {-ended.code}"
    return f"exit code {ended.code}" if ended.code else ""


def _about(lines: Sequence[str], sample: int, n: int, failed: bool) -> str:
    """The last line of stderr about a sample: one that names it, else the last line of all if it can be about no other.

    A call of several designs that succeeds may warn of any of them.
    """
    own = [line for line in lines if re.search(rf"\bsample\W{{0,3}}{sample}(?!\.?\d)", line, re.IGNORECASE)]
    if own or not lines or (n > 1 and not failed):
        return own[-1] if own else ""
    return lines[-1]


def _last_lines(path: Path) -> list[str]:
    """The non-empty lines at the end of a file."""
    if not _is_file(path):
        return []
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            lines = [line.strip() for line in file.read().decode("utf-8", "replace").splitlines()]
    except OSError:
        return []
    return [_printable(line[:300]) for line in lines if line]


def _first_lines(path: Path, n: int = 2) -> list[str]:
    """The first n lines of a file, for a reader; none if there is no such file."""
    if not _is_file(path):
        return []
    try:
        with path.open("rb") as file:
            lines = file.read(4096).decode("utf-8-sig", "replace").splitlines()
    except OSError:
        return []
    return [_printable(line[:200]) for line in lines[:n]]


def _is_file(path: Path) -> bool:
    """Whether there is a regular file; reading a pipe or a device may never end."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _printable(text: str) -> str:
    """The text with a dot for each character that a terminal would act on, or that is none."""
    return "".join(c if c.isprintable() and c != "\ufffd" else "·" for c in text)


def read_results(path: Path, names: Sequence[str], n: int, whole: bool) -> tuple[list[list[float] | None], list[str]]:
    """Read the properties of n samples from a CSV written by a command. → per sample y or None, and an error.

    Args:
        path: the file; columns are separated by comma, semicolon or tab.
        names: names of the properties; a column may also carry a unit in brackets.
        n: number of samples, numbered from 0.
        whole: whether the command succeeded. If not, an incomplete last line is skipped.
    """
    nothing: list[list[float] | None] = [None] * n
    if os.path.lexists(path) and not _is_file(path):
        return nothing, ["{out} is a link, a pipe or a folder; accepted: a regular file"] * n
    try:
        if path.stat().st_size > MOST_BYTES:
            return nothing, ["the file that it wrote is larger than 100 MB"] * n
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return nothing, ["it wrote no file {out}"] * n
    if not whole:
        text = text[: text.rfind("\n") + 1]
    lines = [line for line in text.splitlines() if line.strip()]
    header = lines[0] if lines else ""
    delimiter = max(",;\t", key=header.count)
    columns = [name.strip().partition(" [")[0] for name in next(csv.reader([header], delimiter=delimiter), [])]
    if missing := [name for name in ("sample", *names) if name not in columns]:
        return nothing, [f"its file has no column '{missing[0]}', but the header '{_printable(header[:80])}'"] * n
    if twice := [name for name in ("sample", *names) if columns.count(name) > 1]:
        return nothing, [f"its file has two columns '{twice[0]}'"] * n
    where = [columns.index(name) for name in ("sample", *names)]
    y, error = [*nothing], ["its file has no row for it"] * n
    seen: set[int] = set()
    for row in csv.reader(lines[1:], delimiter=delimiter):
        results = [row[j].strip() if j < len(row) else "" for j in where]
        sample = int(results[0]) if results[0].isascii() and results[0].isdigit() and len(results[0]) < 10 else -1
        if not 0 <= sample < n:  # the other numbers may be wrong too, as in a file that counts from 1
            there = "0" if n == 1 else f"0 to {n - 1}"
            said = f"its file has a row for sample '{_printable(results[0][:20])}', which {{in}} does not have"
            return nothing, [f"{said}; accepted: the samples of {{in}}, {there}"] * n
        y[sample], error[sample] = _values(names, results[1:])
        if sample in seen:
            y[sample], error[sample] = None, "its file has two rows for it"
        seen.add(sample)
    return y, error


def _values(names: Sequence[str], cells: Sequence[str]) -> tuple[list[float] | None, str]:
    values = []
    for name, text in zip(names, cells, strict=True):
        try:
            if "_" in text or not text.isascii():  # Python reads 1_000 as a number, other programs do not
                raise ValueError
            value = float(text)
        except ValueError:
            return None, f"{name} is '{_printable(text[:40])}', no number" if text else f"{name} is empty"
        if not math.isfinite(value):
            return None, f"{name} is {text[:40]}"
        values.append(value)
    return values, ""
