import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from app.components import words
from app.components.tables import table
from app.figures import generic
from app.figures.marks import VISIBLE, magnified
from app.figures.playback import LATENT, SPEEDS, Size, played
from app.figures.posterior import pairs
from app.figures.theme import packed, palette, unpacked
from app.state.runs import record
from app.tasks import FOLDERS, panel_of
from app.tasks.ballistics import figure as ballistics
from app.tasks.panel import TaskPanel
from app.tasks.robotic_arm import figure as robotic_arm
from app.tasks.sinewave import figure as sinewave
from app.tasks.table import figure as own_table
from ipage_core.inference.pipeline import design
from ipage_core.problem.task import Task
from ipage_core.tasks import TASKS
from tests.support import stand_ins

CHEAP = [name for name in FOLDERS if TASKS[name].omega_seconds < 1e-3]
SIZES = ["narrow", "medium", "wide", "large"]


@pytest.fixture(scope="module")
def run_of():
    made = {}

    def make(task="sinewave", method="ipage", target=None, n=40, omega_evals=1):
        key = (task, method, target, n, omega_evals)
        if key not in made:
            loaded = stand_ins.load(task, method)
            y_star = torch.tensor(target or TASKS[task].default_target, dtype=torch.float64)
            evals = omega_evals if loaded.surrogate else 0
            made[key] = record(design(TASKS[task], loaded, y_star, n, sampling="lhs", omega_evals=evals))
        return made[key]

    return make


def traces(figure, **having):
    return [t for t in figure["data"] if all(t.get(k) == v for k, v in having.items())]


@pytest.mark.parametrize("target", [-2.0, -1.9, -0.7, 0.0, 0.5, 1.2, 1.9, 2.0])
def test_level_set_is_exact_and_inside_the_square(target):
    points = sinewave.level_set(target)
    points = points[~np.isnan(points).any(axis=1)]
    assert len(points)
    y = np.sin(3 * np.pi * points[:, 0]) + np.cos(3 * np.pi * points[:, 1])
    assert np.abs(y - target).max() < 1e-9
    assert np.abs(points).max() <= 1 + 1e-9


def test_level_set_of_an_unreachable_target_is_empty():
    assert len(sinewave.level_set(2.5)) == 0


def test_level_set_holds_every_solution():
    """Solutions found by a fine scan along x₁ lie on the curve, on every loop."""
    curve = sinewave.level_set(1.2, points=2001)
    curve = curve[~np.isnan(curve).any(axis=1)]
    x1 = np.linspace(-1, 1, 301)
    x1 = x1[np.abs(1.2 - np.sin(3 * np.pi * x1)) <= 1]
    base = np.arccos(1.2 - np.sin(3 * np.pi * x1)) / (3 * np.pi)
    for x2 in (base, -base, base + 2 / 3, 2 / 3 - base, base - 2 / 3, -base - 2 / 3):
        points = np.stack((x1, x2), axis=1)[np.abs(x2) <= 1]
        distance = np.linalg.norm(points[:, None] - curve[None], axis=2).min(axis=1)
        assert distance.max() < 2e-3


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("task", CHEAP)
def test_figures_are_valid_plotly(run_of, task, size):
    figure = panel_of(task).figure(run_of(task), dark=size == "wide", size=Size(size))
    go.Figure(**figure)
    json.dumps(figure)


@pytest.mark.parametrize("method", ["inn", "prior-lm"])
@pytest.mark.parametrize("task", CHEAP)
def test_figures_of_methods_without_localization_or_posterior(run_of, task, method):
    run = run_of(task, method)
    figure = panel_of(task).figure(run)
    go.Figure(**figure)
    assert ("sliders" in figure["layout"]) == run.localizes
    assert run.labels[0] == ("prior" if method == "prior-lm" else "posterior")
    titles = [a["title"]["text"] for name, a in figure["layout"].items() if "axis" in name and "title" in a]
    assert ("each dot a posterior sample, the large one their median" in titles) == (not run.localizes)


