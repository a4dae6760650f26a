"""``new``: makes a user's own problem: a command, a crystal's calculator, or a table with or without an Ω."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipage_core.cli import tables
from ipage_core.cli.parser import WORKERS, whole
from ipage_core.cli.shared import check_scheduler, print_failures

if TYPE_CHECKING:
    from ipage_core.runtime.executor import Progress
    from ipage_core.tasks.command.card import Card

MAKING = ".making"
"""Marks a folder until its problem is made and tested. The next run replaces what a killed one left there, or goes on
with its test: the file says what was asked for."""
SEEDS = 20
"""Draws of test designs, to choose the one with most new designs."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder; it then takes TASK's place")
    parser.add_argument(
        "--x",
        action="append",
        default=[],
        metavar="INPUT",
        help="'length [m]=0.5:2', 'layers=1:12 integer', 'R [ohm]=1:1e6 log' or 'metal=Cu|Ag|Au'; given again for "
        "each; with --data also a column's name, whose data then give the bounds",
    )
    parser.add_argument(
        "--y",
        action="append",
        default=[],
        metavar="PROPERTY",
        help="'sag [mm] ± 0.1' (or +- 0.1): its name, unit and how exactly it has to be met; given again for each; "
        "with --crystal: gap,energy,pressure, …; with --data also a column's name",
    )
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="a table of measured rows to learn from; they are kept apart from results of the command",
    )
    tables.add_options(parser)
    crystal = parser.add_argument_group("a crystal of one's own, under strain")
    crystal.add_argument("--crystal", type=Path, metavar="CIF", help="or any other structure file that ASE reads")
    crystal.add_argument("--calculator", metavar="NAME", help="gpaw, chgnet, emt, MODULE:FACTORY or FILE.py:FACTORY")
    crystal.add_argument("--strain", default="3%", help="largest normal component, e.g. 4%% (default %(default)s)")
    crystal.add_argument("--relax", action="store_true", help="let the atoms come to rest in each strained cell")
    crystal.add_argument(
        "--kicks", type=whole(1, 20), default=4, help="starts of each relaxation (default %(default)s)"
    )
    parser.add_argument(
        "--command",
        dest="call",
        metavar="TEXT",
        help="'python sim.py {in} {out}': reads designs from the CSV {in}, writes the CSV {out}",
    )
    parser.add_argument("--batch", type=whole(1, 100_000), metavar="N", help="designs a call (default 1)")
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds after which a call is stopped (3600)")
    parser.add_argument("--workers", type=WORKERS, help="calls at a time (default 1)")
    parser.add_argument("--scheduler", metavar="tcp://HOST:PORT", help="calls go to a Dask scheduler instead")
    parser.add_argument("--title", default="", help="what pages call it")
    parser.add_argument(
        "--test", type=whole(0, 1000), default=1, metavar="N", help="designs to evaluate at once (default 1; 0: none)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the folder, evaluate one or two designs, print the results. → 1 if none gave a result."""
    code = _run(arguments)
    (arguments.folder / MAKING).unlink(missing_ok=True)
    return code


def _run(arguments: argparse.Namespace) -> int:
    from ipage_core.tasks.command import card as cards
    from ipage_core.tasks.command import rows
    from ipage_core.tasks.command.evaluate import earlier_rows

    check_scheduler(arguments.scheduler)
    there, forgotten = (arguments.folder / cards.CARD).exists(), 0
    if there and _begun(arguments.folder) == _asked(arguments):  # and killed in its test
        return _tell_test(arguments, cards.read(arguments.folder), there=False)
    if there and (arguments.x or arguments.y or arguments.crystal or arguments.data):
        raise ValueError(
            f"{arguments.folder} holds a problem already; accepted there: a new --command and its settings"
        )
    with nullcontext() if there else _making(arguments.folder, _asked(arguments)):
        if arguments.data and not arguments.call:
            return _table_alone(arguments)
        card = _changed(arguments, cards.read(arguments.folder)) if there else _made(arguments)
        cards.check_settings(card.batch, card.timeout, card.workers)
        if there:  # with the former card, whose program all rows so far are of
            forgotten = rows.forget_failures(arguments.folder.resolve(), cards.read(arguments.folder))
        cards.allow(arguments.folder, card.command)
        cards.write(arguments.folder, card)  # last, so that after a kill the same command begins anew
    with rows.locked(arguments.folder.resolve()):
        rows.settle(arguments.folder.resolve(), card)  # notes the program of now
    print(f"The command is: {shlex.join(card.command)}", file=sys.stderr)
    if forgotten:
        print(f"Failures of before are forgotten: {forgotten}. These designs may be evaluated again.", file=sys.stderr)
    if there and (earlier := rows.read(arguments.folder.resolve(), card).earlier):
        if not arguments.test:  # a test evaluation says it
            print(f"{earlier_rows(arguments.folder, earlier)}.", file=sys.stderr)
        if any(arguments.folder.glob("*.safetensors")):
            print(f"Models in {arguments.folder} learned from them: train them anew.", file=sys.stderr)
    return _tell_test(arguments, card, there)


def _tell_test(arguments: argparse.Namespace, card: Card, there: bool) -> int:
    text, reasons = _tested(arguments.folder, card, arguments.test, there) if arguments.test else ({}, [])
    if text and text["failed"] == arguments.test:
        print(_after_failure(arguments.folder), file=sys.stderr)
    print_failures(reasons)
    print(json.dumps({"name": card.name, "folder": str(arguments.folder.resolve()), **text}, ensure_ascii=False))
    return 1 if text and text["failed"] == arguments.test else 0


def _asked(arguments: argparse.Namespace) -> str:
    """All that describes a problem, as text."""
    return json.dumps({name: value for name, value in vars(arguments).items() if not callable(value)}, default=str)


def _begun(folder: Path) -> str:
    """What the run asked for that was killed in this folder; '' if there was none."""
    try:
        return (folder / MAKING).read_text()
    except OSError:
        return ""


def _made(arguments: argparse.Namespace) -> Card:
    """The card of a new problem."""
    from ipage_core.tasks.command import card as cards
    from ipage_core.tasks.command import measured
    from ipage_core.tasks.command.columns import check_names, property_, variable
    from ipage_core.tasks.table.card import CARD, slug

    if arguments.crystal is None and arguments.calculator is not None:
        raise ValueError("--calculator needs --crystal, the structure file of the crystal")
    if (arguments.folder / CARD).exists():
        return _with_omega(arguments)
    if arguments.crystal is not None:
        return _changed(arguments, _of_crystal(arguments))
    if not arguments.call:
        raise ValueError("--command is required: the call of a program that reads {in} and writes {out}")
    command = cards.parse_command(arguments.call)
    name = arguments.folder.resolve().name
    if not arguments.data:
        variables, properties = tuple(map(variable, arguments.x)), tuple(map(property_, arguments.y))
        check_names(variables, properties)
        return _changed(arguments, cards.Card(slug(name), arguments.title or name, variables, properties, command))
    table = tables.read_rows(arguments.data, arguments, least=1)
    variables, properties, x, y = measured.of_table(table, arguments.x, arguments.y)
    check_names(variables, properties)
    card = cards.Card(slug(name), arguments.title or name, variables, properties, command)
    tables.say(table)
    return _with_rows(arguments, card, x, y, [table.source] * len(x))


def _check_name(folder: Path) -> None:
    """Raise ValueError if this folder could not stand for TASK, because a shipped task has its name."""
    from ipage_core.tasks import MODULES
    from ipage_core.tasks.table.card import slug

    name = folder.resolve().name
    if taken := {name, slug(name)} & {*MODULES}:
        raise ValueError(f"{folder} is called '{taken.pop()}', as a shipped task is: give the folder another name")


@contextmanager
def _making(folder: Path, asked: str) -> Iterator[None]:
    """Make a problem in a free folder, or in one of own data: no other run may, and a failure leaves nothing of it.

    Raises:
        ValueError: the folder holds something else, or another run is writing to it.
    """
    from ipage_core.runtime.files import sole_writer

    _check_name(folder)
    _check_free(folder)  # before the lock, which is a file
    with sole_writer(folder):
        _check_free(folder)
        before = {*folder.iterdir()}
        try:
            (folder / MAKING).write_text(asked)
            yield
        except BaseException:
            for path in {*folder.iterdir()} - before:
                path.unlink(missing_ok=True)
            raise


def _check_free(folder: Path) -> None:
    from ipage_core.runtime.files import LOCK
    from ipage_core.tasks.table.card import CARD

    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name} if folder.exists() else set()
    if names - {LOCK} and not names & {CARD, MAKING}:
        raise ValueError(f"{folder} is there already; accepted: the name of a new folder, or an empty one")


