"""Figures, tables and sentences of a run whose every number is written down here."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from app.components import inspector, tables, words
from app.components.share import table_csv
from app.figures import campaign, compare, favourites, latent, marks, panels, posterior
from app.figures.coordinates import coordinates
from app.figures.latent import Latent
from app.figures.playback import Scene, Size
from app.figures.run import CLEANED, Outcome, Run
from app.figures.theme import palette, unpacked
from app.state.inspection import Inspection
from app.tasks import band_figure
from app.tasks.candidates import completed
from ipage_core.inference.basis import VERIFIED

COLORS = palette(False)
TENTHS = np.arange(4) / 10
SUMMARY = {
    "n": 4, "hits": 3, "resim_mse": 0.25, "resim_median": 0.04, "success_before_replacement": 3, "replaced": 1,
    "omega_calls": 6, "seconds": {"latent": 0.5, "proposal": 1.0, "localization": 2.0, "verification": 0.25},
}  # fmt: skip


def sine(**more):
    """Four designs of the sine wave in three frames, for y* = 1.2 ± 0.02; the last two are hits in the end."""
    x = np.stack([np.stack((0.1 * t + TENTHS, 0.5 - TENTHS), axis=1) for t in range(3)])
    y = np.array([[1.0, 1.3, 0.2, 1.21], [1.1, 1.25, 1.21, 1.2], [1.15, 1.225, 1.21, 1.2]])[..., None]
    frame = pd.DataFrame({"sample": [*range(4)] * 2, "stage": ["posterior"] * 4 + ["localized"] * 4})
    frame = frame.assign(
        y1=[*y[0, :, 0], *y[2, :, 0]], x1=[*x[0, :, 0], *x[2, :, 0]], x2=[*x[0, :, 1], *x[2, :, 1]], hit=False,
        resim_error=0.0, basis=VERIFIED, low1=1.0, high1=[1.1] * 4 + [1.2, 1.3, 1.4, 1.5], surrogate1=1.2,
    )  # fmt: skip
    known = {
        "task": "sinewave", "method": "ipage", "sampling": "srs", "seed": 0, "accepted": np.full((2, 1), 1.2),
        "aims": np.full((4, 1), 1.2), "tolerances": np.array([0.02]), "labels": ("posterior", "step 1", "step 2"),
        "z": np.array([[0.0, 1.0], [1.0, 0.0], [-1.0, 2.0], [3.0, -3.0]]), "x": x.astype(np.float32),
        "f_error": np.array([[0.04, 0.09, 0.16, 0.25], [0.02, 0.03, 0.05, 0.07], [0.001, 0.002, 0.004, 0.008]]),
        "y": y, "families": np.array([[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 4, 4]]), "n_modes": 9,
        "prior": np.zeros((5, 2), np.float32), "prior_y": np.zeros((5, 1)),
        "replaced": np.array([False, True, False, False]), "cycle_error": np.zeros(4), "achieved": y[2],
        "summary": SUMMARY, "note": "", "frame": frame,
    }  # fmt: skip
    return Run(**(known | more))


def arm(y, **more):
    """Designs of the arm with these results of Ω (n, 2), for (1.5, 0) m, each coordinate with its own tolerance."""
    y, n = np.array(y, dtype=float), len(y)
    own = {
        "task": "robotic_arm", "accepted": np.array([[1.5, 0.0]] * 2), "aims": np.array([[1.5, 0.0]] * n),
        "tolerances": np.array([0.01, 0.2]), "labels": ("localized",), "x": np.zeros((1, n, 4), np.float32),
        "f_error": None, "y": y[None], "families": None, "n_modes": 0, "achieved": y, "replaced": np.zeros(n, bool),
        "z": np.zeros((n, 4)),
    }  # fmt: skip
    return sine(**(own | more))


def of(data, **having):
    return [trace for trace in data if all(trace.get(key) == value for key, value in having.items())]


# What counts as a hit, an error, a loop


def test_each_property_is_judged_by_its_own_tolerance():
    found = arm([[1.505, 0.15], [1.505, 0.25], [1.6, 0.0]])
    assert found.hit.tolist() == [True, False, False]
    assert found.off_by == pytest.approx([np.hypot(0.005, 0.15), np.hypot(0.005, 0.25), 0.1])


def test_an_interval_has_no_tolerance_and_each_design_an_aim_of_its_own():
    found = sine(accepted=np.array([[1.2], [1.22]]), aims=np.array([[1.2], [1.205], [1.215], [1.22]]))
    assert found.hit.tolist() == [False, False, True, True]  # 1.225 is beyond 1.22
    assert found.y_star == pytest.approx([1.21])
    assert found.omega_error[2] == pytest.approx([0.05**2, 0.02**2, 0.005**2, 0.02**2])


def test_a_family_counts_if_a_hit_of_the_last_frame_has_it():
    found = sine()
    assert found.modes.tolist() == [[-1, -1, -1, 3], [-1, -1, 2, 3], [-1, -1, 4, 4]]
    assert found.modes_found == 1


def test_the_result_alone_is_the_last_frame():
    found = sine()
    rest = found.at_rest()
    assert (rest.labels, rest.x.shape) == (("localized",), (1, 4, 2))
    assert np.array_equal(rest.x[0], found.x[2])
    assert rest.y[0, :, 0].tolist() == [1.15, 1.225, 1.21, 1.2]
    assert found.final["high1"].tolist() == [1.2, 1.3, 1.4, 1.5]


# Figures


def test_the_error_panel_draws_medians_with_ninety_per_cent_and_the_squared_tolerance():
    scene, found = Scene(moving=[[], [], []]), sine()
    panels.error_panel(scene, found, ((0, 1), (0, 1)), COLORS, Size())
    by_f, by_omega = (next(t for t in scene.still if said in t.get("hovertemplate", "")) for said in ("by f", "by Ω"))
    assert unpacked(by_f["y"]) == pytest.approx(np.median(found.f_error, axis=1))
    assert unpacked(by_omega["y"]) == pytest.approx(np.median(np.square(found.y[..., 0] - 1.2), axis=1))
    low, *_, high = unpacked(scene.still[0]["y"])[[0, -1]]
    assert (low, high) == pytest.approx(np.quantile(found.f_error[0], (0.05, 0.95)))
    (tolerance,) = (t for t in scene.still if "tolerance²" in t.get("hovertemplate", ""))
    assert tolerance["y"] == pytest.approx([4e-4, 4e-4])


def test_samples_are_filled_where_they_hit_in_that_frame_and_keep_their_numbers():
    found, rows = sine(), np.array([False, True, True, True])
    drawn = marks.samples(found, 1, found.x[1][rows], rows, COLORS, 5)
    assert drawn["marker"]["symbol"] == [100, 0, 0]
    assert drawn["customdata"] == [1, 2, 3]


def test_the_chosen_sample_s_track_is_its_own_among_those_drawn():
    found, rows = sine(), np.array([False, True, False, True])
    scene = Scene(moving=[[], [], []], chosen=3)
    marks.travel(scene, found, found.x[:, rows], rows, COLORS, 5, xaxis="x3", yaxis="y3")
    (track,) = scene.still
    assert unpacked(track["x"]) == pytest.approx(found.x[:, 3, 0])


def test_the_closest_result_is_that_of_the_last_frame():
    assert marks.closest(sine()) == pytest.approx([1.2])
    first = np.array([[1.2, 1.3, 0.2, 1.0], [1.1, 1.25, 1.21, 1.2], [1.15, 1.225, 1.21, 1.3]])[..., None]
    assert marks.closest(sine(y=first)) == pytest.approx([1.21])


def a_density():
    """A density over a plane of three columns and two rows; the MAP point at (0.25, −0.5)."""
    grid = np.arange(6.0).reshape(2, 3)
    across, up = np.array([-0.5, 0.0, 0.5]), np.array([-0.2, 0.2])
    return posterior.Density("exact", across, up, grid, across, up, 9 - grid, np.array([0.25, -0.5]), [grid])


def test_the_posterior_s_panel_shows_density_proposals_and_the_most_likely_design():
    found = sine()
    data = posterior.figure(found, a_density(), 0, 1, False, Size())["data"]
    prior, after = of(data, type="heatmap")
    assert unpacked(prior["z"]).tolist() == (9 - np.arange(6.0).reshape(2, 3)).tolist()
    assert unpacked(after["z"]).tolist() == np.arange(6.0).reshape(2, 3).tolist()
    (star,) = of(data, name="MAP: most likely")
    assert (unpacked(star["x"])[0], unpacked(star["y"])[0]) == (0.25, -0.5)
    rings = next(t for t in data if t.get("name", "").startswith("posterior"))
    assert unpacked(rings["x"]) == pytest.approx(found.x[0, :, 0])
    dots = next(t for t in data if t.get("name", "").startswith("localized"))
    assert unpacked(dots["y"]) == pytest.approx(found.x[2, :, 1])


def test_each_property_s_level_set_is_at_its_own_target():
    found = arm([[1.5, 0.3]], accepted=np.array([[1.5, 0.3]] * 2), aims=np.array([[1.5, 0.3]]))
    shown = replace(a_density(), likeliest=None, levels=[np.zeros((2, 3))] * 2)
    data = posterior.figure(found, shown, 0, 1, False, Size())["data"]
    levels = [t["contours"]["value"] for t in of(data, type="contour")]
    assert levels == [1.5, 0.3] * 2


def test_pairs_put_the_column_across_and_the_row_up_under_the_samples_own_numbers():
    found = sine(prior=np.zeros((0, 2), np.float32))
    data = posterior.pairs(found, False, Size())["data"]
    (one,) = [t for t in of(data, name="localized", mode="markers") if t["xaxis"] == "x2"]
    assert unpacked(one["x"]) == pytest.approx(found.x[2, :, 0])  # x₁ across
    assert unpacked(one["y"]) == pytest.approx(found.x[2, :, 1])
    many = sine(x=np.tile(found.x, (1, 100, 1)), aims=np.full((400, 1), 1.2), z=np.zeros((400, 2)))
    (one,) = [t for t in of(posterior.pairs(many, False, Size())["data"], name="localized") if t["xaxis"] == "x2"]
    assert one["customdata"] == np.unique(np.linspace(0, 399, 300).round().astype(int)).tolist()


def test_a_sweep_joins_means_over_seeds_and_its_bars_reach_the_worst_and_the_best():
    outcomes = {"SRS": {25: [Outcome(4.0, (1e-6, 1e-4, 1e-2)), Outcome(9.0, (3e-6, 3e-4, 3e-2))]}}
    data = compare.sweep_figure(sine(), outcomes, [25, 50], True, False, Size())["data"]
    found, error = of(data, name="SRS")
    assert unpacked(found["y"])[0] == 6.5
    assert (unpacked(found["error_y"]["array"])[0], unpacked(found["error_y"]["arrayminus"])[0]) == (2.5, 2.5)
    assert unpacked(error["y"])[0] == pytest.approx(2e-4)
    assert unpacked(error["error_y"]["array"])[0] == pytest.approx(2e-2 - 2e-4)
    assert unpacked(error["error_y"]["arrayminus"])[0] == pytest.approx(2e-4 - 2e-6)


def test_compare_counts_hits_on_loops_and_squares_errors():
    (row,) = compare.table({"SRS": sine()}).to_dict("records")
    assert (row["hit"], row["verified"], row["loops found"], row["on loop 5"]) == (2, 4, 1, 2)
    assert row["median"] == pytest.approx(np.median([0.05**2, 0.025**2, 0.01**2, 0]))


def test_favourites_are_drawn_within_the_box():
    (line,) = favourites.figure("sinewave", [("a", np.array([-0.5, 1.0]))], False, Size())["data"]
    assert unpacked(line["y"]).tolist() == [0.25, 1.0]


def test_the_latent_view_draws_proposals_without_those_that_were_replaced():
    found = sine()
    shown = Latent("SRS", np.full((4, 2), 0.5), found.z, 0.125, 0.75, found)
    spec = latent.figure([shown], (0, 1), (0, 1), {}, False, Size())
    cube, space, designs = (spec["data"][k] for k in (0, 2, 4))
    assert [point[0] for point in cube["customdata"]] == [0, 1, 2, 3]
    assert unpacked(space["x"]).tolist() == [0, 1, -1, 3]
    assert [point[0] for point in designs["customdata"]] == [0, 2, 3]
    assert unpacked(designs["x"]) == pytest.approx(found.x[0, [0, 2, 3], 0])
    titles = [note["text"] for note in spec["layout"]["annotations"]]
    assert "least distance 0.12" in titles[0] or "least distance 0.13" in titles[0]
    assert "least distance 0.75" in titles[1]


def test_a_campaign_s_evaluations_count_from_one_and_each_has_one_mark():
    y, hit = np.array([1.0, 1.2, np.nan, 2.0]), np.array([False, True, False, False])
    data = campaign.figure(np.array([0, 1, 1, 1]), 5, 20, y, hit, (1.1, 1.3), "y", False, Size())["data"]
    steps, wanted, hits, off, failed = data
    assert unpacked(steps["x"]).tolist() == [0, 1, 2, 3, 4]
    assert unpacked(wanted["y"]).tolist() == [5, 5]
    assert unpacked(hits["x"]).tolist() == [2]
    assert unpacked(off["x"]).tolist() == [1, 4]
    assert unpacked(failed["x"]).tolist() == [3]


def test_principal_components_are_of_deviations_from_the_mean():
    rng = np.random.default_rng(0)
    prior = (0.5 + 0.1 * rng.standard_normal((50, 1024))).astype(np.float32)
    found = sine(task="architecture", prior=prior, x=np.repeat(prior[None, :4], 3, axis=0))
    shown = coordinates(found)
    assert shown.of(prior).mean(0) == pytest.approx(np.zeros(4), abs=1e-4)


def test_bands_up_to_the_valence_band_are_occupied():
    path = SimpleNamespace(valence=1, names=("Γ", "X"))
    result = {"at": [0.0, 1.0], "levels": [[-2.0, -1.0, 1.0], [-3.0, -1.5, 2.0]], "corners": [0.0, 1.0]}
    data = band_figure.figure(sine(), path, result)["data"]
    assert [trace["name"] for trace in data] == ["occupied", "occupied", "empty"]
    assert unpacked(data[1]["y"]).tolist() == [-1.0, -1.5]


# Sentences and key figures


def figures(run):
    return {one.name: one.value for one in words.key_figures(run)}


def test_key_figures_are_of_the_frames_and_counts_that_they_name():
    told = figures(sine())
    before = np.square(np.array([1.0, 1.3, 0.2, 1.21]) - 1.2).mean()
    assert told["MSE, posterior"] == words.number(before)
    assert told["MSE, localized"] == "0.25"
    assert told["Median error²"] == "0.04"
    assert told["Hits"] == "2 / 4"  # by the page's tolerance, not by that of the summary
    assert told["Success before replacement"] == "3 / 4"
    assert told["Time"] == "3.75 s"
    assert told["Ω calls"] == "6"
    assert "and clean-up" in words.key_figures(sine(labels=("posterior", "step 1", CLEANED)))[0].meaning


def test_a_sample_s_figures_are_its_own():
    seen = Inspection(None, 0.25, np.zeros((2, 2)), np.zeros((2, 1)), np.array([0.125, 0.5]))
    told = {one.name: one.value for one in words.sample_figures(sine(), 1, seen)}
    assert told["Re-simulation error"] == words.number(0.025**2)
    assert told["Surrogate error"] == "0.002"
    assert told["Moved"] == "0.1"  # 0.2 of a width of 2
    assert told["Nearest training design"] == "0.125"
    assert told["Prior density"] == "25 %"
    own = sine(accepted=np.array([[1.1], [1.3]]), aims=np.array([[1.1], [1.15], [1.2], [1.3]]))
    told = {one.name: one.value for one in words.sample_figures(own, 1, seen)}
    assert float(told["Re-simulation error"]) == pytest.approx(0.075**2, rel=2e-3)


def test_the_headline_counts_hits_among_what_omega_has_seen():
    y = np.array([[1.2], [1.2], [1.5], [np.nan]])
    assert words.headline(sine(achieved=y, families=None, n_modes=0)).startswith("2 of 3 verified designs achieve")


def test_starts_outside_the_bounds_are_counted_not_ends():
    x = sine().x.copy()
    x[0, :3, 0] = 1.5
    assert "Of 4 samples, 3 start outside the bounds" in words.caption(sine(x=x))


def test_durations_change_to_minutes_of_sixty_seconds():
    assert [words.duration(seconds) for seconds in (45, 89, 120, 600)] == ["45 s", "89 s", "2 min", "10 min"]


# Tables


def test_the_table_has_each_sample_s_own_start_end_interval_and_loop():
    x = sine().x.copy()
    x[0, 0, 0], x[2, 1, 0] = 1.5, 1.5  # starts outside; ends outside
    shown = tables.table(sine(x=x))
    assert shown["y localized"].tolist() == [1.15, 1.225, 1.21, 1.2]
    assert shown["y posterior"].tolist() == [1.0, 1.3, 0.2, 1.21]
    assert shown["loop"].tolist() == [pd.NA, pd.NA, 5, 5]
    assert ["in prior" in badges for badges in shown["badges"]] == [True, False, True, True]
    assert ["hit" in badges for badges in shown["badges"]] == [False, False, True, True]
    assert [text.split()[-1] for text in shown["y, 90 %"]] == ["1.20", "1.30", "1.40", "1.50"]


def test_the_csv_s_hits_are_by_the_page_s_tolerance():
    found = pd.read_csv(io.StringIO(table_csv(sine(tolerances=np.array([0.03])))))
    assert found["hit"].tolist() == [False, False, False, True, False, True, True, True]


def test_the_inspector_follows_one_sample_towards_its_own_aim():
    own = sine(accepted=np.array([[1.1], [1.3]]), aims=np.array([[1.1], [1.15], [1.2], [1.3]]))
    seen = Inspection(np.array([[1.0], [1.1], [1.25]]), None, np.zeros((2, 2)), np.zeros((2, 1)), np.ones(2))
    rows = inspector.trace(own, 1, seen)
    assert rows["Ω: y"].tolist() == [1.3, 1.25, 1.225]
    assert rows["‖f(x) − y*‖²"].to_numpy() == pytest.approx([0.15**2, 0.05**2, 0.1**2])
    assert rows["‖Ω(x) − y*‖²"].to_numpy() == pytest.approx([0.15**2, 0.1**2, 0.075**2])


def test_results_that_come_later_are_joined_to_each_design_s_own_aim():
    waiting = sine(
        accepted=np.array([[1.1], [1.3]]), aims=np.array([[1.1], [1.15], [1.2], [1.3]]),
        achieved=np.full((4, 1), np.nan),
    )  # fmt: skip
    found = completed(
        waiting,
        [{"y": 1.0}, None, {"fail": "no"}, {"y": 1.0}],
        lambda result: [result["y"]],
    )
    assert found.achieved[:, 0] == pytest.approx([1.0, np.nan, np.nan, 1.0], nan_ok=True)
    assert found.final["resim_error"].to_numpy() == pytest.approx([0.01, np.nan, np.nan, 0.09], nan_ok=True)
    assert found.summary["resim_mse"] == pytest.approx(0.05)
    three = completed(waiting, [{"y": 1.0}, {"y": 1.15}, None, {"y": 1.0}], lambda result: [result["y"]])
    assert three.summary["resim_median"] == pytest.approx(0.01)  # of 0, 0.01 and 0.09
    assert three.summary["verified"] == 3