def test_a_task_without_its_own_picture_gets_the_generic_one(run_of):
    assert type(panel_of("something else")) is TaskPanel
    go.Figure(**panel_of("something else").figure(run_of("ballistics")))


def test_the_axis_of_a_category_names_its_levels():
    inputs = {"length [m]": (1, 2), "metal": ("Cu", "Ag", "Au")}
    task = Task.from_function(lambda x: x.sum(1), inputs, {"y": 0.1}, "alloy", seconds=1.0, default_target=[2])
    with stand_ins.known(task):
        found = design(task, stand_ins.load("alloy", "prior-lm"), torch.tensor([2.0], dtype=torch.float64), 10)
        drawn = generic.figure(record(found))
    assert drawn["layout"]["yaxis"]["ticktext"] == ["Cu", "Ag", "Au"]
    assert drawn["layout"]["yaxis"]["tickvals"] == [0, 1, 2]
    assert "ticktext" not in drawn["layout"]["xaxis"]
    ends = next(trace["text"] for trace in drawn["data"] if trace.get("mode") == "text" and "Au" in trace["text"])
    assert ends == ["1", "Cu", "2", "Au"]


@pytest.mark.parametrize("task", CHEAP)
def test_a_thousand_samples_stay_below_two_megabytes(run_of, task):
    assert len(json.dumps(panel_of(task).figure(run_of(task, n=1000, omega_evals=5)))) < 2e6


@pytest.mark.parametrize("task", CHEAP)
def test_frames_move_svg_scatters_only_and_end_where_the_figure_rests(run_of, task):
    run = run_of(task)
    figure = panel_of(task).figure(run)
    frames = {frame["name"]: frame for frame in figure["frames"]}
    assert [f["name"] for f in figure["frames"] if f["data"]] == [LATENT, *run.labels]
    for frame in frames.values():
        assert len(frame["data"]) == len(frame["traces"])
        assert all(figure["data"][i]["type"] == "scatter" for i in frame["traces"])
    last = frames[run.labels[-1]]
    for index, changes in zip(last["traces"], last["data"], strict=True):
        for key, value in changes.items():
            rest = figure["data"][index][key]
            assert all(rest[k] == v for k, v in value.items()) if key == "marker" else rest == value


def play_next(names, current):
    """Plotly's rule for ``fromcurrent``: continue from the current frame, unless it is the list's first or last."""
    at = names.index(current) if current in names else -1
    rest = names[at + 1 :] if 0 < at < len(names) - 1 else names
    return next(name for name in rest if name != "·")


def test_step_buttons_go_one_frame_on_and_back_from_any_frame(run_of):
    run = run_of()
    menu = sinewave.figure(run)["layout"]["updatemenus"][0]["buttons"]
    args = {button["label"]: button["args"][0] for button in menu}
    labels = [LATENT, *run.labels]
    for k, label in enumerate(labels):
        assert play_next(args["Step ›"], label) == labels[(k + 1) % len(labels)]
        assert play_next(args["‹ Step"], label) == labels[k - 1]


@pytest.mark.parametrize("task", CHEAP)
def test_play_begins_at_the_latent_points_and_leaves_out_steps_in_which_nothing_happens(run_of, task):
    run = run_of(task)
    names, options = panel_of(task).figure(run)["layout"]["updatemenus"][0]["buttons"][0]["args"]
    assert names == [LATENT, *played(run)]
    assert names[1] == run.labels[0]
    assert names[-1] == run.labels[-1]
    assert len(options["frame"]) == len(options["transition"]) == len(names)
    assert options["transition"][0]["duration"] == 0  # there is no earlier frame
    assert min(one["duration"] for one in options["frame"]) >= SPEEDS["▶ Play"]
    medians = [np.nanmedian(run.f_error[run.labels.index(name)]) for name in names[1:-1] if "correction" not in name]
    assert all(not 0.8 * before <= after <= before / 0.8 for before, after in pairwise(medians))


