"""A slider starts where its handle can stand."""

import ipywidgets as w
import pytest

from ssl_course.widgets.frame.slider import settle


def settled(slider):
    settle(slider)
    once = slider.value
    settle(slider)
    assert slider.value == once
    return once


@pytest.mark.parametrize(
    ("slider", "value"),
    [
        (w.FloatLogSlider(0.2, min=-1.5, max=1.5, step=0.05), 10**-0.7),
        (w.FloatLogSlider(1e-4, min=-4, max=-1, step=0.05), 1e-4),
        (w.FloatLogSlider(8, min=0, max=2, step=0.4), 10**0.8),
        (w.FloatLogSlider(100, min=0, max=2, step=0.3), 100),  # the end is held, off the steps
        (w.FloatLogSlider(5, base=2, min=-2, max=4, step=1), 4),
        (w.FloatSlider(0.34, min=0, max=1, step=0.05), 0.35),
        (w.FloatSlider(0.37, min=0.1, max=0.95, step=0.1), 0.4),
        (w.FloatSlider(-0.6, min=-1, max=1, step=0.25), -0.5),
        (w.IntSlider(7, 1, 20, 5), 6),
        (w.IntSlider(20, 1, 20, 5), 20),
        (w.IntSlider(0, 0, 0), 0),  # nowhere to go
    ],
)
def test_value(slider, value):
    assert settled(slider) == pytest.approx(value, rel=1e-12)


def test_what_is_held_stays_to_the_last_bit():
    for k in range(101):
        assert settled(w.FloatSlider(k / 100, min=0, max=1, step=0.01)) == pytest.approx(k / 100, abs=1e-15)
    assert settled(w.Checkbox(True)) and settled(w.SelectionSlider(options=[1, 3], value=3)) == 3