def _table_alone(arguments: argparse.Namespace) -> int:
    """Own data without any Ω, as ``train --data`` makes them, but not yet trained."""
    from ipage_core.tasks.command import measured
    from ipage_core.tasks.table.card import CARD, slug

    if arguments.crystal is not None:
        raise ValueError("--crystal takes no --data: its calculator gives the rows")
    if (arguments.folder / CARD).exists():
        raise ValueError(f"{arguments.folder} holds own data already; accepted there: --command, which adds an Ω")
    table = tables.read_rows(arguments.data, arguments)
    measured.as_own_data(arguments.folder, table, arguments.x, arguments.y, arguments.title)
    tables.say(table)
    print(
        f"There is no Ω, so designs are predicted, not verified; new {arguments.folder} --command '…' adds one.",
        file=sys.stderr,
    )
    said = {
        "name": slug(arguments.folder.resolve().name),
        "folder": str(arguments.folder.resolve()),
        "rows": len(table.frame),
    }
    print(json.dumps(said, ensure_ascii=False))
    return 0


def _with_omega(arguments: argparse.Namespace) -> Card:
    """The card of a folder of own data that now gets a command as Ω; its rows stay, as measured ones."""
    from ipage_core.tasks.command import card as cards
    from ipage_core.tasks.command import measured
    from ipage_core.tasks.command.columns import check_names
    from ipage_core.tasks.table.card import read_card

    if arguments.x or arguments.y or arguments.data or arguments.crystal:
        raise ValueError(f"{arguments.folder} holds own data already; accepted there: --command, which adds an Ω")
    if not arguments.call:
        raise ValueError("--command is required: the call of a program that reads {in} and writes {out}")
    own, command = read_card(arguments.folder), cards.parse_command(arguments.call)
    variables, properties, x, y, sources = measured.of_folder(arguments.folder)
    check_names(variables, properties)
    card = cards.Card(own["name"], arguments.title or own["title"], variables, properties, command)
    return _with_rows(arguments, card, x, y, sources)


