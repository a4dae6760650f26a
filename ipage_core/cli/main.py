"""The command line: a contract that other programs call. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ipage_core.cli import cells, coverage, tables

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from ipage_core.inference.methods import Loaded
    from ipage_core.problem.request import DesignRequest
    from ipage_core.problem.task import Task
    from ipage_core.runtime.executor import Progress


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0, or 2 after one line on stderr that says what is wrong and what is accepted."""
    parser = _parser()
    arguments, others = parser.parse_known_args(argv)
    if others and arguments.run is not _app:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    arguments.others = others
    try:
        arguments.run(arguments)
    except (ValueError, FloatingPointError, OSError) as error:
        told = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else error
        print(f"ipage_core {arguments.command}: {told}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"ipage_core {arguments.command}: stopped", file=sys.stderr)
        return 130
    return 0


def _whole(least: int, most: int) -> Callable[[str], int]:
    """Beyond ``most`` lies what would take days, or all memory, before it failed."""

    def whole(text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"'{text}' is not accepted: a whole number, from {least} to {most}")

    return whole


_count, _seed, _workers = _whole(1, 10**7), _whole(0, 2**32 - 1), _whole(0, 1024)
_designs, _epochs, _steps, _omega_evals = _whole(1, 10**5), _whole(1, 10_000), _whole(1, 10_000), _whole(0, 100)
_repeats = _whole(1, 1000)


def _distance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if 0 < value < 10:
        return value
    raise argparse.ArgumentTypeError(f"'{text}' is not accepted: a distance above 0, in box widths, e.g. 0.06")


def _parser() -> argparse.ArgumentParser:
    called = "ipage" if Path(sys.argv[0]).stem == "ipage" else "python -m ipage_core"
    parser = _Parser(prog=called, description="Inverse design: find every x with Ω(x) = y*.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, run: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    tasks = command("tasks", _tasks, "List the tasks.")
    tasks.add_argument("--json", action="store_true", help="as one JSON array")

    design = command("design", _design, "Find designs for a target; write them as CSV, print a JSON summary last.")
    design.add_argument("task", metavar="TASK", nargs="?")
    design.add_argument("--model", type=Path, metavar="DIR", help="models from there; own data: the task is there too")
    target = design.add_mutually_exclusive_group(required=True)
    target.add_argument("--target", help="y*: a number or an interval LOW:HIGH (an end may be left out); m with commas")
    target.add_argument("--targets", type=Path, metavar="CSV", help="file with columns y1..yM, a target a row")
    target.add_argument(
        "--goal",
        action="append",
        metavar="EXPR",
        help="'NAME=5±0.1', 'NAME<=3', 'NAME=0.4:0.6', …: one a property, given again for each; others may be anything",
    )
    design.add_argument("--n", type=_designs, default=25, help="solutions, for each target (default %(default)s)")
    design.add_argument("--out", type=_csv, required=True, metavar="CSV")
    design.add_argument("--sampling", default="maximin", help="srs, lhs or maximin (default)")
    design.add_argument("--method", help="default: ipage")
    design.add_argument("--seed", type=_seed, default=0)
    design.add_argument("--verify", default="auto", help="auto (default), all, none, or how many")
    design.add_argument(
        "--omega-evals", type=_omega_evals, default=0, help="true evaluations a solution for its correction"
    )
    design.add_argument(
        "--constrain",
        action="append",
        default=[],
        metavar="EXPR",
        help="'x3=0.2; x1=x2; x1<=0.5', and what else the task knows; may be given again",
    )
    design.add_argument("--seed-design", type=Path, metavar="FILE", help="start near the first design of a CSV x1..xD")
    design.add_argument("--finish", action="store_true", help="architecture: to the exact target by flips of pixels")
    design.add_argument("--optimizer", default="lm", help="lm (default), adam or gd")
    design.add_argument("--steps", type=_steps, help="optimizer steps at most (default: 25 for lm, else 200)")
    design.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    design.add_argument(
        "--to-measure", type=_csv, metavar="CSV", help="own data: also write the designs to measure or simulate next"
    )
    design.add_argument("--measure", type=_designs, default=20, help="how many of them (default %(default)s)")

    design.add_argument(
        "--spread",
        default="box",
        help="evenly over all solutions in the box (box, default) or the likely ones (posterior); off: as drawn",
    )
    design.add_argument(
        "--fill", type=_distance, metavar="EPS", help="add designs until each solution has one within EPS box widths"
    )

    text = "Say how much of the solution set the designs of solutions.csv cover: proved, measured or estimated."
    coverage.add_options(covered := command("coverage", _coverage, text))

    predict = command("predict", _predict, "Apply a method's surrogate to designs x1..xD.")
    predict.add_argument("--method", help="default: ipage")
    predict.add_argument("--model", type=Path, metavar="DIR", help="as for design; TASK may then be left out")
    predict.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    text = "Apply the true forward operator Ω to designs x1..xD; for architecture also to a voxel array (NPY, NPZ)."
    verify = command("verify", _verify, text)
    for sub in (predict, verify):
        sub.add_argument("task", metavar="TASK", nargs="?" if sub is predict else None)
        sub.add_argument("designs", type=Path, metavar="CSV")
        sub.add_argument("--out", type=_csv, required=True, metavar="CSV")

    for sub in (design, predict, verify, covered):
        tables.add_options(sub)
    cells.add_options(design)

    export = command("export", _export, "Write the designs of solutions.csv as files for other programs.")
    export.add_argument("task", metavar="TASK", nargs="?")
    export.add_argument("solutions", type=Path, metavar="CSV")
    export.add_argument("--model", type=Path, metavar="DIR", help="own data with lattice columns, instead of TASK")
    export.add_argument(
        "--format", required=True, help="crystal: cif, poscar or extxyz; architecture: png, svg, dxf, stl or 3mf"
    )
    export.add_argument("--out", type=Path, required=True, metavar="DIR")

    tables.add_options(export)

    dataset = command("dataset", _dataset, "Compute a data set with the true forward operator; a stopped run goes on.")
    dataset.add_argument("task", metavar="TASK", help="architecture, crystal, or any task that generates from a seed")
    dataset.add_argument("--n", type=_count, required=True, help="rows")
    dataset.add_argument("--seed", type=_seed, help="default: that of the shipped data")
    dataset.add_argument("--out", type=_csv, required=True, metavar="FILE", help="Parquet")
    dataset.add_argument(
        "--workers", type=_workers, default=1, help="local processes (default %(default)s; 0: this one)"
    )
    dataset.add_argument("--scheduler", metavar="tcp://HOST:PORT", help="an existing Dask scheduler instead")

    train = command("train", _train, "Train the models of a method; a stopped run goes on with --resume.")
    train.add_argument("task", metavar="TASK", nargs="?", help="with --data: what pages call it")
    train.add_argument(
        "--data", type=Path, nargs="+", metavar="FILE", help="own data: CSV, Parquet or NPZ; several go side by side"
    )
    train.add_argument("--x", metavar="COLS", help="with --data: its input columns, with commas")
    train.add_argument("--y", metavar="COLS", help="with --data: its property columns, with commas")
    tables.add_options(train)
    train.add_argument("--units", default="", metavar="COL=UNIT,…", help="with --data")
    train.add_argument("--bounds", default="", metavar="COL=LOW:HIGH,…", help="with --data; default: the data's own")
    train.add_argument("--model", type=Path, metavar="DIR", help="own data that is there already, instead of TASK")
    train.add_argument("--add", type=Path, metavar="FILE", help="with --model: results to add as another round first")
    train.add_argument("--method", help="train all models it needs (default: ipage)")
    train.add_argument("--out", type=Path, metavar="DIR", help="required, but with --model")
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    train.add_argument("--epochs", type=_epochs, help="instead of the recipe's")
    train.add_argument("--size", default="usual", help="of the networks: small, usual (default) or large")
    train.add_argument("--seed", type=_seed, default=0)
    train.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    train.add_argument("--json", action="store_true", help="a JSON object an epoch on stdout")

    text = "Reproduce the paper's tables and figures; a stopped run goes on."
    benchmark = command("benchmark", _benchmark, text)
    benchmark.add_argument("--out", type=Path, metavar="DIR", help="journals and Parquet files; run again to go on")
    benchmark.add_argument("--tasks", help="with commas (default: the three analytic ones; of --tables all problems)")
    benchmark.add_argument("--methods", help="with commas (default: all)")
    benchmark.add_argument("--sampling", help="with commas (default: each method as the paper has it)")
    benchmark.add_argument("--protocol", help="many, single (default: both, with a comma)")
    benchmark.add_argument(
        "--repeats",
        type=_repeats,
        help="latent seeds (default: 50; architecture and crystal 5); of --tables training seeds (5)",
    )
    benchmark.add_argument("--n", type=_designs, default=1000, help="solutions a run (default %(default)s)")
    benchmark.add_argument(
        "--only",
        help="with commas: tables, exploration, quality, calibration, ablation, compute (default: all)",
    )
    benchmark.add_argument(
        "--tables", action="store_true", help="instead: tables of published problems, judged by their simulators"
    )
    benchmark.add_argument("--quick", action="store_true", help="few repeats: five minutes on two cores")
    benchmark.add_argument("--dft", action="store_true", help="crystal: let DFT judge 50 solutions a cell")
    benchmark.add_argument(
        "--models", type=Path, action="append", default=[], metavar="DIR", help="models of another training seed too"
    )
    benchmark.add_argument("--device", help="what compute times: cpu or cuda (default: both, where there is a GPU)")
    benchmark.add_argument("--fold", action="store_true", help="run nothing: write what a stopped run has finished")
    benchmark.add_argument(
        "--join",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="run nothing: write the results of such folders as one, rows that two hold from the later",
    )
    benchmark.add_argument("--report", type=Path, metavar="HTML", help="write a report; without --out, of what ships")
    benchmark.add_argument("--json", action="store_true", help="a JSON object a finished run on stdout")
    benchmark.add_argument(
        "--workers", type=_workers, default=2, help="local processes (default %(default)s; 0: this one)"
    )
    benchmark.add_argument("--scheduler", metavar="tcp://HOST:PORT", help="an existing Dask scheduler instead")

    text = "Open the explorer in a browser."
    app = command("app", _app, text)
    app.usage = f"{called} app [OPTION OF STREAMLIT …]"
    app.epilog = "Options go to 'streamlit run': --server.port 8502, --server.headless true, …"
    return parser


def _app(arguments: argparse.Namespace) -> None:
    """``streamlit run`` in this process, with the settings beside the script: they name the loopback address."""
    import runpy

    from ipage_core.runtime.paths import ROOT

    sys.argv = ["streamlit", "run", str(ROOT / "streamlit_app.py"), *arguments.others]
    runpy.run_module("streamlit", run_name="__main__", alter_sys=False)


def _tasks(arguments: argparse.Namespace) -> None:
    from ipage_core import registry as home
    from ipage_core.tasks import TASKS

    home.refresh()
    rows: list[dict[str, Any]] = [
        {
            "name": task.name,
            "title": task.title,
            "x": list(task.x_labels),
            "properties": list(task.property_labels),
            "n_targets": task.n_targets,
            "bounds": task.bounds.tolist(),
            "default_target": list(task.default_target),
            "tolerance": task.tolerance,
            "source": task.source,
        }
        for task in TASKS.values()
    ]
    if arguments.json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        target = ", ".join(f"{value:g}" for value in row["default_target"])
        print(f"{row['name']:<18} {len(row['x'])} → {row['n_targets']}   y* = {target:<8}  {row['title']}")


def _design(arguments: argparse.Namespace) -> None:
    from ipage_core.inference.methods import load
    from ipage_core.problem.task import watching
    from ipage_core.training.fit import pick_device

    task = _task(arguments.task, arguments.model)
    if arguments.goal and task.design_goals is not None and (designs := task.design_goals(arguments)) is not None:
        _write_csv(designs.frame(), arguments.out)
        print(json.dumps(designs.summary(), ensure_ascii=False))
        return
    request = _request(arguments, task)
    device, models = pick_device(arguments.device), None if "@" in request.method else arguments.model
    method = load(task, request.method, device, models=models)
    if task.describe_accuracy is not None:
        print(task.describe_accuracy(method), "Not verified: no Ω.", file=sys.stderr)
    if arguments.to_measure is not None and task.to_measure is None:
        raise ValueError("--to-measure is for own data; here Ω itself verifies designs")
    with watching(_print_counts):
        solutions = request.run(method)
    frame, summary = solutions.frame(), solutions.summary()
    if task.beside is not None:
        frame, more = task.beside(method, solutions, frame)
        summary |= more
        if "advice" in more:
            print(more["advice"], file=sys.stderr)
    if arguments.to_measure is not None and task.to_measure is not None:
        chosen = task.to_measure(method, solutions.final, solutions.y_star, arguments.measure)
        _write_csv(chosen, arguments.to_measure)
    _write_csv(frame, arguments.out)
    if solutions.note:
        print(solutions.note, file=sys.stderr)
    print(json.dumps(summary, ensure_ascii=False))


def _request(arguments: argparse.Namespace, task: Task) -> DesignRequest:
    """What the options of ``design`` ask for."""
    from ipage_core.problem.request import DesignRequest
    from ipage_core.problem.target import Target
    from ipage_core.tasks.table import own_data

    rows: list[list[float]] = []
    if arguments.targets is not None:
        own = own_data.property_names(task)
        rows = tables.targets(task, arguments.targets, tables.read(arguments.targets, arguments), own).tolist()
        target = Target.of(task, rows[0])
    elif arguments.goal:
        target = Target.from_goals(task, arguments.goal)
    else:
        target = Target.parse(task, arguments.target)
    return DesignRequest(
        task,
        target,
        arguments.method or task.default_method,
        n=arguments.n,
        sampling=arguments.sampling,
        seed=arguments.seed,
        constraints=tuple(p.strip() for text in arguments.constrain for p in text.split(";") if p.strip()),
        start=() if arguments.seed_design is None else tuple(_seed_design(task, arguments).tolist()),
        omega_evals=arguments.omega_evals,
        finish=arguments.finish,
        verify=arguments.verify,
        optimizer=arguments.optimizer,
        steps=arguments.steps,
        spread=arguments.spread,
        fill=arguments.fill,
        targets=tuple(map(tuple, rows)),
    )


def _predict(arguments: argparse.Namespace) -> None:
    import torch

    task = _task(arguments.task, arguments.model)
    method = _load(arguments, task)
    if method.surrogate is None:
        raise ValueError(f"method '{method.name}' has no surrogate to predict with; 'ipage' has")
    table = tables.read(arguments.designs, arguments)
    x, frame = tables.designs(task, arguments.designs, table), table.frame
    with torch.no_grad():
        predicted = method.surrogate(x.to(method.device, torch.float32)).cpu()
    for j in range(task.n_targets):
        frame[f"surrogate{j + 1}"] = predicted[:, j].numpy()
    _write_csv(frame, arguments.out)
    print(json.dumps({"n": len(frame), "method": method.name}))


def _verify(arguments: argparse.Namespace) -> None:
    import pandas as pd

    from ipage_core.problem.task import watching

    task = _task(arguments.task)
    if task.omega is None:
        raise ValueError(f"{task.name} has no forward operator Ω: its designs cannot be verified here")
    if task.verify_file is not None and (found := task.verify_file(arguments.designs)) is not None:
        _write_csv(pd.DataFrame([found]), arguments.out)
        print(json.dumps({"n": 1, "omega_calls": 1, "failed": 0}))
        return
    table = tables.read(arguments.designs, arguments)
    x, frame = tables.designs(task, arguments.designs, table), table.frame
    with watching(_print_counts):
        y = task.omega(x)
    names = [f"y{j + 1}" for j in range(task.n_targets)] + list(task.property_labels[task.n_targets :])
    for name, column in zip(names, y.numpy().T, strict=True):
        frame[name] = column
    targets = [f"target{j + 1}" for j in range(task.n_targets)]
    if set(targets) <= set(frame):  # solutions.csv: what was asked for is known
        y_star = frame[targets].apply(pd.to_numeric, errors="coerce").to_numpy()
        frame["resim_error"] = ((y.numpy()[:, : task.n_targets] - y_star) ** 2).sum(1)
    _write_csv(frame, arguments.out)
    print(json.dumps({"n": len(frame), "omega_calls": len(frame), "failed": int(y.isnan().any(1).sum())}))


def _coverage(arguments: argparse.Namespace) -> None:
    task = _task(arguments.task, arguments.model)
    coverage.run(arguments, task, _load(arguments, task))


def _export(arguments: argparse.Namespace) -> None:
    from ipage_core.runtime.files import replacing
    from ipage_core.tasks.export import files

    task = _task(arguments.task, arguments.model)
    table = tables.read(arguments.solutions, arguments)
    x = tables.designs(task, arguments.solutions, table)
    frame = table.frame
    if "x1" not in frame or task.columns:  # under the table's own names
        frame = frame.assign(**{f"x{j + 1}": column for j, column in enumerate(x.numpy().T)})
    if "sample" not in frame:
        frame["sample"] = range(len(frame))
    written = files(task, arguments.format, frame)
    for name, content in written.items():
        with replacing(arguments.out / name) as beside:
            beside.write_bytes(content)
    print(json.dumps({"files": len(written), "format": arguments.format, "out": str(arguments.out)}))


def _dataset(arguments: argparse.Namespace) -> None:
    from ipage_core.training.datasets import generate

    _check_scheduler(arguments.scheduler)
    if arguments.out.suffix != ".parquet":
        raise ValueError(f"--out {arguments.out}: data sets are Parquet; accepted: a name that ends in .parquet")
    card = generate(
        arguments.task,
        arguments.n,
        arguments.seed,
        arguments.out,
        workers=arguments.workers,
        scheduler=arguments.scheduler,
        progress=_print_counts,
    )
    print(file=sys.stderr)
    print(json.dumps(card, ensure_ascii=False))


def _check_scheduler(address: str | None) -> None:
    if address is not None and not re.fullmatch(r"tcp://.+:\d+", address):
        raise ValueError(f"--scheduler {address}: accepted: an address such as tcp://127.0.0.1:8786")


def _benchmark(arguments: argparse.Namespace) -> None:
    from ipage_core.benchmark.command import main

    _check_scheduler(arguments.scheduler)
    main(arguments)


def _print_counts(progress: Progress) -> None:
    if not progress.done:
        return  # an error at once stands on a line of its own
    left = "" if progress.eta_seconds is None else f"  {progress.eta_seconds:.0f} s left"
    print(f"\r{progress.done}/{progress.total}{left} ", end="", file=sys.stderr, flush=True)


def _train(arguments: argparse.Namespace) -> None:
    from ipage_core.inference.methods import METHODS, named
    from ipage_core.training.fit import pick_device
    from ipage_core.training.recipes import train

    method = named(arguments.method or "ipage")
    if method not in METHODS or not METHODS[method].models:
        trainable = ", ".join(name for name, row in METHODS.items() if row.models)
        raise ValueError(f"method '{method}' is not known or has nothing to train; accepted: {trainable}")
    device, models = pick_device(arguments.device), METHODS[method].trained
    task = _task_to_train(arguments)
    out = Path(arguments.out or task.models_folder or ".")
    left = [out / f"{model}{end}" for model in models for end in (".checkpoint.safetensors", ".json")]
    if arguments.resume and not any(path.exists() for path in left) and not arguments.data:
        raise ValueError(f"--resume: {out} holds no stopped run of {method}; start without --resume")
    for model in models:
        card = train(
            task,
            model,
            out,
            epochs=arguments.epochs,
            size=arguments.size,
            seed=arguments.seed,
            device=device,
            resume=arguments.resume,
            progress=_print_json if arguments.json else _print_progress,
        )
        if not arguments.json:
            print(file=sys.stderr)
        told = {"held_out": card["held_out"]} if "held_out" in card else {}
        print(json.dumps({"model": model, "seconds": card["training_seconds"], **card["validation"], **told}))


def _task_to_train(arguments: argparse.Namespace) -> Task:
    """A task by name, or one of own data: made of ``--data``, or as it is in ``--model`` with what ``--add`` brings."""
    said = {"--data": arguments.data, "--model": arguments.model, "--out": arguments.out}
    if arguments.add and not arguments.model:
        raise ValueError("--add needs --model DIR, the folder of the data that it adds to")
    if arguments.model and (arguments.data or arguments.task):
        raise ValueError("--model DIR takes the place of TASK and --data: give one of them")
    if not arguments.data and (arguments.x or arguments.y or arguments.units or arguments.bounds):
        raise ValueError("--x, --y, --units and --bounds are about --data FILE")
    if said["--out"] is None and not arguments.model:
        raise ValueError("--out DIR is required")
    if not arguments.data:
        if arguments.add:
            from ipage_core.tasks.table import own_data, reader

            table = reader.read_table([arguments.add], tables.settings(arguments), least=1)
            count = own_data.add(arguments.model, table.frame, source=arguments.add.name)
            tables.say(table)
            print(f"{count} rows added", file=sys.stderr)
        return _task(arguments.task, arguments.model)
    from ipage_core.tasks.table import own_data, reader
    from ipage_core.tasks.table.names import choose

    if (arguments.out / own_data.CARD).exists() and arguments.resume:
        return own_data.load(arguments.out)
    if not arguments.x or not arguments.y:
        raise ValueError("--data needs --x COLS and --y COLS: its input and its property columns, with commas")
    table = reader.read_table(arguments.data, tables.settings(arguments))
    names = list(table.columns)
    x, y = choose(names, arguments.x), choose(names, arguments.y)

    def named(option: str, text: str) -> dict[str, str]:
        return {choose(names, name)[0]: value for name, value in _pairs(option, text).items()}

    bounds = {name: _limits(name, text) for name, text in named("--bounds", arguments.bounds).items()}
    task = own_data.create(
        arguments.out,
        table.frame,
        x,
        y,
        source=", ".join(path.name for path in arguments.data),
        title=arguments.task or "",
        units={name: unit for name, unit in table.units.items() if name in (*x, *y)}
        | named("--units", arguments.units),
        bounds=bounds,
    )
    for warning in table.warnings(x, y):
        print(warning, file=sys.stderr)
    return task


def _columns(text: str) -> list[str]:
    import csv

    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True))]


