"""The games of lecture 05 in a real browser: tiles dragged and moved by keys, then the answer."""

from __future__ import annotations

import re

import pytest
from harness import Lab, Opener, Shown

pytestmark = pytest.mark.browser

CELLS = [
    "from examples import example",
    "example('JigsawGame')",
    "example('RotationGame')",
]


def press(widget: Shown, name: str) -> None:
    number = widget.number()
    widget.box.get_by_role("button", name=name).click()
    widget.next_frame(number, f"a picture after {name}")
    widget.settled()


def test_games(lab: Lab, open_notebook: Opener, known_errors: set[str]) -> None:
    notebook = open_notebook(lab.write("games.ipynb", CELLS))
    notebook.run_all()
    assert notebook.cell_errors() == []
    jigsaw, rotation = notebook.explorers()
    page = notebook.page

    first = jigsaw.settled()
    canvas = jigsaw.box.locator(".ssl-picture").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    place = [
        (box["x"] + box["width"] * x, box["y"] + box["height"] * y)
        for y in (0.25, 0.75)
        for x in (0.25, 0.75)
    ]
    page.mouse.move(*place[0])
    page.mouse.down()
    page.mouse.move(*place[1], steps=8)
    page.wait_for_timeout(300)
    carried = jigsaw.settled()
    notebook.screenshot("jigsaw_carried", jigsaw.box)
    page.mouse.move(*place[3], steps=8)
    page.mouse.up()
    page.wait_for_timeout(300)
    dropped = jigsaw.settled()
    assert len({*first, *carried, *dropped}) == 3
    order = eval(re.search(r"\(\(1, True\), \((\([\d, ]+\)), False\)\)", jigsaw.values()).group(1))
    assert sorted(order) == [0, 1, 2, 3]

    canvas.focus()
    for key in ("ArrowRight", "Enter", "ArrowRight", "ArrowDown", "Enter"):  # swaps the same two back
        number = jigsaw.number()
        page.keyboard.press(key)
        jigsaw.next_frame(number, f"a picture after {key}")
    back = eval(re.search(r"\(\(1, True\), \((\([\d, ]+\)), False\)\)", jigsaw.values()).group(1))
    assert [back[3], back[1], back[2], back[0]] == list(order)
    press(jigsaw, "Commit")
    assert jigsaw.box.locator(".ssl-picture").count() == 4
    assert "Score after 1" in jigsaw.box.locator(".ssl-readout").inner_text()
    notebook.screenshot("jigsaw_answer", jigsaw.box)
    press(jigsaw, "Next puzzle")
    press(jigsaw, "Reset")
    assert jigsaw.settled() == first

    start = rotation.settled()
    canvas = rotation.box.locator(".ssl-picture").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y, reach = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, 0.4 * box["width"]
    page.mouse.move(x + reach, y)
    page.mouse.down()
    page.mouse.move(x, y - reach, steps=8)
    page.mouse.up()
    page.wait_for_timeout(300)
    turned = rotation.settled()
    assert turned != start
    number = rotation.number()
    page.mouse.click(x + reach, y)  # a click turns it back
    rotation.next_frame(number, "a picture after a click")
    page.wait_for_timeout(300)
    assert rotation.settled() == start
    press(rotation, "Commit")
    assert rotation.box.locator(".ssl-picture").count() == 4
    notebook.screenshot("rotation_answer", rotation.box)
    assert notebook.serious() == []
    assert notebook.new_errors(known_errors) == []
