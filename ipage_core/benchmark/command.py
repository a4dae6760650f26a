"""``python -m ipage_core benchmark``: run sections, print the tables, write the report."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path

import torch

from ipage_core import benchmark
from ipage_core.benchmark import coverage, rows, tables, tables_of_others
from ipage_core.benchmark.scope import ANALYTIC, PROTOCOLS, Scope
from ipage_core.benchmark.simulators import PROBLEMS
from ipage_core.inference.methods import METHODS, named
from ipage_core.runtime import executor
from ipage_core.runtime.executor import Progress
from ipage_core.runtime.paths import ROOT

SEEDS = 5
"""Training seeds of ``--tables``, each with its own table and targets."""


def main(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        ValueError: an option is not accepted; the message lists the accepted values.
    """
    if arguments.tables:
        _tables(arguments)
        return
    if arguments.out is None and (arguments.report is None or arguments.join or arguments.fold):
        raise ValueError(
            "accepted: --out DIR for a run, --join or --fold; or --report FILE.html, of the shipped results"
        )
    if arguments.out is not None:
        _run(arguments)
    if arguments.report is not None:
        _report(arguments.out or benchmark.SHIPPED, arguments.report)


def _tables(arguments: argparse.Namespace) -> None:
    """Published problems as tables: run what is missing, write ``tables_of_others.parquet``, print the table."""
    if arguments.out is None:
        raise ValueError("--tables needs --out DIR, for its journal and its Parquet file")
    problems = _names(arguments.tasks, tuple(PROBLEMS))
    if unknown := [name for name in problems if name not in PROBLEMS]:
        raise ValueError(f"problem '{unknown[0]}' is not known; accepted: {', '.join(PROBLEMS)}")
    _make(arguments.out)
    requested = tables_of_others.items(problems, arguments.repeats or SEEDS)
    journal = arguments.out / "tables_of_others.journal"
    if arguments.fold:
        results = rows.finished(journal)
    else:
        results = executor.run(
            tables_of_others.work,
            requested,
            journal,
            workers=arguments.workers,
            scheduler=arguments.scheduler,
            progress=lambda progress: _print_progress(arguments, "tables", progress),
        )
    table = tables_of_others.frame(results, requested)
    if table.empty:
        raise ValueError(f"{arguments.out} holds no finished results of these runs")
    rows.write(table, arguments.out / "tables_of_others.parquet", {"command": _command(arguments)})
    print(tables_of_others.markdown(tables_of_others.summary(table)))


def _run(arguments: argparse.Namespace) -> None:
    if arguments.join:
        _show(arguments, benchmark.join(arguments.join, arguments.out))
        return
    scope = Scope(
        tasks=_names(arguments.tasks, ANALYTIC),
        methods=tuple(dict.fromkeys(map(named, _names(arguments.methods, tuple(METHODS))))),
        samplings=_names(arguments.sampling, ()) or None,
        protocols=_names(arguments.protocol, PROTOCOLS),
        repeats=arguments.repeats,
        n=arguments.n,
        quick=arguments.quick,
        dft=arguments.dft,
        models=tuple(arguments.models),
        device=arguments.device,
    )
    sections = _names(arguments.only, tuple(benchmark.SECTIONS))
    if arguments.device is not None and "compute" not in sections:
        raise ValueError("--device is for the section compute; accepted: with this section, or without --only")
    if arguments.device == "cuda" and not torch.cuda.is_available() and not arguments.fold:
        raise ValueError("--device cuda: PyTorch finds no GPU here; accepted: cpu")
    if scope.dft:
        from ipage_core.tasks.crystal import dft

        dft.require()
    if not arguments.fold:
        _make(arguments.out)

    written = benchmark.run(
        scope,
        arguments.out,
        sections,
        workers=arguments.workers,
        scheduler=arguments.scheduler,
        progress=lambda section, progress: _print_progress(arguments, section, progress),
        command=_command(arguments),
        fold=arguments.fold,
    )
    _show(arguments, written)


def _print_progress(arguments: argparse.Namespace, section: str, progress: Progress) -> None:
    if arguments.json:
        line = {"section": section, "done": progress.done, "total": progress.total}
        print(json.dumps(line | {"eta": progress.eta_seconds}), flush=True)
    elif progress.key is None and progress.done:
        print(f"{section}: {progress.done} of {progress.total} runs are in {arguments.out} already", file=sys.stderr)
    elif progress.done:
        counted = f"{section}: {progress.done}/{progress.total}  {progress.eta_seconds:.0f} s left"
        print(f"\r{counted}    ", end="", file=sys.stderr, flush=True)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"--out {folder}: {error.strerror}; accepted: a folder, or a place where one can be created"
        raise ValueError(problem) from None


def _show(arguments: argparse.Namespace, written: dict[str, Path]) -> None:
    if arguments.json:
        return
    print(file=sys.stderr)
    if "tables" in written:
        _print_tables(written["tables"])
    if "coverage" in written:
        by_method = coverage.medians(rows.read(written["coverage"])[0])
        print("\nLargest distance of a solution to its nearest design / share of the solutions within ε, medians\n")
        print(coverage.markdown(by_method))


def _print_tables(path: Path) -> None:
    cells, card = rows.read(path.with_name(benchmark.CELLS))
    for protocol, text in tables.PAPER_TABLES.items():
        if (cells["protocol"] == protocol).any():
            interval = f"95 % bootstrap over {tables.RESAMPLED[protocol]}"
            print(f"\n### {text}\n\nMean of ‖Ω(x) − y*‖² [{interval}] ± SD over latent seeds\n")
            print(tables.markdown(cells, card["missing"], protocol))
    for sentence in dict.fromkeys(card["missing"].values()):
        print(f"\n{sentence}")


def _report(folder: Path, out: Path) -> None:
    """The app draws the figures, in a separate process, because the core does not import the app."""
    command = [sys.executable, "-m", "app.results.report", str(folder.resolve()), str(out.resolve())]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        message = done.stderr.strip().rpartition("\n")[2]
        if "Error: No module named" in message or "No module named app" in message:
            message = f"--report needs the folder app/ and its requirements ({message})"
        raise ValueError(message)
    print(f"wrote {out}", file=sys.stderr)


def _names(text: str | None, default: tuple[str, ...]) -> tuple[str, ...]:
    return default if text is None else tuple(dict.fromkeys(part.strip() for part in text.split(",")))


def _command(arguments: argparse.Namespace) -> str:
    """The user's command without output folder and number of cores, on which the results do not depend."""
    words = ["python", "-m", "ipage_core", "benchmark"]
    for name in ("tasks", "methods", "sampling", "protocol", "repeats", "only", "device"):
        if (value := getattr(arguments, name)) is not None:
            words += [f"--{name}", str(value)]
    words += ["--n", str(arguments.n)] if arguments.n != 1000 else []
    words += [f"--{name}" for name in ("tables", "quick", "dft", "fold") if getattr(arguments, name)]
    for folder in arguments.models:
        words += ["--models", folder.name]
    return shlex.join(words)
