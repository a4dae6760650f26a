"""Networks on disk: weights as safetensors beside a JSON card. Loading executes no code from these files."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from ipage_core.networks.base import Network
from ipage_core.runtime.files import replacing
from ipage_core.runtime.paths import PRETRAINED


class ModelUnavailable(ValueError):
    """A model is missing, truncated or does not match its card. The message is one sentence for the user."""


def sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fingerprint(*tensors: Tensor) -> str:
    """SHA-256 over the values rounded to 9 decimals, so that machines agree."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(str(tuple(tensor.shape)).encode())
        for rows in tensor.detach().cpu().split(10_000):  # in parts, because 10⁸ pixels in float64 fill the memory
            digest.update((rows.double().numpy().round(9) + 0.0).tobytes())
    return digest.hexdigest()


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors (and strings about them) to one safetensors file, atomically."""
    with replacing(path) as beside:
        _save(tensors, beside, metadata)


def _save(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    path.touch()
    mode = path.stat().st_mode  # as the umask wants it: safetensors makes a new file, for its owner alone
    try:
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, path, metadata)
        path.chmod(mode)
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        number = int(code[1]) if code else errno.EIO
        raise OSError(number, os.strerror(number), str(path)) from None


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a file of :func:`save_tensors`.

    Raises:
        ModelUnavailable: the file is missing, truncated or not safetensors.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        return load_file(path), metadata
    except FileNotFoundError:
        raise ModelUnavailable(f"{path} does not exist.") from None
    except (SafetensorError, OSError) as error:
        raise ModelUnavailable(f"{path} is not a readable safetensors file ({error}).") from None


def save_model(directory: Path, name: str, weight_sets: dict[str, dict[str, Tensor]], card: dict[str, Any]) -> None:
    """Write ``<name>.safetensors`` with the weight sets, and ``<name>.json`` with the hash of the weights.

    A tensor that equals the first set's is stored once. Both files are whole before either takes its name, because new
    weights beside an old card are of no use.
    """
    first = next(iter(weight_sets.values()))
    tensors = {
        f"{s}.{k}": v
        for s, state in weight_sets.items()
        for k, v in state.items()
        if state is first or not torch.equal(v, first[k])
    }
    with replacing(directory / f"{name}.json") as said, replacing(directory / f"{name}.safetensors") as weights:
        _save(tensors, weights)
        said.write_text(json.dumps({**card, "sha256": sha256(weights)}, indent=2, ensure_ascii=False) + "\n")


def load_card(task: str, name: str, root: Path | None = None, folder: Path | None = None) -> dict[str, Any]:
    """The JSON card of a model, in ``folder``, or else in ``root/<task>`` (``pretrained/`` by default).

    Raises:
        ModelUnavailable: it is missing or cannot be read.
    """
    path = (folder or (root or PRETRAINED) / task) / f"{name}.json"
    try:
        card = json.loads(path.read_text())
    except FileNotFoundError:
        raise ModelUnavailable(f"There is no trained model '{name}' for {task} in {path.parent}.") from None
    except (OSError, ValueError, RecursionError):
        raise ModelUnavailable(f"The card {path} is damaged.") from None
    if not isinstance(card, dict):
        raise ModelUnavailable(f"The card {path} is damaged.")
    if (card.get("task"), card.get("name")) != (task, name):
        raise ModelUnavailable(f"The card {path} is not for '{name}' of {task}; accepted: a card of this model.")
    return card


def load_model(
    task: str,
    name: str,
    root: Path | None = None,
    folder: Path | None = None,
    *,
    networks: Mapping[str, type[Network]],
) -> tuple[dict[str, Network], dict[str, Any]]:
    """Load a model: every weight set as a module in eval mode on the CPU, and its card.

    Its network is one of ``networks``, from :func:`ipage_core.networks.networks_of`.

    Raises:
        ModelUnavailable: missing, truncated, changed, or of another program.
    """
    card = load_card(task, name, root, folder)
    path = (folder or (root or PRETRAINED) / task) / f"{name}.safetensors"
    tensors, _ = load_tensors(path)
    if sha256(path) != card.get("sha256"):
        raise ModelUnavailable(f"{path} does not match the hash in its card: it was changed or damaged.")
    modules: dict[str, Network] = {}
    try:
        check_arguments(card["arguments"], sum(tensor.numel() for tensor in tensors.values()))
        build = networks[card["model"]]
        first = {k.split(".", 1)[1]: v for k, v in tensors.items() if k.startswith(f"{build.weight_sets[0]}.")}
        for weight_set in build.weight_sets:
            module = build(**card["arguments"])
            prefix = f"{weight_set}."
            own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            _check_numbers(module, {**first, **own})
            module.load_state_dict({**first, **own})
            modules[weight_set] = module.eval().requires_grad_(False)
    except (Exception, MemoryError) as error:  # a foreign card can break a network in any way
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelUnavailable(f"{path} does not fit its card ({reason}).") from None
    return modules, card


def check_arguments(arguments: Any, weights: int) -> None:
    """Refuse layers wider than the number of weights: a forged card could otherwise fill the memory.

    Widths and counts are integers. Means and scales of the data are not, and may be as large as their unit makes them.
    """
    if isinstance(arguments, dict):
        arguments = list(arguments.values())
    if isinstance(arguments, list):
        for part in arguments:
            check_arguments(part, weights)
    elif isinstance(arguments, int) and abs(arguments) > max(weights, 1000):
        raise ValueError(f"{arguments:g} is too large for {weights:,} weights")


def _check_numbers(module: torch.nn.Module, state: dict[str, Tensor]) -> None:
    for key, own in module.state_dict().items():
        if key in state and state[key].dtype != own.dtype:
            raise ValueError(f"{key} is {state[key].dtype}, not {own.dtype}".replace("torch.", ""))
        if key in state and state[key].isnan().any():
            raise ValueError(f"{key} holds a value that is not a number")
