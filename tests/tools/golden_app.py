"""The pages of the golden net: ``golden.py`` runs this in a separate process with a separate home folder."""

from __future__ import annotations

import base64
import io
import json
import logging
import re
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.testing.v1 import AppTest

from tests.tools.golden import ROOT, content, digest, masked, numbers, plain, strings, table

MAIN = ROOT / "app/main.py"
VIEWS = ("Localization", "Posterior", "Latent design", "Compare")
VIEWED = ("sinewave", "robotic_arm", "ballistics", "crystal")
LINKS = (
    "task=robotic_arm_kruse&n=25",
    "task=architecture&n=4&sampling=SRS",
    "task=architecture&n=4&constrain=group=p4m&finish=true&omega=1&sample=1",
    "task=architecture&n=4&sampling=SRS&view=Latent+design",
    "task=sinewave&method=ipage-mlp&n=50&seed=3&sampling=LHS&omega=2&tolerance=0.1&y1=0.9&sample=3",
    "task=sinewave&method=cinn&n=25&sampling=srs&y1=-1.5&view=Posterior",
    "task=sinewave&method=na&n=10",
    "task=sinewave&method=prior-lm&n=25&view=Latent+design",
    "task=sinewave&n=25&ask1=between&y1=0.4&upto1=0.6",
    "task=sinewave&n=25&y1=3",
    "task=sinewave&n=25&constrain=x1+=+x2;+x1+<=+0.5&start=0.3,+-0.6&y1=0.5",
    "task=sinewave&n=25&constrain=bananas",
    "task=sinewave&n=25&start=0.2",
    "task=sinewave&n=25&model=deadbeef",
    "task=ballistics&n=25&ask1=at+least&y1=5&constrain=x2+>=+1.2",
    "task=robotic_arm&n=25&y1=1.2&y2=0.5&ask2=at+most&omega=1",
    "task=crystal&n=10&constrain=a=b;+substrate=LSAT&rank=robustness&families=true&sample=2",
)
OTHERS = (
    *(f"learn?step={k}" for k in range(1, 10)),
    "compare?",
    "compare?task=sinewave&runs=inn~srs~4,ipage~lhs~2,ipage-cinn~maximin~0",
    "compare?task=robotic_arm&runs=ipage~maximin~0,prior-lm~srs~1",
    "benchmark?",
    "benchmark?table=Table+2:+many+different+y*,+one+solution+each&intervals=true",
    "train?",
    "own_data?",
)
MOST = 12  # numbers of a chart's column that are kept as they are

taken: list[tuple[str, Any]] = []
"""Name and content of every file that the page offers."""


def _spy() -> None:
    """AppTest does not return the content of a download button, so record it on its way to Streamlit."""
    original = DeltaGenerator.download_button

    def download_button(self: DeltaGenerator, label: str, data: Any, *args: Any, **options: Any) -> bool:
        taken.append((options.get("file_name") or label, data))
        return original(self, label, data, *args, **options)

    DeltaGenerator.download_button = download_button  # type: ignore[method-assign]
    st.download_button = download_button.__get__(st.download_button.__self__)  # type: ignore[assignment]


def downloads(inside: bool) -> dict[str, Any]:
    """What the files hold, or their names alone; of long and of foreign ones always the name alone."""
    found: dict[str, Any] = {}
    for name, data in taken:
        end = Path(name).suffix
        read = inside and end in (".csv", ".zip", ".cif", ".stl", ".svg")
        made = (data() if callable(data) else data) if read else ""
        made = made.read() if hasattr(made, "read") else made
        made = made.encode() if isinstance(made, str) else made
        while name in found:
            name += "'"
        if end == ".zip" and made:
            with zipfile.ZipFile(io.BytesIO(made)) as file:
                found[name] = {inner: _inner(inner, file.read(inner), found) for inner in sorted(file.namelist())}
        else:
            found[name] = content(name, made) if made else "not looked into"
    return found


def _inner(name: str, data: bytes, known: dict[str, Any]) -> Any:
    """A file of an archive: figures are those of the page, tables often those offered beside it."""
    if name.startswith("figures/"):
        return "a figure"
    told = content(name, data)
    if name.startswith("models/"):
        return digest(json.dumps(told, sort_keys=True).encode())
    return next((f"as {other}" for other, there in known.items() if there == told), told)


def chart(spec: dict, timed: bool) -> dict:
    """Columns and texts of each trace, of all frames together and of the layout; a hash of all numbers."""
    spec.get("layout", {}).pop("template", None)
    columns: dict[str, list] = {}
    texts: dict[str, list[str]] = {}
    _walk(spec, "", columns, texts)
    told: dict[str, Any] = {"traces": [f"{t.get('type')} {t.get('name', '')}" for t in spec.get("data", ())]}
    told["frames"] = len(spec.get("frames") or ())
    told |= {path: strings([masked(v) for v in values]) for path, values in texts.items()}
    if timed:
        return told
    flat = {path: np.concatenate([np.ravel(v).astype(float) for v in values]) for path, values in columns.items()}
    told |= {path: numbers(values, MOST) for path, values in flat.items()}
    rounded = "".join(f"{path}{[f'{v:.3e}' for v in values]}" for path, values in sorted(flat.items()))
    return told | {"four digits": digest(rounded.replace("-0.000e", "0.000e").encode())}


