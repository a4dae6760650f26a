"""One name for each method, and one meaning for each word."""

import re

import pytest

from app.components import glossary
from app.components.starts import CONTROLS
from app.components.words import method_and_id, method_name
from app.figures import benchmark as figures
from app.figures.playback import Size
from ipage_core.inference.methods import METHODS
from ipage_core.runtime.paths import ROOT

README = (ROOT / "ipage_core" / "README.md").read_text()
SHIPPED = [name for name in METHODS if "@" not in name]


def test_a_method_has_the_same_label_everywhere():
    labels = {name: METHODS[name].label for name in SHIPPED}
    assert len(set(labels.values())) == len(labels)
    for name, label in labels.items():
        assert figures.short(name) == method_name(name) == label
        assert method_and_id(name) == f"{label} · {name}"
        assert label in README
        assert f"`{name}`" in README
    assert set(CONTROLS) <= set(labels)


def test_the_readme_s_glossary_has_the_words_of_the_app():
    table = README[README.index("| word | meaning |") : README.index("## How it works")].strip().splitlines()[2:]
    rows = [re.match(r"\| (.*?) \| (.*) \|$", line.replace("\\*", "*")).groups() for line in table]
    assert dict(rows) == glossary.WORDS


@pytest.mark.parametrize(
    ("size", "count", "first"), [("wide", 2, "Left"), ("narrow", 2, "Above"), ("narrow", 3, "Top")]
)
def test_captions_say_where_a_panel_is(size, count, first):
    places = Size(size).places(count)
    assert places[0] == first
    assert len(set(places)) == count
