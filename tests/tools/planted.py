"""Plant one fault after another in a copy of the program and run the tests that should fail.

    python -m tests.tools.planted            # all faults
    python -m tests.tools.planted poisson    # those whose name contains a word

A fault that all its tests survive is printed as SURVIVED, and the exit status is 1. Each fault is a small edit that a
person could make by mistake; the named tests state the right value.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LINKED = ("pretrained", "data")
COPIED = ("ipage_core", "app", "tests", "pyproject.toml", "streamlit_app.py", "README.md")


class Fault(NamedTuple):
    """An edit of one line, and the tests that must fail with it."""

    name: str
    file: str
    right: str
    wrong: str
    tests: str


FAULTS = (
    Fault(
        "hit judged by the square of the tolerance",
        "ipage_core/inference/verification.py",
        "off.abs() <= (task.tolerances if tolerances is None else tolerances)",
        "off.square() <= (task.tolerances if tolerances is None else tolerances)",
        "tests/inference/test_verification.py",
    ),
    Fault(
        "Poisson's ratio divided by S22",
        "ipage_core/tasks/cells/homogenization.py",
        "-s[..., 1, 0] / s[..., 0, 0]",
        "-s[..., 1, 0] / s[..., 1, 1]",
        "tests/tasks/cells/test_homogenization.py",
    ),
    Fault(
        "alpha and beta exchanged in own data's CIF",
        "ipage_core/tasks/table/export.py",
        '"angle_alpha", "angle_beta"',
        '"angle_beta", "angle_alpha"',
        "tests/tasks/table/test_export.py",
    ),
    Fault(
        "localization on phi instead of phi*",
        "ipage_core/inference/methods.py",
        'Method("control: prior starts, the same surrogate", None, ("mlp", "phi_star"))',
        'Method("control: prior starts, the same surrogate", None, ("mlp", "phi"))',
        "tests/inference/test_methods.py",
    ),
    Fault(
        "cache of DFT without the settings",
        "ipage_core/tasks/crystal/dft.py",
        '"lattice": lattice.tolist(), "settings": settings._asdict(), ',
        '"lattice": lattice.tolist(), ',
        "tests/tasks/crystal/test_dft.py",
    ),
    Fault(
        "a retrained model is not loaded again",
        "ipage_core/inference/methods.py",
        "written = weights.stat().st_mtime_ns if weights.exists() else 0",
        "written = 0",
        "tests/inference/test_methods.py",
    ),
    Fault(
        "a second lower bound widens the box",
        "ipage_core/problem/constraints.py",
        "low[left] = max(low[left], number)",
        "low[left] = number",
        "tests/problem/test_constraints.py",
    ),
    Fault(
        "a second upper bound widens the box",
        "ipage_core/problem/constraints.py",
        "high[left] = min(high[left], number)",
        "high[left] = number",
        "tests/problem/test_constraints.py",
    ),
    Fault(
        "a fresh sample that is worse is accepted",
        "ipage_core/inference/chain.py",
        "better = self.residual(fresh, goal[rows]) < self.residual(samples, goal)[rows]",
        "better = torch.ones(len(rows), dtype=torch.bool)",
        "tests/inference/test_replacement.py",
    ),
    Fault(
        "a fresh sample that Omega finds worse is accepted",
        "ipage_core/inference/chain.py",
        "better = fresh_expected < expected[rows]",
        "better = torch.ones(len(rows), dtype=torch.bool)",
        "tests/inference/test_replacement.py",
    ),
    Fault(
        "the seed of fresh samples is ignored",
        "ipage_core/inference/chain.py",
        "(seed + 1) * 7_919 + attempt * 104_729",
        "attempt * 104_729",
        "tests/inference/test_replacement.py",
    ),
    Fault(
        "replaced samples keep the errors of the old ones",
        "ipage_core/inference/chain.py",
        "self.errors[:, rows] = _stretched(other, labels, errors=True)",
        "pass",
        "tests/inference/test_replacement.py",
    ),
    Fault(
        "the seed of the rows to verify is ignored",
        "ipage_core/inference/verification.py",
        "torch.randperm(n, generator=Generator().manual_seed(seed))",
        "torch.randperm(n, generator=Generator().manual_seed(0))",
        "tests/inference/test_verification.py",
    ),
    Fault(
        "to_measure does not move away from what it has chosen",
        "ipage_core/tasks/table/candidates.py",
        "away = torch.minimum(away, (unit - unit[best]).norm(dim=1))",
        "pass",
        "tests/tasks/table/test_candidates.py",
    ),
    Fault(
        "the nearest row in raw units",
        "ipage_core/tasks/table/candidates.py",
        "measured(task.models_folder).x.numpy() / (high - low))",
        "measured(task.models_folder).x.numpy())",
        "tests/tasks/table/test_candidates.py",
    ),
    Fault(
        "L_z without y",
        "ipage_core/networks/inn.py",
        'forward["z"] = mmd(joint, torch.cat((target, normal(self.d)), dim=1))',
        'forward["z"] = mmd(z, normal(self.d))',
        "tests/networks/test_losses_of_the_inn.py",
    ),
    Fault(
        "L_x with one y for the whole batch",
        "ipage_core/networks/inn.py",
        "shuffled = y[torch.randperm(len(y), generator=generator).to(y.device)]",
        "shuffled = y[:1].expand_as(y)",
        "tests/networks/test_losses_of_the_inn.py",
    ),
    Fault(
        "gradients are not clipped",
        "ipage_core/training/fit.py",
        "torch.nn.utils.clip_grad_norm_(network.density_parameters(), CLIP_NORM)",
        "pass",
        "tests/training/test_fit.py",
    ),
    Fault(
        "Adam without its bias correction",
        "ipage_core/inference/localization.py",
        "direction = (first / (1 - beta1**k)) / ((second / (1 - beta2**k)).sqrt() + 1e-8)",
        "direction = first / (second.sqrt() + 1e-8)",
        "tests/inference/test_localization.py",
    ),
    Fault(
        "the lattice of maximin designs is not shifted",
        "ipage_core/inference/latent_design.py",
        "best % n / n + rng.random(k)) % 1",
        "best % n / n) % 1",
        "tests/inference/test_latent_design.py",
    ),
)


def caught(fault: Fault, copy: Path) -> bool:
    """Whether a test fails with the fault planted in ``copy``, which is restored afterwards.

    Raises:
        ValueError: the line to edit is not in the file exactly once.
    """
    file = copy / fault.file
    text = file.read_text()
    if text.count(fault.right) != 1:
        raise ValueError(f"{fault.file} holds this {text.count(fault.right)} times, expected once: {fault.right}")
    file.write_text(text.replace(fault.right, fault.wrong))
    try:
        command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *fault.tests.split()]
        return subprocess.run(command, cwd=copy, capture_output=True).returncode == 1
    finally:
        file.write_text(text)


def main() -> None:
    """Plant the faults whose names hold the words of the command line."""
    words = sys.argv[1:]
    survived = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            shutil.copytree(source, copy / name) if source.is_dir() else shutil.copy(source, copy / name)
        for name in LINKED:
            (copy / name).symlink_to(ROOT / name)
        for fault in FAULTS:
            if words and not any(word in fault.name for word in words):
                continue
            found = caught(fault, copy)
            print(f"{'caught' if found else 'SURVIVED':9}{fault.name}", flush=True)
            survived += [] if found else [fault]
    sys.exit(bool(survived))


if __name__ == "__main__":
    main()
