"""Motion of the figure in headless Chromium: Play, steps, scrubbing, the keyboard, and playing by itself."""

import numpy as np
import pytest

from tests.support.browser import ROOT, press

pytestmark = pytest.mark.skipif(
    not (ROOT / "pretrained/sinewave/inn.safetensors").exists(), reason="no trained sinewave model in pretrained/"
)
FARTHEST = "(a, b) => Math.max(...a.flatMap((p, i) => [Math.abs(p[0] - b[i][0]), Math.abs(p[1] - b[i][1])]))"
STEP = "() => document.querySelector('.js-plotly-plot')?._fullLayout?._currentFrame"
DOTS = """() => [...document.querySelectorAll(
    '.st-key-animation .js-plotly-plot .subplot.xy .scatterlayer .trace path.point')].map(
    p => p.getAttribute('transform').match(/[-.0-9]+/g).map(Number))"""
SEEN = """setInterval(() => {
    const plot = document.querySelector('.st-key-animation .js-plotly-plot');
    if (!plot?.on || plot.seen) return;
    plot.seen = window.seen = window.seen ?? [];
    const dots = () => [...plot.querySelectorAll('.subplot.xy .scatterlayer .trace path.point[transform]')];
    plot.on('plotly_animatingframe', e => window.seen.push(
        [e.name, dots().map(p => p.getAttribute('transform').match(/[-.0-9]+/g).map(Number))]));
}, 20)"""
"""Record each frame as it is played, with the previous positions of the dots."""
LAST = """(() => {
    const plot = document.querySelector('.st-key-animation .js-plotly-plot'), steps = plot._fullLayout.sliders[0].steps;
    return plot._fullLayout._currentFrame === steps.at(-1).args[0][0];
})()"""


def test_play_pause_step_and_scrub(address, watch):
    page = watch().open(f"{address}/?method=prior-lm&n=50&omega=1")
    rest = page.evaluate(DOTS)
    press(page, "Step ›")
    page.wait_for_function(f"({STEP})() === 'step 1'")
    press(page, "Step ›")
    page.wait_for_function(f"({STEP})() === 'step 2'")
    press(page, "‹ Step")
    page.wait_for_function(f"({STEP})() === 'step 1'")
    page.wait_for_function(f"rest => ({FARTHEST})(({DOTS})(), rest) > 1", arg=rest)

    press(page, "Fast")
    page.wait_for_function(f"({STEP})() === 'step 4'", polling="raf")  # a short step, when it plays fast
    press(page, "Pause")
    page.wait_for_timeout(300)
    paused = page.evaluate(STEP)
    page.wait_for_timeout(600)
    assert page.evaluate(STEP) == paused

    rail = page.locator(".slider-rail-touch-rect").first.bounding_box()
    page.mouse.click(rail["x"] + 4, rail["y"] + rail["height"] / 2)
    page.wait_for_function(f"({STEP})() === 'prior'")
    press(page, "Fast")
    page.wait_for_function(f"({STEP})() === 'correction 1'")
    page.wait_for_function(f"rest => ({FARTHEST})(({DOTS})(), rest) < 0.1", arg=rest)


@pytest.mark.parametrize("task", ["sinewave", "robotic_arm", "ballistics", "crystal"])
def test_a_new_result_plays_by_itself_from_latent_points_to_solutions(address, watch, task):
    watched = watch(motion="no-preference")
    watched.page.add_init_script(SEEN)
    page = watched.page
    page.goto(f"{address}/?task={task}&n=50")
    page.wait_for_function(f"() => window.seen?.length > 2 && {LAST}")
    seen = page.evaluate("() => window.seen")
    assert [name for name, _ in seen[:3]] == ["latent z", "posterior", "step 1"]
    # A busy browser may skip the drawing of a frame, so any frame counts.
    frames, end = np.array([dots for _, dots in seen[1:]]), np.array(page.evaluate(DOTS))
    moved = np.linalg.norm(frames - end, axis=2).max(0)
    assert (moved >= 40).sum() >= 25  # pixels: half of the samples visibly move


def test_it_plays_once_and_again_for_another_seed(address, watch):
    watched = watch(motion="no-preference")
    watched.page.add_init_script(SEEN)
    page = watched.open(f"{address}/?n=50")
    page.wait_for_function(f"() => window.seen?.length > 2 && {LAST}")
    count = len(page.evaluate("() => window.seen"))
    page.wait_for_timeout(1000)
    assert len(page.evaluate("() => window.seen")) == count, "it plays once"
    page.get_by_role("spinbutton", name="Seed").fill("3")
    page.keyboard.press("Enter")
    page.wait_for_function(f"n => window.seen.slice(n).some(s => s[0] === 'latent z') && {LAST}", arg=count)


@pytest.mark.parametrize(("motion", "more"), [("reduce", ""), ("no-preference", "&play=false")])
def test_nothing_plays_by_itself_where_it_is_not_wanted(address, watch, motion, more):
    watched = watch(motion=motion)
    watched.page.add_init_script(SEEN)
    page = watched.open(f"{address}/?n=25{more}")
    page.wait_for_timeout(1500)
    assert page.evaluate("() => window.seen ?? []") == []
    press(page, "Fast")
    page.wait_for_function(f"() => window.seen?.length > 2 && {LAST}")


def test_the_keyboard_reaches_the_figure_and_plays_it(address, watch):
    page = watch().open(f"{address}/?method=prior-lm&n=50&omega=1")
    page.wait_for_selector(".updatemenu-button[tabindex='0']")
    figure = page.get_by_role("figure", name="Figure: ").first
    assert "error" in figure.get_attribute("aria-label").lower()
    focused = "() => document.activeElement.getAttribute('aria-label') ?? ''"
    page.get_by_role("button", name="‹ Step").first.focus()
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "Step ›"
    page.keyboard.press("Enter")
    page.wait_for_function(f"({STEP})() === 'step 1'")
    page.wait_for_function(f"({focused})() === 'Step ›'")
    page.get_by_role("slider", name="step").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"({STEP})() === 'step 2'")
    page.wait_for_function(f"({focused})() === 'step'")
    page.keyboard.press("Home")
    page.wait_for_function(f"({STEP})() === 'prior'")


def test_while_samples_move_the_ground_stays_and_no_dot_comes_from_nowhere(watch, address):
    page = watch().open(f"{address}/?n=50")
    page.evaluate("""() => {
        const figure = document.querySelector('.js-plotly-plot'), points = '.scatterlayer path.point';
        window.seen = [];
        const look = () => {
            const astray = [...figure.querySelectorAll(points)].filter(p => !p.getAttribute('transform'));
            const ground = figure.querySelectorAll('.subplot.xy .fills path[style*="fill: rgb"]');
            window.seen.push([figure._fullLayout._currentFrame, ground.length, astray.length]);
            requestAnimationFrame(look);
        };
        look();
    }""")
    page.locator(".updatemenu-button", has_text="▶ Play").click()
    page.wait_for_function(f"() => ({STEP})() === 'step 1'")
    page.wait_for_timeout(1000)
    seen = page.evaluate("() => window.seen")
    assert len({step for step, *_ in seen}) > 1
    assert {ground for _, ground, _ in seen} == {8}
    assert {astray for *_, astray in seen} == {0}
