import pandas as pd

from app.tasks.table.columns import passes_text
from app.tasks.table.panel import front_text, row_advice, usual_training


def test_the_page_names_the_row_that_is_closer():
    final = pd.DataFrame({"row_is_closer": [True, True, False], "closest_row": 7})
    assert row_advice(final).startswith("**Row 7 of your table is closer to the target**")
    assert row_advice(final.assign(closest_row=[7, 9, 9])).startswith("**Measured rows, such as row 7, are closer")
    assert row_advice(final.assign(row_is_closer=False)) == ""
    assert row_advice(final[["closest_row"]]) == ""


def test_the_page_says_that_two_of_several_goals_are_drawn():
    assert "are drawn" not in front_text(2)
    assert front_text(3).endswith("surpasses in both properties. The first two of 3 such goals are drawn.")


def test_the_page_says_how_often_each_network_sees_the_rows():
    surrogate, flow = (usual_training(200, "usual", model).epochs for model in ("mlp", "inn"))
    assert (surrogate, flow) == (150, 75)
    assert passes_text(150, 75) == "The first goes through the rows 150 times (epochs), the second 75 times."
    assert passes_text(9, 9) == "Both go through the rows 9 times (epochs)."
