"""The frame of all widgets in a real browser, on the smallest widgets there are."""

from __future__ import annotations

import re

import pytest
from harness import DARK, LIGHT, Lab, Opener

pytestmark = pytest.mark.browser

CELLS = ["from tiny import Bare, Tiny", "Tiny()", "Bare()"]
BUSY = """import pathlib, time
end = time.monotonic() + 60
while not pathlib.Path("enough").exists() and time.monotonic() < end:
    time.sleep(0.02)"""


def test_controls_strokes_and_keys(lab: Lab, open_notebook: Opener, known_errors: set[str]) -> None:
    notebook = open_notebook(lab.write("tiny.ipynb", CELLS))
    notebook.run_all()
    assert notebook.cell_errors() == []
    tiny, bare = notebook.explorers()
    assert (tiny.kind, bare.kind) == ("Tiny", "Bare")

    first = tiny.settled()
    for label in ("blue", "mix λ", "kind", "side", "upside down"):
        before = tiny.settled()
        tiny.move(label)
        assert tiny.settled() != before, f"{label!r} changes nothing on the screen"

    page, canvas = notebook.page, tiny.box.locator(".ssl-picture").first
    canvas.scroll_into_view_if_needed()
    where = canvas.bounding_box()
    number, x, y = tiny.number(), where["x"] + where["width"] / 4, where["y"] + where["height"] / 4
    page.mouse.click(x, y)
    tiny.next_frame(number, "a picture after a click")
    tiny.settled()
    x0, y0 = map(float, re.search(r"'spot': \(([\d.]+), ([\d.]+)\)", tiny.truth()["values"]).groups())
    assert abs(x0 - 0.25) < 0.01 and abs(y0 - 0.25) < 0.01
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(20):
        page.mouse.move(x + 4 * step, y + step)
    page.mouse.up()
    page.wait_for_timeout(300)
    tiny.settled()
    x1, y1 = map(float, re.search(r"'spot': \(([\d.]+), ([\d.]+)\)", tiny.truth()["values"]).groups())
    assert abs(x1 - x0 - 76 / where["width"]) < 0.01 and abs(y1 - y0 - 19 / where["height"]) < 0.01

    canvas.focus()
    assert page.evaluate("() => document.activeElement.className") == "ssl-picture"
    cell = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    active, number = page.evaluate(cell), tiny.number()
    page.keyboard.press("ArrowRight")
    tiny.next_frame(number, "a picture after an arrow key")
    number = tiny.number()
    page.keyboard.press("ArrowDown")
    tiny.next_frame(number, "a picture after an arrow key")
    tiny.settled()
    assert page.evaluate("() => document.activeElement.className") == "ssl-picture"
    assert page.evaluate(cell) == active, "JupyterLab took the arrow key and moved to another cell"
    notebook.screenshot("focus", tiny.box)

    reset = tiny.box.get_by_role("button", name="Reset")
    number = tiny.number()
    reset.focus()
    page.keyboard.press("Enter")
    tiny.next_frame(number, "a picture after Enter on Reset")
    assert tiny.settled() == first, "Reset does not bring back the first picture"

    for theme in (LIGHT, DARK):
        notebook.theme(theme)
        assert notebook.serious() == []
        notebook.screenshot(theme.split()[-1].lower())
    notebook.theme(LIGHT)
    assert notebook.new_errors(known_errors) == []


def test_a_slider_answers_while_a_cell_is_busy(lab: Lab, open_notebook: Opener) -> None:
    notebook = open_notebook(lab.write("busy.ipynb", [*CELLS, BUSY]))
    for index in range(3):
        notebook.run_cell(index)
    tiny, _ = notebook.explorers()
    notebook.run_cell(3, wait=False)
    notebook.wait(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'",
        "the blocking cell runs",
    )
    for label in ("blue", "mix λ"):
        number = tiny.number()
        tiny.move(label)
        tiny.next_frame(number, f"a picture while the kernel is busy, after {label!r}")
    running = (
        "() => [...document.querySelectorAll('.jp-InputPrompt')].some(e => e.textContent.includes('[*]'))"
    )
    assert notebook.page.evaluate(running), "the blocking cell was over: nothing was tested"
    (lab.root / "enough").touch()
    notebook.idle()
    tiny.settled()
