"""A campaign's log: requested designs and results of Ω, one line each, synced to disk before the campaign continues."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import torch
from filelock import FileLock, Timeout
from torch import Tensor


class Step(NamedTuple):
    """Designs and results of one step."""

    x: Tensor
    """(q, d) requested designs."""
    why: list[str]
    """The reason for each design, one sentence."""
    predicted: Tensor
    """(q, m) predictions before Ω ran; NaN if there was none."""
    chance: Tensor
    """(q,) probability of a hit."""
    y: Tensor | None
    """(q, m + p) results, NaN where Ω failed; None: not yet evaluated."""
    state: dict[str, Any] | None = None
    """What the choice of later designs depends on besides the steps, as JSON; None in ledgers of earlier programs."""


class Ledger:
    """An append-only file, locked while a campaign runs."""

    def __init__(self, file: IO[bytes], steps: list[Step]) -> None:
        self._file = file
        self.steps = steps

    def ask(
        self, x: Tensor, why: list[str], predicted: Tensor, chance: Tensor, state: dict[str, Any] | None = None
    ) -> None:
        """Write designs before they are evaluated, so that a killed campaign resumes with the same designs."""
        line = {"ask": x.tolist(), "why": why, "predicted": _listed(predicted), "chance": _listed(chance[None])[0]}
        self._append(line | {"state": state})
        self.steps.append(Step(x, why, predicted, chance, None, state))

    def answer(self, y: Tensor) -> None:
        """Write the results of Ω for the last requested designs."""
        self._append({"answer": _listed(y)})
        self.steps[-1] = self.steps[-1]._replace(y=y)

    @property
    def open_step(self) -> Step | None:
        """The last step, if a kill left it without results; else None."""
        return self.steps[-1] if self.steps and self.steps[-1].y is None else None

    def _append(self, line: dict[str, Any]) -> None:
        try:
            whole = json.dumps(line).encode() + b"\n"
            if os.write(self._file.fileno(), whole) < len(whole):
                raise OSError(errno.ENOSPC, "the disk is full")
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OSError(f"{self._file.name}: {error.strerror}; run again to go on") from None


def begun_with(path: Path) -> str | None:
    """The ``start`` of the campaign in a ledger; None if there is no ledger."""
    try:
        with path.open() as file:
            return str(json.loads(file.readline())["campaign"]["start"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read(path: Path) -> list[Step]:
    """The steps of a ledger, also while a campaign writes it; no steps if there is none.

    Raises:
        ValueError: it is damaged.
    """
    try:
        text = path.read_bytes()
    except OSError:
        return []
    return _steps(path, _lines(path, text[: text.rfind(b"\n") + 1])[1:])


def is_written(path: Path) -> bool:
    """Whether a running campaign holds the ledger."""
    if not path.exists():
        return False
    try:
        with _lock(path).acquire(blocking=False):
            return False
    except Timeout:
        return True


def _lock(path: Path) -> FileLock:
    return FileLock(path.with_name(f".{path.name}.lock"))


@contextmanager
def opened(path: Path, about: dict[str, Any]) -> Iterator[Ledger]:
    """Open the ledger at ``path``, new or existing; ``about`` identifies the campaign.

    Raises:
        ValueError: it belongs to another campaign, is damaged, or another run is writing it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = _lock(path).acquire(blocking=False)
    except Timeout:
        raise ValueError(f"Another run is writing {path}") from None
    with lock, path.open("a+b") as file:
        file.seek(0)
        text = file.read()
        whole = text.rfind(b"\n") + 1  # a kill may have cut off the last line
        lines = _lines(path, text[:whole])
        file.truncate(whole)
        ledger = Ledger(file, [])
        if not lines:
            ledger._append(about)
        elif lines[0] != json.loads(json.dumps(about)):
            raise ValueError(f"{path} belongs to another campaign: name another --out, or remove it")
        ledger.steps.extend(_steps(path, lines[1:]))
        yield ledger


def _lines(path: Path, text: bytes) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in text.splitlines()]
    except ValueError:
        raise ValueError(f"{path} is damaged: name another --out, or remove it") from None


def _steps(path: Path, lines: list[dict[str, Any]]) -> list[Step]:
    steps: list[Step] = []
    try:
        for line in lines:
            if "ask" in line:
                x, chance = torch.tensor(line["ask"], dtype=torch.float64), _tensor([line["chance"]])[0]
                steps.append(Step(x, line["why"], _tensor(line["predicted"]), chance, None, line.get("state")))
            else:
                steps[-1] = steps[-1]._replace(y=_tensor(line["answer"]))
    except (KeyError, IndexError, TypeError):
        raise ValueError(f"{path} is damaged: name another --out, or remove it") from None
    return steps


def _listed(values: Tensor) -> list[list[float | None]]:
    """As lists with null for NaN, which JSON lacks."""
    return [[None if v != v else v for v in row] for row in values.tolist()]


def _tensor(rows: list[list[float | None]]) -> Tensor:
    return torch.tensor([[float("nan") if v is None else v for v in row] for row in rows], dtype=torch.float64)
