"""Every value of every control of every widget of the course; and the sweep itself finds what is planted."""

from __future__ import annotations

import ipywidgets
import pytest
from examples import WIDGETS, example
from sweep import sweep, values_of
from tiny import Planted, PlantedMemory, PlantedPair, Tiny
from tries import TRIES, tries

import ssl_course.widgets as widgets
from ssl_course.widgets.frame.explorer import Explorer
from ssl_course.widgets.frame.slider import settle


def test_there_are_widgets_to_sweep() -> None:
    assert "SceneExplorer" in WIDGETS


LONG = (
    "SimilarityMatrix",
    "NoiseFit",
    "MaskedWords",
    "NextWord",
    "WhereKComesFrom",
    "BoundExplorer",
)  # seconds each


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in WIDGETS]
)
def test_every_value_of_every_control(name: str) -> None:
    kind = getattr(widgets, name)
    assert issubclass(kind, Explorer), (
        f"{name} is no Explorer: if it is part of the frame, add it to FRAME in examples.py"
    )
    assert sweep(example(name)) == []


@pytest.mark.parametrize("name", WIDGETS)
def test_reset_brings_the_first_frame_back_that_a_browser_shows(name: str) -> None:
    explorer = example(name)
    for control in explorer.controls.values():
        settle(control)  # as the browser does
    assert explorer.values() == explorer.defaults
    first, readout = [panel.rgba.tobytes() for panel in explorer.panels], explorer.readout
    if type(explorer).reset is Explorer.reset:  # live ones have done some steps
        explorer.set(**{name: values[0] for name, values in tries(explorer).items()})
        explorer.reset()
        assert [panel.rgba.tobytes() for panel in explorer.panels] == first and explorer.readout == readout


def test_the_smallest_widget_is_clean() -> None:
    assert sweep(Tiny()) == []


def test_finds_an_error_away_from_the_start() -> None:
    failures = sweep(Planted())
    assert {"n": 13} in [f.values for f in failures]
    assert "ZeroDivisionError: thirteen" in failures[0].why


def test_finds_an_error_of_a_pair() -> None:
    assert [f.values for f in sweep(PlantedPair())] == [{"n": 20, "on": True}]


def test_finds_a_render_that_is_not_pure() -> None:
    assert "not pure" in sweep(PlantedMemory())[-1].why


def test_finds_tries_that_are_missing_and_tries_of_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRIES, "Tiny", lambda _: {"m": [1]})
    failures = {name: failure.why for failure in sweep(Tiny()) for name in failure.values}
    assert "needs `tries`" in failures["spot"] and "neither control nor hidden" in failures["m"]


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        (ipywidgets.IntSlider(2, min=0, max=6, step=2), [0, 2, 4, 6]),
        (ipywidgets.IntSlider(7, min=0, max=10_000), [0, 5000, 10_000, 7]),
        (ipywidgets.FloatSlider(0.2, min=0, max=1), [0, 0.5, 1, 0.2]),
        (ipywidgets.FloatLogSlider(10, base=10, min=0, max=2), [1, 10, 100, 10]),
        (ipywidgets.Checkbox(True), [False, True]),
        (ipywidgets.Dropdown(options=[("one", 1), ("two", 2)]), [1, 2]),
        (ipywidgets.SelectionSlider(options=["a", "b"]), ["a", "b"]),
        (ipywidgets.SelectMultiple(options=["a", "b"]), [(), ("a",), ("b",), ("a", "b")]),
        (ipywidgets.IntRangeSlider(value=(1, 2), min=0, max=3), [(0, 0), (0, 3), (3, 3), (1, 2)]),
    ],
)
def test_values_of(control: ipywidgets.Widget, expected: list) -> None:
    assert values_of(control) == expected


def test_an_unknown_control_is_an_error() -> None:
    with pytest.raises(TypeError, match="ColorPicker"):
        values_of(ipywidgets.ColorPicker())