@pytest.mark.parametrize("task", CHEAP)
def test_latent_points_run_from_minus_three_to_three_across_the_panel(run_of, task):
    """The first frame shows samples at their latent points in the main panel, and no samples elsewhere."""
    run = run_of(task)
    figure = panel_of(task).figure(run)
    low, high = np.array([figure["layout"][name]["range"] for name in ("xaxis", "yaxis")]).T
    expected = low + (high - low) * (0.05 + 0.9 * (0.5 + run.z[:, :2].astype(float).clip(-3, 3) / 6))
    shown = 0
    for index, changes in zip(figure["frames"][0]["traces"], figure["frames"][0]["data"], strict=True):
        trace = figure["data"][index] | changes
        if trace.get("customdata") == list(range(run.n)) and "xaxis" not in trace:
            points = np.stack((unpacked(trace["x"]), unpacked(trace["y"])), axis=1)
            assert points == pytest.approx(expected, abs=1e-5 * np.abs(high - low).max())
            shown += 1
        elif trace.get("customdata"):
            assert trace["opacity"] == 0
        elif "of" in "".join(trace.get("text") or []):
            assert trace["opacity"] == 0  # the hits are those of the samples, which come in the next frame
    assert shown == 1


def test_a_method_that_starts_from_the_prior_has_no_latent_points(run_of):
    figure = sinewave.figure(run_of(method="prior-lm"))
    assert LATENT not in [frame["name"] for frame in figure["frames"]]


def test_ways_are_magnified_until_half_of_them_are_seen():
    rng = np.random.default_rng(0)
    end = rng.random((50, 2))
    way = 0.002 * rng.random((3, 50, 2))
    way[-1] = 0
    drawn, times = magnified(end + way, np.array([200.0, 100.0]))
    assert drawn[-1] == pytest.approx(end)
    assert np.median(np.linalg.norm((drawn[0] - end) * (200, 100), axis=1)) >= VISIBLE or times == 100
    assert drawn == pytest.approx(end + times * way)
    assert magnified(np.zeros((2, 4, 2)), np.ones(2))[1] == 1
    assert magnified(np.array([[[0, 0]], [[50.0, 0]]]), np.ones(2))[1] == 1


def test_errors_by_f_and_by_omega_are_two_curves_each_with_its_own_numbers(run_of):
    run = run_of()
    figure = sinewave.figure(run)
    colors = palette(False)
    drawn = {
        t["line"]["color"]: t
        for t in traces(figure, xaxis="x2", mode="lines")
        if t["line"].get("dash") in ("dash", "solid")
    }
    by_f, by_omega = (unpacked(drawn[c]["y"]) for c in (colors.surrogate, colors.omega))
    assert by_f == pytest.approx(np.maximum(np.median(run.f_error, axis=1), 1e-16), rel=1e-5)
    assert by_omega == pytest.approx(np.maximum(np.median(run.omega_error, axis=1), 1e-16), rel=1e-5)
    heading = next(a["text"] for a in figure["layout"]["annotations"] if "error" in a["text"])
    assert "surrogate, by f" in heading
    assert "re-simulation, by Ω" in heading


def test_a_loop_is_lit_exactly_when_a_verified_design_lies_on_it(run_of):
    run = run_of(n=12)
    figure = sinewave.figure(run)
    lit_colour = palette(False).highlight
    frames = [frame for frame in figure["frames"][1:] if frame["data"]]
    assert len(frames) == len(run.labels)
    for t, frame in enumerate(frames):
        badges = next(c["marker"]["color"] for c in frame["data"] if len(c.get("marker", {}).get("color", "")) == 9)
        lit = [k for k, colour in enumerate(badges) if colour == lit_colour]
        assert lit == sorted(set(run.modes[t][run.modes[t] >= 0].tolist()))
        assert (run.modes[t] >= 0).sum() <= run.arrived[t].sum()


@pytest.mark.parametrize("target", [(-0.7,), (2.5,)])
def test_a_target_without_loops_shows_none(run_of, target):
    run = run_of(target=target)
    figure = sinewave.figure(run)
    assert run.n_modes == 0
    assert "xaxis4" not in figure["layout"]
    assert not any("loop" in a["text"] for a in figure["layout"]["annotations"])
    assert "loop" not in words.headline(run)


