"""Measure the load of a class: ``python -m tests.tools.load_app [--visitors 30] [--minutes 3] [--json FILE]``.

A server as app/README.md serves a class, on the loopback. Visitors (see ``tests/support/visitor.py``) arrive within ten
seconds. Each then goes round: choose a task, a target, a sampling, a number of designs, look at the figure after each,
take the table or the archive away; before every step 5 to 15 seconds of thought, uniformly; one round in five begins by
loading the page anew. Time counts from the message that a choice sends to the end of the run, with the figure here.
"""

import argparse
import asyncio
import io
import json
import os
import random
import statistics
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import streamlit

from tests.support.browser import serving
from tests.support.visitor import Visitor

THINK = (5.0, 15.0)
ARRIVE = 10.0
RELOAD = 0.2
"""Share of rounds that start by reloading the page."""
ZIP = "Download ZIP: table, figures, model cards, command"
PLOTLY = next((Path(streamlit.__file__).parent / "static/static/js").glob("PlotlyChart.*.js")).name
MIB = 2**20


class Record:
    """The measurements of all visitors."""

    def __init__(self):
        self.steps = []
        """(kind, task, seconds)."""
        self.errors = []
        self.bytes = 0

    def ran(self, kind, visitor, ran, target=None):
        """Record a run of the page's script; its figure must show the requested target."""
        task = visitor.query.get("task", "sinewave")
        self.steps.append((kind, task, ran.seconds))
        self.bytes += ran.bytes
        self.errors += [f"{kind} {task}: {said}" for said in ran.errors]
        told = [meta for chart in ran.charts if "target" in (meta := chart["layout"].get("meta") or {})]
        if not any(meta["task"] == task for meta in told):
            self.errors.append(f"{kind} {task}: no figure")
        elif target is not None and not any(abs(meta["target"][0] - target) < 1e-9 for meta in told):
            self.errors.append(f"{kind} {task}: the figure is of {told[0]['target']}, not of {target}")


async def attend(visitor, record, until, thought):
    """The session of one visitor."""
    chance = visitor.random

    async def think():
        await asyncio.sleep(chance.uniform(*thought))

    await asyncio.sleep(chance.uniform(0, ARRIVE))
    await visitor.fetch_page()
    await visitor.get(f"/static/js/{PLOTLY}")
    record.ran("first view", visitor, await visitor.open())
    while time.perf_counter() < until:
        if chance.random() < RELOAD:
            await visitor.close()
            record.ran("page anew", visitor, await visitor.open(**visitor.query))
        for step in (_task, _target, _sampling, _number):
            await think()
            if time.perf_counter() > until:
                break
            await step(visitor, record)
        else:
            await think()
            await _download(visitor, record)
    await visitor.close()


async def _task(visitor, record):
    choice = visitor.find("selectbox", "task_choice")
    visitor.set("selectbox", "task_choice", visitor.random.choice(list(choice.options)))
    record.ran("task", visitor, await visitor.run())


async def _target(visitor, record):
    sliders = [e.slider for e in visitor.elements.values() if e.WhichOneof("type") == "slider"]
    slider = next(s for s in sliders if "-slide_" in s.id and s.id.endswith("_1"))
    target = round(slider.min + (slider.max - slider.min) * visitor.random.uniform(0.1, 0.9), 4)
    visitor.set("number_input", "y1", target)
    record.ran("target", visitor, await visitor.run(), target)


async def _sampling(visitor, record):
    offered = [option.content for option in visitor.find("button_group", "sampling").options]
    visitor.set("button_group", "sampling", visitor.random.choice(offered))
    record.ran("sampling", visitor, await visitor.run())


async def _number(visitor, record):
    visitor.set("slider", "n", visitor.random.choice(list(visitor.find("slider", "n").options)))
    record.ran("N", visitor, await visitor.run())


async def _download(visitor, record):
    label = visitor.random.choice(["Download CSV", ZIP])
    content, _, seconds = await visitor.download(label)
    record.steps.append(("ZIP" if label == ZIP else "CSV", visitor.query.get("task", "sinewave"), seconds))
    record.bytes += len(content)
    if label == ZIP:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if archive.testzip() or not any(name.startswith("figures/local") for name in archive.namelist()):
                record.errors.append("the archive is damaged")
            content = archive.read("solutions.csv")
    if not len(pd.read_csv(io.BytesIO(content))):
        record.errors.append("the table is empty")


def resident(process):
    """Resident bytes of a process and its children."""
    total = process.memory_info().rss
    for child in process.children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


async def watch(process, memory):
    """Resident memory once a second: (moment, bytes)."""
    while True:
        memory.append((time.perf_counter(), resident(process)))
        await asyncio.sleep(1)


