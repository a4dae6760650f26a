import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from ipage_core.cli.main import main
from ipage_core.inference.methods import load
from ipage_core.inference.pipeline import design
from ipage_core.problem import constraints
from ipage_core.tasks.cells.finishing import finished
from ipage_core.tasks.cells.homogenization import element_matrices, element_modes
from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD, from_z_score
from ipage_core.tasks.cells.networks import pixel_inn
from ipage_core.tasks.cells.networks.cell_modulus import CellModulus, CellSurrogate, shuffled_symmetry
from ipage_core.tasks.cells.networks.pixel_cinn import PixelCINN
from ipage_core.tasks.cells.networks.pixel_flow import FieldFlow, haar, unhaar
from ipage_core.tasks.cells.networks.pixel_inn import PixelINN, mmd_of_windows
from ipage_core.tasks.cells.space import Filtered, blur, sharpen
from ipage_core.tasks.cells.task import TASK, omega, shipped
from ipage_core.tasks.cells.topology import admissible, is_admissible
from ipage_core.tasks.cells.wallpaper import is_symmetric
from tests.support.elasticity import young_x


def cells(n, seed=0):
    return TASK.sample_prior(n, torch.Generator().manual_seed(seed))


def grey(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return blur(torch.rand(n, 1024, dtype=torch.float64, generator=generator)) * 2 - 0.5


def test_omega_of_the_solid_and_of_a_laminate():
    laminate = torch.zeros(32, 32, dtype=torch.float64)
    laminate[:16] = 1.0
    y = omega(torch.stack((torch.ones(1024, dtype=torch.float64), laminate.flatten())))
    assert from_z_score(y[:, 0]).tolist() == pytest.approx([1.0, 0.5], abs=1e-5)
    assert y[0].tolist() == pytest.approx([(1 - E_X_MEAN) / E_X_SD, 1, 1, 0.3, 1])
    assert y[1, 2] < 1e-5  # no stiffness across the layers
    assert y[1, 3].item() == pytest.approx(0.3)  # ν_xy: both layers are stretched alike, and each narrows as the solid


def test_stored_targets_are_what_omega_says():
    pixels, y, along_y = shipped()
    x = pixels[:3].double()
    assert torch.allclose(omega(x)[:, 0], y[:3], atol=1e-9)
    turned = x.reshape(-1, 32, 32).transpose(1, 2).flatten(1)
    assert torch.allclose(omega(turned)[:, 0], along_y[:3], atol=1e-9)


def test_projected_cells_are_admissible_and_clean_ones_stay():
    assert all(is_admissible(cell) for cell in TASK.space(()).project(grey(20).clamp(0, 1)).reshape(-1, 32, 32).numpy())
    clean = cells(10)
    assert (TASK.space(()).project(clean) == clean).all()


def test_what_does_not_percolate_is_bridged_not_filled():
    islands = np.zeros((32, 32))
    islands[4:12, 4:12] = islands[20:26, 18:30] = 1.0
    cell = admissible(islands)
    assert is_admissible(cell)
    assert cell.mean() < 0.25
    assert is_admissible(admissible(np.zeros((32, 32))))
    assert admissible(np.zeros((32, 32))).sum() <= 64


def test_the_filter_keeps_a_wall_of_one_pixel_and_drops_a_lone_one():
    wall, dot = torch.zeros(2, 32, 32, dtype=torch.float64)
    wall[:, 5], dot[5, 5] = 1.0, 1.0
    x = Filtered(TASK.bounds).decode(torch.stack((wall, dot)).flatten(1))
    assert ((x[0] > 0.5) == (wall.flatten() > 0.5)).all()
    assert (x[1] < 0.5).all()
    assert sharpen(torch.tensor([0.0, 0.5, 1.0]), 32.0).tolist() == pytest.approx([0, 0.5, 1])


@pytest.mark.parametrize("group", ["p2", "cm", "p4m", "pgg"])
def test_a_group_holds_through_decode_projection_and_finish(group):
    moves = TASK.space([f"group={group}"])
    x = moves.project(moves.decode(grey(4).clamp(0, 1)))
    y = omega(x)
    ends, _, _ = finished(x[:1], y[:1, 1] - 0.01, moves)
    for cell in (*x, *ends):
        assert is_symmetric(cell.reshape(32, 32) > 0.5, group)
        assert is_admissible(cell.reshape(32, 32) > 0.5)


def test_masks_hold(tmp_path):
    image = Image.new("L", (64, 64), 255)
    image.paste(0, (0, 0, 16, 8))  # upper left in the picture: large iy, small ix
    image.save(tmp_path / "mask.png")
    for name, value in (("solid", 1.0), ("void", 0.0)):
        moves = TASK.space([f"{name}={tmp_path / 'mask.png'}"])
        x = moves.project(moves.decode(cells(3))).reshape(-1, 32, 32)
        assert (x[:, 28:, :8] == value).all()


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("volume<=2", "expected a number in"),
        ("group=p6", "not understood"),
        ("stiff", "isotropic"),
        ("solid=nowhere.png", "does not exist"),
        ("E_y=abc", "not understood"),
    ],
)
def test_constraints_that_cannot_be_say_what_can(expression, says):
    with pytest.raises(ValueError, match=says):
        TASK.space([expression])


