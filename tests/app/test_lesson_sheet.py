"""The lesson sheet: two pages, with the questions and answers that the page Learn has today."""

import re

from app.lessons import sheet
from app.lessons.tour import STEPS


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
