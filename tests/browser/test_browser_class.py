"""The teacher's overview of a class in headless Chromium: a visitor's choice appears on it without a reload."""

import pytest

from tests.support.browser import AT_REST, ROOT, serving, settled

pytestmark = pytest.mark.skipif(
    not (ROOT / "pretrained/sinewave/inn.safetensors").exists(), reason="no trained sinewave model in pretrained/"
)


@pytest.fixture(scope="module")
def classroom(home):
    with serving(IPAGE_CLASSROOM="1", IPAGE_HOME=str(home), OMP_NUM_THREADS="1") as (address, *_):
        yield address


def test_the_teacher_sees_what_a_visitor_chooses_and_finds(classroom, watch):
    student = watch().open(f"{classroom}/?n=25")
    student.get_by_text("on the page Class").wait_for()
    teacher = watch().page
    teacher.goto(f"{classroom}/class_overview")
    teacher.get_by_text("Tasks: Sine wave").wait_for()
    assert teacher.get_by_text("SRS 1").count() == 0
    teacher.locator(".st-key-class-loops .scatterlayer .trace").first.wait_for()
    student.get_by_role("radio", name="SRS").click()
    student.wait_for_function("() => location.search.includes('sampling=SRS')")
    settled(student)
    teacher.get_by_text("SRS 1").wait_for()  # by itself
    teacher.wait_for_selector(AT_REST)