def test_every_region_stays_as_it_was_asked_for():
    space = TASK.space(["solid=1-4,1-4", "void=9-9,1-3", "solid=31-32,32-32"])
    solid, void = torch.zeros(2, 32, 32, dtype=torch.bool)
    solid[:4, :4] = solid[31, 30:] = void[:3, 8] = True
    assert torch.equal(space.solid, solid.flatten())
    assert torch.equal(space.void, void.flatten())


def test_excess_of_the_volume_vanishes_inside_the_cap():
    x = torch.full((1, 1024), 0.55, dtype=torch.float64)
    assert TASK.space(["volume<=0.6"]).excess(x).item() == 0
    assert TASK.space(["volume<=0.5"]).excess(x).item() > 0
    assert TASK.space(["volume>=0.6"]).excess(x).item() < 0
    for both in (["volume<=0.5", "volume<=0.6"], ["volume<=0.6", "volume<=0.5"]):  # the narrower one holds
        assert TASK.space(both).excess(x).amax().item() > 0
    assert TASK.space(["volume=0.55"]).excess(x).item() == pytest.approx(0)


def test_an_element_s_energy_is_a_sum_of_squares():
    modes, uniform = element_modes(0.3)
    k0, u0 = element_matrices(0.3)
    assert np.allclose(modes.T @ modes, k0)
    assert np.allclose(uniform, u0 @ modes.T)


def test_any_guess_bounds_the_modulus_from_above():
    x = torch.cat((cells(6), grey(2).clamp(0, 1))).float()
    bound, estimate = CellModulus(modes=3, widths=(8, 8, 8)).eval()(x)
    exact = torch.from_numpy(young_x(x.reshape(-1, 32, 32).double().numpy()))
    assert (bound.double() >= exact - 1e-5).all()
    assert (estimate < bound).all()


def test_the_surrogate_s_gradient_is_the_energy_at_fixed_displacement():
    network, x = CellModulus(modes=3, widths=(8, 8, 8)).eval(), cells(2).float()
    x.requires_grad_(True)
    bound, _ = network(x)
    (gradient,) = torch.autograd.grad(bound.sum(), x)
    assert (gradient >= 0).all()
    assert torch.allclose((gradient * x).sum(1), bound, atol=1e-4)  # E is linear in ρ there, but for the void's 1e-6


def test_symmetric_copies_keep_the_modulus_along_their_axis():
    x, y = cells(6), omega(cells(6))
    copies, swapped = shuffled_symmetry(x, torch.Generator().manual_seed(1))
    assert swapped.any()
    assert not swapped.all()
    assert torch.allclose(omega(copies)[:, 1], torch.where(swapped, y[:, 2], y[:, 1]), atol=1e-9)


def test_haar_is_orthonormal_and_inverts():
    image = torch.randn(2, 1, 8, 8)
    average, details = haar(image)
    assert torch.allclose(unhaar(average, details), image, atol=1e-6)
    assert average.square().sum() + details.square().sum() == pytest.approx(image.square().sum().item(), rel=1e-5)


def test_the_field_s_flow_inverts_and_knows_its_determinant():
    flow = FieldFlow(1, side=8, hidden=8, couplings=2).double()
    for parameter in flow.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    field, y = torch.randn(2, 1, 8, 8, dtype=torch.float64), torch.randn(2, 1, dtype=torch.float64)
    z, log_det = flow(field, y)
    assert torch.allclose(flow.inverse(z, y), field, atol=1e-9)
    jacobian = torch.autograd.functional.jacobian(lambda v: flow(v, y[:1])[0], field[:1]).reshape(64, 64)
    assert torch.linalg.slogdet(jacobian)[1].item() == pytest.approx(log_det[0].item(), abs=1e-8)


