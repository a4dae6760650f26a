"""Input errors: the message appears under its field, and sidebar and result stay."""

import pytest


def headline(test):
    return next(m.value for m in test.markdown if m.value.startswith("#### ") and " design" in m.value)


def whole(test):
    """Whether sidebar, result and exports are present."""
    return not test.exception and len(test.sidebar.selectbox) == 2 and len(test.get("download_button")) >= 2


@pytest.mark.parametrize(
    ("key", "good", "bad", "said"),
    [
        ("constrain", "x1 >= 0", "x1 >= nonsense", "nonsense"),
        ("start", "0.3, 0.1", "0.3", "2"),
    ],
)
def test_a_wrong_text_leaves_the_last_result_as_it_was(app, key, good, bad, said):
    test = app(n="10")
    test.text_input(key=key).set_value(good).run()
    before = test.dataframe[0].value
    test.text_input(key=key).set_value(bad).run()
    assert whole(test)
    assert len(test.error) == 1
    assert said in test.error[0].value
    assert test.dataframe[0].value.equals(before)
    test.text_input(key=key).set_value(good).run()
    assert not test.error


def test_an_interval_that_holds_nothing_keeps_the_last_one(app):
    test = app(n="10", ask1="between", y1="0.4", upto1="0.6")
    before = headline(test)
    test.number_input(key="upto1").set_value(0.1).run()
    assert whole(test)
    assert "must be larger" in test.error[0].value
    assert headline(test) == before


def test_a_run_that_cannot_be_shows_the_last_that_could(app):
    test = app(n="10")
    before = headline(test)
    test.selectbox(key="method").set_value("cinn").run()
    assert whole(test)
    assert "cinn" in test.error[0].value
    assert headline(test) == before
    assert any("last result" in c.value for c in test.caption)


def test_one_switch_chooses_starts_of_the_prior_and_comes_back(app):
    test = app(n="10", method="ipage")
    test.button_group(key="starts").set_value("prior-lm").run()
    assert test.selectbox(key="method").value == "prior-lm"
    assert not test.exception
    test.button_group(key="starts").set_value("ipage").run()
    assert test.selectbox(key="method").value == "ipage"
    test.selectbox(key="method").set_value("inn").run()
    assert not [g for g in test.button_group if g.key == "starts"]
