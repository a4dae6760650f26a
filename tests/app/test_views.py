"""The figures of the views beside the animation, for every task and for tasks without their own figure."""

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from app.components import guess as guess_view
from app.components import words
from app.components.latent import latent_of
from app.figures import compare, latent, posterior
from app.figures import guess as guess_figure
from app.figures.coordinates import coordinates
from app.figures.playback import Size
from app.figures.run import Outcome
from app.figures.theme import palette, unpacked
from app.state import inspection, runs
from app.state.densities import density, posterior_draws
from app.state.runs import record
from app.state.targets import doubt
from app.tasks import panel_of
from ipage_core.inference.methods import load
from ipage_core.inference.pipeline import design
from ipage_core.problem.goal import Goal
from ipage_core.problem.target import Target
from ipage_core.runtime.paths import ROOT
from ipage_core.tasks import TASKS
from tests.support import stand_ins

ODD = {"wide1": (1, 1), "wide3": (3, 2), "wide1024": (1024, 1)}


@pytest.fixture(scope="module", autouse=True)
def _odd_tasks():
    odd = [replace(stand_ins.wide_task(d, m), name=name) for name, (d, m) in ODD.items()]
    with pytest.MonkeyPatch.context() as patch, stand_ins.known(*odd):
        patch.setattr("app.state.densities.loaded", stand_ins.load)
        patch.setattr("app.state.densities.DRAWS", 1000)
        patch.setattr("app.state.inspection.loaded", stand_ins.load)
        yield


def make(task, method="ipage", sampling="lhs", n=20):
    problem = TASKS[task]
    target = torch.tensor(problem.default_target, dtype=torch.float64)
    return record(design(problem, stand_ins.load(task, method), target, n, sampling=sampling))


@pytest.mark.parametrize("task", ["sinewave", "robotic_arm", *ODD])
@pytest.mark.parametrize("method", ["ipage", "inn", "prior-lm"])
def test_every_view_draws_any_task(task, method):
    run = make(task, method)
    shown = coordinates(run)
    second = min(1, len(shown.labels) - 1)
    drawn = [
        panel_of(task).figure(run, size=Size("medium"), chosen=3),
        posterior.figure(run, density(run, 0, second, False, 0), 0, second, False, Size(), 3),
        posterior.pairs(run, True, Size("narrow"), 3),
        compare.figure({"SRS": run, "LHS": run, "maximin": run}, panel_of(run.task).picture, False, Size()),
        compare.figure({"SRS": run, "LHS": run, "maximin": run}, panel_of(run.task).picture, False, Size("narrow")),
    ]
    if method != "prior-lm":
        columns = [latent_of(name, run) for name in ("SRS", "LHS", "maximin")]
        k = min(1, run.z.shape[1] - 1)
        drawn.append(latent.figure(columns, (0, k), (0, second), {1: [2, 4]}, True, Size()))
    for figure in drawn:
        go.Figure(**figure)
        assert len(json.dumps(figure)) < 2e6
        for name, value in figure["layout"].items():
            if name[1:5] == "axis":
                assert value["anchor"].startswith("y" if name[0] == "x" else "x")


def test_principal_axes_are_computed_once_a_task():
    """The SVD of 600 cells took a second of CPU; the page computed it after every choice."""
    first, other = (coordinates(make("wide1024", n=n)) for n in (1, 2))
    assert first.axes is other.axes
    np.testing.assert_allclose(first.axes.T @ first.axes, np.eye(4), atol=1e-5)


def test_a_thousand_samples_stay_below_two_megabytes_in_every_view():
    run = make("sinewave", n=1000)
    columns = [latent_of(name, run) for name in ("SRS", "LHS", "maximin")]
    for figure in (
        posterior.figure(run, density(run, 0, 1, False, 0), 0, 1, False, Size()),
        posterior.pairs(run, False, Size()),
        latent.figure(columns, (0, 1), (0, 1), {}, False, Size()),
        compare.figure({"SRS": run, "LHS": run, "maximin": run}, panel_of(run.task).picture, False, Size()),
    ):
        assert len(json.dumps(figure)) < 2e6


