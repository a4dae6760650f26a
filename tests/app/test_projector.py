"""Projector mode shows only headline and figure, and restores the rest afterwards."""


def test_one_button_leaves_the_figure_alone_and_brings_the_rest_back(app):
    test = app(n="10")
    headline = next(m.value for m in test.markdown if " design" in m.value)
    assert test.dataframe
    test.button(key="project").click().run()
    assert not test.exception
    assert len(test.get("plotly_chart")) == 1
    assert any(m.value == headline.replace("#### ", "#### Sine wave: ") for m in test.markdown)
    assert "y* = 1.2" in headline  # the fields that say task and target are hidden
    assert not test.dataframe
    assert not test.get("download_button")
    test.button(key="project").click().run()
    assert test.dataframe
