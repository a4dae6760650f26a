"""Each figure of a coverage, each sentence on it, and what a proof and the filling of gaps are asked for."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ipage_core.inference import coverage as module
from ipage_core.inference.coverage import Coverage, accepted_number, coverage, fill_gaps, interval, percent
from ipage_core.inference.enclosed import NoRule
from ipage_core.inference.paving import Equation, Radius
from tests.inference.test_spread import circle, solutions

EAST, NORTH, WEST, SOUTH = ([0.5, 0.0], [0.0, 0.5], [-0.5, 0.0], [0.0, -0.5])


def figures(distance=(), posterior=(), **more):
    n = len(distance)
    weight = np.arange(1, n + 1) / (n * (n + 1) / 2) if n else np.empty(0)
    measured, proof, refused = more.pop("measured", True), more.pop("proof", None), more.pop("refused", "")
    plain = Coverage(0.1, np.zeros((n, 2)), weight, np.array(distance), np.array(posterior), measured, proof, refused)
    return replace(plain, **more)


def radius(value, empty=False):
    return Radius(value, None, 7, 0.0, empty)


def test_a_coverage_of_which_nothing_else_is_said():
    plain = figures([0.05, 0.2])
    assert (plain.unit, plain.judge, plain.constrained) == ("box widths", "Ω", False)
    assert (plain.left_out, plain.violating, plain.undefined, plain.designs.shape) == (0, 0, 0, (0, 0))
    assert plain.summary() == {
        "within": 0.1,
        "left_out": 0,
        "violating": 0,
        "undefined": 0.0,
        "share": pytest.approx(1 / 3),
        "measured": True,
        "fill_distance": 0.2,
        "mean_distance": pytest.approx(0.15),
        "posterior_share": None,
        "posterior_share_low": None,
        "posterior_share_high": None,
        "proved_radius": None,
        "boxes": None,
        "no_proof": None,
        "sentence": "Measured, over the box: 33.3 % of the known solutions have a design within 0.1.",
    }
    full = figures([0.05], [0.1, 0.3], proof=radius(0.2), refused="no more").summary()
    assert (full["proved_radius"], full["boxes"], full["no_proof"]) == (0.2, 7, "no more")
    assert (full["posterior_share"], full["share"]) == (0.5, 1.0)
    assert full["posterior_share_low"] == pytest.approx(0.0126, abs=1e-4)
    assert full["posterior_share_high"] == pytest.approx(1 - 0.0126, abs=1e-4)


KNOWN = "Measured, over the box: 33.3 % of the known solutions have a design within 0.1."
NONE = "nothing can be said of the coverage."


@pytest.mark.parametrize(
    ("cover", "said"),
    [
        (figures([0.05, 0.2]), [KNOWN]),
        (figures([0.05, 0.2], measured=False), [KNOWN.replace("Measured", "Estimate")]),
        (figures([0.05, 0.2], unit="of strain"), [KNOWN.replace("0.1.", "0.1 of strain.")]),
        (figures(posterior=[0.1, 0.2]), ["Estimate, posterior-weighted: 50 % (1.3–98.7)."]),
        (figures(), [f"No solution is known: {NONE}"]),
        (figures(constrained=True), [f"No solution that obeys the constraints is known: {NONE}"]),
        (figures(refused="too slow."), [f"No solution is known: {NONE}", "Too slow."]),
        (
            figures([0.05, 0.2], [0.1, 0.2], proof=radius(0.21), refused="so"),
            [
                "Proved: no solution in the box is farther than 0.2100 box widths from a design.",
                KNOWN,
                "Estimate, posterior-weighted: 50 % (1.3–98.7).",
                "So.",
            ],
        ),
        (
            figures(proof=radius(0.30001), unit="of strain"),
            ["Proved: no solution in the box is farther than 0.3001 of strain from a design."],
        ),
        (
            figures([0.05, 0.2], proof=radius(0.0, empty=True)),
            ["Proved: no design in the box has exactly this target; those that count come close enough."],
        ),
        (
            figures(proof=radius(0.0, empty=True), constrained=True, undefined=0.25),
            [
                "Estimate: Ω has no finite value in 25 % of the box that the constraints leave.",
                "Proved: no solution in the box obeys the constraints.",
            ],
        ),
        (
            figures([0.05, 0.2], undefined=0.5, violating=2, designs=np.zeros((1, 2)), left_out=1, judge="f"),
            [
                "2 of 4 designs lie outside the box, so they do not count.",
                "By f, 1 of 2 designs misses the target, so it does not count.",
                "Estimate: Ω has no finite value in 50 % of the box.",
                KNOWN,
            ],
        ),
        (
            figures([0.05, 0.2], violating=1, constrained=True, designs=np.zeros((9, 2)), left_out=2),
            [
                "1 of 12 designs violates the constraints, so it does not count.",
                "By Ω, 2 of 11 designs miss the target, so they do not count.",
                KNOWN,
            ],
        ),
        (
            figures([0.05, 0.2], designs=np.zeros((2, 2)), left_out=18),
            [f"By Ω, only 2 of 20 designs meet the target: {module.DOUBT}", KNOWN],
        ),
        (
            figures([0.05, 0.2], designs=np.zeros((1, 2)), left_out=9),
            [f"By Ω, only 1 of 10 designs meets the target: {module.DOUBT}", KNOWN],
        ),
    ],
)
def test_what_is_known_is_said_and_nothing_else(cover, said):
    assert cover.sentences() == said
    assert cover.sentence() == " ".join(said)


def test_shares_are_rounded_to_a_tenth_of_a_per_cent():
    said = {1.0: "100 %", 0.9996: "99.9 %", 0.9994: "99.9 %", 0.5: "50 %", 0.0123: "1.2 %", 0.0004: "0.1 %", 0.0: "0 %"}
    assert {share: percent(share) for share in said} == said


def tail(p, least, n):
    """Probability of at least so many hits in n."""
    return sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(least, n + 1))


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (1, 7), (4, 9), (7, 7), (1, 1), (29, 30)])
@pytest.mark.parametrize("level", [0.95, 0.6])
def test_an_interval_ends_where_the_hits_become_unlikely(hits, n, level):
    """At the low end so many hits or more have the probability of one tail, at the high end so many or fewer."""
    share, low, high = interval(hits, n, level)
    assert share == hits / n
    assert (low == 0) if hits == 0 else tail(low, hits, n) == pytest.approx((1 - level) / 2)
    assert (high == 1) if hits == n else 1 - tail(high, hits + 1, n) == pytest.approx((1 - level) / 2)
    assert interval(hits, n) == interval(hits, n, 0.95)


def test_a_distance_is_a_number_above_zero():
    for value in (1e-9, 0.5, 1, 1e9, np.float32(0.25)):
        assert accepted_number(value, "within", "…") == value
    for value in (True, False, 0, 0.0, -1, math.inf, math.nan, "0.5", None, 1j):
        with pytest.raises(ValueError, match=r"within=.* is not accepted: a distance"):
            accepted_number(value, "within", "a distance")


# What is asked of others


BOX = torch.tensor([[-1.0, -2.0], [1.0, 2.0]], dtype=torch.float64)


def known(monkeypatch, points, **more):
    """The circle of radius 1/2 in a box of 2 by 4, of which just these solutions are known."""
    monkeypatch.setattr(module, "solutions_everywhere", lambda solutions, seed, propose: np.array(points, dtype=float))
    return solutions(bounds=BOX, **more)


def test_the_proof_has_designs_and_distances_in_their_unit_and_a_goal_a_tenth_beyond_the_known(monkeypatch):
    asked = []

    def proof(equation, designs, scale, **more):
        asked.append((designs.tolist(), scale.tolist(), more["goal"], more["seconds"]))
        return radius(0.6)

    monkeypatch.setattr(module, "prove_radius", proof)
    equation = Equation(circle, torch.tensor([0.25]), BOX)
    cover = coverage(known(monkeypatch, [EAST, NORTH]), np.array([EAST]), equation=equation, seconds=3)
    far = math.hypot(0.5 / 2, 0.5 / 4)
    assert cover.within == 0.05
    assert cover.distance.tolist() == pytest.approx([0, far])
    assert (cover.measured, cover.unit, cover.refused, cover.proof.radius) == (False, "box widths", "", 0.6)
    coverage(known(monkeypatch, np.empty((0, 2))), np.array([EAST, WEST]), equation=equation)
    assert asked[0] == ([EAST], [2, 4], pytest.approx(1.1 * far), 3)
    assert asked[1] == ([EAST, WEST], [2, 4], 0, 20)


def test_a_proof_knows_the_images_of_designs_and_maps_the_variables(monkeypatch):
    """The mirror image of a design counts; the equation's variable is half the design."""
    mirrored = known(monkeypatch, [EAST], images=lambda x: np.stack([x, x * [-1, 1]], 1))
    equation = Equation(lambda u: circle(2 * u), torch.tensor([0.25]), BOX / 2)
    seen = []
    cover = coverage(
        mirrored,
        np.array([EAST, NORTH, SOUTH]),
        equation=equation,
        decode=lambda u: 2 * u,
        progress=lambda tested, reached: seen.append(reached),
        cancel=lambda: bool(seen) and seen[-1] < 0.17,
    )
    angle = np.linspace(0, 2 * np.pi, 999)
    rim = 0.5 * np.stack([np.cos(angle), np.sin(angle)], 1) / [2, 4]
    farthest = np.linalg.norm(rim[:, None] - np.array([EAST, NORTH, WEST, SOUTH]) / [2, 4], axis=2).min(1).max()
    assert farthest <= cover.proof.radius < 0.17


