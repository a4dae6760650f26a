"""Deliberate faults: ``python -m tests.tools.fault_app [FAULT …]`` prints a table of the outcomes.

Each fault runs against the real thing: the command line, the app's server on the loopback, a disk of a few megabytes.
Every try must end in a result or in one clear sentence; no traceback is shown, no file lost, changed or half-written.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")


from ipage_core.networks.store import PRETRAINED
from ipage_core.runtime.files import replacing  # noqa: F401  imported before the forks, as what follows is
from tests.tools.faults.base import Fault, one_command
from tests.tools.faults.commands import commands
from tests.tools.faults.disk import full_disk
from tests.tools.faults.kills import kills
from tests.tools.faults.links import links
from tests.tools.faults.memory import memory
from tests.tools.faults.stops import stops
from tests.tools.faults.strangers import strangers
from tests.tools.faults.text import text
from tests.tools.faults.uploads import uploads
from tests.tools.faults.writers import (
    additions,
    orphans,
    writers_of_files,
    writers_of_logs,
    writers_of_models,
    writers_of_rows,
)


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


FAULTS = (
    commands, text, weights, full_disk, kills, stops, additions, orphans, writers_of_rows, writers_of_models,
    writers_of_files, writers_of_logs, uploads, memory, strangers, links,
)  # fmt: skip


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
            for one in fault(Path(place), Path(scratch)):
                print(one.row(), flush=True)
                for wrong in (*one.unclear, *one.tracebacks, *one.lost):
                    print(f"{one.name}: {wrong}", file=sys.stderr)
        print(f"{fault.__name__}: {time.monotonic() - begun:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
