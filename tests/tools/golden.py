"""The golden net: what the command line and the app answer today, so that a change of structure changes no answer.

    python -m tests.tools.golden compare tests/golden            # exit 1 and a list of what differs
    python -m tests.tools.golden compare tests/golden --only "design sinewave"
    python -m tests.tools.golden record tests/golden --only "page learn"

A change that is meant: look at the list that ``compare`` prints, ``record --only`` the items it names (others stay as
they are), and list the change in the commit's message. Both commands take about five minutes on one core.

Only what stays is used: the command line in a process of its own, and the pages by their address in Streamlit's
AppTest (``golden_app.py``). Seconds, versions, machines and folders are masked. Numbers may differ by 1e-4 of
themselves plus 1e-6 (1e-4 of their column's largest where that is less), long columns by 1e-4 of their largest number;
text, and the first four digits of a chart's numbers, may not differ. The record was made on x86-64 Linux with
the versions of requirements-lock.txt; other machines may round otherwise.
"""

from __future__ import annotations

import argparse
import difflib
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.tools.golden_commands import BAD, COMMANDS, READ, inputs

ROOT = Path(__file__).resolve().parents[2]
RTOL, ATOL, TINY = 1e-4, 1e-6, 1e-12
MASKED = re.compile(
    r"seconds|versions?$|^(inference|localization)$|\b(machine|host|platform|commit|device|date|created|cpu|sha256|memory|python|threads)\b"
)
"""Keys and columns that say when, where and how fast; the benchmark's ``inference`` is in seconds."""
_TIMES = re.compile(r"(?<![\w.])\d[\d.,]*(?:e-?\d+)?(\s?(?:ms|s|min|h|seconds?|minutes?)\b)")
_PROGRESS = re.compile(r"(\s|\w+: )*\d+/\d+|.*epoch \d+/\d+")


def masked(text: str) -> str:
    """Without seconds, versions, cores and folders."""
    text = re.sub(r"[\w./-]*/golden-\w+", "FOLDER", text).replace(str(ROOT), "ROOT")
    text = re.sub(r"\b\d+\.\d+\.\d+\S*", "VERSION", _TIMES.sub(r"#\1", text))
    return re.sub(r"\d+ cores?", "# cores", text)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def numbers(values: Any, most: int) -> Any:
    """All of them, or of more than ``most`` what any change would move; ``mix`` weighs each by its place."""
    a = np.asarray(values, dtype=np.float64).ravel()
    if len(a) <= most:
        return [None if np.isnan(v) else float(f"{v:.7g}") for v in a]
    known = a[np.isfinite(a)]
    if not len(known):
        return {"n": len(a), "finite": 0}
    weights = np.random.default_rng(0).standard_normal(len(a))[np.isfinite(a)] / np.sqrt(len(a))
    told = {"min": known.min(), "max": known.max(), "mean": known.mean(), "mix": weights @ known}
    return {"n": len(a), "finite": len(known)} | {name: float(f"{v:.7g}") for name, v in told.items()}


def strings(values: list[str], most: int = 300) -> Any:
    """All of them, or of long ones the beginning and a hash."""
    text = "\n".join(values)
    if len(text) <= most:
        return values
    return {"n": len(values), "begin": text[:80], "sha": digest(text.encode())}


def table(frame: pd.DataFrame, most: int = 200) -> dict:
    """Its columns in their order; many coordinates x1 … xD count as one column."""
    told: dict = {"columns": strings([str(c) for c in frame], 2000), "rows": len(frame)}
    coordinates = [c for c in frame if re.fullmatch(r"x\d+", str(c))]
    if len(coordinates) > 40:
        told["x1 …"] = numbers(frame[coordinates].to_numpy(), most)
        frame = frame.drop(columns=coordinates)
    for place, name in enumerate(frame):
        column, key = frame.iloc[:, place], str(name) if list(frame).count(name) == 1 else f"{name} [{place}]"
        if MASKED.search(str(name).lower()):
            told[key] = "masked"
        elif pd.api.types.is_numeric_dtype(column):
            told[key] = numbers(column.to_numpy(dtype=np.float64, na_value=np.nan), most)
        else:
            told[key] = strings([masked(str(v)) for v in column], 3000)
    return told


