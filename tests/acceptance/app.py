"""Measure the app's speed in a browser: ``python -m tests.acceptance.app [--repeats 5]`` prints the times as JSON.

``--cells`` measures only the page Cells, from the click to sixteen finished designs.
"""

import argparse
import json
import os
import statistics
import time

from tests.support.browser import AT_REST, DRAWN, Watched, chromium, server

# window.changed: the milliseconds from the key press until the figure of the new target has been painted.
CHANGE = """target => {
    const drawn = DRAWN, start = performance.now();
    window.changed = new Promise((done, fail) => {
        const look = () => {
            if (drawn(target))
                requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));
            else if (performance.now() - start > 60000) fail('no new figure in 60 s');
            else setTimeout(look, 5);
        };
        look();
    });
}""".replace("DRAWN", DRAWN)


# The same for the page Cells: until the new run's frames are in the gallery.
CLICK = """() => {
    const gallery = () => document.querySelector('.goal-gallery').parentElement.goalGallery.run;
    const old = gallery(), start = performance.now();
    window.changed = new Promise((done, fail) => {
        const look = () => {
            if (gallery() !== old) requestAnimationFrame(() => done(performance.now() - start));
            else if (performance.now() - start > 120000) fail('no new gallery in 120 s');
            else setTimeout(look, 5);
        };
        look();
    });
    for (const button of document.querySelectorAll('button'))
        if (button.textContent.includes('Design cells')) button.click();
}"""


def cells(repeats):
    """Seconds from the click on Design cells until sixteen finished designs are visible."""
    taken = []
    with chromium() as browser, server() as (address, _):
        watched = Watched(browser)
        watched.page.goto(f"{address}/cells?n=16")
        watched.page.wait_for_selector(".goal-gallery canvas")
        watched.page.wait_for_selector(AT_REST)
        for k in range(repeats):
            value = watched.page.get_by_role("spinbutton", name="Value [E_s]").first
            value.fill(f"{0.36 + 0.01 * k:.2f}")
            value.press("Enter")
            watched.page.wait_for_timeout(1500)
            watched.page.wait_for_selector(AT_REST)
            watched.page.evaluate(CLICK)
            taken.append(round(watched.page.evaluate("() => window.changed") / 1000, 2))
            watched.page.wait_for_selector(AT_REST)
    return {"sixteen_cells_s": taken, "errors": watched.errors, "load_average": round(os.getloadavg()[0], 1)}


def measure(repeats):
    with chromium() as browser, server() as (address, started):
        up = time.perf_counter() - started
        watched = Watched(browser)
        page = watched.open(address)
        first = time.perf_counter() - started
        number = page.get_by_label("Target y*").first
        changes, errors, abroad = [], [], []
        for k in range(repeats):
            target = round(0.7 + 0.1 * k, 6)
            number.fill(str(target))
            page.evaluate(CHANGE, target)
            number.press("Enter")
            changes.append(page.evaluate("() => window.changed") / 1000)
            page.wait_for_timeout(1500)
        changes_compare = []
        for k in range(repeats):  # seeds that no other figure has been drawn for: three designs, three pictures
            compared = Watched(browser)
            view = compared.open(f"{address}/?view=Compare&seed={1000 + k}")
            number = view.get_by_label("Target y*").first
            target = round(0.75 + 0.1 * k, 6)
            number.fill(str(target))
            view.evaluate(CHANGE, target)
            number.press("Enter")
            changes_compare.append(view.evaluate("() => window.changed") / 1000)
            errors += compared.errors
            abroad += compared.abroad
            compared.context.close()
        second = Watched(browser)
        again = time.perf_counter()
        second.open(address)
        again = time.perf_counter() - again
        return {
            "first_view_s": round(first, 2),
            "of_which_server_s": round(up, 2),
            "view_in_a_running_server_s": round(again, 2),
            "target_to_figure_s": {"median": round(statistics.median(changes), 2), "max": round(max(changes), 2)},
            "changes_s": [round(c, 2) for c in changes],
            "target_to_compare_of_three_s": {
                "median": round(statistics.median(changes_compare), 2),
                "max": round(max(changes_compare), 2),
            },
            "n": 200,
            "console_errors": watched.errors + errors + second.errors,
            "requests_beyond_loopback": watched.abroad + abroad + second.abroad,
            "cores": os.cpu_count(),
            "load_average": round(os.getloadavg()[0], 1),
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cells", action="store_true", help="only the page Cells: from the click to sixteen designs")
    arguments = parser.parse_args()
    print(json.dumps((cells if arguments.cells else measure)(arguments.repeats), indent=2))