def test_an_equation_without_a_rule_is_refused_in_its_own_words(monkeypatch):
    def refusing(*_, **__):
        raise NoRule("no proof available: so")

    monkeypatch.setattr(module, "prove_radius", refusing)
    cover = coverage(known(monkeypatch, [EAST]), np.array([EAST]), equation=Equation(circle, torch.tensor([0.25]), BOX))
    assert (cover.proof, cover.refused) == (None, "no proof available: so")
    words = coverage(known(monkeypatch, [EAST]), np.array([EAST]), equation="Ω is slow")
    assert (words.proof, words.refused) == (None, "Ω is slow")


def test_a_set_of_which_nothing_is_known_has_no_figures(monkeypatch):
    cover = coverage(known(monkeypatch, np.empty((0, 2))), np.array([EAST]), unit="of strain", measured=True)
    assert (len(cover.points), len(cover.weight), len(cover.distance), len(cover.posterior)) == (0, 0, 0, 0)
    assert (cover.unit, cover.measured, cover.designs.tolist()) == ("of strain", True, [EAST])
    assert cover.sentence() == f"No solution is known: {NONE}"
    nowhere = solutions(y=(9.0,))  # no sample of the posterior arrives
    monkeypatch.setattr(module, "HELD_OUT", 20)
    cover = coverage(nowhere, np.array([EAST]), propose=lambda count, seed: torch.full((count, 2), 0.3))
    assert len(cover.posterior) == 0