def test_the_density_of_eq_3_integrates_to_one_and_its_map_is_its_top():
    from ipage_core.inference.methods import load

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.state.densities.loaded", load)
        patch.setattr("app.state.densities.DRAWS", 6000)
        run = make("sinewave")
        found = density(run, 0, 1, False, -1)
    assert found.kind == "exact"
    cell = (found.across[1] - found.across[0]) * (found.up[1] - found.up[0])
    inner = found.posterior[2:-2, 2:-2]  # at the walls bounded coordinates make spikes that no grid resolves
    draws = posterior_draws(load("sinewave", "ipage"), torch.tensor([[1.2]]))
    share = float((draws.abs() < found.across[-3] + 0.01).all(1).float().mean())
    assert inner.sum() * cell == pytest.approx(share, abs=0.05)
    column = np.abs(found.across - found.likeliest[0]).argmin()
    row = np.abs(found.up - found.likeliest[1]).argmin()
    assert found.posterior[row - 1 : row + 2, column - 1 : column + 2].max() > 0.3 * inner.max()
    assert found.levels[0] == pytest.approx(
        np.sin(3 * np.pi * found.across)[None] + np.cos(3 * np.pi * found.up)[:, None], abs=1e-6
    )


def test_the_prior_s_histogram_is_a_density():
    found = density(make("sinewave"), 0, 1, False, 0)
    cell = (found.prior_across[1] - found.prior_across[0]) * (found.prior_up[1] - found.prior_up[0])
    assert found.prior.sum() * cell == pytest.approx(1, abs=1e-3)


def test_a_chosen_sample_is_ringed_where_it_is_in_every_frame():
    run = make("sinewave")
    figure = panel_of("sinewave").figure(run, chosen=7)
    colors = palette(False)
    frames = [frame for frame in figure["frames"][1:] if frame["data"]]
    assert len(frames) == len(run.labels)
    for t, frame in enumerate(frames):
        ring = next(
            (new, figure["data"][index])
            for index, new in zip(frame["traces"], frame["data"], strict=True)
            if figure["data"][index].get("marker", {}).get("symbol") == "circle-open"
            and figure["data"][index]["marker"]["color"] == colors.text
        )
        at = {"x": ring[1]["x"], "y": ring[1]["y"]} | ring[0]
        assert [unpacked(at["x"])[0], unpacked(at["y"])[0]] == pytest.approx(run.x[t, 7], abs=1e-6)


def test_brushed_samples_stand_out_in_all_three_panels_of_their_column():
    run = make("sinewave")
    columns = [latent_of(name, run) for name in ("SRS", "LHS", "maximin")]
    figure = latent.figure(columns, (0, 1), (0, 1), {1: [2, 4]}, False, Size())
    bright = [t for t in figure["data"] if t["marker"]["color"] == palette(False).highlight and t["customdata"]]
    assert [t["customdata"] for t in bright] == [[[2, 1], [4, 1]]] * 3
    assert len({t["xaxis"] for t in bright}) == 3


def test_compare_links_its_axes_and_counts_what_it_draws():
    made = {name: make("sinewave", sampling=kind) for name, kind in (("SRS", "srs"), ("LHS", "lhs"))}
    figure = compare.figure(made, panel_of("sinewave").picture, False, Size())
    assert figure["layout"]["xaxis2"]["matches"] == "x"
    assert figure["layout"]["yaxis2"]["matches"] == "y"
    bars = {t["name"]: t["y"] for t in figure["data"] if t["type"] == "bar"}
    assert {name: sum(counts) for name, counts in bars.items()} == {n: int(r.hit.sum()) for n, r in made.items()}
    heading = [a["text"] for a in figure["layout"]["annotations"]]
    assert any("by Ω" in text for text in heading)


def test_a_sweep_without_omega_says_that_it_is_not_verified():
    run = make("sinewave")
    outcomes = {"SRS": {25: [Outcome(3, (1e-3, 1e-2, 1e-1))]}, "LHS": {}, "maximin": {}}
    figure = compare.sweep_figure(run, outcomes, [25, 50], False, False, Size())
    assert "not verified" in figure["layout"]["annotations"][1]["text"]
    assert any(t["line"]["color"] == palette(False).surrogate for t in figure["data"])


def test_tolerance_judges_designs_and_leaves_them_alone():
    run = make("sinewave")
    strict, mild = run.judged(np.array([1e-4])), run.judged(np.array([1.0]))
    assert strict.hit.sum() < run.hit.sum() <= mild.hit.sum() == 20
    assert strict.modes_found <= mild.modes_found
    assert strict.x is run.x
    assert "±1" in words.headline(mild)


