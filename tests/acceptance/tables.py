"""Measure the time that tables take: ``python -m tests.acceptance.tables`` prints a table (minutes); stores nothing.

A small table trains in 15 s, one of 10,000 rows in 4 minutes, and 100 designs of a stack of thin films with its 256
reflectances take 10 s, on two idle cores. The limits are wall-clock times; on a busy machine, read the CPU seconds
beside them. ``--only small`` measures one of them.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from torch import Generator

from ipage_core.benchmark.simulators import PROBLEMS
from ipage_core.inference.methods import METHODS, load
from ipage_core.inference.pipeline import design
from ipage_core.tasks.table import own_data
from ipage_core.training import recipes

SMALL, LARGE, STACK = "small", "large", "stack"
BARS = {SMALL: 15.0, LARGE: 240.0, STACK: 10.0}
"""Limits in wall-clock seconds."""


def timed(work):
    """(return value, wall-clock seconds, CPU seconds of all threads)."""
    clock, cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, time.perf_counter() - clock, time.process_time() - cpu


def table(name, rows, folder):
    """A table of a published problem with this many rows, as a task."""
    problem = replace(PROBLEMS[name], rows=rows)
    generator = Generator().manual_seed(0)
    x = problem.draw(rows, generator)
    frame = pd.DataFrame(torch.cat((x, problem.measure(x, generator)), 1).numpy(), columns=[*problem.x, *problem.y])
    return own_data.create(folder / name, frame, list(problem.x), list(problem.y), source=f"{name}.csv")


def trained(task):
    """The cards of its models, which are trained here."""
    return [recipes.train(task, model, task.models_folder) for model in METHODS[task.default_method].models]


def measure(what, folder):
    """One row of the table."""
    if what == STACK:
        task = table("films", 4000, folder)
        _, _, trained_in = timed(lambda: trained(task))
        method = load(task, task.default_method)
        target = task.held_out()[1][0]
        design(task, method, target, 1)  # load the models first
        found, clock, cpu = timed(lambda: design(task, method, target, 100))
        x = found.final.double()
        off = (PROBLEMS["films"].truth(x) - target).square().mean(1).sqrt() / task.pairs()[1].var(0).mean().sqrt()
        quality = f"median error by the simulator {float(off.median()):.2g} sd; training took {trained_in:.0f} s of CPU"
        return "100 designs of 5 films for 256 reflectances", clock, cpu, quality
    name, rows = ("vehicle", 500) if what == SMALL else ("penicillin", 10_000)
    task = table(name, rows, folder)
    cards, clock, cpu = timed(lambda: trained(task))
    r2 = min(next(card for card in cards if "held_out" in card)["held_out"]["r2"])
    said = f"training, {rows:,} rows, {task.d} inputs, {task.n_targets} properties"
    return said, clock, cpu, f"least R² of held-out rows {r2:.4f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(BARS), help="measure one of them")
    chosen = parser.parse_args().only
    print(f"{torch.get_num_threads()} thread(s)\n")
    print("| | must take | by the clock | CPU | |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for what in [chosen] if chosen else BARS:
            said, clock, cpu, quality = measure(what, Path(folder))
            print(f"| {said} | ≤ {BARS[what]:.0f} s | {clock:.1f} s | {cpu:.1f} s | {quality} |", flush=True)


if __name__ == "__main__":
    main()