def _with_rows(arguments: argparse.Namespace, card: Card, x: Any, y: Any, sources: list[str]) -> Card:
    """Write measured rows into the folder of a new card."""
    from ipage_core.tasks.command import card as cards
    from ipage_core.tasks.command import measured

    card = _changed(arguments, card)
    cards.check_settings(card.batch, card.timeout, card.workers)
    measured.write(arguments.folder, card, x, y, sources)
    inside = len(measured.read(arguments.folder, card)[0])
    outside = f"; {len(x) - inside} of them lie outside the bounds and are not used" if inside < len(x) else ""
    print(f"{len(x)} measured rows{outside}. They train models; they never count as verified.", file=sys.stderr)
    return card


def _of_crystal(arguments: argparse.Namespace) -> Card:
    """The card of a strained crystal; the settings of its calculator are in ``crystal.json`` beside it."""
    from ipage_core.tasks.command import card as cards
    from ipage_core.tasks.own_crystal import card as crystals
    from ipage_core.tasks.own_crystal import symmetry
    from ipage_core.tasks.own_crystal.task import command, referenced
    from ipage_core.tasks.table.card import slug

    if arguments.x or arguments.call or arguments.data:
        raise ValueError(
            "--crystal takes none of --x, --data and --command: strains are the inputs, the calculator is Ω"
        )
    if not arguments.calculator:
        raise ValueError(f"--calculator is required with --crystal; accepted: {crystals.calculators.ACCEPTED}")
    properties = tuple(part.strip() for text in arguments.y for part in text.split(",") if part.strip())
    name = arguments.folder.resolve().name
    crystal = crystals.create(
        arguments.crystal,
        arguments.calculator,
        crystals.strain(arguments.strain),
        properties or ("energy", "pressure"),
        relax=arguments.relax,
        kicks=arguments.kicks,
    )
    crystal, lattice = referenced(crystal)
    crystals.write(arguments.folder, crystal)
    images = len(crystal.operations)
    if crystal.remark:
        print(crystal.remark, file=sys.stderr)
    print(f"{crystal.name}: {crystal.space_group}, {images} images of each strain", file=sys.stderr)
    if not symmetry.keeps(crystal.bounds, crystal.on_strains):
        print("Images of a strain may lie outside the box: no box is its own image in this crystal.", file=sys.stderr)
    unstrained = ", ".join(f"{one} {value:.4g}" for one, value in lattice.items())
    print(f"Unstrained, by {arguments.calculator}: {unstrained}", file=sys.stderr)
    return cards.Card(
        slug(name), arguments.title or f"{crystal.name} under strain", crystal.variables, crystal.targets,
        command(arguments.folder),
        batch=1 if arguments.calculator == "gpaw" else 10,
    )  # fmt: skip


