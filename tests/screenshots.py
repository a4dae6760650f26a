"""Pictures of every page to look at: ``python -m tests.screenshots FOLDER`` (390 and 1440 px, light and dark)."""

import argparse
from pathlib import Path

from tests.browser import AT_REST, TIMEOUT, Watched, chromium, server

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
}
SCREENS = {390: 844, 1440: 900}
SHOWN = {
    "sinewave": ("sinewave", 1440, "light"),
    "posterior": ("arm-posterior", 1440, "light"),
    "latent": ("sinewave-latent", 1440, "dark"),
    "compare": ("sinewave-compare", 1440, "light"),
    "architecture": ("architecture", 1440, "light"),
    "crystal": ("crystal", 1440, "light"),
    "phone": ("sinewave", 390, "dark"),
}
"""The pictures in ``app/screenshots``: view, width, theme; as much of the page as a screen shows."""


def shot(browser, address, view, width, theme, path, whole=True):
    """One picture of a view at rest; ``whole``: of all of the page, else of what the screen shows."""
    watched = Watched(browser, width, SCREENS.get(width, 900), theme)
    page = watched.page
    page.goto(f"{address}/{VIEWS[view]}")
    page.wait_for_selector('.js-plotly-plot .main-svg, [data-testid="stAlert"]', timeout=TIMEOUT, state="attached")
    page.wait_for_selector(AT_REST)
    page.wait_for_timeout(1500)
    if whole:
        height = page.evaluate("() => document.querySelector('.stMain').scrollHeight")
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(1200)
    page.screenshot(path=path)
    print(path, *watched.errors, *watched.abroad, flush=True)
    watched.context.close()


def shoot(folder, views, widths, themes):
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, server() as (address, _):
        for width in widths:
            for theme in themes:
                for view in views:
                    shot(browser, address, view, width, theme, folder / f"{view}-{width}-{theme}.png")


def shoot_shown(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, server() as (address, _):
        for name, (view, width, theme) in SHOWN.items():
            shot(browser, address, view, width, theme, folder / f"{name}.png", whole=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--views", nargs="+", default=list(VIEWS), choices=list(VIEWS))
    parser.add_argument("--widths", nargs="+", type=int, default=list(SCREENS))
    parser.add_argument("--themes", nargs="+", default=["light", "dark"], choices=["light", "dark"])
    parser.add_argument("--shown", action="store_true", help="those of app/screenshots, as README shows them")
    given = parser.parse_args()
    if given.shown:
        shoot_shown(given.folder)
    else:
        shoot(given.folder, given.views, given.widths, given.themes)
