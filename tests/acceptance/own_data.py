"""Measure tasks from a user's table: ``python -m tests.acceptance.own_data data_x.csv data_y.csv`` (minutes).

The table is the 10,798 strained MoS₂ cells with their DFT band gaps, seven inputs, of Fung et al. 2021 (npj Comput.
Mater. 7, 200): ``Simulated_DataSets/MoS2`` of github.com/jxzhangjhu/MatDesINNe, unchanged. Without it, its rows are
left out. ``--only table`` leaves out the other rows. ``--keep DIR`` keeps the trained model; if it is there already, it
is judged without being trained again.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ipage_core.tasks.table import own_task
from ipage_core.tasks.table import reader as tables
from ipage_core.training.recipes import surrogate_in

ROOT = Path(__file__).resolve().parent.parent.parent
THREADS = os.environ.get("OMP_NUM_THREADS", "2")
TARGETS, NEAREST = 15, 20
"""Targets from 0.1 to 1.5 eV; rows nearest to each by their prediction."""


def command(*words):
    """(last JSON line, formatted duration, peak memory of any child so far in GiB)."""
    began, before = time.perf_counter(), _cpu()
    process = subprocess.run(
        [sys.executable, "-m", "ipage_core", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": THREADS},
    )
    if process.returncode:
        raise SystemExit(process.stderr[-2000:])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    minutes = (time.perf_counter() - began) / 60
    took = f"{minutes:.1f} min by the clock, {(_cpu() - before) / 60:.1f} min of CPU in {THREADS} thread(s)"
    return json.loads(process.stdout.splitlines()[-1]), took, peak


def _cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def real(files, folder, model):
    """The real table, unchanged; trained unless ``model`` is there already."""
    x, y = tables.guess(tables.look(tables.read(files)))
    if not (model / "inn.json").exists():
        _, took, _ = command("train", "--data", *files, "--x", ",".join(x), "--y", ",".join(y), "--out", model)
        yield "its training", "≤ 5 min on 2 cores", took
    found, _, _ = command(
        "design", "--model", model, "--target", 1.0, "--n", 200, "--out", folder / "real.csv",
        "--to-measure", folder / "next.csv",
    )  # fmt: skip
    solutions = pd.read_csv(folder / "real.csv")
    solutions = solutions[solutions["stage"] == "localized"]
    off = (solutions["surrogate1"] - 1).abs()
    held_out = json.loads((model / "inn.json").read_text())["held_out"]
    yield "held-out R² of the real table", "≥ 0.994", f"{held_out['r2'][0]:.4f}, MAE {held_out['mae'][0]:.4f} eV"
    yield from intervals(model)
    yield (
        "200 candidates at 1.0 eV",
        "made",
        f"{found['n']}, {found['in_bounds']} in bounds, {found['verified']} verified",
    )
    yield "their target by the surrogates", "–", f"missed by at most {off.max():.2g} eV"
    yield "their spread", "–", f"median {solutions['spread1'].median():.4f} eV"
    near = (solutions["nearest_y1"] - 1).abs()
    yield (
        "distance to the nearest measured row",
        "median reported",
        f"{found['median_distance_to_measured']:.3f} box widths",
    )
    yield "gap of that row", "–", f"median {near.median():.2f} eV from the target"


def intervals(model):
    """Share of held-out rows inside their 90 % intervals: all, those above 0, and those chosen as candidates are.

    A candidate is a design whose prediction is the target, and no candidate has been measured. So for each of several
    targets the held-out rows whose predictions are nearest to it are taken for candidates: these are measured.
    """
    task = own_task.load(model)
    surrogate = surrogate_in(task, model)
    x, y = (values.double() for values in task.held_out())
    low, high = surrogate.interval(x)
    inside, predicted = ((y >= low) & (y <= high))[:, 0], surrogate.predict(x)[:, 0]
    above = y[:, 0] > 0
    targets = torch.linspace(0.1, 1.5, TARGETS, dtype=predicted.dtype)
    chosen = inside[(predicted - targets[:, None]).abs().argsort(1)[:, :NEAREST]]
    yield "90 % intervals hold of the held-out rows", "≥ 0.86", f"{inside.double().mean():.3f} of {len(x)}"
    yield "of those with a gap above 0", "≥ 0.86", f"{inside[above].double().mean():.3f} of {int(above.sum())}"
    yield (
        f"of the {NEAREST} whose prediction is nearest to a target, {TARGETS} targets from 0.1 to 1.5 eV",
        "≥ 0.86",
        f"{chosen.double().mean():.3f}, at least {chosen.double().mean(1).min():.2f} a target",
    )


def large(folder):
    """Synthetic: two outputs, 20 inputs, 50,000 rows."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (50_000, 20))
    mixed = x @ rng.normal(0, 1, (20, 6)) / np.sqrt(20)
    y = np.stack([np.sin(2 * mixed[:, 0]) + mixed[:, 1] * mixed[:, 2], np.cos(mixed[:, 3]) + mixed[:, 4] ** 2], axis=1)
    frame = pd.DataFrame(np.concatenate((x, y), axis=1), columns=[*(f"x{j + 1}" for j in range(20)), "y1", "y2"])
    frame.to_csv(folder / "large.csv", index=False)
    trained, took, peak = command(
        "train", "--data", folder / "large.csv", "--x", ",".join(f"x{j + 1}" for j in range(20)), "--y", "y1,y2",
        "--out", folder / "large",
    )  # fmt: skip
    found, _, peak = command(
        "design", "--model", folder / "large", "--target", "0.5,1.2", "--n", 200, "--out", folder / "large.csv.out.csv"
    )
    r2 = ", ".join(f"{v:.4f}" for v in trained["held_out"]["r2"])
    yield (
        "two outputs, 20 inputs, 50,000 rows",
        "works",
        f"R² {r2}; {found['success_before_replacement']} of 200 arrive",
    )
    yield "its memory, training and designing", "≤ 3 GiB", f"{peak:.2f} GiB at most"
    yield "its training", "–", took


def tested(name, what, must, reached):
    """A row whose result is whether a test passes."""
    process = subprocess.run([sys.executable, "-m", "pytest", "-q", name], cwd=ROOT, capture_output=True, text=True)
    said = f"{reached} ({name.split('::')[1]})" if process.returncode == 0 else f"**not reached**: {name} fails"
    yield what, must, said


def others(folder):
    """The rows that need no table of one's own."""
    return [
        large(folder),
        tested(
            "tests/app/test_trainings.py::test_killed_with_its_worker_it_goes_on_where_it_was",
            "training killed by SIGKILL, its worker too",
            "≤ 1 epoch lost, found again",
            "goes on from the last whole epoch",
        ),
        tested(
            "tests/browser/test_browser_own_data.py::test_from_upload_to_export",
            "upload to exported candidates",
            "≤ 10 clicks",
            "in a browser, its clicks counted",
        ),
    ]


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.own_data", description=__doc__)
    parser.add_argument("table", type=Path, nargs="*")
    parser.add_argument("--only", choices=["table"], help="leave out the rows that need no table")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="folder of the table's model")
    arguments = parser.parse_args()
    print("| | must reach | reached |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = (arguments.keep or folder / "real").resolve()
        parts = [real([path.resolve() for path in arguments.table], folder, model)] if arguments.table else []
        for part in parts if arguments.only else [*parts, *others(folder)]:
            for row in part:
                print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