def plain(value: Any) -> Any:
    """JSON without what ``MASKED`` names."""
    if isinstance(value, dict):
        return {k: "masked" if MASKED.search(k.lower()) else plain(v) for k, v in value.items()}
    if isinstance(value, list):
        flat = all(isinstance(v, int | float) for v in value)
        return numbers(value, 200) if flat and len(value) > 200 else [plain(v) for v in value]
    return masked(value) if isinstance(value, str) else value


def content(name: str, data: bytes) -> Any:
    """What a file says: tables and JSON in full, weights by their shapes, others by their hash."""
    end = Path(name).suffix
    if end in (".csv", ".parquet"):
        with tempfile.NamedTemporaryFile(suffix=end) as file:
            file.write(data)
            file.flush()
            return table(pd.read_csv(file.name) if end == ".csv" else pd.read_parquet(file.name))
    if end in (".json", ".journal"):
        text = data.decode()
        return plain(json.loads(text) if end == ".json" else [json.loads(line) for line in text.splitlines()])
    if end == ".safetensors":
        head = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        return strings([f"{k} {v['dtype']} {v['shape']}" for k, v in sorted(head.items()) if k != "__metadata__"])
    if end == ".dxf":  # its head has the time
        return digest(data.partition(b"ENTITIES")[2].partition(b"ENDSEC")[0])
    if end in (".txt", ".html"):
        return strings(masked(data.decode()).splitlines(), 3000)
    return digest(data)


def lines(text: str) -> list[str]:
    """What a terminal keeps: no line of progress."""
    kept = [line.rstrip() for line in re.split(r"[\r\n]+", text)]
    return [masked(line) for line in kept if line and not _PROGRESS.match(line)]


