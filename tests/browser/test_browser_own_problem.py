"""A simulator of one's own in a real browser: from a shell script to verified hits."""

from pathlib import Path

import pytest

from tests.support.browser import AT_REST

pytestmark = pytest.mark.slow
SIMULATOR = 'awk -F, -v OFMT=%.12g \'NR==1{print "sample,sag"; next} {print $1 "," $2*$2/4}\' "$1" > "$2"\n'


def test_from_a_script_to_verified_hits(address, watch, tmp_path):
    (tmp_path / "sim.sh").write_text(SIMULATOR)
    page = watch(missing=True).open(address)
    page.get_by_role("link", name="Your problem").click()
    page.get_by_label("Name", exact=True).fill("My beam")
    page.get_by_role("textbox", name="Command", exact=True).fill("sh sim.sh {in} {out}")
    page.get_by_role("textbox", name="Folder of its files").fill(str(tmp_path))
    page.get_by_role("textbox", name="Folder of its files").press("Enter")
    page.wait_for_selector(AT_REST)
    page.get_by_role("button", name="Test on one design, then add it").click()
    page.get_by_text("is a task now").wait_for()
    page.get_by_text("Campaign", exact=True).click()
    page.wait_for_selector(AT_REST)
    page.get_by_role("textbox", name="Target y* for sag [mm]").fill("0.5")
    page.get_by_label("Distinct hits wanted").fill("2")
    page.get_by_label("Distinct hits wanted").press("Enter")
    page.wait_for_selector(AT_REST)
    page.get_by_role("button", name="Start").click()
    page.get_by_text("distinct hits, all verified by Ω").wait_for()
    page.get_by_role("button", name="Remove").first.wait_for()  # it has ended
    page.wait_for_selector(AT_REST)
    assert page.locator(".js-plotly-plot").count() == 1
    with page.expect_download() as download:
        page.get_by_role("button", name="Download hits").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0].startswith("sample,stage,target1,x1,surrogate1,y1")
    assert len(lines) >= 3