def _changed(arguments: argparse.Namespace, card: Card) -> Card:
    """The card with the options about calls."""
    from ipage_core.tasks.command import card as cards

    names = ("batch", "timeout", "workers", "scheduler")
    said = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    if arguments.call and card.command != (command := cards.parse_command(arguments.call)):
        said["command"] = command
    return replace(card, **said)


def _after_failure(folder: Path) -> str:
    """What to do if no design of the test has a result."""
    from ipage_core.tasks.command.card import CARD

    again = "give its call again by --command '…'" if not (folder / "crystal.json").exists() else "remove the folder"
    return f"No design has a result yet. {folder / CARD} is there: mend the program, then {again} to test it anew."


def _tested(folder: Path, card: Card, n: int, there: bool) -> tuple[dict[str, Any], list[str]]:
    """Counts and reasons of failures: of the first n designs of a data set, or of n new ones if it was ``there``."""
    from torch import Generator

    from ipage_core.cli.shared import print_counts
    from ipage_core.problem.watch import watching
    from ipage_core.tasks.command import rows, task
    from ipage_core.tasks.command.evaluate import settled

    begins: dict[str, list[str]] = {}

    def progress(p: Progress) -> None:
        begins.update((p.result or {}).get("begins", {}))
        print_counts(p)

    loaded = task.load(folder)
    assert loaded.collect is not None
    assert loaded.omega is not None
    if there:
        known = rows.read(folder.resolve(), card)
        seeds = range(len(known.x) + 1, len(known.x) + SEEDS)
        draws = (loaded.sample_prior(n, Generator().manual_seed(seed)) for seed in seeds)
        x = max(draws, key=lambda x: int((known.find(settled(card, x.numpy())) < 0).sum()))
        with watching(progress, source="test"):
            failed = int(loaded.omega(x).isnan().any(1).sum())
        assert loaded.why_failed is not None
        reasons = loaded.why_failed(x)
    else:
        result = loaded.collect(n, None, None, progress=progress)
        failed = result["failed"]
        reasons = [reason for reason, count in result["reasons"].items() for _ in range(count)]
    for name, lines in begins.items():
        print(f"First lines of {{{name}}}:", *(lines or ["(there is no file to read)"]), sep="\n  ", file=sys.stderr)
    seconds = rows.read(folder.resolve(), card).frame["seconds"].iloc[-n:].median()
    return {"evaluated": n, "failed": failed, "seconds": round(float(seconds), 3)}, reasons
