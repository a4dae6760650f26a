"""Layout in headless Chromium: nothing overlaps, is cut off, or is wider than the page, on a phone or a projector."""

import pytest

from tests.support.browser import ROOT, steady

pytestmark = pytest.mark.skipif(
    not (ROOT / "pretrained/sinewave/inn.safetensors").exists(), reason="no trained sinewave model in pretrained/"
)

# Texts that overlap or are cut off at the figure's edge. Numbers on loops may overlap.
CLASHES = """() => {
    const figure = document.querySelector('.js-plotly-plot'), edge = figure.getBoundingClientRect();
    const texts = [...figure.querySelectorAll('text')].filter(t => t.textContent.trim() && !t.closest('.scatterlayer')
        && !t.closest('.slider-labels') && t.getBoundingClientRect().width > 2);
    const boxes = texts.map(t => [t.textContent, t.getBoundingClientRect()]);
    const found = [];
    for (const [text, b] of boxes)
        if (b.left < edge.left - 1 || b.right > edge.right + 1 || b.bottom > edge.bottom + 1)
            found.push('cut off: ' + text);
    for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
        const [a, b] = [boxes[i][1], boxes[j][1]];
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 2 && down > 3) found.push(boxes[i][0] + ' | ' + boxes[j][0]);
    }
    return found;
}"""


@pytest.mark.parametrize(
    ("view", "width"),
    [(view, width) for view in ("Posterior", "Latent design", "Compare") for width in (390, 1440)],
)
def test_nothing_overlaps_in_the_other_views(address, watch, view, width):
    page = watch(width=width, height=900, theme="dark" if width == 390 else "light").open(
        f"{address}/?view={view}&n=50"
    )
    steady(page)
    assert page.evaluate(CLASHES) == []
    assert page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth") <= 0


@pytest.mark.parametrize("width", [390, 768, 1024, 1280, 1440, 1920])
def test_nothing_overlaps_or_is_cut_off(address, watch, width):
    page = watch(width=width, height=900, theme="dark" if width % 3 else "light").open(address)
    steady(page)
    assert page.evaluate(CLASHES) == []
    assert page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_the_figure_follows_the_width_of_the_page(address, watch):
    page = watch(width=390, height=844).open(address)
    page.wait_for_function("() => document.querySelector('.js-plotly-plot')?._fullLayout?.height > 900")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.wait_for_function("() => document.querySelector('.js-plotly-plot')?._fullLayout?.height < 700")


def test_on_a_wide_screen_the_map_takes_the_height_beside_the_controls(address, watch):
    page = watch(width=1920, height=1080).open(f"{address}/?n=25")
    steady(page)
    place = "selector => document.querySelector(`.st-key-animation ${selector}`).getBoundingClientRect().toJSON()"
    panel = page.evaluate(place, ".bglayer rect.bg")
    assert panel["height"] >= 420
    play = page.evaluate(place, ".updatemenu-button")
    assert play["left"] > panel["right"]
    assert play["top"] < panel["top"] + 20
    cards = "() => document.querySelector('.stMain .cards').getBoundingClientRect().bottom"
    assert page.evaluate(cards) <= 1080


def test_notes_on_a_target_out_of_reach_leave_the_figure_on_the_first_screen(address, watch):
    page = watch(width=1440, height=900).open(f"{address}/?y1=2.5&n=25")
    page.get_by_text("cannot be reached within the bounds").wait_for()
    steady(page)
    bottom = "text => document.querySelector('.st-key-animation .js-plotly-plot').getBoundingClientRect().bottom"
    assert page.evaluate(bottom) <= 900


# Contrast of a text with what lies behind it, by WCAG: 21 is black on white. Opacities multiply on the way up.
CONTRAST = """selector => {
    const parts = color => color.match(/[\\d.]+/g).map(Number);
    const over = ([r, g, b, a = 1], ground) => [r, g, b].map((c, i) => a * c + (1 - a) * ground[i]);
    const light = rgb => rgb.map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    return [...document.querySelectorAll(selector)].filter(text => text.getClientRects().length).map(text => {
        const layers = [];
        let opacity = 1;
        for (let at = text; at; at = at.parentElement) {
            layers.unshift(parts(getComputedStyle(at).backgroundColor));
            opacity *= getComputedStyle(at).opacity;
        }
        const ground = layers.reduce((below, layer) => over(layer, below), [255, 255, 255]);
        const ink = over([...parts(getComputedStyle(text).color).slice(0, 3), opacity], ground);
        const [low, high] = [light(ink), light(ground)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    });
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("page", "texts"),
    [
        ("", '[data-testid="stCaptionContainer"] :is(p, code)'),
        ("", '[data-testid="stButtonGroup"] button[aria-checked="true"] p'),
        ("?view=Guess", '[data-testid="stBaseButton-primary"] p'),
    ],
)
def test_words_stand_out_from_their_ground(address, watch, theme, page, texts):
    page = watch(theme=theme).open(f"{address}/{page}")
    steady(page)
    contrasts = page.evaluate(CONTRAST, texts)
    assert contrasts
    assert min(contrasts) >= 4.5  # WCAG 2.2, 1.4.3, level AA


@pytest.mark.parametrize("field", ["Seed", "Method", "Target y*"])
def test_a_field_shows_that_the_keyboard_is_in_it(address, watch, field):
    page = watch().open(f"{address}/?n=25")
    steady(page)
    page.locator(f'input[aria-label="{field}"]').first.focus()
    marked = "() => getComputedStyle(document.activeElement.parentElement).outline"
    assert page.evaluate(marked).endswith("solid 2px")