@pytest.mark.parametrize("task", ["robotic_arm", "robotic_arm_kruse"])
def test_linkages_end_in_the_hand_and_keep_their_lengths(task):
    x = TASKS[task].sample_prior(20, torch.Generator().manual_seed(0))
    points = robotic_arm.linkages(task, x.numpy())
    assert points[:, -1] == pytest.approx(TASKS[task].omega(x).numpy())
    lengths = np.linalg.norm(np.diff(points, axis=1), axis=2)
    assert lengths == pytest.approx(np.broadcast_to([0.5, 0.5, 1.0], lengths.shape))
    assert points[:, 0, 0] == pytest.approx(0)


def test_trajectories_start_at_the_release_and_land_where_omega_says():
    task = TASKS["ballistics"]
    x = task.sample_prior(20, torch.Generator().manual_seed(0))
    flights = ballistics.trajectories(x.numpy())
    assert flights[:, 0] == pytest.approx(x[:, :2].numpy())
    assert flights[:, -1, 0] == pytest.approx(task.omega(x)[:, 0].numpy())
    assert flights[:, -1, 1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("dark", [False, True])
def test_posterior_localized_and_target_look_the_same_in_every_picture(run_of, dark):
    colors = palette(dark)
    for task in CHEAP:
        figure = panel_of(task).figure(run_of(task), dark)
        legend = {t["name"]: t for t in figure["data"] if t.get("name") and t.get("showlegend", True)}
        assert legend["posterior"]["marker"]["color"] == colors.posterior
        assert legend["localized"]["marker"]["color"] == colors.localized
        target = next(t for name, t in legend.items() if name.startswith("target"))
        assert colors.target in (
            target.get("line", {}).get("color"),
            target.get("marker", {}).get("line", {}).get("color"),
        )


def luminance(color):
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_every_mark_stands_out_from_its_ground(dark):
    """WCAG 2.1 requires a contrast of 3 for graphics."""
    colors = palette(dark)
    for ground, least in ((colors.background, 3), (colors.landscape[0], 3), (colors.landscape[1], 2.6)):
        for mark in (colors.posterior, colors.localized, colors.target):
            light, deep = sorted((luminance(mark), luminance(ground)), reverse=True)
            assert (light + 0.05) / (deep + 0.05) > least


@pytest.mark.parametrize("task", ["sinewave", "robotic_arm", "ballistics"])
def test_every_pair_of_coordinates_has_a_scale(run_of, task):
    layout = pairs(run_of(task, omega_evals=0), dark=False, size=Size("wide"))["layout"]
    for name, axis in layout.items():
        if name.startswith(("xaxis", "yaxis")) and axis["showticklabels"]:
            low, high = axis["range"]
            assert len(axis["tickvals"]) >= 2
            assert all(low <= tick <= high for tick in axis["tickvals"])


def test_packing_keeps_values_shape_and_gaps():
    values = np.array([[1.5, np.nan], [-2.0, 1e-7]])
    assert unpacked(packed(values)) == pytest.approx(values.astype(np.float32), nan_ok=True)


def test_numbers_are_written_as_people_write_them():
    assert words.number(0.031) == "0.031"
    assert words.number(5.1e-13) == "5.1 · 10⁻¹³"
    assert words.number(784.0) == "784"
    assert words.number(10.04) == "10"
    assert words.number(12345.0) == "12,345"
    assert words.number(0.0) == "0"
    assert words.number(None) == "–"
    assert words.number(float("nan")) == "–"


def test_key_figures_tell_posterior_from_localized(run_of):
    run = run_of()
    figures = {f.name: f.value for f in words.key_figures(run)}
    assert figures["MSE, posterior"] == words.number(float(run.omega_error[0].mean()))
    assert figures["MSE, localized"] == words.number(run.summary["resim_mse"])
    assert figures["Ω calls"] == str(run.summary["omega_calls"])
    assert figures["Hits"] == f"{run.summary['hits']} / 40"


def test_table_has_one_row_per_sample_with_target_beside_achieved(run_of):
    run = run_of("robotic_arm")
    shown = table(run)
    assert len(shown) == 40
    assert list(shown.columns[:6]) == ["sample", "y₁*", "y₂*", "y₁ localized", "y₂ localized", "off by"]
    assert shown["y₁ posterior"].to_numpy() == pytest.approx(run.y[0, :, 0])
    hit = shown["off by"] <= run.tolerance
    assert [("hit" in worn) for worn in shown["badges"]] == hit.tolist()


@pytest.mark.parametrize(
    ("task", "target"), [("ballistics", (1000.0,)), ("robotic_arm", (9.0, 9.0)), ("robotic_arm", (-9.0, 0.0))]
)
def test_a_target_far_away_is_pointed_at_and_does_not_shrink_the_picture(run_of, task, target):
    run = run_of(task, target=target)
    figure = panel_of(task).figure(run)
    low, high = figure["layout"]["xaxis"]["range"]
    assert high - low < 60
    arrow = next(t for t in figure["data"] if "beyond" in t.get("name", ""))
    assert low < arrow["x"][0] < high
    assert (arrow["x"][0] > (low + high) / 2) == (target[0] > 0)
    go.Figure(**figure)
    shown = [t for t in figure["data"] if t.get("xaxis") == "x3" and t.get("customdata")]
    assert shown, "the close-up shows the closest"


def test_what_is_said_of_a_target_out_of_reach(run_of):
    run = run_of(target=(3.0,))
    assert "level off" in panel_of(run.task).caption(run)
    assert "remove it" not in panel_of(run.task).caption(run)
    assert "level off" not in panel_of("sinewave").caption(run_of())


@pytest.mark.parametrize(("target", "none"), [(-2.5, True), (1.2, False), (2.5, True)])
def test_the_caption_says_if_there_is_no_green_curve(run_of, target, none):
    told = panel_of("sinewave").caption(run_of("sinewave", target=(target,)))
    assert ("no green curve" in told) is none


def test_designs_on_arcs_that_belong_to_no_loop_are_counted_apart(run_of):
    run = run_of(target=(0.2,), n=200)
    beside = int((run.hit & (run.modes[-1] < 0)).sum())
    assert beside
    assert f"{beside} on open arcs" in words.headline(run)
    assert "no numbered loop" in panel_of(run.task).caption(run)


def test_where_omega_is_slow_it_watches_the_first_frame_and_the_last(run_of, monkeypatch):
    from app.state import runs

    found = design(
        TASKS["ballistics"], stand_ins.load("ballistics", "ipage"), torch.tensor([5.0], dtype=torch.float64), 20
    )
    monkeypatch.setattr(runs, "WATCHING", 0.0)
    run = record(found)
    assert np.isfinite(run.y[[0, -1]]).all()
    assert np.isnan(run.y[1:-1]).all()
    go.Figure(**generic.figure(run))


def test_the_slider_says_how_many_steps_there_are():
    from app.figures.playback import steps_named

    assert steps_named(("posterior", "step 1", "step 2", "correction 1")) == [
        "posterior",
        "step 1 of 2",
        "step 2 of 2",
        "correction 1 of 1",
    ]


def test_what_is_asked_for_is_said_of_every_kind_of_goal(run_of):
    run = replace(
        run_of("robotic_arm"),
        accepted=np.array([[-np.inf, 0.5], [np.inf, 0.5]]),
        kinds=("minimize", "exactly"),
    )
    assert words.goal_text(run) == "minimal y₁, y₂* = 0.5 m"
    assert words.goal_text(replace(run, kinds=("anything", "exactly"))) == "y₂* = 0.5 m"


def test_a_front_is_drawn_with_all_rows_and_candidates():
    rng = np.random.default_rng(0)
    rows, candidates = rng.random((50, 2)), rng.random((5, 2)) - 1
    figure = own_table.pareto(rows, rows[:3], candidates, ("cost [$]", "mass [kg]"), dark=False)
    measured, front, found = figure["data"]
    assert (len(measured["x"]), len(front["x"]), len(found["x"])) == (50, 3, 5)
    assert front["x"] == sorted(front["x"])
    assert figure["layout"]["xaxis"]["title"]["text"] == "cost [$]"
