"""The base of every widget: newest only, from any thread, errors shown, Reset, the picture that stays behind."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
import threading
import time
from types import ModuleType, SimpleNamespace
from urllib.parse import unquote

import anywidget
import ipywidgets
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from PIL import Image
from tiny import Bare, Planted, Slow, Tiny

from ssl_course.course.lecture import predict
from ssl_course.widgets.frame.canvas import Key, Panel, Pointer
from ssl_course.widgets.frame.explorer import Explorer

WIDGET = "application/vnd.jupyter.widget-view+json"


def until(condition: object, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def shown(explorer: Explorer) -> list[bytes]:
    return [panel.rgba.tobytes() for panel in explorer.panels]


def fresh(explorer: Explorer) -> list[bytes]:
    frame = type(explorer).render(explorer.state, **explorer.values())
    return [panel.rgba.tobytes() for panel in (frame[0] if isinstance(frame, tuple) else frame)]


def test_pictures_follow_every_control() -> None:
    tiny = Tiny()
    for name, value in {"blue": 7, "mix": 1.0, "kind": "striped", "side": "right", "flip": True}.items():
        before = shown(tiny)
        tiny.controls[name].value = value
        assert shown(tiny) == fresh(tiny) != before


def test_newest_only_while_a_picture_is_being_made() -> None:
    slow = Slow()  # uses up the one permit
    state = slow.state
    state["entered"].clear()
    first = threading.Thread(target=lambda: setattr(slow.controls["n"], "value", 1))
    first.start()
    assert state["entered"].wait(5)
    began = time.monotonic()
    for n in range(2, 300):
        slow.controls["n"].value = n
    assert time.monotonic() - began < 2, "a callback waited for the picture"
    state["gate"].release(100)
    first.join(5)
    until(lambda: slow.panels[0].caption == "299")
    assert state["made"] == [0, 1, 299], "values that were overtaken must not be rendered"


def test_many_threads_one_at_a_time_and_the_last_value_wins() -> None:
    slow = Slow()
    slow.state["gate"].release(100_000)
    threads = [
        threading.Thread(
            target=lambda k=k: [setattr(slow.controls["n"], "value", k * 100 + i) for i in range(100)]
        )
        for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    until(lambda: slow.panels[0].caption == str(slow.controls["n"].value))
    assert slow.state["most"] == 1
    assert slow.error is None


def test_reset_puts_everything_back_with_one_picture() -> None:
    tiny = Tiny()
    start, pictures = tiny.values(), shown(tiny)
    tiny.set(blue=7, mix=0.0, kind="striped", flip=True, spot=(0.1, 0.9))
    assert shown(tiny) != pictures
    frames = tiny.canvas._frame["number"]
    tiny.reset_button.click()
    assert tiny.values() == start and shown(tiny) == pictures
    assert tiny.canvas._frame["number"] == frames + 1


def test_pointer_keys_and_actions_move_hidden_values() -> None:
    tiny = Tiny()
    tiny.canvas._on_events([Pointer("down", 0, 0.25, 0.75), Pointer("up", 0, 0.25, 0.5)])
    assert tiny.values()["spot"] == (0.25, 0.5) and "0.25" in tiny.readout and shown(tiny) == fresh(tiny)
    tiny.canvas._on_events([Key(0, "ArrowRight")])
    assert tiny.values()["spot"] == (0.3125, 0.5)
    tiny.action_buttons["Centre"].click()
    assert tiny.values()["spot"] == (0.5, 0.5)


def test_an_error_is_shown_and_goes_away() -> None:
    planted = Planted()
    planted.controls["n"].value = 12
    before = shown(planted)
    planted.controls["n"].value = 13
    assert isinstance(planted.error, ZeroDivisionError)
    assert "ZeroDivisionError: thirteen" in planted.readout and shown(planted) == before
    planted.controls["n"].value = 14
    assert planted.error is None and planted.readout == "" and shown(planted) == fresh(planted)


def test_an_error_in_a_stroke_is_shown_too() -> None:
    tiny = Tiny()
    tiny.on_pointer = lambda event: 1 / 0
    tiny.canvas._on_events([Pointer("down", 0, 0.5, 0.5)])
    assert "ZeroDivisionError" in tiny.readout


def test_an_error_in_the_first_picture_is_the_cells() -> None:
    class Broken(Planted):
        @staticmethod
        def render(state: object, **values: object) -> list[Panel]:
            raise KeyError("at once")

    with pytest.raises(KeyError, match="at once"):
        Broken()


@pytest.mark.parametrize(
    ("controls", "more", "message"),
    [
        ({"n": ipywidgets.IntSlider()}, {}, "description"),
        ({"go": ipywidgets.Button(description="go")}, {}, "action"),
        ({"n": ipywidgets.IntSlider(description="n")}, {"rows": [["m"]]}, "rows"),
        ({"n": ipywidgets.IntSlider(description="n")}, {"hidden": {"n": 1}}, "both"),
    ],
)
def test_a_widget_that_is_put_together_wrongly(controls: dict, more: dict, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        Explorer(controls, **more)


def test_another_state_is_drawn_once() -> None:
    bare = Bare()
    frames = bare.canvas._frame["number"]
    bare.show((8, 32))
    assert bare.panels[0].rgba.shape == (8, 8, 4) and bare.canvas._frame["number"] == frames + 1
    with bare.together():
        bare.show((16, 32))
        bare.set(gray=3)
    assert bare.panels[0].rgba.shape == (16, 16, 4) and bare.canvas._frame["number"] == frames + 2


def test_set_names_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="grey"):
        Bare().set(grey=3)


def test_the_picture_that_stays_behind() -> None:
    tiny = Tiny()
    data, metadata = tiny._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert re.search("run this cell", data["text/plain"], re.I)
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    size = metadata["image/png"]
    assert image.size == (size["width"], size["height"])
    pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    for panel in tiny.panels:  # the colours of each panel are there, as far as 128 go
        assert np.abs(pixels - panel.rgba[0, 0, :3]).max(1).min() < 16
    drawing = unquote(data["text/html"].split("svg+xml,")[1].split('"')[0])
    files = re.findall(r"image/(?:png|jpeg);base64,([^\"']+)", drawing)
    for file, panel in zip(files, tiny.panels, strict=True):
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(file))).convert("RGB"), int)
        assert np.abs(shown - panel.rgba[..., :3]).mean() < 2
    tiny.controls["blue"].value = 0
    assert tiny.png() != base64.b64decode(data["image/png"])
    assert tiny.png() == tiny.png()


def test_colab_and_its_ipywidgets_7_show_a_widget_with_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """ipywidgets 7 has no ``_repr_mimebundle_`` and displays by ``_ipython_display_``; Colab wants an address."""
    colab = ModuleType("google.colab.output")
    colab.enable_custom_widget_manager = lambda: None  # type: ignore[attr-defined]
    colab._widgets = SimpleNamespace(_installed_url="colab-manager")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google.colab.output", colab)
    monkeypatch.delattr(ipywidgets.Widget, "_repr_mimebundle_")
    monkeypatch.setattr(
        ipywidgets.Widget, "_ipython_display_", lambda self: print("no picture"), raising=False
    )
    tiny, asked = Tiny(), predict("00-seven", "How many?")
    monkeypatch.setattr(type(tiny.canvas), "_repr_mimebundle_", anywidget.AnyWidget._repr_mimebundle_)
    formatter = DisplayFormatter()
    formatter.ipython_display_formatter.enabled = True
    for shown, model in ((tiny, tiny.model_id), (asked, asked.box.model_id)):
        data, metadata = formatter.format(shown)
        assert data[WIDGET]["model_id"] == model and "text/html" in data
    assert formatter.format(tiny)[1][WIDGET] == {"colab": {"custom_widget_manager": {"url": "colab-manager"}}}


def test_importing_the_package_of_widgets_costs_nothing() -> None:
    code = "import sys, ssl_course.widgets; print([m for m in ('ipywidgets', 'torch', 'matplotlib', 'PIL') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_widget_loads_neither_matplotlib_nor_torch() -> None:
    code = (
        "import sys; from ssl_course.widgets import Explorer, Plot; Plot(10, 10, (0, 1), (0, 1)).text(0, 0, 'ψ').array();"
        "print([m for m in ('torch', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
