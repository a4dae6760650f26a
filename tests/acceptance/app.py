"""How fast the app is in a browser: ``python -m tests.acceptance.app [--repeats 5]`` prints the figures as JSON."""

import argparse
import json
import os
import statistics
import time

from tests.support.browser import DRAWN, Watched, chromium, server

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
    print(json.dumps(measure(parser.parse_args().repeats), indent=2))