def _pairs(option: str, text: str) -> dict[str, str]:
    parts = _columns(text) if text else []
    for k in reversed(range(len(parts) - 1)):  # a name may hold a comma
        if "=" not in parts[k]:
            parts[k : k + 2] = [", ".join(parts[k : k + 2])]
    pairs = [part.rpartition("=") for part in parts]
    if any(not sign for _, sign, _ in pairs):
        raise ValueError(f"{option} '{text}' is not accepted: COL=VALUE, several with commas")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _limits(name: str, text: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    try:
        return float(low), float(high if colon else "nan")
    except ValueError:
        raise ValueError(f"--bounds '{name}={text}' is not accepted: LOW:HIGH, e.g. {name}=0:1") from None


def _load(arguments: argparse.Namespace, task: Task) -> Loaded:
    """The method asked for, with the models of ``--model``; one trained here (METHOD@RUN) has its own."""
    from ipage_core.inference.methods import load
    from ipage_core.training.fit import pick_device

    name = arguments.method or task.default_method
    return load(task, name, pick_device(arguments.device), models=None if "@" in name else arguments.model)


def _print_json(row: dict[str, Any]) -> None:
    print(json.dumps(row), flush=True)


def _print_progress(row: dict[str, Any]) -> None:
    losses = "  ".join(f"{k.removeprefix('loss_')} {v:.3g}" for k, v in row.items() if k.startswith("loss_"))
    line = f"{row['model']}  epoch {row['epoch']}/{row['epochs']}  {losses}  {row['eta_seconds']:.0f} s left"
    print(f"\r{line:<100}", end="", file=sys.stderr, flush=True)


def _task(name: str | None, model: Path | None = None) -> Task:
    """By its name, or the one that the folder of a model of own data holds."""
    from ipage_core import registry as home
    from ipage_core.tasks import TASKS

    home.refresh()  # tasks of own data, and models trained here, by their names too
    if model is not None:
        from ipage_core.tasks.table import own_data

        if (model / own_data.CARD).exists():
            task = own_data.load(model)
            if name not in (None, task.name):
                raise ValueError(f"{model} holds the task '{task.name}', not '{name}': leave TASK out")
            return task
        if name is None:
            raise ValueError(f"{model} holds no task of own data: it has no {own_data.CARD}; accepted: TASK as well")
    if name is None:
        raise ValueError(f"TASK or --model DIR is required; accepted: {', '.join(TASKS)}")
    if name not in TASKS:
        raise ValueError(f"task '{name}' is not known; accepted: {', '.join(TASKS)}")
    return TASKS[name]


def _csv(text: str) -> Path:
    path = Path(text)
    try:
        fine = bool(path.name) and (path.is_file() or not path.exists())
    except OSError:  # a name that is too long for any
        fine = False
    if not fine:
        raise argparse.ArgumentTypeError(f"'{text}' is not accepted: the name of a file; missing folders are made")
    return path


def _seed_design(task: Task, arguments: argparse.Namespace) -> Tensor:
    path = arguments.seed_design
    if path.suffix.lower() != ".csv" and task.read_design is not None:
        return task.read_design(path)
    return tables.designs(task, path, tables.read(path, arguments), rows=1)[0]


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    from ipage_core.runtime.files import replacing

    with replacing(path) as beside:
        frame.to_csv(beside, index=False)