async def measure(address, started, process, visitors, minutes, seed, thought=THINK):
    """The measurements as a dict."""
    server, memory, record = psutil.Process(process.pid), [], Record()
    first = Visitor(address)
    await first.fetch_page()
    record.ran("alone", first, await first.open())
    seconds_first = time.perf_counter() - started
    await asyncio.sleep(3)
    one_model = resident(server)
    for title in first.find("selectbox", "task_choice").options:
        first.set("selectbox", "task_choice", title)
        record.ran("alone", first, await first.run())
    await asyncio.sleep(3)
    idle = resident(server)
    alone, record.steps = record.steps, []

    watching = asyncio.create_task(watch(server, memory))
    begun, cpu, own = time.perf_counter(), _cpu(server), _cpu(psutil.Process())
    until = begun + 60 * minutes
    lessons = [Visitor(address, seed=1000 * seed + k) for k in range(visitors)]
    ended = await asyncio.gather(*(attend(v, record, until, thought) for v in lessons), return_exceptions=True)
    record.errors += [f"{type(e).__name__}: {e}" for e in ended if e is not None]
    took = time.perf_counter() - begun
    cpu, own = (_cpu(server) - cpu) / took, (_cpu(psutil.Process()) - own) / took
    await asyncio.sleep(3)
    watching.cancel()
    after = Visitor(address)
    record.ran("afterwards", after, ran := await after.open())
    for visitor in (first, after):
        await visitor.close()

    choices = [s for kind, _, s in record.steps if kind in ("task", "target", "sampling", "N")]
    moments, sizes = np.array(memory).T
    half = (moments > begun + 30 * minutes) & (moments < until)
    slope = np.polyfit(moments[half], sizes[half], 1)[0] * 60
    return {
        "visitors": visitors,
        "minutes": minutes,
        "think_s": thought,
        "choices": len(choices),
        "select_to_figure_s": _quantiles(choices),
        "by_step_s": {kind: _quantiles([s for k, _, s in record.steps if k == kind]) for kind in _order(record, 0)},
        "by_task_s": {
            task: _quantiles([s for k, t, s in record.steps if t == task and k in ("task", "target", "sampling", "N")])
            for task in _order(record, 1)
        },
        "errors": record.errors,
        "mib_received": round(record.bytes / MIB),
        "first_view_s": round(seconds_first, 2),
        "alone_s": [round(s, 2) for _, _, s in alone],
        "view_afterwards_s": round(ran.seconds, 2),
        "resident_mib": {
            "after_first_view": round(one_model / MIB),
            "idle_with_all_tasks": round(idle / MIB),
            "most": round(sizes.max() / MIB),
            "half_time": round(sizes[half][:10].mean() / MIB),
            "end": round(sizes[half][-10:].mean() / MIB),
            "slope_per_minute_second_half": round(slope / MIB, 1),
            "every_ten_seconds": [round(size / MIB) for size in sizes[::10]],
        },
        "cpu_of_server": round(cpu, 2),
        "cpu_of_visitors": round(own, 2),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
    }


def _cpu(process):
    times = process.cpu_times()
    return times.user + times.system


def _order(record, column):
    return list(dict.fromkeys(step[column] for step in record.steps))


def _quantiles(seconds):
    if not seconds:
        return {}
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
    figures = {"median": statistics.median(seconds), "p95": p95, "most": max(seconds)}
    return {"n": len(seconds)} | {name: round(value, 2) for name, value in figures.items()}


def table(found):
    """The table in app/README.md."""
    time_, memory = found["select_to_figure_s"], found["resident_mib"]
    steps = ", ".join(f"{kind} {q['p95']}" for kind, q in found["by_step_s"].items())
    rows = [
        ("choice → figure, p95", "≤ 2 s", f"{time_['p95']} s (median {time_['median']} s, n = {time_['n']})"),
        ("p95 of each step", "reported", f"{steps} s"),
        ("errors: no or wrong figure, red sentence, traceback, bad file", "0", f"{len(found['errors'])}"),
        ("first view after the server's start", "≤ 10 s", f"{found['first_view_s']} s"),
        ("resident, idle after the first view", "≤ 1.2 GiB", f"{memory['after_first_view'] / 1024:.2f} GiB"),
        ("resident, idle, every task's model loaded", "≤ 1.2 GiB", f"{memory['idle_with_all_tasks'] / 1024:.2f} GiB"),
        ("resident, most", "≤ 3 GiB", f"{memory['most'] / 1024:.2f} GiB"),
        (
            "resident over the second half",
            "flat",
            f"{memory['half_time']} → {memory['end']} MiB ({memory['slope_per_minute_second_half']:+} MiB a minute)",
        ),
        ("page anew, after the lesson", "reported", f"{found['view_afterwards_s']} s"),
    ]
    lines = [
        f"|  | must reach | {found['visitors']} visitors, {found['minutes']:g} min, {found['cores']} cores |",
        "| --- | --- | --- |",
    ]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--think", type=float, nargs=2, default=THINK, metavar="SECONDS", help="from, to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    random.seed(asked.seed)
    with tempfile.TemporaryDirectory() as home, open(Path(home) / "log", "w+b") as log:
        with serving(log=log, IPAGE_CLASSROOM="1", IPAGE_HOME=f"{home}/home") as (address, started, process):
            found = asyncio.run(
                measure(address, started, process, asked.visitors, asked.minutes, asked.seed, tuple(asked.think)),
            )
        log.seek(0)
        said = log.read().decode(errors="replace")
    found["errors"] += [f"log: {line}" for line in said.splitlines() if line.startswith("Traceback")]
    found["log"] = said.splitlines()[-40:]
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")
    else:
        print(json.dumps(found, indent=2))
    print(table(found))


if __name__ == "__main__":
    main()
