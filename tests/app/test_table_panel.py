import pandas as pd

from app.tasks.table.panel import row_advice


def test_the_page_names_the_row_that_is_closer():
    final = pd.DataFrame({"row_is_closer": [True, True, False], "closest_row": 7})
    assert row_advice(final).startswith("**Row 7 of your table is closer to the target**")
    assert row_advice(final.assign(closest_row=[7, 9, 9])).startswith("**Measured rows, such as row 7, are closer")
    assert row_advice(final.assign(row_is_closer=False)) == ""
    assert row_advice(final[["closest_row"]]) == ""
