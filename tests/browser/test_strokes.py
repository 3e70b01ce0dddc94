"""Painting with the pointer in a real browser: strokes reach the kernel whole."""

from __future__ import annotations

import io

import numpy as np
import pytest
from harness import Lab, Notebook, Opener, Shown
from PIL import Image
from playwright.sync_api import Locator

pytestmark = pytest.mark.browser

CELLS = {
    kind: (
        "import torch; torch.manual_seed(0)\nfrom ssl_course import methods\n"
        f"from ssl_course.widgets import {kind}\n"
        f"widget = {kind}({{'untrained': methods.{method}()}}, with_shipped=False); widget"
    )
    for kind, method in {"HolePainter": "ContextEncoder", "MaskingExplorer": "MAE"}.items()
}


def stroke(notebook: Notebook, shown: Shown, panel: int) -> None:
    """A fast drag from left to right."""
    canvas = shown.box.locator(".ssl-picture").nth(panel)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    mouse, y = shown.page.mouse, box["y"] + 0.9 * box["height"]
    mouse.move(box["x"] + 4, y)
    mouse.down()
    for k in range(12):
        mouse.move(box["x"] + 4 + (box["width"] - 8) * k / 11, y)
    mouse.up()
    notebook.page.wait_for_timeout(300)


@pytest.mark.parametrize("kind", CELLS)
def test_strokes(kind: str, lab: Lab, open_notebook: Opener, known_errors: set[str]) -> None:
    notebook = open_notebook(lab.write(f"strokes_{kind}.ipynb", [CELLS[kind]]))
    notebook.run_all()
    (widget,) = notebook.explorers()
    before = widget.settled()
    stroke(notebook, widget, 1)
    after = widget.settled()
    assert after[1] != before[1] and after[2] != before[2], "the stroke changed neither X₁ nor its filling"
    if kind == "MaskingExplorer":  # the last row but one: hidden from end to end
        row = notebook.ask("print(sum(widget.hidden_now()[1][56:64]))")
        assert int(row) in (0, 8), f"{row} of 8 patches under the stroke: it did not arrive whole"
    else:
        row = notebook.ask(
            "import numpy as np; print(np.frombuffer(widget.hidden_now()[1], np.uint8).reshape(64, 64)[57].sum())"
        )
        assert int(row) >= 62, f"{row} of 64 pixels under the stroke: it has gaps"
    canvas = widget.box.locator(".ssl-picture").nth(1)
    canvas.focus()
    for key in ("ArrowRight", "Shift+Space"):  # Shift+Enter belongs to JupyterLab: it runs the cell
        number = widget.number()
        notebook.page.keyboard.press(key)
        widget.next_frame(number, f"a picture after {key}")
    widget.settled()
    notebook.screenshot(kind, widget.box)
    assert notebook.new_errors(known_errors) == []
    assert notebook.serious() == []


# What was drawn when the browser painted the next time after the pointer or a key had done something.
NEXT_FRAME = """() => {
  window.sslSeen = [];
  const look = (event) => requestAnimationFrame(() => {
    const touch = document.querySelector(".ssl-touch");
    window.sslSeen.push([event.type, touch?.innerHTML ?? "", event.target.closest(".ssl-explorer")?.innerText ?? ""]);
  });
  for (const kind of ["pointerdown", "pointermove", "keydown"]) window.addEventListener(kind, look);
}"""
SINCE = "window.sslSeen.slice(window.sslSeen.findIndex(([kind]) => kind === 'pointerdown'))"
LATE = """
import pathlib, time
def late(*state, render=type(widget).render, **values):
    end = time.monotonic() + 60
    while not pathlib.Path("go").exists() and time.monotonic() < end:
        time.sleep(0.02)
    return render(*state, **values)
type(widget).render = staticmethod(late)
"""