def commands(only: list[str]) -> dict[str, Any]:
    """Each command in turn, in one folder: later ones read what earlier ones wrote."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="golden-") as name:
        folder = Path(name)
        inputs(folder)
        environment = _environment(folder / ".home")
        for key, argv in (COMMANDS | BAD).items():
            if not _wanted(key, only) and (key not in READ or not any(_wanted(k, only) for k in COMMANDS | BAD)):
                continue
            before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
            done = _run(argv, folder, environment)
            out = [line for line in done.stdout.splitlines() if line]
            said = [plain(json.loads(line)) for line in out if line[0] in "[{"]
            files = {
                str(path.relative_to(folder)): content(path.name, path.read_bytes())
                for path in sorted(folder.rglob("*"))
                if path.is_file() and ".home" not in path.parts and before.get(path) != path.stat().st_mtime_ns
            }
            if _wanted(key, only):
                out = lines("\n".join(line for line in out if line[0] not in "[{"))
                told = {"code": done.returncode, "out": out, "err": lines(done.stderr), "json": said}
                found[key] = told | {"files": files}
                print(".", end="", file=sys.stderr, flush=True)
    return found


def _run(argv: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    for module in (["ipage_core.families", *argv[1:]], ["ipage_core", *argv]) if argv[0] == "rank" else ([],):
        command = [sys.executable, "-m", *(module or ["ipage_core", *argv])]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
        if "No module named" not in done.stderr:  # ranking was a module before it was a command
            break
    return done


def _environment(home: Path) -> dict[str, str]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    place = {"IPAGE_HOME": str(home / "home"), "IPAGE_CACHE": str(home / "cache"), "PYTHONPATH": str(ROOT)}
    return os.environ | threads | place | {"PYTHONWARNINGS": "ignore", "COLUMNS": "120", "PYTHONHASHSEED": "0"}


def pages(only: list[str]) -> dict[str, Any]:
    """In a process of its own, which sees no home of its user."""
    with tempfile.TemporaryDirectory(prefix="golden-") as name:
        out = Path(name) / "pages.json"
        command = [sys.executable, "-m", "tests.tools.golden_app", str(out), *only]
        subprocess.run(command, cwd=ROOT, env=_environment(Path(name)), check=True, stdout=subprocess.DEVNULL)
        return json.loads(out.read_text())


def _wanted(key: str, only: list[str]) -> bool:
    return any(part in key for part in only)


def differences(was: Any, now: Any, at: str = "", atol: float = ATOL) -> list[str]:
    """One line for each place where two records differ."""
    if isinstance(was, dict) and isinstance(now, dict):
        if "mix" in was and "mix" in now:
            allowed = RTOL * max(abs(was["min"]), abs(was["max"])) + TINY
            moved = [k for k in was if abs(was[k] - now[k]) > (0 if k in ("n", "finite") else allowed)]
            return [f"{at}: {k} was {was[k]}, is {now[k]}" for k in moved]
        found = [f"{at} / {key}: is gone" for key in was if key not in now]
        found += [f"{at} / {key}: is new" for key in now if key not in was]
        return found + [d for key in was if key in now for d in differences(was[key], now[key], f"{at} / {key}")]
    if isinstance(was, list) and isinstance(now, list):
        if all(isinstance(v, str) for v in was + now):
            changed = [d for d in difflib.ndiff(was, now) if d[0] in "+-"]
            return [f"{at}: {d[:400]}" for d in changed]
        if len(was) == len(now):
            scale = max((abs(v) for v in was if isinstance(v, int | float)), default=0.0)  # squared errors are small
            atol = min(ATOL, RTOL * scale + TINY)
            return [d for k in range(len(was)) for d in differences(was[k], now[k], f"{at}[{k}]", atol)]
    number = isinstance(was, int | float) and isinstance(now, int | float)
    if number and (isinstance(was, float) or isinstance(now, float)):
        same = was == now or abs(was - now) <= RTOL * abs(was) + atol
    else:
        same = was == now and type(was) is type(now)
    return [] if same else [f"{at}: was {str(was)[:200]}, is {str(now)[:200]}"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.golden", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("record", "compare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", default=[""], help="items whose name holds one of these")
    parser.add_argument("--part", choices=("commands", "pages"), help="one half alone (default: both)")
    parser.add_argument("--most", type=int, default=8, help="lines an item (default %(default)s)")
    asked = parser.parse_args()
    count = 0
    for part, look in (("commands", commands), ("pages", pages)):
        if asked.part not in (None, part):
            continue
        file = asked.folder / f"{part}.json.gz"
        known = json.loads(gzip.decompress(file.read_bytes())) if file.exists() else {}
        now = json.loads(json.dumps(look(asked.only)))
        if asked.what == "record":
            kept = {key: value for key, value in known.items() if not _wanted(key, asked.only)}
            asked.folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(kept | now, ensure_ascii=False, sort_keys=True, indent=0)
            file.write_bytes(gzip.compress(text.encode(), mtime=0))
            print(f"\n{file}: {len(now)} items recorded, {file.stat().st_size} bytes")
            continue
        was = {key: value for key, value in known.items() if _wanted(key, asked.only)}
        print(f"\n{part}: {len(was)} items")
        for key in sorted(was | now):
            found = [": is new"] if key not in was else [": is gone"] if key not in now else []
            found = found or differences(was[key], now[key])
            count += bool(found)
            for line in found[: asked.most]:
                print(f"{key}{line}")
            if len(found) > asked.most:
                print(f"{key}: … {len(found) - asked.most} lines more")
    if asked.what == "compare":
        print("equal" if not count else f"{count} items differ")
    return min(count, 1)


if __name__ == "__main__":
    sys.exit(main())
