"""Deliberate faults: ``python -m tests.tools.fault_app [FAULT …]`` prints a table of the outcomes.

Each fault runs against the real thing: the command line, the app's server on the loopback, a disk of a few megabytes.
Every try must end in a result or in one clear sentence; no traceback is shown, no file lost, changed or half-written.
"""

import argparse
import asyncio
import functools
import http.client
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, Phase, given, settings

from ipage_core.networks.store import PRETRAINED
from ipage_core.runtime.files import replacing  # noqa: F401  imported before the forks, as what follows is
from tests.support import malformed
from tests.support.browser import serving
from tests.support.visitor import Visitor
from tests.tools.faults.base import LIMIT, Fault, broken, contents, one_command, ran, started, table
from tests.tools.faults.links import links
from tests.tools.faults.memory import memory
from tests.tools.faults.text import text
from tests.tools.faults.writers import additions, orphans, writers

UPLOADS = 300


def commands(place, scratch):
    """Hostile command lines."""
    fault = Fault("hostile command lines")
    given_files = {
        "nan.csv": b"x1,x2\nnan,1\n", "inf.csv": b"x1,x2\n1e400,1\n", "huge.csv": b"x1,x2\n1e308,-1e308\n",
        "formula.csv": b"x1,x2,note\n0.1,0.2,=1+1\n", "nul.csv": b"x1,x2\n\0,1\n", "empty.csv": b"\n", "file": b"x",
        "long.csv": b"x1,x2\n" + b"1" * 200_000 + b",1\n", "bytes.csv": bytes(range(256)) * 20 + b"\n",
        "targets.csv": b"y1\ninf\n", "ok.csv": b"x1,x2\n0.1,0.2\n",
    }  # fmt: skip
    (place / "folder").mkdir()
    os.mkfifo(place / "pipe")
    for name, content in given_files.items():
        (place / name).write_bytes(content)
    files = [place / name for name in (*given_files, "folder", "pipe", "none.csv")]
    out = place / "o.csv"
    design = ["design", "sinewave", "--target=1", "--n", "3"]
    options = {
        "target": ("nan", "inf", "1e308", "-1e308", "1e400", "2:1", "nan:1", ":", "1:2:3", "", "1,2", "0x10",
                   "<b>1</b>", "1_000", "9" * 5000),
        "n": ("0", "-1", "1e3", "9" * 20, "9" * 5000, "100001", "3.5", "nan", "٣", ""),
        "seed": ("-1", "1.5", "4294967296", "9" * 50), "sampling": ("x", "", "../x"), "optimizer": ("x", ""),
        "method": ("x", "ipage@../../etc", "../ipage", "ipage@"), "verify": ("-1", "x", "1.5", "", "9" * 20),
        "omega-evals": ("-1", "1.5", "x", "1000000000"), "steps": ("0", "-1", "x", "10000000000"),
        "device": ("x", "", "cuda:99", "meta"), "measure": ("9" * 30,),
        "constrain": ("x1", "x1=", "x1=nan", "x9=1", "x1=1e308", "x1<=-9", "<b>x1</b>=1", "x1=0;x2=0", "x1<x2", "é=1",
                      "x1==1", "x1=0.1;x1=0.2", "=" * 10_000),
        "seed-design": files, "targets": files, "to-measure": (place / "m.csv",),
        "model": (place / "folder", place / "file", "/etc", "", "/proc/self", "../../.."),
        "out": (place / "folder", "", ".", "/", place / "file/x.csv", "/proc/x.csv", "/sys/x.csv", place / "pipe",
                place / ("n" * 300 + ".csv"), place / "=1.csv"),
    }  # fmt: skip
    lines = [[*design, "--out", out, f"--{option}={value}"] for option, values in options.items() for value in values]
    lines += [["design", task, "--target=1", "--out", out] for task in ("", "../../x", "<b>", "SINEWAVE", "__class__")]
    lines += [[command, "sinewave", file, "--out", out] for command in ("predict", "verify") for file in files]
    lines += [["export", "crystal", place / "ok.csv", "--format", "../x", "--out", place / "x"]]
    dataset = (["--n", "0"], ["--n", "9" * 14], ["--n", "9", "--workers", "-1"], ["--n", "9", "--workers", "9999"],
               ["--n", "9", "--scheduler", "x"], ["--n", "9", "--seed", "-1"])  # fmt: skip
    lines += [["dataset", "ballistics", *more, "--out", place / "d.parquet"] for more in dataset]
    lines += [
        ["dataset", "ballistics", "--n", "9", "--out", where] for where in (out, place / "folder", "/proc/d.parquet")
    ]
    train = (["sinewave", "--epochs", "0"], ["sinewave", "--epochs", "9" * 9], ["sinewave", "--size", "x"], ["nope"],
             ["--model", place / "folder"], ["sinewave", "--resume"],
             ["--data", place / "ok.csv", "--x", '"', "--y", "x1"],
             *(["--data", file, "--x", "x1", "--y", "x2"] for file in files))  # fmt: skip
    lines += [["train", *more, "--out", place / "m"] for more in train]
    benchmark = (["--tasks", "x"], ["--methods", "x"], ["--sampling", "x"], ["--protocol", "x"], ["--repeats", "0"],
                 ["--n", "-1"], ["--only", "x"], ["--models", place / "none"], ["--workers", "-1"],
                 ["--fold"])  # fmt: skip
    lines += [["benchmark", "--quick", "--out", place / "b", *more] for more in benchmark]
    lines += [["benchmark"], ["benchmark", "--report", place / "folder"], [], ["nope"], ["tasks", "extra"]]
    for line in lines:
        one_command(fault, line, place, scratch)
    return [fault]


