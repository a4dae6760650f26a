"""Print the lesson sheet: ``python -m tests.tools.lesson_sheet`` writes ``app/lessons/lesson_sheet.pdf``."""

from app.lessons import sheet
from tests.support.browser import chromium


def main():
    with chromium() as browser:
        page = browser.new_page()
        page.set_content(sheet.html())
        page.pdf(path=sheet.SHEET, prefer_css_page_size=True, print_background=True)
    print(sheet.SHEET, sheet.SHEET.stat().st_size)


if __name__ == "__main__":
    main()