def test_a_run_that_omega_has_not_seen_says_so_everywhere():
    run = make("sinewave")
    unseen = replace(run, y=None, families=None, n_modes=0, achieved=np.full_like(run.achieved, np.nan))
    assert "not verified" in words.headline(unseen)
    seen = inspection.inspect(unseen, 0)
    assert words.sample_figures(unseen, 0, seen)[0].value == "not verified"
    figure = compare.figure({"SRS": unseen}, panel_of("sinewave").picture, False, Size())
    assert any("not verified" in a["text"] for a in figure["layout"]["annotations"])


def test_the_inspector_s_numbers_are_those_of_the_run():
    run = make("robotic_arm")
    seen = inspection.inspect(run, 5)
    assert np.square(seen.f - run.y_star).sum(1) == pytest.approx(run.f_error[:, 5], rel=1e-2, abs=1e-9)
    x = runs.training("robotic_arm")[0]
    low, high = TASKS["robotic_arm"].bounds.numpy()
    nearest = np.linalg.norm((x - run.x[-1, 5]) / (high - low), axis=1).min()
    assert seen.near_distance[0] == pytest.approx(nearest)
    assert (np.diff(seen.near_distance) >= 0).all()
    assert TASKS["robotic_arm"].omega(torch.from_numpy(seen.near_x))[:, :2].numpy() == pytest.approx(seen.near_y)
    assert 0 <= seen.usual <= 1


@pytest.mark.parametrize(
    ("task", "target", "where"),
    [
        ("sinewave", (1.2,), None),
        ("sinewave", (3.0,), "beyond"),
        ("ballistics", (5.0,), None),
        ("ballistics", (60.0,), "beyond"),
        ("robotic_arm", (1.5, 0.0), None),
    ],
)
def test_targets_that_the_data_do_not_hold_are_doubted(task, target, where):
    found = doubt(TASKS[task], Target.of(TASKS[task], target))
    assert (found and found.where) == where
    if found:
        distance = np.linalg.norm(runs.training(task)[1] - np.array(target), axis=1)
        assert np.linalg.norm(found.nearest - target) == pytest.approx(distance.min(), abs=0.01)
        assert found.text in words.doubt_text(TASKS[task], found)[1]


def test_an_interval_is_doubted_only_where_no_training_pair_lies_in_it():
    assert doubt(TASKS["sinewave"], Target.parse(TASKS["sinewave"], "1.5:")) is None
    assert doubt(TASKS["sinewave"], Target.parse(TASKS["sinewave"], "2.5:")).where == "beyond"
    assert doubt(TASKS["robotic_arm"], Target.parse(TASKS["robotic_arm"], "1:2,0")) is None


def test_a_gap_between_the_data_is_found():
    """Two clusters of y with a gap between them."""

    def prior(n, generator):
        x = torch.rand(n, 1, dtype=torch.float64, generator=generator)
        return torch.where(x < 0.5, 0.4 * x, 0.6 + 0.4 * x)

    task = replace(stand_ins.wide_task(1), name="gap", sample_prior=prior)
    with stand_ins.known(task):
        assert doubt(task, Target.of(task, 0.5)).where == "between"
        wide = Target((Goal.exactly(0.5, 0.35),))
        assert doubt(task, wide) is None, "a training pair lies within the tolerance that was given"
        assert doubt(task, Target.of(task, 0.1)) is None


def test_hidden_samples_say_that_a_click_shows_them():
    run = make("sinewave")
    drawn = posterior.figure(run, density(run, 0, 1, False, 0), 0, 1, False, Size())
    hidden = {trace["name"] for trace in drawn["data"] if trace.get("visible") == "legendonly"}
    assert "posterior (click to show)" in hidden
    assert all(name.endswith("(click to show)") for name in hidden)
    assert "<b>Prior</b> p(x), estimated from samples" in [note["text"] for note in drawn["layout"]["annotations"]]


@pytest.mark.parametrize(
    ("size", "said"), [("wide", ("**Left:**", "**Right:**")), ("narrow", ("**Above:**", "**Below:**"))]
)
def test_the_posterior_s_caption_says_where_its_panels_are(size, said):
    run = make("sinewave")
    caption = words.density_caption(run, density(run, 0, 1, False, 0), Size(size))
    assert all(place in caption for place in said)


