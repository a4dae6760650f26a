"""Measure the app's speed in a browser: ``python -m tests.acceptance.app [--repeats 5]`` prints the times as JSON.

``--cells`` measures only the page Cells, from the click to sixteen finished designs; ``--frames`` only the animation:
frames per second while it plays, and how far the median sample visibly travels.
"""

import argparse
import json
import os
import statistics
import time

import numpy as np

from tests.support.browser import AT_REST, DRAWN, Watched, chromium, press, server, steady

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


PLAYING = """() => {
    const figure = document.querySelector('.st-key-animation .js-plotly-plot');
    return Boolean(figure?._fullLayout?._currentFrame);
}"""
ANIMATED = ("sinewave", "robotic_arm", "ballistics", "crystal", "architecture")
# window.played: times of the browser's frames in ms, how many of them moved a sample, and the places of the samples by
# panel, in pixels, before each frame of the figure and at the end. Cells stay: theirs are the lengths of their bars.
WATCH = """() => {
    const plot = document.querySelector('.st-key-animation .js-plotly-plot');
    const numbers = text => text.match(/-?[0-9.]+/g).map(Number);
    const samples = trace => trace.__data__?.[0]?.trace?.customdata;  // what stands still has none
    const points = panel => [...panel.querySelectorAll('.scatterlayer .trace')].filter(samples).flatMap(
        trace => [...trace.querySelectorAll('path.point[transform]')]);
    const dots = panel => points(panel).map(p => numbers(p.getAttribute('transform')));
    const bars = panel => {
        const lengths = [...panel.querySelectorAll('.scatterlayer path.js-line')].flatMap(
            p => [...p.getAttribute('d').matchAll(/M([-0-9.]+),([-0-9.]+)L([-0-9.]+),([-0-9.]+)/g)]).filter(
            m => m[2] === m[4]).map(m => [m[3] - m[1], 0]).sort((one, other) => one[0] - other[0]);
        return [...Array(Math.max(0, 16 - lengths.length)).fill([0, 0]), ...lengths];  // one of no length is not drawn
    };
    const cells = plot.querySelector('.hm image') !== null;
    const places = () => Object.fromEntries([...plot.querySelectorAll('.cartesianlayer > .subplot')].map(
        panel => [panel.getAttribute('class'), (cells ? bars : dots)(panel)]));
    const told = { times: [], moved: 0, places: [] };
    let over = false, last = '';
    window.played = new Promise(done => plot.once('plotly_animated', () => {
        over = true;
        setTimeout(() => { told.places.push(['end', places()]); done(told); }, 600);
    }));
    plot.on('plotly_animatingframe', e => told.places.push([e.name, places()]));
    const tick = time => {
        if (over) return;
        const all = points(plot.querySelector('.subplot.xy')).slice(0, 20).map(p => p.getAttribute('transform')).join();
        told.times.push(time);
        if (all !== last) told.moved += 1;
        last = all;
        requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
}"""


def frames():
    """Frames per second of the whole play, and the pixels that the median sample travels, for N = 200."""
    results, errors = {}, []
    with chromium() as browser, server() as (address, _):
        for task in ANIMATED:
            watched = Watched(browser)
            page = watched.page
            page.goto(f"{address}/?task={task}&n=200")
            page.wait_for_function(DRAWN, arg=None)
            steady(page)
            page.evaluate(WATCH)
            press(page, "▶ Play")
            played = page.evaluate("() => window.played")
            gaps = np.diff(played["times"])
            results[task] = {
                "frames_per_s": round(1000 * len(gaps) / gaps.sum(), 1),
                "slowest_twentieth_per_s": round(1000 / np.quantile(gaps, 0.95), 1),
                "seconds": round(gaps.sum() / 1000, 1),
                "frames_that_move_samples": played["moved"],
                "median_travel_px": travels(dict(played["places"])),
            }
            errors += watched.errors
            watched.context.close()
    return results | {"errors": errors, "load_average": round(os.getloadavg()[0], 1)}


def travels(places):
    """Median pixels from the start of each stage to the end, in the panel where samples travel farthest."""
    names = [name for name in places if name != "end"]
    end = places["end"]
    # A frame's places are recorded before it is drawn: those of the samples before the second frame are at the first.
    stages = {names[0]: places[names[1]], names[1]: places[names[2]]} if len(names) > 2 else {names[0]: places["end"]}
    farthest = {}
    for stage, start in stages.items():
        ways = [
            float(np.median(np.linalg.norm(np.subtract(start[panel], end[panel]), axis=1)))
            for panel in end
            if len(end[panel]) == len(start.get(panel, ())) > 8
        ]
        farthest[f"from {stage}"] = round(max(ways, default=0.0), 1)
    return farthest


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
        visitor = Watched(browser, motion="no-preference")
        visitor.open(address)
        first = time.perf_counter() - started
        visitor.page.wait_for_function(PLAYING)
        playing = time.perf_counter() - started
        visitor.context.close()
        watched = Watched(browser)
        page = watched.open(address)
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
            "figure_playing_s": round(playing, 2),
            "of_which_server_s": round(up, 2),
            "view_in_a_running_server_s": round(again, 2),
            "target_to_figure_s": {"median": round(statistics.median(changes), 2), "max": round(max(changes), 2)},
            "changes_s": [round(c, 2) for c in changes],
            "target_to_compare_of_three_s": {
                "median": round(statistics.median(changes_compare), 2),
                "max": round(max(changes_compare), 2),
            },
            "n": 200,
            "console_errors": visitor.errors + watched.errors + errors + second.errors,
            "requests_beyond_loopback": visitor.abroad + watched.abroad + abroad + second.abroad,
            "cores": os.cpu_count(),
            "load_average": round(os.getloadavg()[0], 1),
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cells", action="store_true", help="only the page Cells: from the click to sixteen designs")
    parser.add_argument("--frames", action="store_true", help="only the animation: frames per second, pixels travelled")
    arguments = parser.parse_args()
    report = frames() if arguments.frames else (cells if arguments.cells else measure)(arguments.repeats)
    print(json.dumps(report, indent=2))
