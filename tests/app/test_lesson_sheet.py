"""The lesson sheet: two pages, with the questions and answers that the page Learn has today."""

import math
import re

from app.components.beyond import places
from app.lessons import sheet
from app.lessons.tour import STEPS
from app.state import runs, worth
from ipage_core.problem.request import SAMPLINGS, DesignRequest
from ipage_core.tasks import TASKS


def test_the_printed_sheet_is_of_today_and_has_two_pages():
    printed = sheet.SHEET.read_bytes()
    title = re.search(r"<title>(.*?)</title>", sheet.html()).group(1)
    told = printed.decode("latin-1")
    assert title in told or title.encode("utf-16-be").decode("latin-1") in told, "python -m tests.tools.lesson_sheet"
    assert len(re.findall(r"/Type /Page\b", told)) == 2


def test_every_question_has_one_right_answer_among_several():
    for step in STEPS:
        assert len(set(step.guesses)) == len(step.guesses) >= 2
        assert 0 <= step.right < len(step.guesses)
    assert len({step.right for step in STEPS}) > 1


def test_one_lesson_and_two_have_their_minutes():
    assert sheet.totals() == (45, 90)


def test_the_answers_to_the_group_tasks_are_what_the_pages_show():
    designs = runs.of(DesignRequest.of(TASKS["sinewave"], 2.5, n=200))
    assert designs.hit.sum() == 0
    assert len(places(designs)) == sheet.FACTS["places"]
    throws = runs.of(DesignRequest.of(TASKS["ballistics"], 5.0, n=200, constraints=("angle >= 60°",)))
    assert "angle &gt;= 60°" in sheet.html()
    assert throws.hit.sum() == sheet.FACTS["throws"]
    assert (throws.x[-1][:, 2] >= math.radians(60)).all()
    few = [DesignRequest.of(TASKS["sinewave"], 1.2, n=12, sampling=sampling) for sampling in SAMPLINGS]
    assert tuple(round(100 * worth.worth(one, worth.SEEDS).share) for one in few) == sheet.FACTS["loops"]
