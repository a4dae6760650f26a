"""Runs the commands. Each command imports heavy packages only when it needs them."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from ipage_core.cli.parser import Parser, negative_values, refuse_overwriting, speak_any_encoding
from ipage_core.runtime.text import printable

COMMANDS = {
    "tasks": "List the tasks.",
    "design": "Find designs for a target; write them as CSV, print a JSON summary last.",
    "coverage": "Print the share of the solution set that the designs of solutions.csv cover.",
    "predict": "Apply a method's surrogate to designs x1..xD.",
    "verify": (
        "Apply the true forward operator Ω to designs x1..xD; for architecture also to a voxel array (NPY, NPZ)."
    ),
    "export": "Write the designs of solutions.csv as files for other programs.",
    "rank": "Merge equivalent crystals of solutions.csv, describe them and rank them.",
    "new": "Make your own problem from a command, a crystal and a calculator, or a table; DIR then is a TASK.",
    "campaign": "Collect distinct designs that Ω verifies, on a budget of evaluations; run again to continue.",
    "dataset": "Compute a data set with the true forward operator; run it again to continue a stopped run.",
    "learn": "Let a shipped surrogate learn from verified designs; writes a model of its own.",
    "train": "Train the models of a method; --resume continues a stopped run.",
    "calibrate": "Measure how far predictions are off, on results that the models have not learned; cards keep it.",
    "search": "Try settings of a method's networks in short trainings; write a log to pretrained/TASK.",
    "ablate": "Train the INN with parts left out; add the results to its card in pretrained/TASK.",
    "sizes": "Print the size of each model and its ratio to iPage's.",
    "benchmark": "Reproduce the paper's tables and figures; run it again to continue a stopped run.",
    "app": "Open the explorer in a browser.",
}
"""Command → its description. The module of the same name has ``add_options`` and ``run``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. → 0, or 2 after one line on stderr with the error and the accepted values.

    Commands that check something return 1 if the check fails.
    """
    speak_any_encoding()
    if argv is None:
        sys.unraisablehook = _press_again
    words = list(sys.argv[1:] if argv is None else argv)
    name = next((word for word in words if word in COMMANDS), None)
    try:
        code = _run(words, name)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where an error can still be told
        return code
    except (ValueError, FloatingPointError, OSError) as error:
        return _tell(name, _in_words(error), 2)
    except KeyboardInterrupt:  # from the first import on
        return _tell(name, "stopped", 130)
    except SystemExit:
        _let_go()
        raise
    finally:
        if argv is None:  # the process ends: nothing is left that Ctrl-C could stop
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run(words: list[str], name: str | None) -> int:
    parser = build(name)
    words = _with_own_task(words, name)
    arguments, others = parser.parse_known_args(words if name == "app" else negative_values(words))
    if others and arguments.command != "app":
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    arguments.others = others
    refuse_overwriting(arguments)
    return arguments.run(arguments) or 0


def _press_again(lost: sys.UnraisableHookArgs) -> None:
    """Repeat a Ctrl-C that came in a finalizer, where Python drops it with a traceback."""
    if lost.exc_type is not None and issubclass(lost.exc_type, KeyboardInterrupt):
        threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()  # so that a sleep ends too
    else:
        sys.__unraisablehook__(lost)


def _in_words(error: Exception) -> object:
    if isinstance(error, BrokenPipeError) and error.filename is None:
        return "stopped, because nobody reads what it prints; accepted: a reader that stays, or > FILE"
    if isinstance(error, OSError) and error.errno and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return error


def _tell(name: str | None, problem: object, code: int) -> int:
    """Print one line, where there is still somebody to read it. → the exit code."""
    with suppress(OSError):
        print(f"ipage_core {name}: {printable(problem)}", file=sys.stderr, flush=True)
    _let_go()
    return code


def _let_go() -> None:
    """Empty the buffers of stdout and stderr; one that nobody reads would fail again when Python ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _with_own_task(words: list[str], command: str | None) -> list[str]:
    """Remove ``--task FILE.py`` from the words: the file's task joins the others, and its name becomes TASK.

    Processes that the command starts get the file by ``$IPAGE_TASKS``.
    """
    k = next((k for k, word in enumerate(words) if word.split("=")[0] == "--task"), None)
    if k is None or command is None:
        return words
    _, equals, file = words[k].partition("=")
    rest = words[:k] + words[k + (1 if equals else 2) :]
    if not equals:
        file = words[k + 1] if k + 1 < len(words) else ""
    from ipage_core import registry

    task = registry.load_file(file)
    paths = [part for part in os.environ.get("IPAGE_TASKS", "").split(os.pathsep) if part]
    os.environ["IPAGE_TASKS"] = os.pathsep.join([*paths, str(Path(file).resolve())])
    if command in ("app", "tasks") or task.name in rest:
        return rest
    at = rest.index(command) + 1
    return [*rest[:at], task.name, *rest[at:]]


def build(name: str | None) -> argparse.ArgumentParser:
    """A parser with the names of all commands and the options of the command ``name``."""
    called = "ipage" if Path(sys.argv[0]).stem == "ipage" else "python -m ipage_core"
    parser = Parser(
        prog=called,
        description="Inverse design: find every x with Ω(x) = y*.",
        epilog="In the place of TASK: --task FILE.py, a file that defines TASK, or the DIR of the command new.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for command, text in COMMANDS.items():
        sub = commands.add_parser(command, help=text, description=text)
        if command == name:
            module = import_module(f"ipage_core.cli.{command}")
            module.add_options(sub)
            sub.set_defaults(run=module.run, refuse=sub.error)
    return parser