def gray(picture: Locator, at: tuple[float, float]) -> bool:
    """Whether a place of a picture looks hidden, with what lies over it."""
    shot = Image.open(io.BytesIO(picture.page.screenshot(clip=picture.bounding_box()))).convert("RGB")
    x, y = int(at[0] * shot.width), int(at[1] * shot.height)
    return bool((np.asarray(shot)[y - 2 : y + 3, x - 2 : x + 3] == 128).all())


@pytest.mark.parametrize("kind", CELLS)
def test_a_stroke_is_seen_in_the_next_frame_though_the_kernel_is_late(
    kind: str, lab: Lab, open_notebook: Opener, known_errors: set[str]
) -> None:
    notebook = open_notebook(lab.write(f"late_{kind}.ipynb", [CELLS[kind]]))
    notebook.run_all()
    (widget,) = notebook.explorers()
    notebook.ask("settings, cells = widget.hidden_now(); widget.set(hand=(settings, bytes(len(cells))))")
    widget.settled()
    go = lab.root / "go"
    go.unlink(missing_ok=True)
    notebook.ask(LATE)
    page, picture = widget.page, widget.box.locator(".ssl-picture").nth(1)
    picture.scroll_into_view_if_needed()
    box, number = picture.bounding_box(), widget.number()
    places = [(0.2, 0.3), (0.5, 0.3), (0.8, 0.3)]
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.evaluate(NEXT_FRAME)
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1])
    page.mouse.move(*points[2])
    page.mouse.up()
    page.wait_for_function(f"() => {SINCE}.length >= 3")
    seen = page.evaluate(f"() => {SINCE}")
    assert all("#808080" in marks for _, marks, _ in seen), seen
    assert all(gray(picture, at) for at in places), "the stroke has gaps"
    assert not gray(picture, (0.5, 0.8)) and widget.number() == number, "the kernel was too quick: not tested"
    notebook.screenshot("at_once")

    go.touch()
    widget.settled()
    page.wait_for_function("() => !document.querySelector('.ssl-touch')?.innerHTML.includes('#808080')")
    assert all(gray(picture, at) for at in places), "the kernel's picture is another"
    page.mouse.move(0, 0)
    page.wait_for_function("() => !document.querySelector('.ssl-touch')")

    # back again: what was hidden looks mended at once, and is
    go.unlink()
    if kind == "HolePainter":
        page.keyboard.down("Shift")
    number = widget.number()
    page.mouse.click(*points[1])
    page.keyboard.up("Shift")
    assert page.locator(".ssl-touch [fill='#ffffffb0'], .ssl-touch [stroke='#ffffffb0']").count() == 1
    assert not gray(picture, places[1]) and widget.number() == number
    go.touch()
    widget.settled()
    page.mouse.move(0, 0)
    page.wait_for_function("() => !document.querySelector('.ssl-touch')")
    assert not gray(picture, places[1]) and gray(picture, places[0])

    # a choice among pictures, and the number beside a slider
    go.unlink()
    thumbs = widget.box.locator(".ssl-picture").nth(0)
    number = widget.number()
    thumbs.click(position={"x": 100, "y": 20})
    # What the frame after the click showed is noted in that frame, perhaps after this line is read.
    page.wait_for_function("() => window.sslSeen.at(-1)[1].split('<rect').length > 2")
    assert widget.number() == number
    go.touch()
    widget.settled()
    page.mouse.move(0, 0)
    page.wait_for_function("() => !document.querySelector('.ssl-touch')")
    go.unlink()
    handle = widget.box.locator("[role=slider]").first
    handle.focus()
    before, number = widget.box.locator(".widget-readout").first.inner_text(), widget.number()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => window.sslSeen.at(-1)[0] === 'keydown'")
    assert widget.box.locator(".widget-readout").first.inner_text() != before and widget.number() == number
    go.touch()
    widget.next_frame(number, "the slider's picture")
    widget.settled()
    assert notebook.new_errors(known_errors) == []
