"""A disk that fills up before the result is saved."""

import asyncio
import shutil
import subprocess
from contextlib import contextmanager

import numpy as np
import pandas as pd

from tests.support.browser import serving
from tests.support.visitor import Visitor
from tests.tools.faults.base import Fault, broken, contents, ran, table


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
