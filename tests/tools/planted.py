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
        'designs of the prior, with iPage\'s localization", None, ("mlp", "phi_star")',
        'designs of the prior, with iPage\'s localization", None, ("mlp", "phi")',
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
        "low[left] = max(low[left], math.ceil(number - WHOLE) if whole[left] else number)",
        "low[left] = math.ceil(number - WHOLE) if whole[left] else number",
        "tests/problem/test_constraints.py",
    ),
    Fault(
        "a second upper bound widens the box",
        "ipage_core/problem/constraints.py",
        "high[left] = min(high[left], math.floor(number + WHOLE) if whole[left] else number)",
        "high[left] = math.floor(number + WHOLE) if whole[left] else number",
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
        "ipage_core/inference/neighbours.py",
        "(x.detach().cpu().double() - low) / (high - low), task.categories",
        "x.detach().cpu().double() - low, task.categories",
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
        "Adam moves designs in units of x",
        "ipage_core/inference/localization.py",
        "u = (u + width * move).clamp(low, high)\n        move",
        "u = (u + move).clamp(low, high)\n        move",
        "tests/inference/test_localization.py",
    ),
    Fault(
        "the lattice of maximin designs is not shifted",
        "ipage_core/inference/latent_design.py",
        "best % n / n + rng.random(k)) % 1",
        "best % n / n) % 1",
        "tests/inference/test_latent_design.py",
    ),
    Fault(
        "the covered share counts solutions, not their area",
        "ipage_core/benchmark/coverage.py",
        '"share": float(truth.area[distance <= WITHIN[task]].sum())',
        '"share": float((distance <= WITHIN[task]).mean())',
        "tests/benchmark/test_sections_by_hand.py",
    ),
    Fault(
        "the least distance of covering designs in raw units",
        "ipage_core/benchmark/coverage.py",
        "apart = nearest_distances(hits / truth.width)",
        "apart = nearest_distances(hits)",
        "tests/benchmark/test_sections_by_hand.py",
    ),
    Fault(
        "the seconds of a part of a run are those of the run",
        "ipage_core/benchmark/solutions.py",
        'columns["inference_seconds"] = np.float32(totals[(*run, "inference")])',
        'columns["inference_seconds"] = np.float32(one["inference"])',
        "tests/benchmark/test_sections_by_hand.py",
    ),
    Fault(
        "the spread of evenly drawn designs is Poisson's",
        "ipage_core/benchmark/exploration.py",
        "np.sqrt(int(str(key[3])) * share * (1 - share))",
        "np.sqrt(int(str(key[3])) * share)",
        "tests/benchmark/test_sections_by_hand.py",
    ),
    Fault(
        "the exploration's starts are results",
        "ipage_core/benchmark/exploration.py",
        '{"start": pack(solutions.posterior, "<f4")',
        '{"start": pack(solutions.final, "<f4")',
        "tests/benchmark/test_sections_by_hand.py",
    ),
    Fault(
        "a pair's samples are those of another target",
        "ipage_core/benchmark/calibration.py",
        "chain.propose(y.repeat_interleave(SAMPLES, 0), z)",
        "chain.propose(y.repeat(SAMPLES, 1), z)",
        "tests/benchmark/test_sections_by_hand.py",
    ),
    Fault(
        "calibration about points near the truth",
        "ipage_core/benchmark/calibration.py",
        "about = torch.rand(truth.shape, dtype=torch.float64, generator=generator)",
        "about = truth + 0.1",
        "tests/benchmark/test_sections_by_hand.py",
    ),
    Fault(
        "quality of the proposed and of the result exchanged",
        "ipage_core/benchmark/quality.py",
        'figures_of["proposed"] = _figures(task, solutions.posterior)',
        'figures_of["proposed"] = _figures(task, solutions.final)',
        "tests/benchmark/test_sections_by_hand.py",
    ),
    Fault(
        "times without a warm-up",
        "ipage_core/benchmark/compute.py",
        'if argument["repeats"] > 1 or device != "cpu":',
        'if device != "cpu":',
        "tests/benchmark/test_sections_by_hand.py",
    ),
    Fault(
        "the final check counts as calls of the ablation",
        "ipage_core/benchmark/ablation.py",
        "(tried.omega_calls - tried.verification.calls)",
        "tried.omega_calls",
        "tests/benchmark/test_sections_by_hand.py",
    ),
    Fault(
        "the ablation localizes on the surrogate of the start",
        "ipage_core/benchmark/ablation.py",
        "surrogate = owner.surrogate",
        'surrogate = loaded(task.name, STARTS[argument["start"]], None).surrogate',
        "tests/benchmark/test_sections_by_hand.py",
    ),
    Fault(
        "held-out pairs are training pairs",
        "ipage_core/benchmark/scope.py",
        "UNSEEN_SEED = 12345",
        "UNSEEN_SEED = 0",
        "tests/benchmark/test_sections_by_hand.py",
    ),
    Fault(
        "the area of ballistics' solutions is uniform",
        "ipage_core/benchmark/references.py",
        "return Reference(x, area / area.sum(), width)",
        "return Reference(x, np.full(len(x), 1 / len(x)), width)",
        "tests/benchmark/test_sections_by_hand.py",
    ),
    Fault(
        "variants of iPage are shown with random latent points",
        "ipage_core/benchmark/tables.py",
        'str.startswith("ipage"), "maximin", "srs")',
        'str.fullmatch("ipage"), "maximin", "srs")',
        "tests/benchmark/test_sections_by_hand.py",
    ),
    Fault(
        "the learning rate does not fall",
        "ipage_core/training/fit.py",
        "settings.learning_rate * 0.5 * (1 + math.cos(math.pi * progressed))",
        "settings.learning_rate",
        "tests/training/test_schedule.py",
    ),
    Fault(
        "no weight decay",
        "ipage_core/training/fit.py",
        "weight_decay=settings.weight_decay,",
        "weight_decay=0.0,",
        "tests/training/test_schedule.py",
    ),
    Fault(
        "beta2 of the settings ignored",
        "ipage_core/training/fit.py",
        "betas=(0.9, settings.beta2),",
        "betas=(0.9, 0.999),",
        "tests/training/test_schedule.py",
    ),
    Fault(
        "the size of an epoch ignored",
        "ipage_core/training/fit.py",
        "shuffled = torch.randperm(len(x), generator=generator)[:seen]",
        "shuffled = torch.randperm(len(x), generator=generator)",
        "tests/training/test_schedule.py",
    ),
    Fault(
        "an INN's surrogate has its last weights",
        "ipage_core/training/recipes.py",
        "for name in sorted(tensors)})",
        "for name in sorted(tensors, reverse=True)})",
        "tests/training/test_recipes.py",
    ),
    Fault(
        "a card's coverage with 1.96",
        "ipage_core/training/recipes.py",
        "(error.abs() <= NORMAL * spread)",
        "(error.abs() <= 1.96 * spread)",
        "tests/training/test_recipes.py",
    ),
    Fault(
        "a link drops weights below one",
        "ipage_core/problem/request.py",
        'f"weight{j + 1}": goal.weight for j, goal in enumerate(self.target.goals) if goal.weight != 1',
        'f"weight{j + 1}": goal.weight for j, goal in enumerate(self.target.goals) if goal.weight > 1',
        "tests/problem/test_request.py",
    ),
    Fault(
        "designs forget their constraints",
        "ipage_core/problem/request.py",
        "return replace(solutions, constraints=self.constraints)",
        "return solutions",
        "tests/problem/test_request.py",
    ),
    Fault(
        "coverage of a table counts its proposals",
        "ipage_core/cli/coverage.py",
        'final = (frame["stage"] == frame["stage"].iloc[-1]).to_numpy()',
        'final = (frame["stage"] == frame["stage"].iloc[0]).to_numpy()',
        "tests/cli/test_what_commands_count.py",
    ),
    Fault(
        "every property judged by the first one's tolerance",
        "app/figures/run.py",
        "(excess[..., exact] <= self.tolerances[exact]).all(-1)",
        "(excess[..., exact] <= self.tolerance).all(-1)",
        "tests/app/test_runs_by_hand.py",
    ),
    Fault(
        "an interval is met within a tolerance of it",
        "app/figures/run.py",
        "beside = excess[..., ~exact] <= 1e-9 * (1 + np.abs(y[..., ~exact]))",
        "beside = excess[..., ~exact] <= self.tolerances[~exact]",
        "tests/app/test_runs_by_hand.py",
    ),
    Fault(
        "the line of the tolerance in a figure of squared errors",
        "app/figures/panels.py",
        "tolerance, steps = run.tolerance**2, every",
        "tolerance, steps = run.tolerance, every",
        "tests/app/test_runs_by_hand.py",
    ),
    Fault(
        "the error figure draws means",
        "app/figures/panels.py",
        "np.nanquantile(error[steps], (0.05, 0.5, 0.95), axis=1)",
        "np.nanquantile(error[steps], (0.25, 0.5, 0.75), axis=1)",
        "tests/app/test_runs_by_hand.py",
    ),
    Fault(
        "axes of the pairs exchanged",
        "app/figures/posterior.py",
        "_cloud(points[:, [j, i]], name, marker, where) | legend",
        "_cloud(points[:, [i, j]], name, marker, where) | legend",
        "tests/app/test_runs_by_hand.py",
    ),
    Fault(
        "E_y predicted of the untransposed cell",
        "ipage_core/tasks/cells/goal_prediction.py",
        '("E_y", x.transpose(1, 2))',
        '("E_y", x)',
        "tests/tasks/cells/test_goal_tables_by_hand.py",
    ),
    Fault(
        "the misfit is the mean of the goals'",
        "ipage_core/tasks/cells/goal_table.py",
        "np.abs(Goals.of(goals).residual(achieved[:, closed])).max(1)",
        "np.abs(Goals.of(goals).residual(achieved[:, closed])).mean(1)",
        "tests/tasks/cells/test_goal_tables_by_hand.py",
    ),
    Fault(
        "members learn from the rows of their part",
        "ipage_core/networks/ensemble.py",
        "square = square * (parts != torch.arange(len(square), device=x.device)[:, None])",
        "pass",
        "tests/networks/test_proposals_by_hand.py",
    ),
    Fault(
        "the ensemble's spread with ddof 0",
        "ipage_core/networks/ensemble.py",
        "torch.maximum(self.members(x), self.lowest).std(0)",
        "torch.maximum(self.members(x), self.lowest).std(0, unbiased=False)",
        "tests/networks/test_proposals_by_hand.py",
    ),
    Fault(
        "the time left counts what was done before",
        "ipage_core/runtime/executor.py",
        "begun, before = time.monotonic(), len(results)",
        "begun, before = time.monotonic(), 0",
        "tests/runtime/test_small_things.py",
    ),
    Fault(
        "a floor counts the held-out rows",
        "ipage_core/tasks/table/own_task.py",
        "all_rows.y[~all_rows.held_out].T",
        "all_rows.y.T",
        "tests/tasks/table/test_trust_by_hand.py",
    ),
    Fault(
        "all candidates to measure have the first one's target",
        "ipage_core/tasks/table/candidates.py",
        "y_star[chosen, j].double().numpy()",
        "y_star[: len(chosen), j].double().numpy()",
        "tests/tasks/table/test_trust_by_hand.py",
    ),
    Fault(
        "the chance of a hit by another property's tolerance",
        "ipage_core/tasks/table/candidates.py",
        "log_odds = _log_chance(predicted - y_star.cpu().double(), sd, task.tolerances)",
        "log_odds = _log_chance(predicted - y_star.cpu().double(), sd, task.tolerances[:1])",
        "tests/tasks/table/test_trust_by_hand.py",
    ),
    Fault(
        "results are kept until the oldest model changes",
        "app/state/runs.py",
        "return max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)",
        "return min((file.stat().st_mtime_ns for file in files if file.exists()), default=0)",
        "tests/app/test_state_by_hand.py",
    ),
    Fault(
        "a run is kept for other weights",
        "app/state/runs.py",
        "return run(judged, stamp(request.task.name, request.method)).judged(tolerances)",
        "return run(judged, 0).judged(tolerances)",
        "tests/app/test_state_by_hand.py",
    ),
    Fault(
        "the hash of the weights is of one network",
        "app/state/runs.py",
        'hashes = "".join(f"{name}{card[\'sha256\']}" for name, card in sorted(cards.items()))',
        'hashes = "".join(f"{name}{card[\'sha256\']}" for name, card in sorted(cards.items())[:1])',
        "tests/app/test_state_by_hand.py",
    ),
    Fault(
        "the nearest row of a target in raw units",
        "app/state/targets.py",
        "distance, index = values.tree.query(low / span)",
        "distance, index = values.tree.query(low)",
        "tests/app/test_state_by_hand.py",
    ),
    Fault(
        "axes of the prior's histogram exchanged",
        "app/state/densities.py",
        "smooth = gaussian_filter(counts.T / (len(points) * area), blur)",
        "smooth = gaussian_filter(counts / (len(points) * area), blur)",
        "tests/app/test_state_by_hand.py",
    ),
    Fault(
        "the evenness of loops with ddof 1",
        "app/state/worth.py",
        "spread = counts.std(1) /",
        "spread = counts.std(1, ddof=1) /",
        "tests/app/test_state_by_hand.py",
    ),
    Fault(
        "coverage by squared errors within the tolerance",
        "app/state/coverage.py",
        "return np.sqrt(run.f_error[-1]) <= run.tolerances.min()",
        "return run.f_error[-1] <= run.tolerances.min()",
        "tests/app/test_state_by_hand.py",
    ),
    Fault(
        "neighbours of a sample in raw units",
        "app/state/inspection.py",
        "np.linalg.norm((block - x) / (high - low), axis=1)",
        "np.linalg.norm(block - x, axis=1)",
        "tests/app/test_state_by_hand.py",
    ),
    Fault(
        "energies of crystals per cell",
        "app/tasks/crystal/candidates.py",
        'run.achieved[:, 2], ranked["energy"]) / ATOMS',
        'run.achieved[:, 2], ranked["energy"])',
        "tests/app/test_tables_by_hand.py",
    ),
    Fault(
        "shears of silicon's drawing exchanged",
        "app/tasks/silicon/figure.py",
        "e = strain[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]",
        "e = strain[[[0, 3, 4], [3, 1, 5], [4, 5, 2]]]",
        "tests/app/test_tables_by_hand.py",
    ),
    Fault(
        "plus-minus is the whole interval",
        "app/tasks/candidates.py",
        "((ends[1] - ends[0])[:, 0] / 2).numpy()",
        "(ends[1] - ends[0])[:, 0].numpy()",
        "tests/app/test_tables_by_hand.py",
    ),
    Fault(
        "the bound of three dimensions",
        "app/tasks/cells/figure.py",
        "return volume / (3 - 2 * volume)",
        "return volume / (2 - volume)",
        "tests/app/test_tables_by_hand.py",
    ),
    Fault(
        "seconds of inference as those of localization",
        "app/results/result_tables.py",
        'timed["localization_seconds"].map(_digits)',
        'timed["inference_seconds"].map(_digits)',
        "tests/app/test_tables_by_hand.py",
    ),
    Fault(
        "a kept design is the proposal",
        "app/components/favourites.py",
        '"x": run.x[-1, sample].astype(float)',
        '"x": run.x[0, sample].astype(float)',
        "tests/app/test_tables_by_hand.py",
    ),
    Fault(
        "earlier results that are used are the oldest",
        "ipage_core/tasks/command/rows.py",
        "frame[~mine].iloc[::-1].assign(program=version)",
        "frame[~mine].assign(program=version)",
        "tests/tasks/command/test_rows_by_hand.py",
    ),
    Fault(
        "results of an earlier program count",
        "ipage_core/tasks/command/rows.py",
        'mine = frame[frame["program"] == version]',
        "mine = frame",
        "tests/tasks/command/test_rows_by_hand.py",
    ),
    Fault(
        "integers are rounded down",
        "ipage_core/tasks/command/evaluate.py",
        "x[:, j] = np.clip(np.round(x[:, j]), variable.low, variable.high)",
        "x[:, j] = np.clip(np.floor(x[:, j]), variable.low, variable.high)",
        "tests/tasks/command/test_rows_by_hand.py",
    ),
    Fault(
        "verified designs have a nearest row",
        "ipage_core/tasks/command/basis.py",
        'added["nearest_distance"] = np.where(verified, math.nan, distance)',
        'added["nearest_distance"] = distance',
        "tests/tasks/command/test_rows_by_hand.py",
    ),
    Fault(
        "a crystal's density in atomic units",
        "ipage_core/tasks/own_crystal/operator.py",
        "atoms.get_volume() * 1.66053906660",
        "atoms.get_volume()",
        "tests/tasks/own_crystal/test_properties_by_hand.py",
    ),
    Fault(
        "a strain turns the cell on its left",
        "ipage_core/tasks/own_crystal/operator.py",
        "atoms.cell.array @ (np.eye(3) + tensor(strain))",
        "(np.eye(3) + tensor(strain)) @ atoms.cell.array",
        "tests/tasks/own_crystal/test_properties_by_hand.py",
    ),
    Fault(
        "k-points without two pi",
        "ipage_core/tasks/own_crystal/calculators.py",
        "np.ceil(2 * np.pi * b / SPACING)",
        "np.ceil(b / SPACING)",
        "tests/tasks/own_crystal/test_properties_by_hand.py",
    ),
    Fault(
        "forces in a CIF along the old axes",
        "ipage_core/tasks/structures.py",
        'turned = results["forces"] @ np.linalg.solve(atoms.cell.array, axes(a)) + 0.0',
        'turned = results["forces"] + 0.0',
        "tests/tasks/own_crystal/test_properties_by_hand.py",
    ),
    Fault(
        "the density of a logarithm without its slope",
        "ipage_core/training/campaign/beliefs.py",
        "log = other.density - float(column.log().sum()) > process.density + LOG_GAIN",
        "log = other.density > process.density + LOG_GAIN",
        "tests/training/test_choices_by_hand.py",
    ),
    Fault(
        "every step of a campaign draws the same candidates",
        "ipage_core/training/campaign/selection.py",
        "generator = torch.Generator().manual_seed(self.seed * 1_000_003 + len(x))",
        "generator = torch.Generator().manual_seed(self.seed)",
        "tests/training/test_choices_by_hand.py",
    ),
    Fault(
        "an interval of a campaign is widened by the tolerance",
        "ipage_core/training/campaign/beliefs.py",
        "tolerance = torch.where(low == high, target.tolerances(task), 0.0)",
        "tolerance = target.tolerances(task)",
        "tests/training/test_choices_by_hand.py",
    ),
    Fault(
        "every evaluation of an origin counts as its hit",
        "ipage_core/training/campaign/selection.py",
        "gained[name] = gained.get(name, 0.0) + hit[row]",
        "gained[name] = gained.get(name, 0.0) + 1",
        "tests/training/test_choices_by_hand.py",
    ),
    Fault(
        "a job's result counts for other work",
        "app/workers/jobs.py",
        "queue().finished.get((work, key))",
        "next((r for (w, k), r in queue().finished.items() if k == key), None)",
        "tests/app/test_workers_by_hand.py",
    ),
    Fault(
        "a form begins with the settings of the first training",
        "app/workers/trainings.py",
        "for t in reversed(trainings()) if Path(t.out)",
        "for t in trainings() if Path(t.out)",
        "tests/app/test_workers_by_hand.py",
    ),
    Fault(
        "the compliance of goals has Poisson's ratio over E_y",
        "app/tasks/cells/goals/figures.py",
        "[-nu / e_x, 1 / e_y, 0]",
        "[-nu / e_y, 1 / e_y, 0]",
        "tests/app/test_workers_by_hand.py",
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