def _walk(value: Any, path: str, columns: dict[str, list], texts: dict[str, list[str]]) -> None:
    """Leaves by their path; the places in lists other than that of traces are left out of it."""
    if isinstance(value, dict) and "bdata" in value:
        columns.setdefault(path, []).append(np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"]))
    elif isinstance(value, dict):
        for key, inner in value.items():
            _walk(inner, f"{path}.{key}" if path else key, columns, texts)
    elif isinstance(value, list):
        for k, inner in enumerate(value):
            _walk(inner, f"{path}[{k}]" if path in ("data", "frames.data") else path, columns, texts)
    elif isinstance(value, bool | str):
        texts.setdefault(path, []).append(str(value))
    elif value is not None:
        columns.setdefault(path, []).append(value)
    else:
        texts.setdefault(path, []).append("none")


def page(test: AppTest, timed: bool, inside: bool) -> dict[str, Any]:
    """Every element in its order, with its words; charts, tables and files by their number or name."""
    told: dict[str, Any] = {"elements": [], "charts": {}, "tables": {}}
    for element in [*test.main, *test.sidebar]:
        kind, proto = element.type, element.proto
        if kind == "plotly_chart":
            name = f"chart {len(told['charts']) + 1}"
            told["charts"][name] = chart(json.loads(proto.spec), timed and "seconds" in proto.spec)
            told["elements"].append(name)
        elif kind == "dataframe":
            name = f"table {len(told['tables']) + 1}"
            told["tables"][name] = table(element.value, 60)
            told["elements"].append(name)
        elif line := _words(element):
            told["elements"].append(line)
    return told | {"files": downloads(inside), "address": plain(dict(test.query_params))}


def _words(element: Any) -> str:
    """Kind, label, value, choices and help; nothing of a block without a label."""
    proto, parts = element.proto, []
    inner = proto if proto is None or not hasattr(proto, "WhichOneof") else getattr(proto, element.type, proto)
    for name in ("label", "body", "code_text", "url", "help", "placeholder", "disabled"):
        said = getattr(inner, name, "") if (element.type, name) != ("download_button", "url") else ""
        parts += [f"{name}={said}"] if said and isinstance(said, str | bool) else []
    if getattr(element, "options", None):
        parts.append(f"options={[str(getattr(o, 'content', o)) for o in element.options]}")
    if hasattr(element, "set_value") and hasattr(element, "label"):
        with suppress(Exception):  # a widget that AppTest knows only by its label
            parts.append(f"value={element.value!r}")
    text = masked(re.sub(r"\s+", " ", " ".join(parts)))
    text = text if len(text) <= 1500 else f"{text[:300]} … {digest(text.encode())}"
    return f"{element.type}: {text}" if text else ""


def opened(link: str) -> AppTest:
    """Explore by its query, or another page as NAME?QUERY."""
    name, _, query = link.rpartition("?")
    test = AppTest.from_file(str(MAIN), default_timeout=600)
    test.session_state["share_texts"] = True  # folded: link and command
    test.query_params.update({"n": "3"} if name else dict(parse_qsl(query)))
    taken.clear()
    test.run()
    if name:
        folder = "pages" if (MAIN.parent / f"pages/{name}.py").exists() else "screens"
        test.switch_page(f"{folder}/{name}.py")
        test.query_params.clear()
        test.query_params.update(dict(parse_qsl(query)))
        taken.clear()
        test.run()
    return test


def figures(test: AppTest) -> dict[str, Any]:
    """Every figure of the benchmark's page by its title."""
    found = {}
    for title in test.selectbox(key="figure").options:
        taken.clear()
        test.selectbox(key="figure").set_value(title).run()
        found[title] = [chart(json.loads(e.proto.spec), False) for e in test.get("plotly_chart")]
    return found


def main() -> None:
    out, *only = sys.argv[1:]
    logging.disable(logging.WARNING)  # Streamlit misses its browser
    _spy()
    links = [f"task={task}&n=25&view={view.replace(' ', '+')}" for task in VIEWED for view in VIEWS]
    named = {f"page explore {link}": link for link in (*links, *LINKS)} | {f"page {link}": link for link in OTHERS}
    found: dict[str, Any] = {}
    for key, link in named.items():
        if any(part in key for part in only):
            inside = "view=" not in link or "view=Loc" in link
            found[key] = page(opened(link), timed=link.startswith("compare"), inside=inside)
            print(".", end="", file=sys.stderr, flush=True)
    if any(part in "page benchmark figures" for part in only):
        found["page benchmark figures"] = figures(opened("benchmark?"))
    Path(out).write_text(json.dumps(found, ensure_ascii=False))


if __name__ == "__main__":
    main()