def test_no_error_bar_runs_into_the_frame():
    runs_ = {name: make("sinewave", sampling=name.lower(), n=12) for name in ("SRS", "LHS")}
    drawn = compare.figure(runs_, panel_of("sinewave").picture, False, Size())
    low, high = drawn["layout"]["xaxis8"]["range"]
    ends = np.log10(
        np.concatenate([unpacked(t["x"]) for t in drawn["data"] if t.get("xaxis") == "x8" and "bdata" in t["x"]])
    )
    assert low + 0.05 * (high - low) < ends.min()
    assert ends.max() < high - 0.05 * (high - low)


@pytest.mark.parametrize(("x", "hit"), [((0.0, 0.0), False), ((1 / 6, np.arccos(0.2) / (3 * np.pi)), True)])
def test_a_guess_and_its_legend_have_one_marker_which_a_hit_fills(x, hit):
    run = make("sinewave")
    x = np.array(x)
    one = guess_view.as_run(run, x, guess_view.achieved(TASKS["sinewave"], x))
    drawn = guess_figure.figure(one, panel_of("sinewave").picture, False, Size())
    (key,) = (trace for trace in drawn["data"] if trace.get("name") == "your guess")
    (shown,) = (trace for trace in drawn["data"] if trace.get("customdata") == [0])
    assert key["marker"]["symbol"] == shown["marker"]["symbol"][0] == ("circle" if hit else "circle-open")
    assert key["marker"]["size"] == shown["marker"]["size"]
    assert key["marker"]["color"] == shown["marker"]["color"]


@pytest.mark.parametrize("name", ["robotic_arm", "robotic_arm_kruse"])
@pytest.mark.parametrize("handle", [0, 1, 2, 3])
def test_a_dragged_joint_points_where_it_is_dragged_and_the_joints_before_it_stay(name, handle):
    task, panel = TASKS[name], panel_of(name)
    x, to = np.array([0.1, 0.3, -0.4, 0.2]), np.array([0.9, 0.7])
    before = panel.handles(task, x)
    after = panel.handles(task, panel.dragged(task, x, handle, to))
    np.testing.assert_allclose(after[:handle], before[:handle], atol=1e-12)
    lengths = [np.linalg.norm(np.diff(joints, axis=0), axis=1) for joints in (before, after)]
    np.testing.assert_allclose(*lengths)
    if handle == 0:
        np.testing.assert_allclose(after[0], [0, to[1]])
        np.testing.assert_allclose(after - after[0], before - before[0], atol=1e-12)
    else:
        way, wanted = after[handle] - after[handle - 1], to - after[handle - 1]
        np.testing.assert_allclose(way / np.linalg.norm(way), wanted / np.linalg.norm(wanted))
        directions = [np.diff(joints, axis=0)[handle:] for joints in (before, after)]
        np.testing.assert_allclose(*directions, atol=1e-12)


@pytest.mark.parametrize("task", ["robotic_arm", "ballistics"])
def test_the_posterior_opens_on_the_pair_of_inputs_that_the_target_narrows_most(task):
    if not (ROOT / f"pretrained/{task}/inn.safetensors").exists():
        pytest.skip("no trained models")
    one, proposal = TASKS[task], load(task, "ipage").proposal
    generator = torch.Generator().manual_seed(0)
    target = torch.tensor(one.default_target).expand(20_000, -1)
    with torch.no_grad():
        after = proposal.sample(target, torch.randn(20_000, proposal.latent_dim, generator=generator)).numpy()
    before, (low, high) = one.sample_prior(20_000, generator).numpy(), one.bounds.numpy()

    def narrowed(pair):
        """Kullback–Leibler divergence of posterior from prior in these two coordinates."""
        ends = [(low[j], high[j]) for j in pair]
        p, q = (np.histogram2d(*x[:, pair].T, 20, ends)[0] + 0.5 for x in (after, before))
        return (p / p.sum() * np.log(p / p.sum() / (q / q.sum()))).sum()

    assert panel_of(task).plane == max(combinations(range(one.d), 2), key=lambda pair: narrowed(list(pair)))