def weights(place, scratch):
    """Truncated and tampered weights and cards."""
    fault, chance = Fault("truncated and tampered weights"), random.Random(0)
    target = ["design", "sinewave", "--target=1", "--n", "3", "--method", "prior-lm", "--model", place, "--out"]
    for name in ("mlp.json", "mlp.safetensors"):
        shutil.copy(PRETRAINED / "sinewave" / name, place)
        path, whole = place / name, (place / name).read_bytes()
        cuts = [whole[:at] for at in (0, 1, 8, 100, len(whole) // 2, len(whole) - 1)]
        flips = []
        for _ in range(30):
            at = chance.randrange(min(len(whole), 2000) if chance.random() < 0.5 else len(whole))
            flips.append(whole[:at] + bytes([whole[at] ^ 1 << chance.randrange(8)]) + whole[at + 1 :])
        others = [b"PK\x03\x04", b"\x80\x04K\x01.", b"null", b"[]", b'{"a":' * 5000, b"\xff" * 8 + whole]
        for content in (*cuts, *flips, *others):
            path.write_bytes(content)
            if one_command(fault, [*target, place / "o.csv"], place, scratch) == 0 and name == "mlp.safetensors":
                fault.lost.append(f"changed weights were used: {content[:20]!r}")
        path.write_bytes(whole)
    card = json.loads((place / "mlp.json").read_text())
    for change in (
        {"arguments": {**card["arguments"], "hidden": 10**9}}, {"arguments": {}}, {"arguments": {"d": "rm -rf"}},
        {"model": "gpt"}, {"model": "os.system"}, {"task": "ballistics"}, {"sha256": ""}, {"arguments": None},
    ):  # fmt: skip
        (place / "mlp.json").write_text(json.dumps({**card, **change}))
        one_command(fault, [*target, place / "o.csv"], place, scratch)
    return [fault]


@contextmanager
def small_disk(place, size):
    """A disk of so many bytes; yields whether it could be mounted."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place]
    mounted = bool(shutil.which("mount")) and subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", place], check=True)


def full_disk(place, scratch):
    """A disk that fills up before the result is saved; with free space, the same command works."""
    fault = Fault("disk full while saving")
    table().to_csv(scratch / "gaps.csv", index=False)
    table(30_000).to_csv(scratch / "more.csv", index=False)
    cross = np.zeros((32, 32), dtype=int)
    cross[12:20], cross[:, 12:20] = 1, 1
    pd.DataFrame([cross.ravel()] * 3, columns=[f"x{k + 1}" for k in range(1024)]).to_csv(scratch / "c.csv", index=False)
    data, short = ["--data", scratch / "gaps.csv", "--x", "a,b", "--y", "gap"], ["--epochs", "1", "--size", "small"]
    own, disk = place / "disk/own", place / "disk"
    train = ["train", "sinewave", "--method", "prior-lm", "--epochs", "1", "--out", disk / "m"]
    lines = {
        "a table": (["design", "sinewave", "--target=1", "--n", "5000", "--out", disk / "s.csv"], 100_000),
        "a data set": (["dataset", "ballistics", "--n", "20000", "--out", disk / "d.parquet"], 100_000),
        "a journal": (["dataset", "architecture", "--n", "300", "--workers", "0", "--out", disk / "c.parquet"], 4096),
        "structures": (["export", "architecture", scratch / "c.csv", "--format", "stl", "--out", disk / "stl"], 20_000),
        "a model": (train, 60_000),
        "own data": (["train", *data, "--out", own, *short], 8192),
        "a round": (["train", "--model", own, "--add", scratch / "more.csv", *short], 200_000),
    }  # fmt: skip
    disk.mkdir()
    with small_disk(disk, "12m") as mounted:
        if not mounted:
            fault.note = "not measured: to mount a small disk takes root"
            return [fault]
        for name, (line, room) in lines.items():
            free = shutil.disk_usage(disk).free
            (disk / "ballast").write_bytes(b"\0" * (free - room))
            before = contents(disk)
            code, _, err = ran(line, scratch)
            # Progress stands on the same line, before what is wrong.
            fault.said(name, err.strip().splitlines()[-1].rsplit("\r", 1)[-1] if err.strip() else "")
            if code != 2:
                fault.unclear.append(f"{name}: exit code {code}, {err[-200:]}")
            after = contents(disk)
            fault.lost += [f"{name}: {p}" for p, digest in before.items() if after.get(p) != digest]
            fault.lost += [f"{name}: {p}" for p in broken(disk)]
            (disk / "ballast").unlink()
            code, _, err = ran(line, scratch)
            if code:
                fault.lost.append(f"{name}, with room again: {err[-300:]}")
        with serving(IPAGE_HOME=str(disk / "home")) as (address, _, _):
            (disk / "ballast").write_bytes(b"\0" * shutil.disk_usage(disk).free)
            asyncio.run(_press_train(fault, address))
        fault.lost += broken(disk)
    return [fault]


async def _press_train(fault, address):
    visitor = Visitor(address, page="train")
    await visitor.fetch_page()
    await visitor.open()
    visitor.press("train")
    found = await visitor.run()
    kinds = [element.WhichOneof("type") for element in visitor.elements.values()]
    fault.said("Train, on the page", f"Traceback: {found.errors}" if "exception" in kinds else " ".join(found.errors))
    await visitor.close()


def kills(place, scratch):
    """SIGKILL during training, verification, generation; finished work stays, and the same command resumes."""
    chance = random.Random(0)
    training = Fault("SIGKILL in training")
    out = place / "m"
    command = ["train", "sinewave", "--method", "prior-lm", "--epochs", "40", "--size", "small", "--json", "--out", out]
    done = 0
    for attempt in range(6):
        more = ["--resume"] if (out / "mlp.checkpoint.safetensors").exists() else []
        before = contents(place)
        with started([*command, *more]) as process:
            rows = [json.loads(process.stdout.readline() or "{}") for _ in range(2)]
            time.sleep(chance.uniform(0, 0.3))  # anywhere in an epoch, or in its save
        training.tried += 1
        if rows[0].get("epoch", 0) <= done:
            training.lost.append(f"attempt {attempt}: after epoch {done} it went on with {rows[0]}")
        done = rows[-1].get("epoch", 0)
        training.lost += [f"attempt {attempt}: {p}" for p in broken(place) if not p.endswith(".part")]
        training.lost += [f"attempt {attempt}: {p} is gone" for p in before if p.suffix != ".part" and not p.exists()]
    code, _, err = ran([*command, "--resume"], scratch)
    if code or broken(place):
        training.lost.append(f"resumed: {err} {broken(place)}")

    verification = Fault("SIGKILL in verification and generation")
    designs = pd.DataFrame(np.random.default_rng(0).uniform(-1, 1, (400_000, 2)), columns=["x1", "x2"])
    designs.to_csv(scratch / "x.csv", index=False)
    result = place / "v.csv"
    ran(["verify", "sinewave", scratch / "x.csv", "--out", result], scratch)
    dataset = ["dataset", "architecture", "--n", "1000", "--workers", "1", "--out", place / "c.parquet"]
    whole = contents(place)[result]

    def written(pid):
        """Bytes that a process has in temporary files or in a journal."""
        return sum(p.stat().st_size for p in (*place.glob(f".*.{pid}.part"), *place.glob("*.journal")))

    for line in (["verify", "sinewave", scratch / "x.csv", "--out", result], dataset):
        for _ in range(3):
            before, end = written(0), time.monotonic() + LIMIT
            with started(line) as process:
                while written(process.pid) <= before and time.monotonic() < end:
                    time.sleep(0.01)
                time.sleep(chance.uniform(0, 0.5))
            verification.tried += 1
            verification.lost += [p for p in broken(place) if not p.endswith(".part")]
            if contents(place)[result] != whole:
                verification.lost.append(f"{result} has changed")
        code, _, err = ran(line, scratch)
        if code or broken(place):
            verification.lost.append(f"again: {err} {broken(place)}")
    return [training, verification, _kill_dft(place, scratch)]


def _kill_dft(place, scratch):
    from ipage_core.tasks.crystal import dft

    fault = Fault("SIGKILL in verification by DFT")
    try:
        dft.require()
    except dft.DFTUnavailable:
        fault.note = "not measured: GPAW is not installed"
        return fault
    os.environ["IPAGE_CACHE"] = str(place / "cache")
    lattices = [[3.9 + 0.02 * k, 3.95, 4.0, 90, 90, 90] for k in range(3)]
    pd.DataFrame(lattices, columns=[f"x{k + 1}" for k in range(6)]).to_csv(scratch / "l.csv", index=False)
    line = ["verify", "crystal", scratch / "l.csv", "--out", place / "g.csv"]
    with started(line):
        end = time.monotonic() + 120
        while not list(place.glob("cache/dft/*.json")) and time.monotonic() < end:
            time.sleep(0.05)
    fault.tried += 1
    kept = contents(place / "cache")
    fault.lost += [p for p in broken(place) if not p.endswith(".part")]
    code, _, err = ran(line, scratch, limit=180)
    if code or any(contents(place).get(p) != digest for p, digest in kept.items() if p.suffix == ".json"):
        fault.lost.append(f"again: {err}")
    fault.note = f"{len(kept)} of 3 results kept, the rest computed by the same command"
    return fault


@functools.cache
def made(count=UPLOADS):
    """This many malformed uploads, the same each time."""
    found = []

    @settings(max_examples=count, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(malformed.uploads)
    def take(upload):
        found.append(upload)

    take()
    return found


def uploads(place, scratch):
    """Malformed tables: read and made into tasks, and uploaded to the page Your data."""
    from ipage_core.tasks.table import own_data
    from ipage_core.tasks.table import reader as tables

    reading, page = Fault("malformed tables, read"), Fault("the same on the page Your data")
    for k, (name, content) in enumerate(made()):
        folder = place / "tasks" / str(k)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                frame = tables.read([(name, content)])
                x, y = tables.guess(tables.look(frame))
                if x and y:
                    tables.warnings(frame, x, y)
                own_data.create(folder, frame, x, y, source=name, title=name)
            reading.said(name, "", result=True)
        except ValueError as error:
            reading.said(name, " ".join(str(error).split("\n")))
            if folder.exists():
                reading.lost.append(f"{name}: left {folder}")
        except Exception:
            reading.said(name, traceback.format_exc())
    reading.lost += broken(place / "tasks")
    (place / "log").touch()
    with open(place / "log", "r+b") as log, serving(log=log, IPAGE_HOME=str(place / "home")) as (address, _, _):
        asyncio.run(_to_page(page, address))
        log.seek(0)
        page.tracebacks += re.findall(r"^\w+Error: .*", log.read().decode(errors="replace"), re.MULTILINE)
    page.lost += [str(p) for p in (place / "home").rglob("*") if p.is_file()]
    page.note = "names that the browser's dialog offers"
    return [reading, page]


async def _to_page(fault, address):
    from ipage_core.tasks.table import reader as tables

    visitor = Visitor(address, page="data")
    await visitor.fetch_page()
    await visitor.open()
    label = next(e.file_uploader.label for e in visitor.elements.values() if e.WhichOneof("type") == "file_uploader")
    for name, content in made():
        if Path(name).suffix.lower() not in tables.ACCEPTED:
            continue
        status = await visitor.upload(label, name, content)
        if status != 204:
            fault.said(name, f"the server answers {status}")
            continue
        found = await visitor.run()
        kinds = [element.WhichOneof("type") for element in visitor.elements.values()]
        if "exception" in kinds:
            fault.said(name, f"Traceback: {found.errors}")
        else:
            fault.said(name, " ".join(found.errors).replace("\n", " "), result="dataframe" in kinds)
    await visitor.close()


def strangers(place, scratch):
    """Requests from pages of another origin, without the token, and with paths in ids and names."""
    foreign, paths = (
        Fault("foreign origin, foreign host, no XSRF token"),
        Fault("paths in ids, addresses and file names"),
    )
    (place / "log").touch()
    with open(place / "log", "r+b") as log, serving(log=log, IPAGE_HOME=str(place / "home")) as (address, _, _):
        asyncio.run(_knock(foreign, paths, address))
        log.seek(0)
        paths.tracebacks += re.findall(r"^\w+Error: .*", log.read().decode(errors="replace"), re.MULTILINE)
    designs = pd.DataFrame([[3.9, 3.9, 3.9, 90, 90, 90]], columns=[f"x{k + 1}" for k in range(6)])
    for sample in ("../../../evil", "/../../../evil", "..", "a/b", "C:\\evil", "-1", "1.5", "=1+1", "nan"):
        designs.assign(sample=sample).to_csv(scratch / "e.csv", index=False)
        line = ["export", "crystal", scratch / "e.csv", "--format", "cif", "--out", place / "a/b/c"]
        if one_command(paths, line, place, scratch) == 0:
            paths.lost.append(f"the id {sample} named a file")
    return [foreign, paths]


async def _knock(foreign, paths, address):
    port = int(address.rsplit(":", 1)[1])

    def ask(method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    socket = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13",
              "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA=="}  # fmt: skip
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"evil.example:{port}"):
        for origin in (
            "http://evil.example",
            f"http://evil.example:{port}",
            "null",
            f"http://localhost.evil.example:{port}",
        ):
            status, told = ask("GET", "/_stcore/stream", Host=host, Origin=origin, **socket)
            foreign.said(f"{host} {origin}", "refused" if status == 403 else f"Traceback: {status} {told[:100]!r}")
    visitor = Visitor(address, page="data")
    await visitor.fetch_page()
    await visitor.open()
    label = next(e.file_uploader.label for e in visitor.elements.values() if e.WhichOneof("type") == "file_uploader")
    for xsrf in ({}, {"Cookie": "_streamlit_xsrf=x", "X_Xsrftoken": "x"}, {"X_Xsrftoken": visitor.xsrf}):
        for file in ("a", "../../a", "%2e%2e%2fa"):
            status, told = ask("PUT", f"/_stcore/upload_file/{visitor.session}/{file}", b"x", **xsrf)
            foreign.said(f"{xsrf} {file}", "refused" if 400 <= status < 500 else f"Traceback: {status} {told[:100]!r}")
    status = await visitor.upload(label, "a.csv", b"a\n1\n", xsrf=False)
    foreign.said("an upload without the token", "refused" if status == 403 else f"Traceback: {status}")

    up = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "....//", "..%c0%af", "%252e%252e%252f")
    for base in ("/", "/media/", "/static/", "/app/static/", "/component/", "/_stcore/bidi-components/", "/data/"):
        for step in up:
            status, told = ask("GET", base + step * 8 + "etc/passwd")
            paths.said(base + step, "refused" if b"root:" not in told and status < 500 else f"Traceback: {status}")
    secret = ("../../../../etc/passwd", "<script>", "/etc/passwd", "\x00", "ipage@../../x", "x" * 5000, "__class__")
    for name in ("task", "method", "view", "n", "seed", "y1", "sampling", "constrain", "start", "sample"):
        guest = Visitor(address)
        for value in secret:
            found = await guest.open(**{name: value})
            kinds = [e.WhichOneof("type") for e in guest.elements.values()]
            said = " ".join(found.errors).replace("\n", " ")
            paths.said(
                f"?{name}={value}", f"Traceback: {said}" if "exception" in kinds else said, result=bool(found.charts)
            )
            await guest.close()
    await visitor.close()


FAULTS = (commands, text, weights, full_disk, kills, additions, orphans, writers, uploads, memory, strangers, links)


def main():
    """Run all faults, or those named."""
    names = [fault.__name__ for fault in FAULTS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"of {', '.join(names)}")
    chosen = parser.parse_args().faults or names
    if unknown := set(chosen) - set(names):
        parser.error(f"'{unknown.pop()}' is not known; accepted: {', '.join(names)}")
    import ipage_core.benchmark.command
    import ipage_core.inference.pipeline
    import ipage_core.training.recipes  # noqa: F401  before the forks

    print("| fault | tried | a clear sentence, or a result | tracebacks | files lost or half-written |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    for fault in (fault for fault in FAULTS if fault.__name__ in chosen):
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as scratch:
            os.environ["IPAGE_HOME"] = f"{scratch}/home"
            found = fault(Path(place), Path(scratch))
        for one in found:
            print(one.row(), flush=True)
            for wrong in (*one.unclear, *one.tracebacks, *one.lost):
                print(f"{one.name}: {wrong}", file=sys.stderr)
        print(f"{fault.__name__}: {time.monotonic() - begun:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
