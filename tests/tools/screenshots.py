"""Screenshots of every page: ``python -m tests.tools.screenshots FOLDER`` (390, 1440 and 1920 px, light and dark)."""

import argparse
import io
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.browser import AT_REST, DRAWN, TIMEOUT, Watched, chromium, server, serving

VIEWS = {
    "sinewave": "",
    "sinewave-sample": "?sample=17",
    "sinewave-posterior": "?view=Posterior&sample=3",
    "arm-posterior": "?view=Posterior&task=robotic_arm",
    "ballistics-slice": "?view=Posterior&task=ballistics&others=cut+at+the+MAP+point",
    "sinewave-latent": "?view=Latent+design&n=25",
    "sinewave-compare": "?view=Compare&n=25",
    "arm-compare": "?view=Compare&task=robotic_arm",
    "ballistics-latent": "?view=Latent+design&task=ballistics",
    "sinewave-interval": "?ask1=between&y1=0.4&upto1=0.6&n=100",
    "arm-constrained": "?task=robotic_arm&constrain=x2+%3D+x3&n=50",
    "sinewave-prior-start": "?method=prior-lm&omega=2&n=100",
    "sinewave-unreachable": "?y1=3&n=50",
    "sinewave-posterior-alone": "?method=inn&n=100",
    "robotic_arm": "?task=robotic_arm",
    "robotic_arm_kruse": "?task=robotic_arm_kruse&omega=1",
    "ballistics": "?task=ballistics&omega=2",
    "architecture": "?task=architecture",
    "architecture-sample": "?task=architecture&sample=3",
    "architecture-constrained": "?task=architecture&constrain=group%3Dp4m&n=16",
    "crystal": "?task=crystal",
    "crystal-posterior": "?task=crystal&view=Posterior",
    "crystal-constrained": "?task=crystal&constrain=a%3Db&n=25&rank=robustness",
    "crystal-pair": "?task=crystal&n=25&sample=3",
    "silicon": "?task=silicon",
    "sinewave-guess": "?view=Guess",
    "arm-guess": "?view=Guess&task=robotic_arm",
    "sinewave-coverage": "?view=Coverage&n=50",
    "sinewave-paper": "?method=ipage-paper",
    "cells": "cells?n=16",
    **{f"learn-{k}": f"learn?step={k}" for k in range(1, 11)},
    "compare": "compare",
    "compare-four": "compare?task=robotic_arm&runs=ipage~maximin~0,ipage~lhs~0,inn~srs~1,prior-lm~maximin~0",
    "train": "train",
    "data": "data",
    "problem": "problem",
    "benchmark": "benchmark",
    "benchmark-2": "benchmark?figure=Figure+2%3A+localization+starts+from+posterior+samples",
    "benchmark-7": "benchmark?figure=Figure+7%3A+total+time+for+1000+solutions&intervals=true",
}
CLASS = "class_overview"
"""The page that only a classroom's server has."""
SCREENS = {390: 844, 1440: 900, 1920: 1080}
VISITS = ("n=10&sampling=SRS", "n=25&sampling=LHS&seed=1", "n=25", "task=robotic_arm&n=50", "task=ballistics&n=25")
"""What the class looks at."""
SHOWN = {
    "posterior": ("arm-posterior", 1440, "light"),
    "latent": ("sinewave-latent", 1440, "dark"),
    "compare": ("sinewave-compare", 1440, "light"),
    "architecture": ("architecture", 1440, "light"),
    "crystal": ("crystal", 1440, "light"),
    "phone": ("sinewave", 390, "dark"),
}
"""The pictures in ``app/screenshots``: view, width, theme; one screen of the page each."""
ALL_DRAWN = """() => [...document.querySelectorAll('[data-testid="stPlotlyChart"]')].every(
    place => place.querySelector('.main-svg'))"""
TICK = 50
"""Milliseconds per picture of the film."""


def shot(browser, address, view, width, theme, path, whole=True):
    """One picture of a view at rest; ``whole``: of the whole page, else of the visible part."""
    watched = Watched(browser, width, SCREENS.get(width, 900), theme)
    page = watched.page
    page.goto(f"{address}/{VIEWS.get(view, view)}")
    page.set_default_timeout(3 * TIMEOUT)  # some pages design for minutes
    page.wait_for_selector('.stMain h4, [data-testid="stAlert"]', timeout=TIMEOUT, state="attached")
    for _ in range(2):  # the first rest may come before the page knows how wide it is
        page.wait_for_selector(AT_REST)
        page.wait_for_function(ALL_DRAWN)
        page.wait_for_timeout(1500)
    page.wait_for_selector(AT_REST)
    if whole:
        height = page.evaluate("() => document.querySelector('.stMain').scrollHeight")
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(1200)
    page.screenshot(path=path)
    print(path, *watched.errors, *watched.abroad, flush=True)
    page.close()


