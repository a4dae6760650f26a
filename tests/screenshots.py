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
    "sinewave-prior-start": "?method=prior-lm&omega=2&n=100",
    "sinewave-unreachable": "?y1=3&n=50",
    "sinewave-posterior-alone": "?method=inn&n=100",
    "robotic_arm": "?task=robotic_arm",
    "robotic_arm_kruse": "?task=robotic_arm_kruse&omega=1",
    "ballistics": "?task=ballistics&omega=2",
}
SCREENS = {390: 844, 1440: 900}


def shoot(folder, views, widths, themes):
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, server() as (address, _):
        for width in widths:
            for theme in themes:
                for view in views:
                    watched = Watched(browser, width, SCREENS.get(width, 900), theme)
                    page = watched.page
                    page.goto(f"{address}/{VIEWS[view]}")
                    page.wait_for_selector('.st-key-target-1, [data-testid="stAlert"]', timeout=TIMEOUT)
                    page.wait_for_selector(AT_REST)
                    page.wait_for_timeout(1500)
                    height = page.evaluate("() => document.querySelector('.stMain').scrollHeight")
                    page.set_viewport_size({"width": width, "height": height})
                    page.wait_for_timeout(1200)
                    path = folder / f"{view}-{width}-{theme}.png"
                    page.screenshot(path=path)
                    print(path, *watched.errors, *watched.abroad)
                    watched.context.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--views", nargs="+", default=list(VIEWS), choices=list(VIEWS))
    parser.add_argument("--widths", nargs="+", type=int, default=list(SCREENS))
    parser.add_argument("--themes", nargs="+", default=["light", "dark"], choices=["light", "dark"])
    given = parser.parse_args()
    shoot(given.folder, given.views, given.widths, given.themes)
