"""SIGKILL in long commands: finished work stays, and the same command resumes."""

import json
import os
import random
import time

import numpy as np
import pandas as pd

from tests.tools.faults.base import LIMIT, Fault, broken, contents, ran, started


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