def shoot(folder, views, widths, themes):
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, browser.new_context() as profile:  # scripts are compiled once for all pages
        for options, some in (({}, [v for v in views if v != CLASS]), ({"IPAGE_CLASSROOM": "1"}, {CLASS} & set(views))):
            if not some:
                continue
            with serving(**options) as (address, *_):
                visitors = [visit(profile, address, query) for query in VISITS if options]
                for width, theme, view in product(widths, themes, some):
                    shot(profile, address, view, width, theme, folder / f"{view}-{width}-{theme}.png")
                for page in visitors:
                    page.close()


def visit(profile, address, query):
    """A visitor of the class, who stays."""
    return Watched(profile).open(f"{address}/?{query}")


def shoot_shown(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, server() as (address, _):
        film(browser, address, folder / "localization.gif")
        for name, (view, width, theme) in SHOWN.items():
            shot(browser, address, view, width, theme, folder / f"{name}.png", whole=False)


def indexed(pictures):
    """With one palette of their 255 commonest colours, so that tints stay exact; other pixels take the nearest."""
    pixels = np.stack([np.asarray(picture, dtype=np.int64) for picture in pictures]) @ (1 << 16, 1 << 8, 1)
    codes, place, count = np.unique(pixels, return_inverse=True, return_counts=True)
    colors = np.stack((codes >> 16, codes >> 8 & 255, codes & 255), axis=1)
    palette = colors[np.argsort(-count)[:255]]
    nearest = np.concatenate(
        [((part[:, None] - palette) ** 2).sum(2).argmin(1) for part in np.array_split(colors, len(colors) // 1000 + 1)]
    )
    pictures = []
    for numbers in nearest[place.reshape(pixels.shape)].astype(np.uint8):
        pictures.append(Image.fromarray(numbers))
        pictures[-1].putpalette(palette.astype(np.uint8).tobytes())
    return pictures


PLAY = """() => {
    const [, options] = document.querySelector('.js-plotly-plot').layout.updatemenus[0].buttons[0].args;
    return options.frame.reduce((sum, one) => sum + one.duration, 0);
}"""


def film(browser, address, path):
    """The page's Play from the latent points on, at its own speed: the browser's clock waits for the pictures."""
    watched = Watched(browser, 1280, 1000)
    page = watched.page
    page.clock.install()
    page.goto(f"{address}/?n=100&omega=2")
    page.wait_for_function(DRAWN, arg=None)
    page.wait_for_selector(AT_REST)
    page.wait_for_timeout(1500)
    figure = page.locator(".js-plotly-plot").bounding_box()
    top = page.get_by_role("heading", name="designs achieve").bounding_box()["y"] - 4
    height = figure["y"] + figure["height"] + 8 - top
    clip = {"x": figure["x"] - 8, "y": top, "width": figure["width"] + 16, "height": height}
    whole = page.evaluate(PLAY)
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 2)
    page.locator(".updatemenu-button", has_text="▶ Play").click()
    page.mouse.move(0, 0)
    pictures, lasts = [], []
    for _ in range(whole // TICK + 1):
        picture = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
        if pictures and picture.tobytes() == pictures[-1].tobytes():
            lasts[-1] += TICK
        else:
            pictures.append(picture)
            lasts.append(TICK)
        page.clock.run_for(TICK)
    lasts[0] += 1500
    lasts[-1] += 2500
    first, *others = indexed(pictures)
    first.save(path, save_all=True, append_images=others, duration=lasts, loop=0)
    size = f"{path.stat().st_size / 1e6:.2f} MB, {sum(lasts) / 1000:.1f} s"
    print(path, size, *watched.errors, *watched.abroad, flush=True)
    watched.context.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--views", nargs="+", default=[*VIEWS, CLASS], choices=[*VIEWS, CLASS])
    parser.add_argument("--widths", nargs="+", type=int, default=list(SCREENS))
    parser.add_argument("--themes", nargs="+", default=["light", "dark"], choices=["light", "dark"])
    parser.add_argument("--shown", action="store_true", help="those of app/screenshots, as the READMEs show them")
    given = parser.parse_args()
    if given.shown:
        shoot_shown(given.folder)
    else:
        shoot(given.folder, given.views, given.widths, given.themes)
