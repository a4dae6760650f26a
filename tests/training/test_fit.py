"""Training is seeded, can be resumed with at most one epoch lost, and learns."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
import torch

from ipage_core.cli.main import main
from ipage_core.networks import CINN, MLP
from ipage_core.networks.store import fingerprint, load_card, sha256
from ipage_core.tasks import TASKS
from ipage_core.training.datasets import pairs
from ipage_core.training.fit import CLIP_NORM, Settings, fit, pick_device
from ipage_core.training.recipes import train
from tests.support.models import SMALL

QUICK = Settings(epochs=4, batch=50)
X, Y = pairs(TASKS["sinewave"], 200)


@pytest.mark.parametrize("model", SMALL)
def test_a_resumed_run_equals_an_unbroken_one(model, tmp_path):
    whole = fit(*SMALL[model], X, Y, QUICK)

    class Stop(Exception):
        pass

    def stop(row):
        if row["epoch"] == 2:
            raise Stop

    checkpoint = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Stop):
        fit(*SMALL[model], X, Y, QUICK, checkpoint=checkpoint, progress=stop)
    rest = []
    resumed = fit(*SMALL[model], X, Y, QUICK, checkpoint=checkpoint, progress=rest.append)
    assert [row["epoch"] for row in rest] == [3, 4]
    assert [row["epoch"] for row in resumed.history] == [1, 2, 3, 4]
    for weight_set, state in whole.weight_sets.items():
        for name, value in state.items():
            torch.testing.assert_close(resumed.weight_sets[weight_set][name], value, rtol=0, atol=0)


def test_phi_is_the_end_and_phi_star_the_lowest_validation_error():
    run = fit(*SMALL["inn"], X, Y, Settings(epochs=6, batch=50))
    assert set(run.weight_sets) == {"phi", "phi_star"}
    network = SMALL["inn"][0](**SMALL["inn"][1])
    order = torch.randperm(200, generator=torch.Generator().manual_seed(0))[:10]
    figures = {}
    for name, state in run.weight_sets.items():
        network.load_state_dict(state)
        figures[name] = network.eval().validation_loss(X[order].float(), Y[order].float())["l2"].item()
    assert figures["phi_star"] == pytest.approx(min(row["validation_l2"] for row in run.history), rel=1e-5)
    assert figures["phi"] == pytest.approx(run.history[-1]["validation_l2"], rel=1e-5)


def test_both_directions_are_trained_in_the_second_half_only():
    history = fit(*SMALL["inn"], X, Y, QUICK).history
    assert all("loss_x" not in row and "loss_z" not in row for row in history[:2])
    assert all(row["lambda_x"] > 0 and row["lambda_z"] > 0 for row in history[2:])
    assert history[-1]["lambda_y"] == pytest.approx(0, abs=1e-9)


def test_the_likelihood_does_not_bend_the_surrogate():
    network = SMALL["inn"][0](**SMALL["inn"][1])
    network.fit_scales(X.float(), Y.float())
    weights = {"y": 0.0, "x": 1.0, "z": 1.0, "nll": 1.0}
    for direction in network.losses(X.float(), Y.float(), weights, torch.Generator().manual_seed(0)):
        sum(loss for name, loss in direction.items() if name != "y").backward()
    surrogate = next(network.transform.children())[0]
    assert all(p.grad is None or not p.grad.any() for p in surrogate.parameters())
    assert all(p.grad is not None and p.grad.any() for p in network.density_parameters()[:1])


def test_an_mlp_learns():
    run = fit(MLP, {"d": 2, "m": 1, "hidden": 64}, X[:, :1].repeat(1, 2), X[:, :1] ** 2, Settings(epochs=60, batch=50))
    assert run.history[-1]["validation_l2"] < 1e-3


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    checkpoint = tmp_path / "checkpoint.safetensors"
    fit(*SMALL["mlp"], X, Y, QUICK, checkpoint=checkpoint)
    with pytest.raises(ValueError, match="belongs to another model"):
        fit(*SMALL["mlp"], X, Y, Settings(epochs=5, batch=50), checkpoint=checkpoint)
    shifted = Y + 1
    with pytest.raises(ValueError, match="belongs to another model"):
        fit(*SMALL["mlp"], X, shifted, QUICK, checkpoint=checkpoint)


def test_a_diverging_run_stops_with_a_sentence():
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        fit(*SMALL["mlp"], X, Y, Settings(epochs=3, learning_rate=1e30))


def test_card_says_what_made_the_model(tmp_path):
    folder = tmp_path / "sinewave"
    train(TASKS["sinewave"], "mlp", folder, epochs=1)
    card = load_card("sinewave", "mlp", tmp_path)
    assert card["data"] == {"n": 10_000, "seed": 0, "sha256": card["data"]["sha256"]}
    assert card["command"].startswith("python -m ipage_core train sinewave --method")
    assert card["validation"]["validation_l2"] > 0
    assert sorted(path.name for path in folder.glob("[!.]*")) == ["mlp.json", "mlp.safetensors"]


def test_a_finished_model_is_left_alone_and_another_tasks_is_not_overwritten(tmp_path):
    rows = []
    card = train(TASKS["sinewave"], "mlp", tmp_path, epochs=1)
    assert train(TASKS["sinewave"], "mlp", tmp_path, epochs=1, resume=True, progress=rows.append) == card | {
        "sha256": json.loads((tmp_path / "mlp.json").read_text())["sha256"]
    }
    assert not rows
    with pytest.raises(ValueError, match="holds a model 'mlp' of sinewave"):
        train(TASKS["ballistics"], "mlp", tmp_path, epochs=1)


def test_weights_beside_the_card_of_another_training_are_not_taken_for_finished(tmp_path):
    for seed in (0, 1):
        train(TASKS["sinewave"], "mlp", tmp_path / str(seed), epochs=1, size="small", seed=seed)
    card, rows = load_card("sinewave", "mlp", folder=tmp_path / "0"), []
    shutil.copy(tmp_path / "1/mlp.safetensors", tmp_path / "0")  # and killed before the card could follow
    train(TASKS["sinewave"], "mlp", tmp_path / "0", epochs=1, size="small", resume=True, progress=rows.append)
    assert len(rows) == 1
    assert sha256(tmp_path / "0/mlp.safetensors") == card["sha256"]


def test_sigkill_costs_at_most_one_epoch(tmp_path, capsys):
    command = ["train", "sinewave", "--method", "prior-lm", "--epochs", "5", "--out", str(tmp_path), "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "ipage_core", *command], stdout=subprocess.PIPE, text=True, env=environment
    )
    seen = [json.loads(process.stdout.readline())["epoch"] for _ in range(2)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert seen == [1, 2]
    assert not (tmp_path / "mlp.safetensors").exists()
    assert main(command) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    epochs = [json.loads(line)["epoch"] for line in capsys.readouterr().out.splitlines() if '"epochs"' in line]
    assert epochs[0] >= 3  # what was reported before the kill is not done again
    assert epochs == list(range(epochs[0], 6))
    assert (tmp_path / "mlp.safetensors").exists()


def test_devices():
    assert pick_device("auto").type in ("cuda", "mps", "cpu")
    with pytest.raises(ValueError, match="accepted: auto"):
        pick_device("tpu")


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu():
    runs = [fit(*SMALL["inn"], X, Y, QUICK, device=device) for device in ("cpu", "cuda")]
    for a, b in zip(*(run.history for run in runs), strict=True):
        assert a["validation_l2"] == pytest.approx(b["validation_l2"], rel=1e-2)


def test_no_gradient_of_the_likelihood_is_longer_than_the_limit():
    seen = []

    class Steep(CINN):
        def losses(self, x, y, weights, generator):
            for part in super().losses(x, y, weights, generator):
                yield {name: 1e6 * loss for name, loss in part.items()}

        def validation_loss(self, x, y):
            gradients = [p.grad.flatten() for p in self.density_parameters() if p.grad is not None]
            seen.append(torch.cat(gradients).norm().item())
            return super().validation_loss(x, y)

    fit(Steep, SMALL["cinn"][1], X, Y, Settings(epochs=2, batch=100))
    assert seen == [pytest.approx(CLIP_NORM, rel=1e-3)] * 2


@pytest.mark.parametrize("bad", [1, 3])
def test_a_batch_without_a_finite_loss_is_left_out_and_most_of_them_stop_the_run(bad):
    class Fragile(MLP):
        batches = 0

        def losses(self, x, y, weights, generator):
            Fragile.batches += 1
            scale = float("nan") if Fragile.batches % 4 < bad else 1.0
            for part in super().losses(x, y, weights, generator):
                yield {name: scale * loss for name, loss in part.items()}

    if bad == 3:
        with pytest.raises(FloatingPointError, match="no longer finite"):
            fit(Fragile, SMALL["mlp"][1], X, Y, QUICK)
    else:
        run = fit(Fragile, SMALL["mlp"][1], X, Y, QUICK)
        assert all(tensor.isfinite().all() for tensor in run.weight_sets["phi_star"].values())
        assert run.history[-1]["validation_l2"] < run.history[0]["validation_l2"]


def test_chosen_rows_alone_are_learned_from(tmp_path):
    rows = "0:100,200:1000:2"
    card = train(TASKS["sinewave"], "mlp", tmp_path, epochs=1, rows=rows)
    x, y = TASKS["sinewave"].pairs()
    kept = torch.tensor([*range(100), *range(200, 1000, 2)])
    assert card["data"] == {"n": 500, "seed": 0, "sha256": fingerprint(x[kept], y[kept])}
    assert card["command"].endswith(f"--epochs 1 --rows {rows}")
    inn = train(TASKS["sinewave"], "inn", tmp_path, epochs=1, rows=rows)
    assert inn["data"] == card["data"]
    assert json.loads((tmp_path / "mlp.json").read_text())["data"] == card["data"]  # not trained again on all rows


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        *((text, "START:STOP") for text in ("5", "0:10:0", "a:b", "-1:5", "")),
        *((text, "not there") for text in ("0:10001", "3:3")),
        ("0:5,4:6", "twice"),
    ],
)
def test_rows_that_are_not_there_are_one_sentence(tmp_path, rows, why):
    with pytest.raises(ValueError, match=why):
        train(TASKS["sinewave"], "mlp", tmp_path, epochs=1, rows=rows)
    assert not list(tmp_path.glob("*.safetensors"))