def test_smeared_cells_keep_their_sign():
    x = cells(20).float()
    field = FieldFlow(1).smeared(x, torch.Generator().manual_seed(0)).flatten(1)
    assert ((field > 0) == (x > 0.5)).float().mean() > 0.995


def test_the_pixel_inn_inverts_and_its_forward_is_the_surrogate():
    inn = PixelINN(1024, 1, E_X_MEAN, E_X_SD, modes=2, widths=(8, 8, 8), hidden=8, couplings=2).eval()
    y, z = torch.randn(3, 1), torch.randn(3, 1024)
    x, padding = inn.inverse(y, z)
    y_again, z_again, _ = inn.transport(x, padding)
    assert torch.allclose(z_again, z, atol=1e-3)
    assert torch.allclose(y_again, y, atol=1e-5)
    assert torch.allclose(inn(x) + padding, y, atol=1e-5)
    assert ((x > 0) & (x < 1)).all()


@pytest.mark.parametrize(
    ("weights", "yielded"),
    [
        ({"nll": 1.0, "z": 0.1, "x": 0.0}, [{"nll", "z"}]),
        ({"nll": 1.0, "z": 0.0, "x": 0.0}, [{"nll"}]),
        ({"nll": 0.0, "z": 0.0, "x": 0.0}, []),  # the first half of the paper's schedule: the surrogate is trained
        ({"nll": 0.0, "z": 1.0, "x": 1.0}, [{"z"}, {"x"}]),
    ],
)
def test_the_pixel_inn_learns_by_the_losses_that_have_a_weight(weights, yielded):
    inn = PixelINN(1024, 1, E_X_MEAN, E_X_SD, modes=2, widths=(8, 8, 8), hidden=8, couplings=2)
    generator = torch.Generator().manual_seed(0)
    losses = list(inn.losses(cells(4).float(), torch.randn(4, 2), weights, generator))
    assert [part.keys() for part in losses] == yielded
    assert all(loss.requires_grad and loss.isfinite() for part in losses for loss in part.values())


def test_the_pixel_inn_compares_y_and_z_together_and_draws_a_cell_for_each_y(monkeypatch):
    """L_z (Eq. 6) and L_x (Eq. 7)."""
    inn = PixelINN(1024, 1, E_X_MEAN, E_X_SD, modes=2, widths=(8, 8, 8), hidden=8, couplings=2)
    compared, drawn, inverse = [], [], inn.flow.inverse
    monkeypatch.setattr(pixel_inn, "mmd", lambda a, b: compared.append((a.detach(), b.detach())) or a.sum())
    monkeypatch.setattr(pixel_inn, "mmd_of_windows", lambda made, given, generator: made.sum())
    monkeypatch.setattr(inn.flow, "inverse", lambda z, y: drawn.append(y) or inverse(z, y))
    y, weights = torch.arange(16.0).view(8, 2), {"nll": 0.0, "z": 1.0, "x": 1.0}
    assert len(list(inn.losses(cells(8).float(), y, weights, torch.Generator().manual_seed(0)))) == 2
    ((joint, wanted),), (asked,) = compared, drawn
    assert joint.shape == wanted.shape == (8, 1 + pixel_inn.COARSE)
    assert (joint[:, :1] - y).abs().amin(1).max() < 6 * inn.noise  # each cell's own, along x or along y
    assert torch.equal(joint[:, 0], wanted[:, 0])
    assert wanted[:, 1:].std() == pytest.approx(1, abs=0.2)
    assert torch.equal(asked.sort(dim=0).values, y[:, :1])
    assert not torch.equal(asked, y[:, :1])


def test_windows_tell_fields_of_another_scale_apart():
    flow, x, generator = FieldFlow(1), cells(128).float(), torch.Generator().manual_seed(0)
    given, again = flow.smeared(x[:64], generator), flow.smeared(x[64:], generator)
    blurred = given + given.roll(1, 2) + given.roll(1, 3)  # nearly the same averages, other details
    noise = given.std() * torch.randn(given.shape, generator=generator)  # the same values, without any shapes

    def distance(other):
        repeats = [mmd_of_windows(other, given, torch.Generator().manual_seed(k)) for k in range(10)]
        return torch.stack(repeats).mean().item()

    assert abs(distance(again)) < 0.05 < distance(blurred)
    assert distance(noise) > 0.3


