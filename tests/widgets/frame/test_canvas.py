"""What the canvas sends and receives, and what a panel accepts."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from ssl_course.course import palette
from ssl_course.widgets.frame.canvas import Canvas, Key, Panel, Pointer, rgba
from ssl_course.widgets.frame.draw import Plot


def test_what_counts_as_a_picture() -> None:
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for picture in (gray, gray[..., None], torch.from_numpy(gray), torch.from_numpy(gray)[None]):
        out = rgba(picture)
        assert (
            out.shape == (3, 4, 4) and (out[..., :3] == gray[..., None]).all() and (out[..., 3] == 255).all()
        )
    colour = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    for picture in (colour, colour.transpose(2, 0, 1), torch.from_numpy(colour).permute(2, 0, 1)):
        assert (rgba(picture)[..., :3] == colour).all()
    square = torch.arange(27, dtype=torch.uint8).reshape(3, 3, 3)  # a tensor is always (C, H, W)
    assert (rgba(square)[0, 1, :3] == square[:, 0, 1].numpy()).all()
    assert rgba(np.array([[0.0, 0.5, 2.0, np.nan]]))[0, :, 0].tolist() == [0, 128, 255, 0]


def test_half_transparent_is_laid_over_white_and_nothing_stays_nothing() -> None:
    pixel = np.array([[[200, 0, 0, 0], [200, 0, 100, 128], [200, 10, 0, 255]]], np.uint8)
    assert rgba(pixel)[0].tolist() == [[0, 0, 0, 0], [227, 127, 177, 255], [200, 10, 0, 255]]


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 2, 2, 2)), np.zeros((0, 4)), np.zeros((4, 5000)), np.zeros((5, 5, 2))]
)
def test_no_picture(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="picture"):
        rgba(bad)


def test_no_picture_type() -> None:
    with pytest.raises(TypeError, match="int64"):
        rgba(np.zeros((2, 2), np.int64))


def sent(canvas: Canvas) -> list[dict]:
    """Every state message that goes to the browser from here on."""
    messages: list[dict] = []
    canvas.send_state = lambda key=None: messages.append(canvas.get_state(key))
    return messages


def whole(messages: list[dict]) -> dict:
    """The one message with a frame; those before it make room for new panels."""
    *room, message = messages
    assert all(value is None for empty in room for value in empty.values())
    assert message.keys() == {"_frame", "_panel0", "_panel1"}
    return message


def test_a_frame_is_one_message_with_all_bytes() -> None:
    canvas = Canvas()
    a, b = Panel(np.full((2, 3), 7, np.uint8), "a", width=30), Panel(np.full((1, 1), 9, np.uint8), "b", "bee")
    messages = sent(canvas)
    canvas.show([a, b], "<b>line</b>")
    message = whole(messages)
    for panel, name in ((a, "_panel0"), (b, "_panel1")):
        assert np.array_equal(Image.open(io.BytesIO(message[name])), panel.rgba[..., :3])
    frame = message["_frame"]
    assert [(p["width"], p["height"], p["css"], p["alt"]) for p in frame["panels"]] == [
        (3, 2, 30, "a"),
        (1, 1, 1, "bee"),
    ]
    assert frame["readout"] == "<b>line</b>"
    number = frame["number"]
    canvas.show([a, b], "same pictures")
    assert messages[-1]["_frame"]["number"] == number + 1
    assert messages[-1].keys() == {"_frame"}, "what did not change must not travel again"
    canvas.show([a, Panel(np.full((1, 1), 8, np.uint8))])
    assert messages[-1].keys() == {"_frame", "_panel1"}


def test_events_arrive_and_are_answered_even_if_the_handler_fails() -> None:
    got, answers = [], []
    canvas = Canvas(got.extend)
    canvas.send = answers.append
    stroke = {
        "kind": "drag",
        "panel": 1,
        "x": 0.2,
        "y": 0.4,
        "path": [[0.1, 0.4], [0.2, 0.4]],
        "shift": False,
    }
    canvas._receive(canvas, {"batch": 1, "events": [stroke, {"panel": 0, "key": "Enter", "shift": True}]}, [])
    assert got == [Pointer("drag", 1, 0.2, 0.4, ((0.1, 0.4), (0.2, 0.4))), Key(0, "Enter", True)]
    canvas._on_events = lambda events: 1 / 0
    with pytest.raises(ZeroDivisionError):
        canvas._receive(canvas, {"batch": 2, "events": [stroke]}, [])
    assert answers == [{"handled": 1}, {"handled": 2}]


def test_the_style_sheet_has_the_colours_of_the_palette_for_both_themes() -> None:
    light, dark = (
        dict(re.findall(r"--ssl-([\w]+):(#\w+)", block))
        for block in re.findall(r"\.ssl-canvas\{([^}]*--ssl-x1[^}]*)\}", Canvas()._css)
    )
    assert light == {name: colour for colour, name in palette.NAMES.items()}
    assert dark == palette.DARK


def test_drawings_travel_as_text_and_pixels_as_bytes() -> None:
    canvas = Canvas()
    gray, plot = (
        Panel(np.full((2, 3), 7, np.uint8), "a"),
        Plot(90, 60, (0, 1), (0, 1)).dot(0.5, 0.5).panel("b", "a dot"),
    )
    messages = sent(canvas)
    canvas.show([plot, gray])
    message = whole(messages)
    assert np.array_equal(Image.open(io.BytesIO(message["_panel1"])), gray.rgba[..., :3])
    first, _ = message["_frame"]["panels"]
    assert message["_panel0"] == plot.svg and (first["width"], first["height"], first["css"]) == (90, 60, 90)
    assert plot.rgba.shape == (120, 180, 4)