def test_held_out_samples_have_other_seeds_than_the_run(monkeypatch):
    asked = []

    def propose(count, seed):
        asked.append((count, seed))
        return torch.tensor([[0.4, 0.1], [-0.4, 0.1]]).repeat(count // 2, 1)

    monkeypatch.setattr(module, "HELD_OUT", 20)
    cover = coverage(known(monkeypatch, [EAST]), np.array([EAST]), 0.2, propose=propose, seed=5)
    assert len(cover.posterior) == 20
    assert cover.likely()[0] == 0.5
    assert asked[0][0] == 20
    assert all(seed > 1000 for _, seed in asked)
    whole = cover.weight.sum()
    assert whole == pytest.approx(1)


def test_each_whole_solution_counts_once(monkeypatch):
    """x₁ is whole: starts that round to one solution are one; without whole numbers all are kept."""
    bounds = torch.tensor([[-3.0, -3.0], [3.0, 3.0]], dtype=torch.float64)
    points = [[1.9, 0.6], [0.2, 2.05], [2.1, 0.45], [0.1, 2.06], [-0.2, -2.0]]
    monkeypatch.setattr(module, "solutions_everywhere", lambda *_: np.array(points))
    cover = coverage(solutions(y=(4.25,), bounds=bounds, integers=(0,)), np.array([[2.0, 0.5]]), 0.1)
    rim = math.sqrt(4.25)
    assert cover.points.tolist() == [pytest.approx(one, abs=1e-6) for one in ([2, 0.5], [0, rim], [0, -rim])]
    free = coverage(known(monkeypatch, [EAST, EAST, NORTH]), np.array([EAST]))
    assert len(free.points) == 3


# Gaps


def rounds(monkeypatch, *known):
    asked = []

    def everywhere(solutions, seed, propose):
        asked.append(seed)
        return np.array(known[min(len(asked), len(known)) - 1], dtype=float)

    monkeypatch.setattr(module, "solutions_everywhere", everywhere)
    return asked


def test_all_rounds_together_add_no_more_than_asked(monkeypatch):
    plain = solutions()
    asked = rounds(monkeypatch, [EAST, NORTH], [EAST, NORTH, WEST, SOUTH])
    new, early = fill_gaps(plain, np.array([EAST]), 0.1, most=2, seconds=60)
    assert (new.tolist()[0], len(new), len(asked), early) == (NORTH, 2, 2, "at most 2 designs are added")
    two = np.array([EAST, NORTH])
    rounds(monkeypatch, [EAST, NORTH, WEST, SOUTH])
    new, early = fill_gaps(plain, two, 0.1, most=3, seconds=60)
    assert (sorted(new.tolist()), early) == (sorted([WEST, SOUTH]), "")


def test_a_gap_is_what_is_farther_than_seven_tenths_of_epsilon(monkeypatch):
    """Distances are in box widths of 2."""
    near, far = [0.5, 0.0 + 2 * 0.069], [0.5, 0.0 - 2 * 0.071]
    rounds(monkeypatch, [near, far])
    new, _ = fill_gaps(solutions(lambda x: x[:, :1], y=(0.5,)), np.array([EAST]), 0.1, seconds=60)
    assert new.tolist() == [far]


def test_filling_goes_on_if_some_of_the_rounded_designs_are_solutions(monkeypatch):
    bounds = torch.tensor([[-3.0, -3.0], [3.0, 3.0]], dtype=torch.float64)
    whole = solutions(y=(4.25,), bounds=bounds, integers=(0,))
    asked = rounds(monkeypatch, [[2.02, 0.4], [2.8, 0.0]], [[0.2, 2.02]], [[2.0, 0.5], [0.0, math.sqrt(4.25)]])
    new, early = fill_gaps(whole, np.array([[-2.0, 0.5]]), 0.1, seconds=60)
    assert new[:, 0].tolist() == [2, 0]
    assert (early, len(asked)) == ("", 3)


def test_the_clock_of_filling_is_its_own(monkeypatch):
    """Half of the time may pass before another round: it might take as long again."""
    plain = solutions()
    for now, early in ((100 + 4.0, ""), (100 + 4.01, "the time for it, 8 s, ended")):
        clock = iter([100.0, now, now, now])
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda clock=clock: next(clock)))
        rounds(monkeypatch, [EAST, NORTH], [EAST, NORTH])
        assert fill_gaps(plain, np.array([EAST]), 0.1)[1] == early