def test_the_pixel_cinn_maps_back_onto_its_latent_point_and_learns_by_likelihood_alone():
    torch.manual_seed(0)
    cinn = PixelCINN(1024, 1, hidden=8, couplings=2).eval()
    y, z = torch.randn(3, 1), torch.randn(3, 1024)
    x, back = cinn.cycle(y, z)
    assert torch.allclose(back, z, atol=1e-3)
    assert ((x > 0) & (x < 1)).all()
    density = cinn.double().log_prob(x[:1].double(), y[:1].double())
    moved = cinn.encode(x[:1].double(), y[:1].double() + 1)
    assert not torch.allclose(moved, z[:1].double(), atol=1e-3)  # the network depends on y
    assert density.isfinite().all()
    generator = torch.Generator().manual_seed(0)
    assert next(cinn.float().losses(cells(4).float(), torch.randn(4, 2), {}, generator)).keys() == {"nll"}


def test_a_few_steps_of_training_lower_the_bound():
    torch.manual_seed(0)
    network = CellSurrogate(1024, 1, E_X_MEAN, E_X_SD, modes=2, widths=(8, 8, 8))
    pixels, along_x, along_y = shipped()
    x, y = pixels[:32].float(), torch.stack((along_x, along_y), dim=1)[:32].float()
    optimizer, generator, seen = torch.optim.Adam(network.parameters(), 3e-3), torch.Generator().manual_seed(0), []
    for _ in range(12):
        loss = next(network.losses(x, y, {}, generator))["y"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    assert sum(seen[-3:]) < sum(seen[:3])
    assert network.eval().validation_loss(x, y).keys() == {"l2", "mae", "bound_mae"}


def test_a_cell_whose_group_leaves_it_stuck_is_replaced():
    found = design(TASK, load("architecture", "ipage"), torch.tensor([1.0]), 6, finish=True,
                   space=constraints.parse(TASK, ["group=p4m"]))  # fmt: skip
    assert found.verification.hit.all()
    assert found.replaced.any()


def test_finished_cells_are_on_target():
    x = cells(3, seed=4)
    target = omega(x)[:, 1] + torch.tensor([0.02, -0.02, 0.005])
    ends, off, calls = finished(x, target, Filtered(TASK.bounds))
    assert (omega(ends)[:, 1] - target).abs().max() <= 1e-3
    torch.testing.assert_close((omega(ends)[:, 1] - target).abs(), off)
    assert all(is_admissible(cell) for cell in ends.reshape(-1, 32, 32).numpy() > 0.5)
    assert calls >= 3


@pytest.mark.parametrize("method", ["ipage", "prior-lm"])
def test_the_chain_gives_admissible_cells_near_the_target(method):
    plain = design(TASK, load("architecture", method), torch.tensor([1.0]), 4)
    corrected = design(TASK, load("architecture", method), torch.tensor([1.0]), 4, omega_evals=2)
    done = design(TASK, load("architecture", method), torch.tensor([1.0]), 4, finish=True)
    for solutions, bar in ((plain, 0.05), (corrected, 0.05), (done, 1.6e-5)):
        assert solutions.summary()["resim_mse"] <= bar
        assert all(is_admissible(cell) for cell in solutions.final.reshape(-1, 32, 32).numpy() > 0.5)
    assert corrected.omega_calls == 12
    assert done.omega_calls > 8


def test_the_command_line_designs_under_constraints_and_exports(tmp_path, capsys):
    out = tmp_path / "solutions.csv"
    arguments = ["design", "architecture", "--target", "0.8", "--n", "2", "--out", str(out), "--finish"]
    assert main([*arguments, "--constrain", "group=p4", "--constrain", "volume<=0.85"]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["hits"] == 2
    frame = pd.read_csv(out)
    assert (frame.loc[frame["stage"] == "localized", "volume fraction"] <= 0.851).all()
    for form in ("png", "svg", "dxf", "stl"):
        assert main(["export", "architecture", str(out), "--format", form, "--out", str(tmp_path / form)]) == 0
        assert [p.name for p in sorted((tmp_path / form).iterdir())] == [f"cell-0.{form}", f"cell-1.{form}"]
    assert main(["export", "architecture", str(out), "--format", "cif", "--out", str(tmp_path)]) == 2
    assert main(["design", "sinewave", "--target", "1", "--n", "2", "--out", str(out), "--finish"]) == 2
    assert "has no finishing step" in capsys.readouterr().err
